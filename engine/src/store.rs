//! Where run logs are kept.

mod backup;
pub mod conformance;
mod memory;
mod notices;
mod retention;
mod seen;
mod sqlite;
mod tokens;
mod word;

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use backup::{backup, probe, restore};
pub use memory::MemoryStore;
pub use notices::{Notice, Notices};
pub use retention::{Retention, prune};
pub use seen::Seen;
pub use sqlite::SqliteStore;
pub use tokens::{Token, TokenRole, Tokens};
pub use word::word;

use crate::{
    data::{NodeId, PipelineId, RunId, Spent},
    event::{Event, RunEvent, RunStatus},
    step::{ErrorKind, StepError},
};

/// Keeps run logs. Every implementation passes [`conformance::check`].
#[async_trait]
pub trait RunStore: Debug + Send + Sync {
    /// Makes a log that begins with `events`, the first of which says what was accepted; durable
    /// on return. Where it was asked for with a key, no other run has that.
    async fn create(&self, run: &RunId, events: &[RunEvent]) -> Result<(), RunStoreError>;

    /// Appends to a log that holds `after` events, all or none; durable on return.
    async fn append(&self, run: &RunId, after: usize, events: &[RunEvent]) -> Result<(), RunStoreError>;

    /// The whole log.
    async fn load(&self, run: &RunId) -> Result<Vec<RunEvent>, RunStoreError>;

    /// What follows the first `after` events of a log: for those who watch it grow.
    async fn load_after(&self, run: &RunId, after: usize) -> Result<Vec<RunEvent>, RunStoreError> {
        let mut events = self.load(run).await?;
        Ok(events.split_off(after.min(events.len())))
    }

    /// The same, and no more than `most` of them: for those who read a long log piece by piece.
    async fn load_part(
        &self,
        run: &RunId,
        after: usize,
        most: usize,
    ) -> Result<Vec<RunEvent>, RunStoreError> {
        let mut events = self.load_after(run, after).await?;
        events.truncate(most);
        Ok(events)
    }

    /// What steps of a pipeline did in its newest runs, newest first: of at most so many runs, without
    /// units that failed.
    async fn spent(&self, pipeline: &PipelineId, runs: usize) -> Result<Vec<(NodeId, Spent)>, RunStoreError> {
        let query = RunQuery { pipeline: Some(pipeline.clone()), ..RunQuery::default() };
        let (mut found, mut left) = (Vec::new(), runs);
        for run in self.list(&query).await? {
            if left == 0 {
                break;
            }
            let spent = spent_of(&self.load(&run.run).await?);
            left -= usize::from(!spent.is_empty());
            found.extend(spent);
        }
        Ok(found)
    }

    /// Runs, newest first.
    async fn list(&self, query: &RunQuery) -> Result<Vec<RunSummary>, RunStoreError>;

    /// One run of the list.
    async fn summary(&self, run: &RunId) -> Result<RunSummary, RunStoreError> {
        let all = self.list(&RunQuery::default()).await?;
        all.into_iter().find(|one| one.run == *run).ok_or_else(|| RunStoreError::NoRun(run.clone()))
    }

    /// The run that was accepted with this key; none where none was, or it was forgotten.
    async fn keyed(&self, key: &str) -> Result<Option<RunId>, RunStoreError> {
        for run in self.list(&RunQuery::default()).await? {
            if key_of(&self.load(&run.run).await?) == Some(key) {
                return Ok(Some(run.run));
            }
        }
        Ok(None)
    }

    /// Forgets a run.
    async fn remove(&self, run: &RunId) -> Result<(), RunStoreError>;
}

/// The key with which the run of a log was asked for.
pub(crate) fn key_of(events: &[RunEvent]) -> Option<&str> {
    match &events.first()?.event {
        Event::Accepted(accepted) => accepted.origin.key.as_ref().map(|key| key.name.as_str()),
        _ => None,
    }
}

/// When a process took the run of these events to work on.
pub(crate) fn opened_at(events: &[RunEvent]) -> Option<DateTime<Utc>> {
    let opened = events.iter().find(|event| matches!(event.event, Event::Opened { .. }));
    opened.map(|event| event.at)
}

/// What the units that these events end well did.
pub(crate) fn spent_of(events: &[RunEvent]) -> Vec<(NodeId, Spent)> {
    let ended = events.iter().filter_map(|event| match &event.event {
        Event::Ended { error: None, spent, .. } => Some(spent),
        _ => None,
    });
    ended.flatten().map(|(node, spent)| (node.clone(), *spent)).collect()
}

/// Which runs are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Of this pipeline alone.
    pub pipeline: Option<PipelineId>,
    /// Only those that are not finished.
    pub unfinished: bool,
    /// Only those that a process took to work on.
    pub opened: bool,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// Its scheduled instant.
    pub instant: DateTime<Utc>,
    /// When it was accepted.
    pub accepted: DateTime<Utc>,
    /// When a process first took it to work on; none while it waits, or where it never began.
    pub started: Option<DateTime<Utc>>,
    /// How it ended and when; none while it is not finished.
    pub finished: Option<(RunStatus, DateTime<Utc>)>,
    /// How many events its log holds.
    pub events: usize,
}

impl RunSummary {
    /// Whether it is accepted and no process took it yet: it waits for its turn.
    #[must_use]
    pub const fn is_queued(&self) -> bool {
        self.finished.is_none() && self.events == 1
    }
}

/// Why a log could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunStoreError {
    /// No run of this name.
    #[error("no run `{0}`")]
    NoRun(RunId),
    /// A run of this name is there already.
    #[error("run `{0}` is there already")]
    Exists(RunId),
    /// Another run was accepted with the same key.
    #[error("run `{0}` was asked for with the same key")]
    Asked(RunId),
    /// Somebody else appended: two processes work on one run.
    #[error(
        "the log of run `{run}` holds {found} events where {expected} were known: another process works on it"
    )]
    Moved {
        /// The run.
        run: RunId,
        /// Events that were known.
        expected: usize,
        /// Events that are there.
        found: usize,
    },
    /// The log begins with anything but an acceptance.
    #[error("the log of a run must begin with its acceptance")]
    NotAccepted,
    /// What is stored cannot be understood.
    #[error("the run history {place} is damaged: {why}")]
    Damaged {
        /// Where it is.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// Made by a later frazil.
    #[error("the run history {place} has version {found}, and this frazil knows {known}")]
    Newer {
        /// Where it is.
        place: String,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The folder or the disk does not let us.
    #[error("cannot {doing} the run history {place}: {why}")]
    Unusable {
        /// Where it is.
        place: String,
        /// What was tried: `open`, `read` or `write`.
        doing: &'static str,
        /// What the system said.
        why: String,
    },
}

impl From<RunStoreError> for StepError {
    fn from(error: RunStoreError) -> Self {
        let help = match &error {
            RunStoreError::NoRun(_) => "`frazil runs` lists them",
            RunStoreError::Damaged { .. } => {
                "move the file away: the cubes hold what is done, only the history of runs is lost"
            }
            RunStoreError::Newer { .. } => "use a frazil of that version or later",
            RunStoreError::Unusable { .. } => "`state` in frazil.yaml names the folder: it must be writable",
            _ => return Self::permanent(ErrorKind::Internal, error.to_string()),
        };
        Self::permanent(ErrorKind::Store, error.to_string()).help(help)
    }
}
