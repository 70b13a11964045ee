//! Pipelines of one step that works until it is let go, and a server's runner over them.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Clock, Context, EnvSecrets, Scope},
    data::RunId,
    event::{Cause, RunState, RunStatus},
    pipeline::{Overlap, Pipeline, PipelineNode, Unit},
    plan::{Planned, PlannedDocument},
    project::{Jitter, Limits, Project, ProjectConfig, Retry, Serve},
    registry::Registry,
    step::{ErrorKind, Node, Outcome, Step, StepError},
    store::{RunStore, SqliteStore},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    live::Live,
    runner::{Runner, Submission},
};

/// What the steps of one test touch.
#[derive(Debug)]
pub(super) struct World {
    /// How often each run did its work.
    pub(super) done: BTreeMap<RunId, u32>,
    /// Runs in the order in which they began.
    pub(super) began: Vec<RunId>,
    /// At work now, by pipeline, and the most at a time.
    pub(super) at_work: BTreeMap<String, usize>,
    pub(super) most: usize,
    pub(super) most_of_one: usize,
    /// Who works waits here to be let go.
    gate: Arc<Semaphore>,
}

static WORLDS: LazyLock<Mutex<HashMap<String, Arc<Mutex<World>>>>> = LazyLock::new(Mutex::default);

pub(super) fn world(name: &str) -> Arc<Mutex<World>> {
    let new = || World {
        done: BTreeMap::new(),
        began: Vec::new(),
        at_work: BTreeMap::new(),
        most: 0,
        most_of_one: 0,
        gate: Arc::new(Semaphore::new(0)),
    };
    let mut worlds = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(worlds.entry(name.to_owned()).or_insert_with(|| Arc::new(Mutex::new(new()))))
}

pub(super) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Works until it is let go.
#[derive(Debug, Deserialize, JsonSchema)]
struct Work {
    world: String,
    /// Fails, to be tried again after a long time.
    #[serde(default)]
    fails: bool,
}

impl Step for Work {
    const USES: &'static str = "fake-work";
    const SUMMARY: &'static str = "works";
    const REVISION: u32 = 1;
}

/// At work until it is dropped.
struct AtWork(Arc<Mutex<World>>, String);

impl Drop for AtWork {
    fn drop(&mut self) {
        *lock(&self.0).at_work.get_mut(&self.1).unwrap() -= 1;
    }
}

impl Node for Work {
    type Input = ();
    type Output = ();
    async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
        Ok(Planned::idle(PlannedDocument::Nothing))
    }
    async fn run(&self, (): (), cx: &Context) -> Outcome<()> {
        let shared = world(&self.world);
        let pipeline = cx.scope.pipeline.to_string();
        let (_at_work, gate) = {
            let mut world = lock(&shared);
            world.began.push(cx.run.clone());
            *world.at_work.entry(pipeline.clone()).or_default() += 1;
            world.most = world.most.max(world.at_work.values().sum());
            world.most_of_one = world.most_of_one.max(world.at_work[&pipeline]);
            (AtWork(Arc::clone(&shared), pipeline), Arc::clone(&world.gate))
        };
        if self.fails {
            return Err(StepError::transient(ErrorKind::Network, "the source is away")).into();
        }
        tokio::select! {
            biased;
            () = cx.cancel.cancelled() => return Err(StepError::Cancelled).into(),
            permit = gate.acquire() => permit.unwrap().forget(),
        }
        *lock(&shared).done.entry(cx.run.clone()).or_default() += 1;
        Outcome::done(())
    }
}

/// The wall clock, on which nobody waits long, but for another try of what failed.
#[derive(Debug)]
struct Quick;

#[async_trait]
impl Clock for Quick {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
    async fn sleep(&self, time: Duration) {
        let time = if time < Duration::from_secs(3_600) { time.min(Duration::from_millis(5)) } else { time };
        tokio::time::sleep(time).await;
    }
}

/// A project on disk, and the servers that run on it one after the other.
pub(super) struct Stage {
    pub(super) folder: tempfile::TempDir,
    pub(super) name: String,
    pub(super) queue: u32,
    pub(super) runs: u32,
    /// Of the files of all pipelines.
    pub(super) digest: String,
    /// What their steps do beside working.
    pub(super) fails: bool,
}

/// A server at work.
pub(super) struct Server {
    pub(super) runner: Runner,
    pub(super) stop: CancellationToken,
    work: JoinHandle<()>,
}

impl Stage {
    pub(super) fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (name, digest) = (name.to_owned(), "d1".to_owned());
        Self { folder, name, queue: 100, runs: 2, digest, fails: false }
    }

    pub(super) fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn world(&self) -> Arc<Mutex<World>> {
        world(&self.name)
    }

    /// Lets so many steps end.
    pub(super) fn let_go(&self, steps: usize) {
        lock(&self.world()).gate.add_permits(steps);
    }

    pub(super) fn registry() -> Arc<Registry> {
        Arc::new(Registry::new().node::<Work>())
    }

    pub(super) fn project(&self) -> Project {
        let pipelines = ["p", "q", "r"].map(|id| (id.parse().unwrap(), Arc::new(self.pipeline(id))));
        Project {
            config: Arc::new(self.config(self.folder.path())),
            datasets: Arc::default(),
            pipelines: pipelines.into(),
        }
    }

    fn config(&self, root: &Path) -> ProjectConfig {
        let limits = Limits {
            queue: self.queue.try_into().unwrap(),
            runs: Some(self.runs.try_into().unwrap()),
            ..Limits::default()
        };
        let mut config = ProjectConfig {
            root: root.to_owned(),
            id: "test".to_owned(),
            title: None,
            extent: None,
            crs: None,
            state: self.state(),
            catalog: root.join("stac"),
            memory: 1 << 30,
            stores: BTreeMap::new(),
            pools: BTreeMap::new(),
            vars: BTreeMap::new(),
            secrets: BTreeMap::new(),
            notify: Vec::new(),
            history: Default::default(),
            serve: Serve::default(),
        };
        config.serve.limits = limits;
        config
    }

    fn pipeline(&self, id: &str) -> Pipeline {
        let with = json!({ "world": self.name, "fails": self.fails });
        let retry = Retry {
            initial: frazil_engine::data::Duration::from_days(1),
            max: frazil_engine::data::Duration::from_days(1),
            jitter: Jitter::None,
            ..Retry::default()
        };
        let node = PipelineNode {
            id: "work".parse().unwrap(),
            uses: Work::USES.to_owned(),
            step: Self::registry().get(Work::USES).unwrap().bind(&with).unwrap(),
            with,
            needs: Vec::new(),
            after: Vec::new(),
            pool: None,
            retry,
            timeout: None,
        };
        Pipeline {
            id: id.parse().unwrap(),
            title: None,
            description: None,
            file: format!("{id}.yaml"),
            digest: self.digest.clone(),
            params: Vec::new(),
            triggers: Vec::new(),
            nodes: vec![node],
            units: vec![Unit::Node(0)],
        }
    }

    /// A runner that does not begin anything yet.
    pub(super) async fn runner(&self) -> Runner {
        let live = Arc::new(Live::new(Arc::new(self.project()), Arc::new(EnvSecrets::default())));
        let store: Arc<dyn RunStore> = Arc::new(SqliteStore::open(&self.state()).await.unwrap());
        Runner::over(live, Self::registry(), store, Arc::new(Quick)).await.unwrap()
    }

    /// A server that begins what waits.
    pub(super) async fn server(&self) -> Server {
        let (runner, stop) = (self.runner().await, CancellationToken::new());
        let (works, told) = (runner.clone(), stop.clone());
        let work = tokio::spawn(async move { works.work(told).await });
        Server { runner, stop, work }
    }
}

impl Server {
    /// Dies: nothing is settled.
    pub(super) async fn die(self) {
        self.work.abort();
        assert!(self.work.await.unwrap_err().is_cancelled());
    }

    /// Stops in good order.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.work.await.unwrap();
    }
}

/// A run of a pipeline over HTTP.
pub(super) fn asked(pipeline: &str) -> Submission {
    Submission {
        pipeline: pipeline.parse().unwrap(),
        params: Map::new(),
        instant: Utc::now(),
        units: None,
        backfill: None,
        overlap: Overlap::Queue,
        cause: Cause::Http { who: Some("tests".to_owned()) },
        key: None,
        traceparent: None,
        reply: frazil_engine::event::Reply::default(),
    }
}

/// Waits until something is so.
pub(super) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never: {what}");
}

/// Waits until a run is over, and gives what became of it.
pub(super) async fn over(runner: &Runner, run: &RunId) -> RunState {
    for _ in 0..10_000 {
        let state = runner.state(run).await.unwrap();
        if state.finished.is_some() {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("run {run} is never over: {:#?}", runner.state(run).await);
}

pub(super) fn status(state: &RunState) -> RunStatus {
    state.finished.unwrap().0
}
