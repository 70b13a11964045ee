//! The vocabulary: identifiers, periods, and the documents and streams that steps exchange.

mod backfill;
mod checked;
mod dimension;
mod duration;
mod frequency;
mod id;
mod period;
mod periods;
mod release;
pub(crate) mod shared;
mod size;
mod slice;
mod snapshot;
mod spent;
mod status;
mod values;

pub use backfill::{Backfill, Only};
pub use checked::{Checked, Severity};
pub use dimension::{Dimension, Dimensions, LEAD_TIME, Label, MOST_COMBINATIONS};
pub use duration::Duration;
pub use frequency::Frequency;
pub use id::{DatasetId, InvalidId, NodeId, PipelineId, RunId, SnapshotId};
pub use period::{Period, PeriodError, PeriodRange, PeriodSpan, PeriodText};
pub use periods::{Action, Item, Periods, Upstream};
pub use release::Release;
pub use size::Size;
pub use slice::{Arrival, Axis, Crs, Field, Grid, Slice, Slices};
pub use snapshot::Snapshot;
pub use spent::Spent;
pub use status::Status;
pub use values::{DType, Values};
