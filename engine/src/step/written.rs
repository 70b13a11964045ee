use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::{Action, DatasetId, PeriodRange, Periods, Release, Snapshot, SnapshotId, Status};

/// The work of one task of a segment: what one commit will settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Its place among the batches of the run, from 0.
    pub index: usize,
    /// The part of the work that it is: one batch, with the items that it holds.
    pub periods: Periods,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Every period is there.
    Whole,
    /// The source has no more: not an error.
    Frontier,
    /// An error ended it.
    Failed,
    /// The run was told to stop.
    Cancelled,
}

/// One period of a [`Written`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodLabel {
    /// The periods, in a range of one.
    pub period: PeriodRange,
    /// What will be known of it.
    pub status: Status,
    /// What is done with it.
    pub action: Action,
}

/// The states of other datasets that a batch was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadFrom {
    /// One state of each.
    pub snapshots: Vec<Snapshot>,
    /// Whether nothing that was found to do for these states is left after the batch.
    pub finishes: bool,
}

/// What the write half of a sink gives: chunk objects that nothing refers to yet, by reference.
///
/// It stands in the run log, so a crash between write and commit costs no fetch, and an executor
/// elsewhere brings it back as a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The dataset.
    pub dataset: DatasetId,
    /// The place of its batch among those of the run.
    pub index: usize,
    /// The head that it was written against.
    pub base: Option<SnapshotId>,
    /// The periods it holds, in order.
    pub labels: Vec<PeriodLabel>,
    /// How the batch ended.
    pub ended: Ended,
    /// The datasets that it was read from, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ReadFrom>,
    /// The version that it is part of, where that is not the one of `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// Template and chunk references: the sink's own, opaque to the engine.
    pub body: Value,
}

impl Written {
    /// Whether there is anything to commit: periods, or that a release has all that its source has.
    #[must_use]
    pub fn settles(&self) -> bool {
        !self.labels.is_empty() || self.release.is_some()
    }
}
