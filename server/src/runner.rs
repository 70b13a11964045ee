//! Runs of pipelines in the server: taken on, durable on answer, carried out in their turn, and gone on
//! with by the next process where this one dies or is stopped.
//!
//! What is known of a run is the fold of its log. One that is accepted and that no process opened waits
//! for its turn; what is held here of it is its name.

mod intake;
mod one;
mod progress;
mod queue;
mod refusal;
mod work;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Clock, Pools, SystemClock},
    data::{Backfill, PipelineId, RunId},
    event::{Accepted, Cause, Key, Reply, RunState},
    executor::LocalExecutor,
    pipeline::{Overlap, Pipeline},
    project::Pool,
    registry::Registry,
    scheduler::{self, Cancel, Run, RunError, Services, Stop},
    step::StepError,
    store::{RunQuery, RunStore, RunStoreError, RunSummary, SqliteStore},
};
use serde_json::{Map, Value};
use tokio::sync::{Notify, broadcast};

use crate::{
    echo,
    live::{Current, Live},
    notify::is_failure,
};
use progress::Board;
pub(crate) use progress::{Change, Standing};
use queue::{Queue, Waiting};
pub(crate) use refusal::{Refusal, Uncancelled};

/// Events in the log of a run that was dropped while it waited: accepted, told to stop, over.
const DROPPED: usize = 3;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    /// The pipeline.
    pub(crate) pipeline: PipelineId,
    /// Its parameters, as the pipeline accepted them.
    pub(crate) params: Map<String, Value>,
    /// The scheduled instant.
    pub(crate) instant: DateTime<Utc>,
    /// What of it is walked: places in the pipeline's units, ascending, with all that they need; none
    /// for all.
    pub(crate) units: Option<Vec<usize>>,
    /// What of the work is asked for by name.
    pub(crate) backfill: Option<Backfill>,
    /// What becomes of it while another run of the pipeline waits or is at work.
    pub(crate) overlap: Overlap,
    /// What it is started by.
    pub(crate) cause: Cause,
    /// With the same key and digest the run is given that there is.
    pub(crate) key: Option<Key>,
    /// The trace that it belongs to, as the W3C header `traceparent`.
    pub(crate) traceparent: Option<String>,
    /// What the one who asked over HTTP wants to be given and told.
    pub(crate) reply: Reply,
}

/// Runs pipelines. Cheap to clone; [`Runner::work`] is awaited once.
#[derive(Debug, Clone)]
pub(crate) struct Runner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    live: Arc<Live>,
    registry: Arc<Registry>,
    state: PathBuf,
    store: Arc<dyn RunStore>,
    clock: Arc<dyn Clock>,
    board: Arc<Board>,
    queue: Mutex<Queue>,
    /// Runs at work here, and what tells them to stop.
    at_work: Mutex<HashMap<RunId, Cancel>>,
    /// The limits of the last project that ran, which all runs share.
    pools: Mutex<(std::collections::BTreeMap<String, Pool>, Pools)>,
    /// Told when a run may be begun that could not before.
    wake: Notify,
}

impl Runner {
    /// Opens the run history of the project, and takes up what waits in it and what a server before
    /// this one had begun.
    pub(crate) async fn open(live: Arc<Live>, registry: Arc<Registry>) -> Result<Self, StepError> {
        let state = live.project().config.state.clone();
        let store: Arc<dyn RunStore> = Arc::new(SqliteStore::open(&state).await?);
        Self::over(live, registry, store, Arc::new(SystemClock)).await
    }

    /// The same over a store and a clock.
    async fn over(
        live: Arc<Live>,
        registry: Arc<Registry>,
        store: Arc<dyn RunStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StepError> {
        let config = Arc::clone(&live.project().config);
        let registry = Arc::new(echo::known(&registry));
        let pools = Pools::shared(&config.pools, &config.state);
        let inner = Inner {
            live,
            registry,
            state: config.state.clone(),
            store,
            clock,
            board: Arc::default(),
            queue: Mutex::default(),
            at_work: Mutex::default(),
            pools: Mutex::new((config.pools.clone(), pools)),
            wake: Notify::new(),
        };
        inner.take_up().await?;
        Ok(Self(Arc::new(inner)))
    }

    /// Takes on a run; durable on return. With a key that is known the run that has it is given.
    pub(crate) async fn submit(&self, asked: Submission) -> Result<RunId, Refusal> {
        let pipeline = asked.pipeline.clone();
        let mut runs = self.submit_in_order(vec![asked]).await?;
        runs.pop().ok_or(Refusal::Overlaps(pipeline))
    }

    /// Takes on runs of one request, each of which begins when the one before it is over: all of them or
    /// none, but for those that are to be left out beside others of their pipelines. The last is the one
    /// that stands for all.
    pub(crate) async fn submit_in_order(&self, asked: Vec<Submission>) -> Result<Vec<RunId>, Refusal> {
        // A task, as who asked may hang up: between the log and the queue nothing may be left out.
        let inner = Arc::clone(&self.0);
        let taken = tokio::spawn(async move { inner.take_on(asked).await });
        taken.await.map_err(|error| Refusal::fault(&error))?
    }

    /// Whether a run was asked for with the key of this one before.
    pub(crate) async fn is_known(&self, asked: &Submission) -> Result<bool, Refusal> {
        Ok(self.0.known(asked).await?.is_some())
    }

    /// Tells a run to stop, whichever process works on it, with those of its request that it comes after.
    /// On return that is durable; runs that were at work may still be settling.
    pub(crate) async fn cancel(&self, run: &RunId, reason: &str) -> Result<(), Uncancelled> {
        self.0.cancel(run, reason).await
    }

    /// Every step of every run of this server from now on. Who does not keep up is told so, and reads the
    /// logs instead.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.0.board.changes()
    }

    /// How far a run is that is at work here.
    pub(crate) fn standing(&self, run: &RunId) -> Option<Standing> {
        self.0.board.standing(run)
    }

    /// Step types by name.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The run history.
    pub(crate) fn store(&self) -> &Arc<dyn RunStore> {
        &self.0.store
    }

    /// A run as its log tells it.
    #[cfg(test)]
    pub(crate) async fn state(&self, run: &RunId) -> Result<RunState, StepError> {
        self.0.fold(run).await
    }

    /// A run as lists have it.
    pub(crate) async fn summary(&self, run: &RunId) -> Result<RunSummary, RunStoreError> {
        self.0.store.summary(run).await
    }

    /// The nearest failed one of the runs that one came after; what is not kept any more tells nothing.
    pub(crate) async fn failed_before(&self, accepted: &Accepted) -> Option<RunId> {
        let mut before = accepted.origin.after.clone();
        while let Some(run) = before.pop() {
            let ended = self.summary(&run).await.ok()?.finished;
            if ended.is_some_and(|(status, _)| is_failure(status)) {
                return Some(run);
            }
            before.extend(self.0.accepted(&run).await.ok()?.origin.after);
        }
        None
    }

    /// How many runs wait for their turn, and how many are at work.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.0.queue().len(), self.0.at_work().len())
    }

    /// Carries out runs until `stop`; then lets go of those at work, keeping what is whole, for the next
    /// process to go on with.
    pub(crate) async fn work(&self, stop: tokio_util::sync::CancellationToken) {
        work::work(Arc::clone(&self.0), stop).await;
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_work(&self) -> MutexGuard<'_, HashMap<RunId, Cancel>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fold(&self, run: &RunId) -> Result<RunState, StepError> {
        let events = self.store.load(run).await?;
        RunState::fold(&events).map_err(|error| RunError::Illegal(error).into())
    }

    /// The pipeline of a name, as the files are that are given.
    fn pipeline(&self, current: &Current, id: &PipelineId) -> Option<Arc<Pipeline>> {
        let project = &current.project;
        let own = || (id.as_str() == echo::ECHO && project.config.serve.echo).then_some(&*self.registry);
        project.pipelines.get(id).map(Arc::clone).or_else(|| echo::pipeline(own()?))
    }

    /// What a run was accepted as.
    async fn accepted(&self, run: &RunId) -> Result<Accepted, StepError> {
        let first = self.store.load_part(run, 0, 1).await?;
        let accepted = RunState::fold(&first).map_err(RunError::Illegal)?.accepted;
        accepted.ok_or_else(|| RunStoreError::NotAccepted.into())
    }

    /// What a run has in common with others, and who watches it.
    fn services(&self, run: &Run) -> Services {
        let pools = {
            let mut last = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = &run.scope.project.pools;
            if last.0 != *wanted {
                *last = (wanted.clone(), Pools::shared(wanted, &self.state));
            }
            last.1.clone()
        };
        Services {
            store: Arc::clone(&self.store),
            registry: Arc::clone(&self.registry),
            executor: Arc::new(LocalExecutor::new(Arc::clone(&self.registry))),
            clock: Arc::clone(&self.clock),
            pools,
            watch: self.board.watch(&run.id, &run.scope.secrets),
        }
    }

    /// What waits in the history, and what a server before this one had begun, oldest first.
    async fn take_up(&self) -> Result<(), StepError> {
        let mut unfinished = self.store.list(&RunQuery { unfinished: true, ..RunQuery::default() }).await?;
        unfinished.reverse();
        for run in unfinished {
            let begun = !run.is_queued();
            match self.accepted(&run.run).await {
                Ok(accepted) if !begun || accepted.origin.cause.is_served() => {
                    let (run, pipeline, after) = (run.run, run.pipeline, accepted.origin.after);
                    self.queue().put(Waiting { run, pipeline, after, version: None });
                }
                // Those of the command line are settled by the next run of their pipeline.
                Ok(_) => {}
                Err(error) => tracing::error!(run = %run.run, %error, "a run cannot be taken up"),
            }
        }
        Ok(())
    }

    async fn cancel(&self, run: &RunId, reason: &str) -> Result<(), Uncancelled> {
        // No such run is an answer of its own.
        self.store.summary(run).await?;
        let told = scheduler::stop(&self.state, &*self.store, &*self.clock, run, reason).await?;
        for (run, stopped) in &told {
            match stopped {
                Stop::Dropped => self.dropped(run, DROPPED),
                Stop::Asked { .. } => {
                    if let Some(cancel) = self.at_work().get(run) {
                        cancel.cancel(reason);
                    }
                }
                Stop::Finished(_) | Stop::Dead => {}
            }
        }
        match told.last() {
            Some((_, Stop::Finished(status))) => Err(Uncancelled::Finished(*status)),
            Some((_, Stop::Dead)) => Err(Uncancelled::Dead),
            _ => Ok(()),
        }
    }

    /// A run that waited for its turn is over; its log holds so many events.
    fn dropped(&self, run: &RunId, events: usize) {
        self.queue().forget(run);
        self.board.told(run, events);
        // What comes after it may be looked at.
        self.wake.notify_one();
    }

    /// Notices what another process ended while it waited here.
    async fn heed(&self) -> Result<(), StepError> {
        // First: what comes into the queue later may not be in the list yet.
        let waiting = self.queue().all_waiting();
        if waiting.is_empty() {
            return Ok(());
        }
        let unfinished = self.store.list(&RunQuery { unfinished: true, ..RunQuery::default() }).await?;
        let unfinished: HashSet<&RunId> = unfinished.iter().map(|run| &run.run).collect();
        for run in waiting.iter().filter(|run| !unfinished.contains(run)) {
            match self.store.summary(run).await {
                Ok(summary) => self.dropped(run, summary.events),
                Err(RunStoreError::NoRun(_)) => self.queue().forget(run),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
