//! One history of one project: rounds of planning everything, running it, and comparing.

use std::{collections::BTreeMap, sync::Arc};

#[path = "release.rs"]
mod release;
#[path = "stopper.rs"]
mod stopper;

use chrono::{DateTime, Days, NaiveDate, TimeZone, Utc};
use frazil_engine::{
    context::{Context, EnvSecrets, ManualClock, Pools, Progress, Scope},
    data::{Action, DatasetId, Frequency, PeriodRange, PipelineId, Status},
    dataset::GridBlock,
    event::{Event, Origin, RunEvent, RunState},
    executor::{LocalExecutor, Unwatched, Watch},
    plan::{self, Foreseen, NodePlan, PlannedDocument},
    project::{Cascade, LoadOptions, Project, Retry, Selection, Stage, load},
    registry::Registry,
    scheduler::{self, Cancel, Services},
    store::{MemoryStore, RunStore},
};
use frazil_steps::{
    cube::{self, Commit, Cube, Mark, Standing},
    given::{Given, give},
};
use frazil_tests::{geotiff::GeoTiff, sandbox::Sandbox};
use serde_json::json;

use release::{Before, Told};
use stopper::Stopper;

use super::{
    judge::{Seen, done, listed, started_later},
    sketch::{Luck, PROGRAM, Sketch, Source},
};

/// Days that a source ever has.
const DAYS: u64 = 150;

/// The first and the last period that are asked for.
type Range = (&'static str, &'static str);

pub(crate) struct Bench {
    seed: u64,
    sketch: Sketch,
    sandbox: Sandbox,
    registry: Arc<Registry>,
    instant: DateTime<Utc>,
    /// Days that the source has.
    days: u64,
    /// Whether a day was taken out.
    marked: bool,
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
        sandbox.write("program.sh", PROGRAM);
        let registry = Arc::new(frazil_steps::registry());
        let instant = Utc.with_ymd_and_hms(2024, 1, 2, 6, 0, 0).unwrap();
        Self { seed, sketch, sandbox, registry, instant, days: 0, marked: false }
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
        let (cell, n) = self.sketch.cells();
        for member in 0..self.sketch.members() {
            let path = self.sandbox.path(format!("input/{}-{member}.tif", day.format("%Y%m%d")));
            let salt = salt + (member as u64) * 977;
            GeoTiff::of((10.0, 20.0), cell, (n, n), noise(salt)).write(&path).unwrap();
        }
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

    fn scope(&self, project: &Project, stage: &Stage, (start, end): Range) -> Scope {
        let pipeline = &stage.pipeline;
        let has = pipeline.params.iter().any(|(name, _)| name == "start");
        let given = [("start".to_owned(), json!(start)), ("end".to_owned(), json!(end))];
        let given: BTreeMap<_, _> = given.into_iter().filter(|_| has).collect();
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
        if round > 0 && luck.once_in(3) {
            self.sketch.release();
            // Another version has other numbers for every day.
            let first = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
            let salt = u64::from(self.sketch.version) * 10_007;
            (0..self.days).for_each(|day| self.input(first + Days::new(day), day + salt));
        }
        let project = self.project();
        if round > 0 && !luck.once_in(3) {
            self.give(&project, luck, seen).await;
        }
        // At first the axis may begin late, so that what comes before is asked for afterwards.
        let start = if round == 0 {
            luck.pick(&["2024-01-01", "2024-01-19"])
        } else {
            luck.pick(&["2024-01-01", "2024-01-07", "2024-01-19"])
        };
        // A release that is not asked for all that there is waits for the rest.
        let early = Utc.with_ymd_and_hms(2024, 1, 26, 0, 0, 0).unwrap() < self.instant && luck.once_in(4);
        let end = if round > 0 && early { "2024-01-25" } else { "latest" };
        let range = (start, end);
        let some = self.sketch.derived.first().map_or("daily", |one| one.name.as_str());
        let names = luck.pick(&["", "", "daily+", "daily", some]);
        let selections: Vec<Selection> =
            if names.is_empty() { Vec::new() } else { vec![Selection::parse(names)] };
        let stages = Cascade::of(&project).select(&selections).unwrap();
        if luck.once_in(4) {
            // A run that is told to stop leaves something half done; it is not compared.
            seen.stopped += 1;
            let after = 1 + luck.below(5);
            for stage in &stages {
                self.run(&project, stage, range, Some(after)).await;
            }
        }
        let mut foreseen = Foreseen::default();
        let mut planned = Vec::new();
        for stage in &stages {
            let scope = self.scope(&project, stage, range);
            let nodes = plan::walk(&stage.pipeline, &stage.units, &self.registry, &scope, &foreseen).await;
            foreseen.note(&nodes);
            planned.push(nodes);
        }
        for (stage, nodes) in stages.iter().zip(&planned) {
            let before = self.stand(&project, nodes).await;
            seen.members += usize::from(self.sketch.source == Source::Members);
            seen.programs += usize::from(self.sketch.source == Source::Program);
            let (state, events) = self.run(&project, stage, range, None).await;
            let what = format!(
                "seed {}, round {round}, {} from {start} to {end} as of {}",
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
    async fn give(&mut self, project: &Project, luck: &mut Luck, seen: &mut Seen) {
        let id: DatasetId = "daily".parse().unwrap();
        let scope = self.scope_of(project, &"first".parse().unwrap(), serde_json::Map::new());
        let standing = Standing::of(&project.datasets[&id], &scope).await.unwrap();
        let Some(cube) = standing.main else { return };
        if standing.release.is_some() || luck.once_in(6) {
            // A person takes a day out, whether there is a release or not.
            let (day, status) = cube.axis().get(luck.below(cube.axis().len())).unwrap();
            if status.has_values() {
                let mark = Mark { periods: vec![day], status: Status::Withdrawn, reason: None };
                let context = self.context(scope);
                cube::mark(&project.datasets[&id], &mark, false, &context).await.unwrap();
                seen.withdrawn += 1;
                self.marked = true;
            }
            return;
        }
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
        let (cell, n) = self.sketch.cells();
        let grid: GridBlock =
            serde_json::from_value(json!({ "origin": [10, 20], "cell": [cell, -cell], "shape": [n, n] }))
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
        range: Range,
        stop: Option<usize>,
    ) -> (RunState, Vec<RunEvent>) {
        let store = Arc::new(MemoryStore::new());
        let cancel = Cancel::new();
        let stopper = stop.map(|after| Arc::new(Stopper::after(after, cancel.clone())));
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
            scope: self.scope(project, stage, range),
            pipeline: Arc::clone(&stage.pipeline),
            units: stage.units.clone(),
            cancel,
            grace: scheduler::GRACE,
            origin: Origin::default(),
        };
        let state = scheduler::start(&run, &services).await.unwrap();
        (state, store.load(&id).await.unwrap())
    }

    async fn commits(&self, project: &Project, id: &DatasetId) -> Vec<Commit> {
        let scope = self.scope_of(project, &"first".parse().unwrap(), serde_json::Map::new());
        match Cube::open(&project.datasets[id], &scope).await.unwrap() {
            Some(cube) => cube.commits(|_| true).await.unwrap(),
            None => Vec::new(),
        }
    }

    async fn judge(
        &self,
        what: &str,
        project: &Project,
        node: &NodePlan,
        before: &BTreeMap<DatasetId, Before>,
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
        let stood = &before[id];
        let (commits, objects) = (&stood.commits, stood.objects);
        let now = self.commits(project, id).await;
        let made = &now[..now.len() - commits.len()];
        let reasons = planned.reasons.join("\n  ");
        seen.joined += usize::from(self.sketch.joins(id.as_str()) && !made.is_empty());
        let beside = self.beside(project, id).await;
        // A day that was taken out is asked for, and stays out.
        let told = planned.work.periods as u64;
        let is_told = told == spent.periods || self.marked && spent.periods < told;
        assert!(is_told, "{what}: {told} periods told, {} spent\n  {reasons}", spent.periods);
        if !beside.is_empty() || made.iter().any(|commit| commit.provenance.release.is_some()) {
            let told = Told { planned, snapshot, made, beside: &beside };
            return self
                .judge_release(&format!("{what}\n  {reasons}\n"), project, id, stood, &told, seen)
                .await;
        }
        let (planned_periods, done) = (listed(&snapshot.changes), done(made));
        // A maximum may be what it was although a day changed, and a copy keeps a day that its source
        // took out: equal values are no commit.
        let exact = planned_periods == done;
        let kept = |(_, _, word): &(i64, Frequency, &str)| *word == "revise" && id.as_str() != "daily";
        let same = done.is_subset(&planned_periods) && planned_periods.difference(&done).all(kept);
        assert!(same, "{what}: periods {planned_periods:?}, done {done:?}\n  {reasons}");
        assert_eq!(planned.work.commits, made.len(), "{what}: commits\n  {reasons}");
        let periods: usize = snapshot.changes.iter().map(|item| item.range.len()).sum();
        assert_eq!(planned.work.periods, periods, "{what}: periods");
        let objects = self.objects(id) - objects;
        match planned.work.chunks {
            // Chunks of windows that hold nothing are not written.
            // The cells of a release that no block says are not known before its first slice.
            Some(chunks)
                if !exact
                    || self.marked
                    || !self.sketch.grid && self.sketch.version > 1
                    || self.lacks(project, id, &snapshot.changes).await =>
            {
                assert!(objects <= chunks, "{what}: {objects} chunk objects, {chunks} planned");
            }
            Some(chunks) => {
                assert_eq!(chunks, objects, "{what}: chunk objects\n  {reasons}");
                seen.chunks += chunks;
            }
            None => {
                // The copy says no grid.
                let says = self.sketch.grid && id.as_str() != "copy" && periods > 0;
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
}
