//! What a run would do: the documents that `plan` passes along the edges.
//!
//! `plan` and `run` are one decision. Every step lists its work here over planned documents, and
//! does just that when it runs; a plan simulates forward, so a derived dataset is planned over
//! what its source will hold, not over what it holds now.

mod file;
mod foreseen;
mod level;
mod measure;
mod walk;
mod whole;

use serde::{Deserialize, Serialize};

pub use file::{PipelinePlan, PlanFile};
pub use foreseen::Foreseen;
pub use measure::{History, Measure, SIZES, Sizes, ask_sizes, measure, total};
pub use walk::{NodePlan, explain, heads, units_for, walk};

use crate::{
    context::Scope,
    data::{Item, NodeId, PeriodRange, Periods, Snapshot, SnapshotId, Status},
    step::{ErrorKind, StepError},
};

/// What a node would give, what that costs, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// What the edge would carry.
    pub document: PlannedDocument,
    /// What it costs.
    pub work: Work,
    /// Why, a sentence each: what waits and for what, what is left out, what is done again.
    pub reasons: Vec<String>,
}

/// What a planned edge carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedDocument {
    /// The work on a dataset; exact.
    Periods(Periods),
    /// A stream that would flow.
    Slices(PlannedSlices),
    /// A dataset as it would stand.
    Snapshot(PlannedSnapshot),
    /// Nothing to pass on.
    Nothing,
}

/// The cost of a node; zero where there is nothing to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Periods added, revised or filled.
    pub periods: usize,
    /// Requests to sources.
    pub requests: usize,
    /// Bytes from sources, where they are known.
    pub bytes: Option<u64>,
    /// How they are known.
    #[serde(default)]
    pub bytes_from: Option<Measure>,
    /// Whether that is what the source files hold, of which only parts are read.
    #[serde(default)]
    pub parts: bool,
    /// Commits made.
    pub commits: usize,
    /// Chunk objects of variables written at most: equal values are not written again, and chunks of
    /// nothing but fill never are. Unknown where the layout is.
    #[serde(default)]
    pub chunks: Option<u64>,
    /// Peak memory in bytes.
    pub memory: Option<u64>,
    /// How long it takes, in milliseconds, where that is known.
    #[serde(default)]
    pub millis: Option<u64>,
    /// How it is known.
    #[serde(default)]
    pub millis_from: Option<Measure>,
}

/// A stream that would flow through a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedSlices {
    /// The work that it does.
    pub periods: Periods,
    /// Requests to sources.
    pub requests: usize,
    /// Bytes from sources, where they are known.
    pub bytes: Option<u64>,
    /// Periods held at a time by the source.
    pub in_flight: usize,
    /// Bytes that the source holds besides whole periods.
    #[serde(default)]
    pub memory: u64,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
}

/// A dataset as it would stand after the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedSnapshot {
    /// The head as it stands.
    pub snapshot: Snapshot,
    /// What the run would do to it.
    pub changes: Vec<Item>,
    /// What the periods of `changes` will be that will not be final, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<Foretold>,
    /// What that costs.
    pub work: Work,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// The head of the branch of its release, where one is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<SnapshotId>,
    /// Its layout where nothing is stored yet, or where it will be another one, and it is known:
    /// between those who read and write cubes, opaque to the engine.
    #[serde(skip)]
    pub layout: Option<serde_json::Value>,
}

/// What periods will be after the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foretold {
    /// The periods.
    pub range: PeriodRange,
    /// What they will be.
    pub status: Status,
}

impl Planned {
    /// A plan with nothing to do.
    #[must_use]
    pub fn idle(document: PlannedDocument) -> Self {
        Self { document, work: Work::default(), reasons: Vec::new() }
    }
}

/// Refuses work that takes more memory than the run may.
///
/// # Errors
/// When it does: what `node` would take and what there is.
pub fn fits(node: &NodeId, work: &Work, scope: &Scope) -> Result<(), StepError> {
    let Some(memory) = work.memory.filter(|memory| *memory > scope.memory) else { return Ok(()) };
    let mebi = |bytes: u64| bytes.div_ceil(1 << 20);
    let message = format!(
        "`{node}` would hold {} MiB at once, and the run may take {} MiB",
        mebi(memory),
        mebi(scope.memory)
    );
    Err(StepError::permanent(ErrorKind::Refused, message)
        .help("declare smaller `chunks` (time first) for the dataset, or raise `memory` in frazil.yaml"))
}
