//! One run in its turn: begun, or gone on with where a process before this one left it or died.

use std::sync::Arc;

use frazil_engine::{
    context::Scope,
    data::RunId,
    event::{Accepted, Event, RunEvent, RunState, RunStatus},
    lock::{FileLock, forget_stop, pipeline_lock, run_lock, scratch},
    pipeline::Pipeline,
    scheduler::{
        Cancel, Follows, GRACE, Run, RunError, asked, drop_queued, end_dead, follows, resume, settle_dead,
    },
    step::{ErrorKind, StepError},
    store::RunStoreError,
};
use tokio_util::sync::CancellationToken;

use super::{Inner, queue::Waiting};

/// A run in whose work a server died so often is not tried again: it may be what they died of.
const DEATHS: u32 = 3;

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    /// The run is over.
    Over,
    /// This process ends before it: the next one goes on with it.
    Left,
    /// Another process is at work on its pipeline, or on what it comes after.
    Held,
    /// The log could not be read or written: to be tried again.
    Unwritten,
}

/// The run with what it is carried out by.
struct Turn {
    inner: Arc<Inner>,
    run: Run,
    state: RunState,
}

/// Carries out a run. It is at work from its turn on, so that a request to stop always finds it.
pub(super) async fn carry_out(inner: Arc<Inner>, waiting: Waiting, stop: CancellationToken) -> Became {
    if stop.is_cancelled() {
        return Became::Left;
    }
    let id = waiting.run.clone();
    let cancel = Cancel::new();
    inner.at_work().insert(id.clone(), cancel.clone());
    inner.board.begin(&id);
    // It may have been told between the two.
    if stop.is_cancelled() {
        cancel.leave();
    }
    let became = match turn(&inner, waiting, cancel).await {
        Ok(became) => became,
        Err(StepError::Cancelled) if stop.is_cancelled() => Became::Left,
        Err(error) => {
            tracing::error!(run = %id, %error, "a run cannot go on for now");
            Became::Unwritten
        }
    };
    inner.board.end(&id);
    inner.at_work().remove(&id);
    became
}

async fn turn(inner: &Arc<Inner>, waiting: Waiting, cancel: Cancel) -> Result<Became, StepError> {
    let id = waiting.run.clone();
    let Some(_pipeline) = locked(pipeline_lock(&inner.state, &waiting.pipeline)).await? else {
        return Ok(Became::Held);
    };
    let Some(lock) = locked(run_lock(&inner.state, &id)).await? else { return Ok(Became::Held) };
    let became = match inner.fold(&id).await {
        Ok(state) if state.finished.is_some() => Became::Over,
        Ok(state) => locked_turn(inner, waiting, state, cancel).await?,
        // Forgotten by another process.
        Err(error) if inner.is_gone(&id).await => {
            tracing::debug!(run = %id, %error, "a run is not there any more");
            Became::Over
        }
        Err(error) if error.failure().is_some_and(|failure| failure.kind == ErrorKind::Internal) => {
            tracing::error!(run = %id, %error, "the log of a run cannot be");
            Became::Over
        }
        Err(error) => return Err(error),
    };
    if became == Became::Over {
        forget_stop(&inner.state, &id);
        lock.remove();
    }
    Ok(became)
}

/// Takes a lock off the threads that must not wait.
async fn locked(path: std::path::PathBuf) -> Result<Option<FileLock>, StepError> {
    let taken = tokio::task::spawn_blocking(move || FileLock::try_take(&path)).await;
    taken.unwrap_or_else(|error| Err(StepError::permanent(ErrorKind::Internal, error.to_string())))
}

async fn locked_turn(
    inner: &Arc<Inner>,
    waiting: Waiting,
    state: RunState,
    cancel: Cancel,
) -> Result<Became, StepError> {
    let id = waiting.run;
    let Some(accepted) = state.accepted.clone() else { return Ok(Became::Over) };
    if state.opened == 0 {
        match follows(&*inner.store, &accepted.origin.after).await? {
            Follows::Yes => {}
            Follows::Later(before) => {
                tracing::debug!(run = %id, %before, "a run that this one comes after is not over");
                return Ok(Became::Held);
            }
            Follows::Never(before) => {
                let why = format!("run {before}, which it comes after, was cancelled");
                return inner.end(&id, &state, RunStatus::Cancelled, &why).await;
            }
        }
    }
    let current = waiting.version.unwrap_or_else(|| inner.live.current());
    let Some(pipeline) = inner.pipeline(&current, &accepted.pipeline) else {
        let why = format!("the pipeline `{}` is not there any more", accepted.pipeline);
        return inner.end(&id, &state, RunStatus::Interrupted, &why).await;
    };
    let mut scope = current.project.scope(
        &pipeline.id,
        accepted.params.clone(),
        accepted.instant,
        Arc::clone(&current.secrets),
    );
    scope.backfill = accepted.backfill.clone().map(Arc::new);
    let units = units(&accepted, &pipeline);
    let run = Run {
        id: id.clone(),
        scope,
        pipeline,
        units: units.clone().unwrap_or_default(),
        cancel,
        grace: GRACE,
        scratch: scratch(&inner.state, &id),
        origin: accepted.origin.clone(),
    };
    let turn = Turn { inner: Arc::clone(inner), run, state };
    if units.is_none() || turn.run.accepted() != accepted {
        let why = format!(
            "the file of `{}` was changed while the run waited for a server: a new run does what is missing",
            accepted.pipeline
        );
        return turn.give_up(RunStatus::Interrupted, &why).await;
    }
    if turn.state.deaths() >= DEATHS {
        let why =
            format!("the server died {DEATHS} times while it worked on this run: it is not tried again");
        return turn.give_up(RunStatus::Failed, &why).await;
    }
    turn.walk().await
}

/// Places of the units of a run in the pipeline; none where it has others now.
fn units(accepted: &Accepted, pipeline: &Pipeline) -> Option<Vec<usize>> {
    let place = |head: &frazil_engine::event::UnitHead| {
        pipeline.units.iter().position(|unit| pipeline.nodes[unit.node()].id == head.unit)
    };
    accepted.units.iter().map(place).collect()
}

impl Turn {
    async fn walk(self) -> Result<Became, StepError> {
        let Self { inner, run, state } = &self;
        let services = inner.services(run);
        self.settle(&run.scope).await?;
        let walked = tokio::select! {
            walked = resume(run, &services) => walked,
            never = self.listen() => match never {},
        };
        match walked {
            Ok(state) if state.finished.is_some() => Ok(Became::Over),
            Ok(_) => Ok(Became::Left),
            // Another process ended it while it waited.
            Err(RunError::Store(RunStoreError::Moved { .. })) if state.opened == 0 => Ok(Became::Held),
            Err(RunError::Stuck(units)) => {
                tracing::error!(run = %run.id, ?units, "nothing is left to run, and not all is over");
                Ok(Became::Over)
            }
            Err(error @ RunError::Scratch { .. }) => {
                self.give_up(RunStatus::Failed, &error.to_string()).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Settles what the command line left behind in this pipeline.
    async fn settle(&self, scope: &Scope) -> Result<(), StepError> {
        let Self { inner, run, .. } = self;
        let services = inner.services(run);
        let settled = settle_dead(&inner.state, &run.pipeline, scope, &services, &run.cancel).await?;
        for dead in settled {
            tracing::info!(run = %dead.run, batches = dead.committed, "a run that had died is settled");
        }
        Ok(())
    }

    /// Tells the run to stop when another process asks for it, or this one was before it died.
    async fn listen(&self) -> std::convert::Infallible {
        let reason = asked(&self.inner.state, &self.run.id, &*self.inner.clock).await;
        self.run.cancel.cancel(&reason);
        std::future::pending().await
    }

    /// Ends the run without going on with it, keeping what it had written.
    async fn give_up(&self, status: RunStatus, why: &str) -> Result<Became, StepError> {
        let Self { inner, run, state } = self;
        if state.opened == 0 {
            return inner.end(&run.id, state, status, why).await;
        }
        end_dead(run.clone(), &inner.services(run), status, why).await?;
        tracing::warn!(run = %run.id, "{why}");
        Ok(Became::Over)
    }
}

impl Inner {
    /// Notes the end of a run that wrote nothing, or nothing that can be kept.
    async fn end(
        &self,
        run: &RunId,
        state: &RunState,
        status: RunStatus,
        why: &str,
    ) -> Result<Became, StepError> {
        tracing::warn!(%run, "{why}");
        if state.opened == 0 {
            // Where it is ended by somebody else, it is over all the same.
            drop_queued(run, &*self.store, &*self.clock, status, why).await?;
        } else {
            let events = [Event::Cancelling { reason: why.to_owned() }, Event::Finished { status }];
            let events = events.map(|event| RunEvent::new(self.clock.now(), event));
            self.store.append(run, state.len, &events).await?;
        }
        self.board.told(run, state.len + 2);
        Ok(Became::Over)
    }

    async fn is_gone(&self, run: &RunId) -> bool {
        matches!(self.store.summary(run).await, Err(RunStoreError::NoRun(_)))
    }
}
