use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatasetId, Frequency, Period, PeriodRange, Release, Snapshot, SnapshotId};

/// What is to be done with a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is not on the axis yet.
    Add,
    /// It is there and may have a newer value.
    Revise,
    /// It is there as a gap or an incomplete window.
    Fill,
}

/// A range of periods with what is to be done with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The periods.
    pub range: PeriodRange,
    /// What is to be done with each of them.
    pub action: Action,
}

/// The document of a `Periods` edge: the work on one dataset, in the order in which it is done.
///
/// Batches hold exactly the periods of the items. Each is one commit. They run forward in time,
/// but for batches that insert periods before the axis, which come newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Periods {
    /// The dataset that the work is on.
    pub dataset: DatasetId,
    /// The step of its time axis.
    pub step: Frequency,
    /// The head that the work was found against; none when nothing was committed yet.
    pub base: Option<SnapshotId>,
    /// What is to be done.
    pub items: Vec<Item>,
    /// The same periods, cut where a commit ends.
    pub batches: Vec<Vec<PeriodRange>>,
    /// The states of other datasets that were asked what there is; they are read from just those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Upstream>,
    /// The version that the work is for, where it is not that of `main`; `base` is then the head of
    /// its branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
}

/// The states of the datasets that the periods of another are read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// One state of each.
    pub snapshots: Vec<Snapshot>,
    /// The last batch: once it is settled, nothing that was found to do for these states is left.
    pub last: Vec<PeriodRange>,
}

impl Periods {
    /// What is to be done with `period`; none when it is not part of the work.
    #[must_use]
    pub fn action(&self, period: Period) -> Option<Action> {
        self.items.iter().find(|item| item.range.contains(period)).map(|item| item.action)
    }

    /// How many periods there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.iter().map(|item| item.range.len()).sum()
    }
}
