//! The walk of one run: one loop owns the state, starts what is ready and waits for whichever
//! task finishes first.
//!
//! Everything that happens is appended to the run log before it is acted on, so that a run that
//! died is taken up by folding its log and walking on ([`resume`]); there is no second way.

mod failpoint;
mod graph;
mod log;
mod overlap;
mod settle;
mod stop;
mod walk;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

pub use failpoint::reached;
pub use overlap::{LOOK, Meets, ask_to_make_room, asked};
pub use settle::{Settled, drop_queued, end_dead, settle_dead};
pub use stop::{Follows, Stop, follows, stop};

use crate::{
    context::{Clock, Pools, Scope},
    data::{NodeId, RunId},
    event::{Accepted, Event, IllegalEvent, Origin, RunState, UnitHead},
    executor::{Executor, Watch},
    pipeline::{Pipeline, Unit},
    registry::Registry,
    step::{ErrorKind, StepError},
    store::{RunStore, RunStoreError},
};
use log::Log;
use walk::Walk;

/// How long a run that is told to stop may take to keep what is whole.
pub const GRACE: Duration = Duration::from_secs(20);

/// One run of one pipeline.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// The project, the instant and the parameters.
    pub scope: Scope,
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// What of it is walked: places in [`Pipeline::units`], ascending, with all that they need.
    pub units: Vec<usize>,
    /// Told when the run is to stop.
    pub cancel: Cancel,
    /// How long it may then take to settle.
    pub grace: Duration,
    /// A folder of this run alone, deleted when it ends.
    pub scratch: PathBuf,
    /// Who asked for it, and how.
    pub origin: Origin,
}

/// Tells a run to stop, and why.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    /// Told when the run is to stop.
    pub token: CancellationToken,
    why: Arc<OnceLock<Why>>,
}

/// Why a run is told to stop.
#[derive(Debug)]
enum Why {
    /// It is not wanted any more.
    Cancelled(String),
    /// Its process ends, and another goes on with it.
    Left,
}

impl Cancel {
    /// Nothing is to stop yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells it to stop; the first reason stands.
    pub fn cancel(&self, reason: &str) {
        self.why.get_or_init(|| Why::Cancelled(reason.to_owned()));
        self.token.cancel();
    }

    /// Tells the process to let go of the run, unless it was told to stop before: what is whole is
    /// kept, and [`resume`] goes on from there.
    pub fn leave(&self) {
        self.why.get_or_init(|| Why::Left);
        self.token.cancel();
    }

    /// Whether another process is to go on with the run.
    #[must_use]
    pub fn is_left(&self) -> bool {
        matches!(self.why.get(), Some(Why::Left))
    }

    /// Why it was told to stop.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self.why.get() {
            Some(Why::Cancelled(reason)) => reason,
            Some(Why::Left) => "its process was told to stop",
            None => "the run was told to stop",
        }
    }
}

/// What all runs of a process share.
#[derive(Debug, Clone)]
pub struct Services {
    /// Keeps run logs.
    pub store: Arc<dyn RunStore>,
    /// Step types by name.
    pub registry: Arc<Registry>,
    /// Carries out tasks.
    pub executor: Arc<dyn Executor>,
    /// The time on the wall.
    pub clock: Arc<dyn Clock>,
    /// Limits shared by all pipelines.
    pub pools: Pools,
    /// Who is told of events and progress.
    pub watch: Arc<dyn Watch>,
}

/// Why a run could not be walked to its end. A task that fails is no such error: it stands in the state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The log cannot be kept or read.
    #[error(transparent)]
    Store(#[from] RunStoreError),
    /// The log cannot be so.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The log is of another pipeline, or of another state of its file.
    #[error("run `{run}` was accepted for another state of `{pipeline}`")]
    Changed {
        /// The run.
        run: RunId,
        /// The pipeline.
        pipeline: String,
    },
    /// Nothing runs and units are not over: a fault of frazil.
    #[error("nothing is left to run, and {} not over: this is a fault of frazil", list(.0))]
    Stuck(Vec<NodeId>),
    /// The folder of the run cannot be used.
    #[error("cannot make the scratch folder {place}: {why}")]
    Scratch {
        /// Where it is.
        place: String,
        /// What the system said.
        why: String,
    },
}

fn list(units: &[NodeId]) -> String {
    let names: Vec<_> = units.iter().map(|unit| format!("`{unit}`")).collect();
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

impl From<RunError> for StepError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Changed { .. } => Self::permanent(ErrorKind::Refused, error.to_string())
                .help("start a new run: it does what is missing"),
            RunError::Scratch { .. } => Self::permanent(ErrorKind::Store, error.to_string())
                .help("`state` in frazil.yaml names the folder: it must be writable"),
            RunError::Illegal(_) | RunError::Stuck(_) => {
                Self::permanent(ErrorKind::Internal, error.to_string())
            }
        }
    }
}

impl Run {
    /// What the log holds of it first.
    #[must_use]
    pub fn accepted(&self) -> Accepted {
        let node = |place: usize| {
            let node = &self.pipeline.nodes[place];
            (node.id.clone(), node.uses.clone())
        };
        let units = self.units.iter().map(|&unit| {
            let unit = &self.pipeline.units[unit];
            UnitHead {
                unit: self.pipeline.nodes[unit.node()].id.clone(),
                nodes: unit.nodes().into_iter().map(node).collect(),
            }
        });
        Accepted {
            pipeline: self.pipeline.id.clone(),
            digest: self.pipeline.digest.clone(),
            instant: self.scope.instant,
            params: (*self.scope.params).clone(),
            backfill: self.scope.backfill.as_deref().cloned(),
            origin: self.origin.clone(),
            units: units.collect(),
        }
    }
}

impl Unit {
    /// The node that names it: the sink of a segment.
    #[must_use]
    pub const fn node(&self) -> usize {
        match self {
            Self::Node(node) => *node,
            Self::Segment(segment) => segment.sink,
        }
    }

    /// Its nodes, in the order of the stream.
    #[must_use]
    pub fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Node(node) => vec![*node],
            Self::Segment(segment) => segment.nodes(),
        }
    }
}

/// A name for a run that is accepted now; names made later sort later.
#[must_use]
pub fn run_id(now: DateTime<Utc>) -> RunId {
    let name = format!("r{}-{:06x}", now.format("%Y%m%d-%H%M%S%3f"), rand::random::<u32>() & 0xff_ffff);
    // The name is one by its making: a letter, digits and `-`.
    RunId::try_from(name).unwrap_or_else(|_| unreachable!())
}

/// Accepts a run and walks it to its end.
///
/// # Errors
/// When it cannot be walked; tasks that fail stand in the state.
pub async fn start(run: &Run, services: &Services) -> Result<RunState, RunError> {
    let accepted = Event::Accepted(run.accepted());
    let log = Log::create(run, services, [accepted, opened()]).await?;
    Walk::new(run, services, log)?.go().await
}

/// Accepts a run that is walked later, by [`resume`]; durable on return.
///
/// # Errors
/// When its log cannot be kept.
pub async fn accept(run: &Run, services: &Services) -> Result<(), RunError> {
    Log::create(run, services, [Event::Accepted(run.accepted())]).await.map(drop)
}

/// Takes up a run that was accepted, or whose process died, and walks it to its end. The caller holds its lock.
///
/// # Errors
/// When it cannot be walked; tasks that fail stand in the state.
pub async fn resume(run: &Run, services: &Services) -> Result<RunState, RunError> {
    let mut log = Log::load(run, services).await?;
    if log.state().accepted.as_ref() != Some(&run.accepted()) {
        return Err(RunError::Changed { run: run.id.clone(), pipeline: run.pipeline.id.to_string() });
    }
    if log.state().finished.is_some() {
        return Ok(log.into_state());
    }
    log.note(opened())?;
    Walk::new(run, services, log)?.go().await
}

fn opened() -> Event {
    Event::Opened { process: std::process::id() }
}

#[cfg(test)]
mod tests;
