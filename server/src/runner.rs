//! Runs of pipelines in the server: taken on, durable on answer, carried out in their turn, and gone on
//! with by the next process where this one dies or is stopped.
//!
//! What is known of a run is the fold of its log. One that is accepted and that no process opened waits
//! for its turn; what is held here of it is its name.

mod one;
mod progress;
mod queue;
mod refusal;
mod work;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Clock, Pools, SystemClock},
    data::{Backfill, PipelineId, RunId},
    event::{Cause, Key, Origin, Reply, RunState, RunStatus},
    executor::LocalExecutor,
    lock::{FileLock, ask_to_stop, pipeline_lock, run_lock, scratch},
    pipeline::Overlap,
    project::Pool,
    registry::Registry,
    scheduler::{self, Cancel, GRACE, Run, RunError, Services, ask_to_make_room, drop_queued},
    step::{ErrorKind, StepError},
    store::{RunQuery, RunStore, RunStoreError, RunSummary, SqliteStore},
};
use serde_json::{Map, Value};
use tokio::sync::{Notify, broadcast};

use crate::live::{Current, Live};
use progress::Board;
pub(crate) use progress::{Change, Standing};
use queue::{Queue, Waiting};
pub(crate) use refusal::{Refusal, Uncancelled};

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
        // A task, as who asked may hang up: between the log and the queue nothing may be left out.
        let runner = self.clone();
        let taken = tokio::spawn(async move { runner.take_on(asked).await });
        taken.await.map_err(|error| Refusal::fault(&error))?
    }

    async fn take_on(&self, asked: Submission) -> Result<RunId, Refusal> {
        let inner = &self.0;
        if let Some(known) = inner.known(&asked).await? {
            return Ok(known);
        }
        let current = inner.live.current();
        let pipeline = current.project.pipelines.get(&asked.pipeline).map(Arc::clone);
        let pipeline = pipeline.ok_or_else(|| Refusal::NoPipeline(asked.pipeline.clone()))?;
        if asked.units.iter().flatten().any(|unit| *unit >= pipeline.units.len()) {
            let why = format!("the file of `{}` was changed meanwhile", asked.pipeline);
            return Err(StepError::permanent(ErrorKind::Refused, why).help("ask again").into());
        }
        let limit = current.project.config.serve.limits.queue.get() as usize;
        let place = inner.place(&asked, limit).await?;
        let units = asked.units.unwrap_or_else(|| (0..pipeline.units.len()).collect());
        let Current { project, secrets } = &current;
        let mut scope = project.scope(&pipeline.id, asked.params, asked.instant, Arc::clone(secrets));
        scope.backfill = asked.backfill.map(Arc::new);
        let began = inner.clock.now();
        let id = scheduler::run_id(began);
        let run = Run {
            id: id.clone(),
            scope,
            pipeline,
            units,
            cancel: Cancel::new(),
            grace: GRACE,
            scratch: scratch(&inner.state, &id),
            origin: Origin {
                cause: asked.cause,
                key: asked.key,
                traceparent: asked.traceparent,
                reply: asked.reply.kept(),
            },
        };
        match scheduler::accept(&run, &inner.services(&run)).await {
            Ok(()) => {}
            // Asked for twice at once: the other was first.
            Err(RunError::Store(RunStoreError::Asked(other))) => return Ok(other),
            Err(error) => return Err(Refusal::Failed(error.into())),
        }
        let replaced = (asked.overlap == Overlap::Replace).then(|| place.others());
        place.fill(Waiting {
            run: id.clone(),
            pipeline: asked.pipeline.clone(),
            begun: false,
            version: Some(current),
        });
        inner.wake.notify_one();
        if let Some(others) = replaced {
            inner.make_room(&id, &asked.pipeline, began, others).await?;
        }
        Ok(id)
    }

    /// Tells a run to stop, whichever process works on it. On return that is durable; the run may still
    /// be settling.
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
    pub(crate) async fn state(&self, run: &RunId) -> Result<RunState, StepError> {
        self.0.fold(run).await
    }

    /// A run as lists have it.
    pub(crate) async fn summary(&self, run: &RunId) -> Result<RunSummary, RunStoreError> {
        self.0.store.summary(run).await
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
            if begun {
                match self.fold(&run.run).await {
                    Ok(state) if state.accepted.as_ref().is_some_and(|it| it.origin.cause.is_served()) => {}
                    // Those of the command line are settled by the next run of their pipeline.
                    Ok(_) => continue,
                    Err(error) => {
                        tracing::error!(run = %run.run, %error, "a run cannot be taken up");
                        continue;
                    }
                }
            }
            self.queue().put(Waiting { run: run.run, pipeline: run.pipeline, begun, version: None });
        }
        Ok(())
    }

    /// The run that was asked for with the key of this one.
    async fn known(&self, asked: &Submission) -> Result<Option<RunId>, Refusal> {
        let Some(key) = &asked.key else { return Ok(None) };
        let Some(run) = self.store.keyed(&key.name).await.map_err(StepError::from)? else { return Ok(None) };
        let accepted = self.fold(&run).await?.accepted;
        match accepted.and_then(|accepted| accepted.origin.key) {
            Some(known) if known.digest == key.digest => Ok(Some(run)),
            _ => Err(Refusal::OtherKey { run }),
        }
    }

    /// A place in the queue, given back where it is not filled.
    async fn place(&self, asked: &Submission, limit: usize) -> Result<queue::Place<'_>, Refusal> {
        let overlaps = || Refusal::Overlaps(asked.pipeline.clone());
        if asked.overlap == Overlap::Skip {
            let lock = pipeline_lock(&self.state, &asked.pipeline);
            let held = tokio::task::spawn_blocking(move || FileLock::is_held(&lock)).await;
            if held.map_err(|error| Refusal::fault(&error))?? {
                return Err(overlaps());
            }
        }
        let mut queue = self.queue();
        if asked.overlap == Overlap::Skip && queue.knows(&asked.pipeline) {
            return Err(overlaps());
        }
        if queue.is_full(limit) {
            return Err(Refusal::Full { limit });
        }
        queue.reserve(&asked.pipeline);
        drop(queue);
        Ok(queue::Place::new(&self.queue, asked.pipeline.clone()))
    }

    /// Has runs of the pipeline make room for one that is accepted.
    async fn make_room(
        &self,
        run: &RunId,
        pipeline: &PipelineId,
        began: DateTime<Utc>,
        others: Vec<RunId>,
    ) -> Result<(), Refusal> {
        let reason = format!("replaced by run {run}");
        for other in others {
            // Another refusal says that it came to its end meanwhile.
            if let Err(Uncancelled::Failed(error)) = self.cancel(&other, &reason).await {
                return Err(Refusal::Failed(error));
            }
        }
        ask_to_make_room(&self.state, &*self.store, pipeline, began, &reason).await?;
        Ok(())
    }

    async fn cancel(&self, run: &RunId, reason: &str) -> Result<(), Uncancelled> {
        let summary = self.store.summary(run).await?;
        if let Some((status, _)) = summary.finished {
            return Err(Uncancelled::Finished(status));
        }
        if summary.is_queued() {
            let cancelled = RunStatus::Cancelled;
            if drop_queued(run, &*self.store, &*self.clock, cancelled, reason).await? {
                self.queue().forget(run);
                self.board.told(run, summary.events + 2);
                return Ok(());
            }
        }
        let (waits, lock) = (self.queue().is_waiting(run), run_lock(&self.state, run));
        let held = move || FileLock::is_held(&lock);
        let held = tokio::task::spawn_blocking(held).await.map_err(|error| Uncancelled::fault(&error))??;
        if !waits && !held && !self.at_work().contains_key(run) {
            return Err(Uncancelled::Dead);
        }
        // The file outlives this process: who goes on with the run finds it.
        let (state, id, why) = (self.state.clone(), run.clone(), reason.to_owned());
        let asked = tokio::task::spawn_blocking(move || ask_to_stop(&state, &id, &why)).await;
        asked.map_err(|error| Uncancelled::fault(&error))??;
        if let Some(cancel) = self.at_work().get(run) {
            cancel.cancel(reason);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
