//! The step types of frazil, and the cube they share.

mod append_commit;
mod calendar;
mod compute;
pub mod crs;
pub mod cube;
mod derived_resample;
pub mod downsample;
mod enumerate_periods;
pub mod exec;
pub mod fetch;
pub mod given;
mod keeper;
mod maintain;
mod net;
mod open_dataset;
mod promote;
mod publish_stac;
mod pyramid;
mod raster;
mod rechunk;
pub mod resample;
mod scratch;
mod source_state;
#[cfg(test)]
mod testing;
mod transform;
mod validate;

pub use append_commit::AppendCommit;
use frazil_engine::registry::Registry;

pub use fetch::Fetch;
pub use maintain::{Keep, Maintain};
pub use publish_stac::{Hrefs, collection_of, place::degrees as bbox_of, thumbnail_of};

/// The catalogue: every step type by name.
#[must_use]
pub fn registry() -> Registry {
    Registry::new()
        // one line each, by name
        .sink::<AppendCommit>()
        .node::<derived_resample::DerivedResample>()
        .node::<enumerate_periods::EnumeratePeriods>()
        .node::<Maintain>()
        .node::<open_dataset::OpenDataset>()
        .node::<promote::Promote>()
        .node::<publish_stac::PublishStac>()
        .node::<pyramid::Pyramid>()
        .node::<rechunk::Rechunk>()
        .source::<exec::Exec>()
        .source::<Fetch>()
        .filter::<transform::Transform>()
        .node::<validate::Validate>()
}
