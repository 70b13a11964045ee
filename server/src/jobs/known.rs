//! Runs as their logs tell them, folded once and gone on with from there.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{NodeId, RunId},
    event::{Event, RunEvent, RunState},
    step::StepError,
    store::RunStoreError,
};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, timeout_at},
};

use crate::{app::App, problem::Problem};

/// Runs that are held: those that somebody looks at. A state holds ranges and what is on its way, and
/// does not grow with the work.
const HELD: usize = 128;

/// Events that are read at a time, so that a long log is never held whole.
const AT_A_TIME: usize = 512;

/// How often a run of another process is looked at: of it nothing is told.
const LOOK: Duration = Duration::from_millis(500);

/// What is known of a run.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) run: RunId,
    pub(crate) state: RunState,
    /// When a process first worked on it.
    pub(crate) opened: Option<DateTime<Utc>>,
    /// When the last event was noted.
    pub(crate) updated: DateTime<Utc>,
    /// The unit that waits to be tried again, and why.
    pub(crate) retrying: Option<(NodeId, StepError)>,
    /// Of a run that is over, the nearest of those that it came after that failed.
    pub(crate) failed_before: Option<RunId>,
}

impl Known {
    fn new(run: RunId) -> Self {
        let updated = DateTime::UNIX_EPOCH;
        let state = RunState::default();
        Self { run, state, opened: None, updated, retrying: None, failed_before: None }
    }

    fn apply(&mut self, event: &RunEvent) -> Result<(), Problem> {
        self.state.apply(event).map_err(|error| {
            tracing::error!(run = %self.run, %error, "the log of a run cannot be read");
            Problem::internal(format!(
                "the log of run `{}` is damaged; the server's log says where",
                self.run
            ))
        })?;
        self.updated = event.at;
        match &event.event {
            Event::Opened { .. } => {
                self.opened.get_or_insert(event.at);
                self.retrying = None;
            }
            Event::Retrying { unit, error, .. } => self.retrying = Some((unit.clone(), error.clone())),
            Event::Started { unit, .. } | Event::Ended { unit, .. }
                if self.retrying.as_ref().is_some_and(|(waits, _)| waits == unit) =>
            {
                self.retrying = None;
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) const fn is_finished(&self) -> bool {
        self.state.finished.is_some()
    }
}

/// Runs that were asked for lately, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Arc<Known>>>);

impl Jobs {
    fn get(&self, run: &RunId) -> Option<Arc<Known>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|known| known.run == *run).map(Arc::clone)
    }

    fn put(&self, known: &Arc<Known>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|other| other.run != known.run);
        if held.len() >= HELD {
            held.pop_front();
        }
        held.push_back(Arc::clone(known));
    }

    /// Lets go of a run that was forgotten.
    pub(super) fn forget(&self, run: &RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known.run != *run);
    }
}

/// A run as it stands.
///
/// # Errors
/// When there is none of this name, or its log cannot be read.
pub(crate) async fn known(app: &App, run: &RunId) -> Result<Arc<Known>, Problem> {
    let held = app.jobs.get(run);
    // Nothing follows the end.
    if let Some(held) = held.as_ref().filter(|held| held.is_finished()) {
        return Ok(Arc::clone(held));
    }
    let mut known: Option<Known> = None;
    loop {
        let after = known.as_ref().or(held.as_deref()).map_or(0, |known| known.state.len);
        let events = match app.runner.store().load_part(run, after, AT_A_TIME).await {
            Err(RunStoreError::NoRun(run)) => return Err(Problem::no_job(run.as_str())),
            loaded => loaded.map_err(|error| Problem::of_history(&StepError::from(error)))?,
        };
        if let (Some(held), None, true) = (&held, &known, events.is_empty()) {
            return Ok(Arc::clone(held));
        }
        let new = || held.as_deref().cloned().unwrap_or_else(|| Known::new(run.clone()));
        let known = known.get_or_insert_with(new);
        events.iter().try_for_each(|event| known.apply(event))?;
        if events.len() < AT_A_TIME {
            break;
        }
    }
    let mut known = known.unwrap_or_else(|| Known::new(run.clone()));
    let Some(accepted) = &known.state.accepted else { return Err(Problem::no_job(run.as_str())) };
    if known.is_finished() {
        known.failed_before = app.runner.failed_before(accepted).await;
    }
    let known = Arc::new(known);
    app.jobs.put(&known);
    Ok(known)
}

/// A run as it stands when it is over, or after `wait` where that is before.
///
/// # Errors
/// As of [`known`].
pub(crate) async fn within(app: &App, run: &RunId, wait: Duration) -> Result<Arc<Known>, Problem> {
    let until = Instant::now() + wait;
    // First: what happens between looking and listening is told then.
    let mut changes = app.runner.changes();
    loop {
        let known = known(app, run).await?;
        if known.is_finished() || Instant::now() >= until || app.stop.is_cancelled() {
            return Ok(known);
        }
        let look = until.min(Instant::now() + LOOK);
        loop {
            match timeout_at(look, changes.recv()).await {
                Ok(Ok(change)) if change.run != *run => {}
                // Without a runner nothing is told: it is looked at now and then.
                Ok(Err(RecvError::Closed)) => {
                    tokio::time::sleep_until(look).await;
                    break;
                }
                _ => break,
            }
        }
    }
}
