//! One history of one project: rounds of planning everything, running it, and comparing.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, Days, NaiveDate, TimeZone, Utc};
use frazil_engine::{
    context::{Context, EnvSecrets, ManualClock, Pools, Progress, Scope},
    data::{Action, DatasetId, Item, PeriodRange, PipelineId, Status},
    dataset::GridBlock,
    event::{Event, RunEvent, RunState},
    executor::{LocalExecutor, Unwatched, Watch},
    plan::{self, Foreseen, NodePlan, PlannedDocument},
    project::{Cascade, LoadOptions, Project, Retry, Selection, Stage, load},
    registry::Registry,
    scheduler::{self, Cancel, Services},
    store::{MemoryStore, RunStore},
};
use frazil_steps::{
    cube::{Commit, Cube},
    given::{Given, give},
};
use frazil_tests::{geotiff::GeoTiff, sandbox::Sandbox};
use serde_json::json;

use super::{
    judge::{Seen, done, listed, started_later},
    sketch::{Luck, Sketch},
};

/// Days that a source ever has.
const DAYS: u64 = 150;

pub(crate) struct Bench {
    seed: u64,
    sketch: Sketch,
    sandbox: Sandbox,
    registry: Arc<Registry>,
    instant: DateTime<Utc>,
    /// Days that the source has.
    days: u64,
}

/// Whoever stops a run after so many events.
#[derive(Debug)]
struct Stopper {
    left: AtomicUsize,
    cancel: Mutex<Option<Cancel>>,
}

impl Watch for Stopper {
    fn event(&self, event: &RunEvent, _: &RunState) {
        let counts =
            matches!(event.event, Event::Written { .. } | Event::Committed { .. } | Event::Started { .. });
        if counts && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cancel.lock().unwrap().as_ref().unwrap().cancel("the test stops it");
        }
    }
}

/// Numbers that no codec makes small, others for each day.
fn noise(day: u64) -> impl Fn(usize, usize) -> f32 {
    move |row, column| {
        let n = (day + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ ((row * 32 + column + 1) as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        let n = (n ^ (n >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((n >> 40) as f32) / 167_772.0
    }
}

impl Bench {
    pub(crate) fn new(seed: u64, sketch: Sketch) -> Self {
        let sandbox = Sandbox::in_memory(&[(
            "frazil.yaml",
            "frazil: 1\nid: p\nmemory: 1GiB\nstores: { cubes: ./cubes }\n",
        )]);
        let registry = Arc::new(frazil_steps::registry());
        let instant = Utc.with_ymd_and_hms(2024, 1, 2, 6, 0, 0).unwrap();
        Self { seed, sketch, sandbox, registry, instant, days: 0 }
    }

    /// The source gets what it has by now.
    fn publish(&mut self) {
        let first = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
        let until = (self.instant.date_naive() - first).num_days() as u64;
        (self.days..=until).for_each(|day| self.input(first + Days::new(day), day));
        self.days = until + 1;
    }

    /// The source has a day.
    fn input(&self, day: NaiveDate, salt: u64) {
        let path = self.sandbox.path(day.format("input/%Y%m%d.tif").to_string());
        GeoTiff::of((10.0, 20.0), 0.5, (32, 32), noise(salt)).write(&path).unwrap();
    }

    fn project(&self) -> Project {
        self.sandbox.write("pipelines/first.yaml", &self.sketch.first());
        if let Some(text) = self.sketch.second() {
            self.sandbox.write("pipelines/second.yaml", &text);
        }
        let options = LoadOptions { paths: Vec::new(), project: Vec::new(), folder: self.sandbox.path("") };
        let mut checked = load(&options, &self.registry);
        assert!(!checked.has_errors(), "seed {}: {:?}\n{}", self.seed, checked.problems, self.sketch.first());
        checked.projects.remove(0)
    }

    fn scope(&self, project: &Project, stage: &Stage, start: &str) -> Scope {
        let pipeline = &stage.pipeline;
        let has = pipeline.params.iter().any(|(name, _)| name == "start");
        let given: BTreeMap<_, _> = has.then(|| ("start".to_owned(), json!(start))).into_iter().collect();
        let params = pipeline.accept_params(&given, &project.config, self.instant).unwrap();
        self.scope_of(project, &pipeline.id, params)
    }

    fn scope_of(
        &self,
        project: &Project,
        pipeline: &PipelineId,
        params: serde_json::Map<String, serde_json::Value>,
    ) -> Scope {
        Scope {
            project: Arc::clone(&project.config),
            datasets: Arc::clone(&project.datasets),
            pipeline: pipeline.clone(),
            instant: self.instant,
            params: Arc::new(params),
            secrets: Arc::new(EnvSecrets::default()),
            memory: 1 << 30,
            stand_in: None,
            backfill: None,
        }
    }

    /// Something happens, then everything that is selected is planned, run and compared.
    pub(crate) async fn round(&mut self, round: usize, luck: &mut Luck, seen: &mut Seen) {
        self.instant = (self.instant + Days::new(1 + luck.below(35) as u64))
            .min(Utc.with_ymd_and_hms(2024, 5, 20, 6, 0, 0).unwrap());
        self.publish();
        let redefined = round > 0 && luck.once_in(3) && self.sketch.redefine(luck);
        let project = self.project();
        if round > 0 && luck.once_in(2) {
            self.give(&project, luck).await;
        }
        // At first the axis may begin late, so that what comes before is asked for afterwards.
        let start = if round == 0 {
            luck.pick(&["2024-01-01", "2024-01-19"])
        } else {
            luck.pick(&["2024-01-01", "2024-01-07", "2024-01-19"])
        };
        let some = self.sketch.derived.first().map_or("daily", |one| one.name.as_str());
        let names = luck.pick(&["", "daily+", "daily", some]);
        let selections: Vec<Selection> =
            if names.is_empty() { Vec::new() } else { vec![Selection::parse(names)] };
        let stages = Cascade::of(&project).select(&selections).unwrap();
        if luck.once_in(4) {
            // A run that is told to stop leaves something half done; it is not compared.
            seen.stopped += 1;
            let after = 1 + luck.below(5);
            for stage in &stages {
                self.run(&project, stage, start, Some(after)).await;
            }
        }
        let mut foreseen = Foreseen::default();
        let mut planned = Vec::new();
        for stage in &stages {
            let scope = self.scope(&project, stage, start);
            let nodes = plan::walk(&stage.pipeline, &stage.units, &self.registry, &scope, &foreseen).await;
            foreseen.note(&nodes);
            planned.push(nodes);
        }
        for (stage, nodes) in stages.iter().zip(&planned) {
            let before = self.stand(&project, nodes).await;
            let (state, events) = self.run(&project, stage, start, None).await;
            let what = format!(
                "seed {}, round {round}, {} from {start} as of {}",
                self.seed, stage.pipeline.id, self.instant
            );
            for node in nodes {
                self.judge(&what, &project, node, &before, (&state, &events), seen).await;
            }
        }
        seen.remade += usize::from(redefined);
    }

    /// Days of the daily dataset are put in place, as another hand may do: some provisional, or a gap
    /// at the end.
    async fn give(&self, project: &Project, luck: &mut Luck) {
        let id: DatasetId = "daily".parse().unwrap();
        let scope = self.scope_of(project, &"first".parse().unwrap(), serde_json::Map::new());
        let Some(cube) = Cube::open(&project.datasets[&id], &scope).await.unwrap() else { return };
        let stored: Vec<_> = cube.axis().iter().collect();
        let long = 1 + luck.below(3);
        let at = luck.below(stored.len());
        let (first, status) = match luck.below(3) {
            0 => (stored[stored.len() - 1].0.plus(1), Status::Gap),
            _ => (stored[at].0, Status::Provisional),
        };
        let stop = stored.len().min(at + long) - 1;
        // What is a gap already is filled, not revised: one or the other.
        if status == Status::Provisional && stored[at..=stop].iter().any(|(_, known)| !known.has_values()) {
            return;
        }
        let last = if status == Status::Gap { first.plus(long as i64 - 1) } else { stored[stop].0 };
        let grid: GridBlock =
            serde_json::from_value(json!({ "origin": [10, 20], "cell": [0.5, -0.5], "shape": [32, 32] }))
                .unwrap();
        let ranges = [PeriodRange { first, last }];
        if status == Status::Provisional {
            // What comes afterwards is another number again.
            for day in ranges[0].iter() {
                self.input(day.start().date_naive(), luck.below(1 << 20) as u64 + DAYS);
            }
        }
        let given = Given { dataset: &id, ranges: &ranges, status, grid: &grid, crs: 4326 };
        give(given, |_| Some(-5.0), &self.context(scope)).await.unwrap();
    }

    fn context(&self, scope: Scope) -> Context {
        Context {
            scope,
            run: "given".parse().unwrap(),
            node: "given".parse().unwrap(),
            attempt: 1,
            cancel: Cancel::new().token,
            clock: Arc::new(ManualClock::at(self.instant)),
            scratch: self.sandbox.path("scratch"),
            retry: Retry::default(),
            timeout: None,
            pools: Pools::default(),
            pool: None,
            progress: Progress::none(),
        }
    }

    async fn run(
        &self,
        project: &Project,
        stage: &Stage,
        start: &str,
        stop: Option<usize>,
    ) -> (RunState, Vec<RunEvent>) {
        let store = Arc::new(MemoryStore::new());
        let cancel = Cancel::new();
        let stopper = stop.map(|after| {
            Arc::new(Stopper { left: AtomicUsize::new(after), cancel: Mutex::new(Some(cancel.clone())) })
        });
        let services = Services {
            store: Arc::<MemoryStore>::clone(&store) as Arc<dyn RunStore>,
            registry: Arc::clone(&self.registry),
            executor: Arc::new(LocalExecutor::new(Arc::clone(&self.registry))),
            clock: Arc::new(ManualClock::at(self.instant)),
            pools: Pools::default(),
            watch: stopper
                .map_or_else(|| Arc::new(Unwatched) as Arc<dyn Watch>, |stopper| stopper as Arc<dyn Watch>),
        };
        let id = scheduler::run_id(self.instant);
        let run = scheduler::Run {
            scratch: self.sandbox.path("scratch").join(id.as_str()),
            id: id.clone(),
            scope: self.scope(project, stage, start),
            pipeline: Arc::clone(&stage.pipeline),
            units: stage.units.clone(),
            cancel,
            grace: scheduler::GRACE,
        };
        let state = scheduler::start(&run, &services).await.unwrap();
        (state, store.load(&id).await.unwrap())
    }

    /// Commits and chunk objects of the datasets that these nodes write.
    async fn stand(&self, project: &Project, nodes: &[NodePlan]) -> BTreeMap<DatasetId, (Vec<Commit>, u64)> {
        let mut found = BTreeMap::new();
        for id in nodes.iter().filter_map(|node| node.writes.as_ref()) {
            found.insert(id.clone(), (self.commits(project, id).await, self.objects(id)));
        }
        found
    }

    async fn commits(&self, project: &Project, id: &DatasetId) -> Vec<Commit> {
        let scope = self.scope_of(project, &"first".parse().unwrap(), serde_json::Map::new());
        match Cube::open(&project.datasets[id], &scope).await.unwrap() {
            Some(cube) => cube.commits(|_| true).await.unwrap(),
            None => Vec::new(),
        }
    }

    /// Chunk objects in the repository of a dataset; those of coordinates are too small to be any.
    fn objects(&self, id: &DatasetId) -> u64 {
        fn count(folder: &Path) -> u64 {
            let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
            let one = |entry: std::fs::DirEntry| {
                if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 1 }
            };
            entries.map(|entry| one(entry.unwrap())).sum()
        }
        count(&self.sandbox.path("cubes").join(id.as_str()).join("chunks"))
    }

    async fn judge(
        &self,
        what: &str,
        project: &Project,
        node: &NodePlan,
        before: &BTreeMap<DatasetId, (Vec<Commit>, u64)>,
        (state, events): (&RunState, &[RunEvent]),
        seen: &mut Seen,
    ) {
        let what = format!("{what}, `{}`", node.node);
        seen.levels.insert(node.level);
        let Some(planned) = node.planned.as_ref().filter(|_| node.error.is_none()) else {
            seen.refused += 1;
            let unit = state.units.get(&node.node);
            let worked = unit.is_some_and(|unit| unit.error.is_none() && unit.output.is_some());
            assert!(!worked, "{what} was refused, and ran: {:?}", node.error);
            return;
        };
        let spent = events.iter().find_map(|event| match &event.event {
            Event::Ended { spent, .. } => spent.get(&node.node),
            _ => None,
        });
        let spent = spent.copied().unwrap_or_default();
        assert_eq!(planned.work.requests as u64, spent.requests, "{what}: requests");
        seen.requests += planned.work.requests;
        let (Some(id), PlannedDocument::Snapshot(snapshot)) = (&node.writes, &planned.document) else {
            return;
        };
        let (commits, objects) = &before[id];
        let now = self.commits(project, id).await;
        let made = &now[..now.len() - commits.len()];
        let reasons = planned.reasons.join("\n  ");
        assert_eq!(listed(&snapshot.changes), done(made), "{what}: periods\n  {reasons}");
        assert_eq!(planned.work.commits, made.len(), "{what}: commits\n  {reasons}");
        let periods: usize = snapshot.changes.iter().map(|item| item.range.len()).sum();
        assert_eq!(planned.work.periods, periods, "{what}: periods");
        assert_eq!(planned.work.periods as u64, spent.periods, "{what}: periods told");
        let objects = self.objects(id) - objects;
        match planned.work.chunks {
            // Chunks of windows that hold nothing are not written.
            Some(chunks) if self.lacks(project, id, &snapshot.changes).await => {
                assert!(objects <= chunks, "{what}: {objects} chunk objects, {chunks} planned");
            }
            Some(chunks) => {
                assert_eq!(chunks, objects, "{what}: chunk objects\n  {reasons}");
                seen.chunks += chunks;
            }
            None => {
                // The copy says no grid.
                let says = self.sketch.grid && id.as_str() != "copy";
                assert!(commits.is_empty() && !says, "{what}: chunks are not known");
                seen.unknown += 1;
            }
        }
        seen.commits += made.len();
        let of = |action: Action| snapshot.changes.iter().filter(|item| item.action == action).count();
        seen.revised += of(Action::Revise);
        seen.filled += of(Action::Fill);
        seen.backward += usize::from(made.len() > 1 && !commits.is_empty() && started_later(made));
    }

    /// Whether some of these periods hold nothing now.
    async fn lacks(&self, project: &Project, id: &DatasetId, items: &[Item]) -> bool {
        let scope = self.scope_of(project, &"first".parse().unwrap(), serde_json::Map::new());
        let Some(cube) = Cube::open(&project.datasets[id], &scope).await.unwrap() else { return false };
        let has = |period| cube.axis().status(period).is_some_and(Status::has_values);
        !items.iter().flat_map(|item| item.range.iter()).all(has)
    }
}
