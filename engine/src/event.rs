//! The run log: what happened, in order. Everything that is known of a run is the fold of it.
//!
//! An event is appended before it is acted on. [`RunState`] is what the events say so far; a run
//! that died is taken up again by folding what there is and going on from there.

mod origin;
mod state;
mod told;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use origin::{Cause, Key, Origin, Reply, Subscriber};
pub use state::{IllegalEvent, Phase, RunState, SegmentState, Stopped, UnitState};
pub use told::{json, told, words};

use crate::{
    data::{Backfill, Checked, NodeId, PipelineId, Snapshot, Spent},
    step::{Document, StepError, Written},
};

/// Version of the log format: an event of a later one is refused.
pub const VERSION: u32 = 1;

/// One line of the run log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEvent {
    /// Version of the format.
    pub v: u32,
    /// When it was noted, by the clock on the wall.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: Event,
}

impl RunEvent {
    /// An event of this version.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, event: Event) -> Self {
        Self { v: VERSION, at, event }
    }
}

/// What happened. A unit is named by its node, a segment by its sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// The run was accepted: always the first.
    Accepted(Accepted),
    /// A process took the run's lock to work on it.
    Opened {
        /// Its id.
        process: u32,
    },
    /// Its process let go of the run before it was over, in good order: another goes on with it.
    Left {
        /// Its id.
        process: u32,
    },
    /// A task is about to start.
    Started {
        /// The unit.
        unit: NodeId,
        /// The try, from 1.
        attempt: u32,
    },
    /// A task failed and will be tried again.
    Retrying {
        /// The unit.
        unit: NodeId,
        /// The try that failed.
        attempt: u32,
        /// Why.
        error: StepError,
        /// How long it waits first, in milliseconds.
        wait: u64,
    },
    /// The write half of a batch is over.
    Written {
        /// The segment.
        unit: NodeId,
        /// What it gave.
        written: Written,
    },
    /// A batch is settled.
    Committed {
        /// The segment.
        unit: NodeId,
        /// The place of the batch.
        index: usize,
        /// The head afterwards; none where the batch held nothing to commit.
        snapshot: Option<Snapshot>,
    },
    /// Of this batch and all later ones, none but those that are settled by now will be by this run.
    Discarded {
        /// The segment.
        unit: NodeId,
        /// The place of the first of them.
        first: usize,
        /// Why.
        why: String,
    },
    /// The head was moved by somebody else so that what was written does not fit any more: the
    /// work is listed and written again.
    Relisted {
        /// The segment.
        unit: NodeId,
        /// The node that lists its work, and runs again.
        lists: NodeId,
        /// What moved.
        error: StepError,
    },
    /// What programs that a unit runs printed since the event before it.
    Said {
        /// The unit.
        unit: NodeId,
        /// The node that runs them.
        node: NodeId,
        /// The lines, the first ones of the node in this process.
        lines: Vec<String>,
        /// How many more there were.
        #[serde(default, skip_serializing_if = "is_zero")]
        more: u64,
    },
    /// What a task found of data that it looked at.
    Checked {
        /// The unit.
        unit: NodeId,
        /// What each check found.
        checks: Vec<Checked>,
    },
    /// A task is over.
    Ended {
        /// The unit.
        unit: NodeId,
        /// What it gave.
        output: Option<Document>,
        /// What stopped it.
        error: Option<StepError>,
        /// The node of the unit at which it stopped, where that is known.
        at: Option<NodeId>,
        /// What its nodes did, those that did something.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        spent: BTreeMap<NodeId, Spent>,
    },
    /// A unit will not run, as something it needs is not there.
    Skipped {
        /// The unit.
        unit: NodeId,
        /// The nodes that gave nothing.
        because: Vec<NodeId>,
    },
    /// The run was told to stop: nothing starts any more.
    Cancelling {
        /// By whom or what.
        reason: String,
    },
    /// Nothing follows.
    Finished {
        /// How it ended.
        status: RunStatus,
    },
}

/// What a run is: frozen when it is accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Digest of its file.
    pub digest: String,
    /// The scheduled instant: what exists "by now" is decided by it.
    pub instant: DateTime<Utc>,
    /// The parameters; secrets never stand in them.
    pub params: Map<String, Value>,
    /// What of the work it was asked for by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
    /// Who asked for it, and how.
    #[serde(default, skip_serializing_if = "Origin::is_usual")]
    pub origin: Origin,
    /// What it walks, in an order that its edges allow.
    pub units: Vec<UnitHead>,
}

/// A unit of a run, as `runs` and `show` need it when the file is not there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitHead {
    /// Its name: the node, or the sink of a segment.
    pub unit: NodeId,
    /// Its nodes with their step types, in the order of the stream.
    pub nodes: Vec<(NodeId, String)>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// All that was selected is done.
    Successful,
    /// A task failed.
    Failed,
    /// It was told to stop.
    Cancelled,
    /// Its process died, and another run settled what it had written.
    Interrupted,
}

impl RunStatus {
    /// The word that people read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether what comes after a run that ended so is left out. What failed is no hindrance: steps compare
    /// what is with what should be, and do what can be done.
    #[must_use]
    pub const fn stops_what_follows(self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// The status that people read as `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Successful, Self::Failed, Self::Cancelled, Self::Interrupted]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "so serde asks")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Event {
    /// What kind of event it is, as the log has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Opened { .. } => "opened",
            Self::Left { .. } => "left",
            Self::Started { .. } => "started",
            Self::Retrying { .. } => "retrying",
            Self::Written { .. } => "written",
            Self::Committed { .. } => "committed",
            Self::Discarded { .. } => "discarded",
            Self::Relisted { .. } => "relisted",
            Self::Said { .. } => "said",
            Self::Checked { .. } => "checked",
            Self::Ended { .. } => "ended",
            Self::Skipped { .. } => "skipped",
            Self::Cancelling { .. } => "cancelling",
            Self::Finished { .. } => "finished",
        }
    }

    /// The unit that it is about, where it is about one.
    #[must_use]
    pub const fn unit(&self) -> Option<&NodeId> {
        match self {
            Self::Started { unit, .. }
            | Self::Retrying { unit, .. }
            | Self::Written { unit, .. }
            | Self::Committed { unit, .. }
            | Self::Discarded { unit, .. }
            | Self::Relisted { unit, .. }
            | Self::Said { unit, .. }
            | Self::Checked { unit, .. }
            | Self::Ended { unit, .. }
            | Self::Skipped { unit, .. } => Some(unit),
            Self::Accepted(_)
            | Self::Opened { .. }
            | Self::Left { .. }
            | Self::Cancelling { .. }
            | Self::Finished { .. } => None,
        }
    }

    /// The same event with every text that a step wrote passed through `redact`.
    #[must_use]
    pub fn redacted(mut self, redact: impl Fn(&str) -> String) -> Self {
        let error = match &mut self {
            Self::Retrying { error, .. } | Self::Relisted { error, .. } => Some(error),
            Self::Ended { error, .. } => error.as_mut(),
            Self::Discarded { why, .. } => {
                *why = redact(why);
                None
            }
            Self::Said { lines, .. } => {
                lines.iter_mut().for_each(|line| *line = redact(line));
                None
            }
            Self::Checked { checks, .. } => {
                checks.iter_mut().for_each(|check| check.message = redact(&check.message));
                None
            }
            _ => None,
        };
        if let Some(failure) = error.and_then(StepError::failure_mut) {
            failure.message = redact(&failure.message);
            failure.help = failure.help.as_deref().map(&redact);
        }
        self
    }
}
