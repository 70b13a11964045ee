//! The step types of frazil, and the cube they share.

pub mod crs;
pub mod cube;
mod enumerate_periods;
mod fetch;
mod net;
mod raster;
mod scratch;
#[expect(dead_code, reason = "used by steps that are not registered yet")]
mod units;

use frazil_engine::registry::Registry;

pub use fetch::Fetch;

/// The catalogue: every step type by name.
#[must_use]
pub fn registry() -> Registry {
    Registry::new()
        // one line each, by name
        .node::<enumerate_periods::EnumeratePeriods>()
        .source::<Fetch>()
}
