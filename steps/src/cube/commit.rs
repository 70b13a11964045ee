use std::collections::BTreeMap;

use frazil_engine::{
    context::Context,
    data::{DatasetId, Snapshot},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError, Written},
};

use super::{Pending, SourceState};

/// What a commit records besides the periods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitNotes {
    /// What was read of each source dataset; those not named are carried forward.
    pub sources: BTreeMap<DatasetId, SourceState>,
    /// Work on newer source snapshots that is done in part; `sources` then keeps the older one.
    pub pending: Option<Pending>,
}

/// Commits successive batches under the dataset's lock and gives the head. What is on the axis
/// already is skipped; nothing new is no commit.
///
/// # Errors
/// `Refused` when somebody else moved the head in a way that needs the work to be listed anew;
/// `Data` when a guard refuses; the store is as it was.
pub async fn commit(
    info: &DatasetInfo,
    _cx: &Context,
    _written: Vec<Written>,
    _notes: CommitNotes,
) -> Result<Snapshot, StepError> {
    Err(StepError::permanent(ErrorKind::Internal, format!("cannot commit to {} yet", info.id)))
}
