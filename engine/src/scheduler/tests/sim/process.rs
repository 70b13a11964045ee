use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    super::stage,
    sketch::{Sketch, registry},
    world::{Shared, World, lock, point},
};
use crate::{
    data::RunId,
    event::{RunEvent, RunState},
    executor::LocalExecutor,
    pipeline::Pipeline,
    scheduler::{Run, RunError, Services, resume, settle_dead, start},
    step::StepError,
    store::{MemoryStore, RunQuery, RunStore, RunStoreError, RunSummary},
};

/// A run log at whose appends the process may die: before they are durable, or right after.
#[derive(Debug)]
struct Log {
    store: Arc<MemoryStore>,
    world: Shared,
}

impl Log {
    fn noted(&self, events: &[RunEvent]) {
        let mut world = lock(&self.world);
        events.iter().for_each(|event| world.noted(event));
    }
}

#[async_trait]
impl RunStore for Log {
    async fn create(&self, run: &RunId, events: &[RunEvent]) -> Result<(), RunStoreError> {
        point(&self.world).await;
        self.store.create(run, events).await?;
        self.noted(events);
        point(&self.world).await;
        Ok(())
    }
    async fn append(&self, run: &RunId, after: usize, events: &[RunEvent]) -> Result<(), RunStoreError> {
        point(&self.world).await;
        self.store.append(run, after, events).await?;
        self.noted(events);
        point(&self.world).await;
        Ok(())
    }
    async fn load(&self, run: &RunId) -> Result<Vec<RunEvent>, RunStoreError> {
        self.store.load(run).await
    }
    async fn list(&self, query: &RunQuery) -> Result<Vec<RunSummary>, RunStoreError> {
        self.store.list(query).await
    }
    async fn remove(&self, run: &RunId) -> Result<(), RunStoreError> {
        self.store.remove(run).await
    }
}

/// A simulation: a graph, its world, and the processes that run it one after the other.
pub(super) struct Sim {
    name: String,
    pub(super) sketch: Sketch,
    pub(super) world: Shared,
    pub(super) store: Arc<MemoryStore>,
    pipeline: Arc<Pipeline>,
    state: PathBuf,
    runs: usize,
}

/// What became of a process.
pub(super) enum Life {
    /// Its run came to an end.
    Ended(Box<RunState>),
    /// It died.
    Died,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Settles what died before it, and starts a run of its own.
    Start,
    /// Takes up the last run under its name.
    Resume,
}

impl Drop for Sim {
    fn drop(&mut self) {
        World::forget(&self.name);
    }
}

impl Sim {
    pub(super) fn new(sketch: Sketch, seed: u64, state: &std::path::Path) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("sim-{seed}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let world = World::make(&name, seed);
        sketch.settle_in(&mut lock(&world));
        let pipeline = sketch.pipeline(&name);
        let (store, state) = (Arc::new(MemoryStore::new()), state.join(&name));
        Self { name, sketch, world, store, pipeline, state, runs: 0 }
    }

    /// Nothing is wrong with the sources and the nodes any more.
    pub(super) fn mend(&mut self) {
        self.sketch = self.sketch.mended();
        let days: Vec<_> = self.sketch.days();
        let mut world = lock(&self.world);
        for (name, _) in days {
            if let Some(cube) = world.cubes.get_mut(&name) {
                cube.faults = super::world::Faults::default();
            }
        }
        world.nodes.values_mut().for_each(|node| *node = (vec!["ok"], 0));
    }

    pub(super) fn run_id(&self) -> RunId {
        format!("r{}", self.runs).parse().unwrap()
    }

    /// Lets a process live until its run ends or it dies. `stop` is the point at which it is told
    /// to stop; `grace` how long it may then take, in milliseconds.
    pub(super) fn live(&mut self, doing: Doing, stop: Option<usize>, grace: u64) -> Life {
        if doing == Doing::Start {
            self.runs += 1;
        }
        let mut run = stage::run(&self.pipeline, self.run_id().as_str());
        run.scratch = self.state.join("scratch");
        run.grace = Duration::from_millis(grace);
        let (clock, died) = {
            let mut world = lock(&self.world);
            world.stop = stop.map(|points| (points, run.cancel.clone()));
            (Arc::clone(&world.clock), world.died.clone())
        };
        let registry = Arc::new(registry());
        let services = Services {
            store: Arc::new(Log { store: Arc::clone(&self.store), world: Arc::clone(&self.world) }),
            executor: Arc::new(LocalExecutor::new(Arc::clone(&registry))),
            registry,
            clock: Arc::<super::clock::VirtualClock>::clone(&clock),
            ..stage::services(Arc::<MemoryStore>::clone(&self.store))
        };
        let work = work(run, services, doing, self.state.clone());
        let stuck = CancellationToken::new();
        let runtime = {
            let (stuck, idle) = (stuck.clone(), AtomicUsize::new(0));
            tokio::runtime::Builder::new_current_thread()
                .on_thread_park(move || {
                    // Nothing can happen before time passes; and nothing ever when it does not. The
                    // thread rests once more as it hears of the end.
                    if clock.pass() {
                        idle.store(0, Ordering::Relaxed);
                    } else if idle.fetch_add(1, Ordering::Relaxed) > 2 {
                        stuck.cancel();
                    }
                })
                .build()
                .unwrap()
        };
        let result = runtime.block_on(async {
            let task = tokio::spawn(work);
            tokio::select! {
                biased;
                () = died.cancelled() => None,
                ended = task => Some(ended.unwrap()),
                () = stuck.cancelled() => panic!("{}: nothing can happen any more", self.name),
            }
        });
        // What it had under way goes with it.
        drop(runtime);
        match result {
            None => Life::Died,
            Some(Ok(state)) => Life::Ended(Box::new(state)),
            Some(Err(error)) => panic!("{}: {error}", self.name),
        }
    }
}

async fn work(run: Run, services: Services, doing: Doing, state: PathBuf) -> Result<RunState, RunError> {
    if doing == Doing::Resume {
        return resume(&run, &services).await;
    }
    match settle_dead(&state, &run.pipeline, &run.scope, &services, &run.cancel).await {
        // Told to stop before it began: there is no run.
        Err(StepError::Cancelled) => return Ok(RunState::default()),
        settled => drop(settled.unwrap()),
    }
    start(&run, &services).await
}
