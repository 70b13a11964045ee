//! Runs of one request are told to stop together, and come one after the other.

use std::path::Path;

use crate::{
    context::Clock,
    data::RunId,
    event::{Accepted, Event, RunStatus},
    lock::{FileLock, ask_to_stop, run_lock},
    scheduler::drop_queued,
    step::{ErrorKind, StepError},
    store::{RunStore, RunStoreError},
};

/// What became of telling a run to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It came to its end before.
    Finished(RunStatus),
    /// It waited for its turn, and is over.
    Dropped,
    /// It is asked to: its process keeps what is whole, or the server that goes on with it will.
    Asked {
        /// Whether a process works on it now.
        at_work: bool,
    },
    /// It is one of the command line whose process is gone: the next run of its pipeline settles it.
    Dead,
}

/// Tells a run to stop, in whatever process it is, and first those of the same request that it comes
/// after: who asked for one thing stops one thing. What was told stands by run, that run last.
///
/// # Errors
/// When there is no such run, the history cannot be read, or the state folder not be written.
pub async fn stop(
    state: &Path,
    store: &dyn RunStore,
    clock: &dyn Clock,
    run: &RunId,
    reason: &str,
) -> Result<Vec<(RunId, Stop)>, StepError> {
    if let Some((status, _)) = store.summary(run).await?.finished {
        return Ok(vec![(run.clone(), Stop::Finished(status))]);
    }
    let mut told = Vec::new();
    let mut open = accepted(store, run).await?.origin.after;
    while let Some(before) = open.pop() {
        match accepted(store, &before).await {
            Ok(accepted) => open.extend(accepted.origin.after),
            Err(RunStoreError::NoRun(_)) => continue,
            Err(error) => return Err(error.into()),
        }
        if !told.iter().any(|(known, _)| *known == before) {
            let stopped = stop_one(state, store, clock, &before, reason).await?;
            told.push((before, stopped));
        }
    }
    let stopped = match stop_one(state, store, clock, run, reason).await? {
        // Left out meanwhile, as what it comes after was told to stop.
        Stop::Finished(RunStatus::Cancelled) if !told.is_empty() => Stop::Dropped,
        stopped => stopped,
    };
    told.push((run.clone(), stopped));
    Ok(told)
}

async fn stop_one(
    state: &Path,
    store: &dyn RunStore,
    clock: &dyn Clock,
    run: &RunId,
    reason: &str,
) -> Result<Stop, StepError> {
    let summary = store.summary(run).await?;
    if let Some((status, _)) = summary.finished {
        return Ok(Stop::Finished(status));
    }
    if summary.is_queued() && drop_queued(run, store, clock, RunStatus::Cancelled, reason).await? {
        return Ok(Stop::Dropped);
    }
    let is_served = accepted(store, run).await?.origin.cause.is_served();
    let (state, run, reason) = (state.to_owned(), run.clone(), reason.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let at_work = FileLock::is_held(&run_lock(&state, &run))?;
        if !at_work && !is_served {
            return Ok(Stop::Dead);
        }
        // The file outlives every process: who goes on with the run finds it.
        ask_to_stop(&state, &run, &reason)?;
        Ok(Stop::Asked { at_work })
    });
    asked.await.unwrap_or_else(|error| Err(StepError::permanent(ErrorKind::Internal, error.to_string())))
}

/// Whether a run may be begun, as those stand that it comes after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follows {
    /// They are over.
    Yes,
    /// This one is not over yet.
    Later(RunId),
    /// This one was cancelled, so that nothing follows it.
    Never(RunId),
}

/// Whether a run may be begun that comes after these. One that was forgotten was over.
///
/// # Errors
/// When the history cannot be read.
pub async fn follows(store: &dyn RunStore, after: &[RunId]) -> Result<Follows, RunStoreError> {
    for before in after {
        match store.summary(before).await {
            Ok(summary) => match summary.finished {
                None => return Ok(Follows::Later(before.clone())),
                Some((status, _)) if status.stops_what_follows() => {
                    return Ok(Follows::Never(before.clone()));
                }
                Some(_) => {}
            },
            Err(RunStoreError::NoRun(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Follows::Yes)
}

/// What a run was accepted as.
async fn accepted(store: &dyn RunStore, run: &RunId) -> Result<Accepted, RunStoreError> {
    match store.load_part(run, 0, 1).await?.into_iter().next().map(|first| first.event) {
        Some(Event::Accepted(accepted)) => Ok(accepted),
        _ => Err(RunStoreError::NotAccepted),
    }
}
