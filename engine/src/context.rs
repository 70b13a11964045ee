//! What a step may use while it works: the project, a clock, secrets, cancellation, progress.

mod clock;
mod pool;
mod retry;
mod secrets;

use std::{path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

pub use clock::{Clock, ManualClock, SystemClock};
pub use pool::{Permit, Pools, interval as pool_interval};
pub use secrets::{EnvSecrets, Secret, Secrets};

use crate::{
    data::{Backfill, Checked, DatasetId, Duration, NodeId, PipelineId, RunId, Spent},
    dataset::{DatasetInfo, Datasets},
    project::{ProjectConfig, Retry},
    step::{ErrorKind, StepError},
};

/// What planning and running have in common. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scope {
    /// What `frazil.yaml` says.
    pub project: Arc<ProjectConfig>,
    /// All datasets.
    pub datasets: Arc<Datasets>,
    /// The pipeline at work.
    pub pipeline: PipelineId,
    /// The run's scheduled instant: what exists "by now" is decided by it, so that a rerun does
    /// the same work.
    pub instant: DateTime<Utc>,
    /// Parameters, frozen at acceptance.
    pub params: Arc<Map<String, Value>>,
    /// Resolves secrets at the moment of use.
    pub secrets: Arc<dyn Secrets>,
    /// The most that the run may take, in bytes.
    pub memory: u64,
    /// Tests: the server on this machine that answers in the place of all sources, as
    /// `http://127.0.0.1:1234`; it is asked for scheme, host and path of the source as its path.
    pub stand_in: Option<String>,
    /// What of the work this run was asked for by name.
    pub backfill: Option<Arc<Backfill>>,
}

impl Scope {
    /// A dataset by name.
    ///
    /// # Errors
    /// When there is none; a checked project asks for none such.
    pub fn dataset(&self, id: &DatasetId) -> Result<&Arc<DatasetInfo>, StepError> {
        self.datasets.get(id).ok_or_else(|| {
            StepError::permanent(ErrorKind::Internal, format!("no dataset `{id}` in this project"))
        })
    }
}

/// What a running task may use.
#[derive(Debug, Clone)]
pub struct Context {
    /// The project, the instant and the parameters.
    pub scope: Scope,
    /// The run.
    pub run: RunId,
    /// The step.
    pub node: NodeId,
    /// The try, from 1.
    pub attempt: u32,
    /// Told when the run is to stop.
    pub cancel: CancellationToken,
    /// The time on the wall: for waits and stamps, never for what is due.
    pub clock: Arc<dyn Clock>,
    /// A folder of this run alone, deleted when it ends.
    pub scratch: PathBuf,
    /// How source files are tried again.
    pub retry: Retry,
    /// The longest time of one source file, or of the task.
    pub timeout: Option<Duration>,
    /// Limits shared by all pipelines.
    pub pools: Pools,
    /// The pool that this step counts against.
    pub pool: Option<String>,
    /// Told of progress.
    pub progress: Progress,
}

/// Tells whoever watches how far a task is. Not durable; cheap to clone.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Tick) + Send + Sync>);

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tick {
    /// So many periods (or windows) are done of so many.
    Periods {
        /// Done so far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// More was done of what plans of later runs are measured by.
    Spent(Spent),
    /// What was found of data that were looked at; it goes into the run log.
    Checked(Vec<Checked>),
    /// Something worth a line: a wait, a retry.
    Note(String),
    /// A line that a program of the project's own printed: kept in the run log too.
    Said(String),
}

impl Progress {
    /// Calls `f` at every tick.
    pub fn new(f: impl Fn(Tick) + Send + Sync + 'static) -> Self {
        Self(Arc::new(f))
    }

    /// Nobody watches.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|_| {})
    }

    /// Tells it.
    pub fn tick(&self, tick: Tick) {
        (self.0)(tick);
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress(…)")
    }
}

impl Context {
    /// Waits, unless the run is told to stop first.
    ///
    /// # Errors
    /// [`StepError::Cancelled`] when it was.
    pub async fn sleep(&self, time: std::time::Duration) -> Result<(), StepError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(StepError::Cancelled),
            () = self.clock.sleep(time) => Ok(()),
        }
    }

    /// A place in the step's pool; at once where it has none.
    ///
    /// # Errors
    /// [`StepError::Cancelled`] when the run was told to stop first; otherwise when the pool cannot
    /// be kept.
    pub async fn permit(&self) -> Result<Permit, StepError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(StepError::Cancelled),
            permit = self.pools.acquire(self.pool.as_deref(), &*self.clock) => permit,
        }
    }

    /// Where the other side asked to wait, nobody starts in the step's pool before that.
    pub(crate) async fn heed(&self, error: &StepError) -> Result<(), StepError> {
        let StepError::Transient { retry_after: Some(millis), .. } = error else { return Ok(()) };
        let wait = i64::try_from(*millis).ok().and_then(chrono::Duration::try_milliseconds);
        let wait = wait.unwrap_or(chrono::Duration::MAX);
        let until = self.clock.now().checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.pools.hold(self.pool.as_deref(), until).await
    }
}
