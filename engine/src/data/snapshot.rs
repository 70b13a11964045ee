use serde::{Deserialize, Serialize};

use super::{DatasetId, SnapshotId};

/// The document of a `Snapshot` edge: one state of one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The dataset.
    pub dataset: DatasetId,
    /// Where its repository is, without credentials: a path or a URL.
    pub repository: String,
    /// The branch that was read: `main`, or `audit` while it is audited.
    pub branch: String,
    /// The commit; none for a dataset that does not exist yet or has only its initial snapshot.
    pub id: Option<SnapshotId>,
    /// The commit that this run found at first: what lies between is this run's work.
    pub base: Option<SnapshotId>,
}
