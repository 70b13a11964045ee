use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    context::{Context, Scope},
    data::{
        Action, Arrival, Axis, Crs, Frequency, Grid, Item, Period, PeriodRange, Periods, Slice, Slices,
        Snapshot, SnapshotId, Status,
    },
    plan::{Planned, PlannedDocument, PlannedSlices, PlannedSnapshot, Work},
    scheduler::Cancel,
    step::{
        Batch, Ended, ErrorKind, Filter, Node, Outcome, PeriodLabel, Sink, Source, Step, StepError, Written,
    },
};

/// All that fake steps touch. Each test has one of its own, by name.
#[derive(Debug, Default)]
pub(super) struct World {
    /// The cube: values by period.
    pub(super) cube: BTreeMap<Period, i64>,
    /// Periods of each commit, in order.
    pub(super) commits: Vec<Vec<Period>>,
    /// How often each period was read, context not counted.
    pub(super) read: BTreeMap<Period, usize>,
    /// How often each period was read as context.
    pub(super) context: BTreeMap<Period, usize>,
    /// Streams opened.
    pub(super) opened: usize,
    /// How often each scripted node ran.
    pub(super) ran: BTreeMap<String, usize>,
    /// The source has nothing from here on.
    pub(super) frontier: Option<Period>,
    /// Reading this period fails so often, transiently if so said.
    pub(super) broken: Option<(Period, usize, bool)>,
    /// Commits fail so often, transiently.
    pub(super) commits_fail: usize,
    /// Before so many commits somebody else commits the first period of each.
    pub(super) moved: usize,
    /// Told to stop when this period is read.
    pub(super) cancel_at: Option<(Period, Cancel)>,
    /// Told to stop when this scripted node runs.
    pub(super) cancel_in: Option<(String, Cancel)>,
    /// What the write half calls its memory.
    pub(super) memory: u64,
}

static WORLDS: LazyLock<Mutex<HashMap<String, Arc<Mutex<World>>>>> = LazyLock::new(Mutex::default);

pub(super) fn world(name: &str) -> Arc<Mutex<World>> {
    let mut worlds = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(worlds.entry(name.to_owned()).or_default())
}

pub(super) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn day(n: i64) -> Period {
    Period::parse("2024-01-01", Frequency::Day).unwrap().plus(n)
}

fn snapshot(world: &World) -> Snapshot {
    let id = (!world.commits.is_empty()).then(|| SnapshotId(format!("c{}", world.commits.len())));
    Snapshot {
        dataset: "cube".parse().unwrap(),
        repository: "memory".to_owned(),
        branch: "main".to_owned(),
        id,
        base: None,
    }
}

fn unplanned() -> Result<Planned, StepError> {
    Ok(Planned::idle(PlannedDocument::Nothing))
}

/// Lists days that the cube lacks: those before its first in the end, the newest batch first.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct List {
    world: String,
    days: i64,
    batch: usize,
}

impl Step for List {
    const USES: &'static str = "fake-list";
    const SUMMARY: &'static str = "lists";
    const REVISION: u32 = 1;
}

impl List {
    fn list(&self) -> Periods {
        let world = world(&self.world);
        let world = lock(&world);
        let missing: Vec<_> =
            (0..self.days).map(day).filter(|period| !world.cube.contains_key(period)).collect();
        let items = PeriodRange::collect(missing.iter().copied());
        Periods {
            dataset: "cube".parse().unwrap(),
            step: Frequency::Day,
            base: snapshot(&world).id,
            items: items.into_iter().map(|range| Item { range, action: Action::Add }).collect(),
            release: None,
            source: None,
            batches: self.batches(&missing, world.cube.keys().next()),
        }
    }

    fn batches(&self, missing: &[Period], first: Option<&Period>) -> Vec<Vec<PeriodRange>> {
        let (before, behind): (Vec<_>, Vec<_>) =
            missing.iter().partition(|period| first.is_some_and(|first| *period < first));
        let ranges = |batch: &[Period]| PeriodRange::collect(batch.iter().copied());
        behind.chunks(self.batch).chain(before.rchunks(self.batch)).map(ranges).collect()
    }
}

impl Node for List {
    type Input = ();
    type Output = Periods;
    async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
        let periods = self.list();
        let work = Work { periods: periods.count(), ..Work::default() };
        Ok(Planned { document: PlannedDocument::Periods(periods), work, reasons: vec!["missing".to_owned()] })
    }
    async fn run(&self, (): (), _: &Context) -> Outcome<Periods> {
        Outcome::done(self.list())
    }
}

/// Reads days.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Read {
    world: String,
}

impl Step for Read {
    const USES: &'static str = "fake-read";
    const SUMMARY: &'static str = "reads";
    const REVISION: u32 = 1;
}

pub(super) fn slice(period: Period, context: bool) -> Slice {
    let crs = Crs { code: None, wkt: String::new() };
    let axis = |name| Axis::regular(name, 0.0, 1.0, 1);
    let grid = Arc::new(Grid { crs, y: axis("y"), x: axis("x"), extra: Default::default() });
    Slice { period, status: Status::Final, context, grid, fields: Vec::new() }
}

fn read(world: &Mutex<World>, period: Period, context: bool) -> Option<Result<Arrival, StepError>> {
    let mut world = lock(world);
    if let Some((at, cancel)) = &world.cancel_at
        && *at == period
    {
        cancel.cancel("the test says so");
    }
    if world.frontier.is_some_and(|frontier| frontier <= period) {
        return None;
    }
    if let Some((at, times, transient)) = &mut world.broken
        && *at == period
        && *times > 0
    {
        *times -= 1;
        let error = if *transient { StepError::transient } else { StepError::permanent };
        return Some(Err(error(ErrorKind::Network, "the source is broken".to_owned()).at(period)));
    }
    let counter = if context { &mut world.context } else { &mut world.read };
    *counter.entry(period).or_default() += 1;
    Some(Ok(Arrival::Slice(slice(period, context))))
}

impl Source for Read {
    async fn plan(&self, periods: &Periods, _: u32, _: &Scope) -> Result<PlannedSlices, StepError> {
        let (periods, requests) = (periods.clone(), periods.count());
        Ok(PlannedSlices { periods, requests, bytes: None, in_flight: 1, memory: 0, reasons: Vec::new() })
    }
    fn slices(&self, periods: Periods, halo: u32, _: &Context) -> Slices {
        let world = world(&self.world);
        lock(&world).opened += 1;
        let mut due = Vec::new();
        let mut last = None;
        for period in periods.batches.iter().flatten().flat_map(PeriodRange::iter) {
            if last != Some(period.plus(-1)) {
                due.extend((1..=i64::from(halo)).rev().map(|back| (period.plus(-back), true)));
            }
            due.push((period, false));
            last = Some(period);
        }
        let stream = futures::stream::iter(due)
            .map(move |(period, context)| read(&world, period, context))
            .take_while(|item| std::future::ready(item.is_some()))
            .filter_map(std::future::ready)
            // One at a time, letting others run between: as a source that waits for a network.
            .then(|item| async {
                tokio::task::yield_now().await;
                item
            });
        Slices(stream.boxed())
    }
}

/// Needs what lies before.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Look {
    halo: u32,
}

impl Step for Look {
    const USES: &'static str = "fake-look";
    const SUMMARY: &'static str = "looks back";
    const REVISION: u32 = 1;
}

impl Filter for Look {
    fn halo(&self) -> u32 {
        self.halo
    }
    fn apply(&self, slices: Slices, _: &Context) -> Slices {
        slices
    }
}

/// Settles days in the cube.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Settle {
    world: String,
}

impl Step for Settle {
    const USES: &'static str = "fake-settle";
    const SUMMARY: &'static str = "settles";
    const REVISION: u32 = 1;
    fn writes(&self) -> Option<crate::step::Write> {
        Some(crate::step::Write::Values("cube".parse().unwrap()))
    }
}

impl Sink for Settle {
    async fn plan(&self, input: &PlannedSlices, _: &Scope) -> Result<PlannedSnapshot, StepError> {
        let world = world(&self.world);
        let world = lock(&world);
        let work = Work {
            periods: input.periods.count(),
            requests: input.requests,
            commits: input.periods.batches.len(),
            memory: Some(world.memory),
            ..Work::default()
        };
        Ok(PlannedSnapshot {
            snapshot: snapshot(&world),
            changes: input.periods.items.clone(),
            work,
            reasons: Vec::new(),
            statuses: Vec::new(),
            aside: None,
            layout: None,
        })
    }

    async fn head(&self, _: &Context) -> Result<Snapshot, StepError> {
        Ok(snapshot(&lock(&world(&self.world))))
    }

    async fn write(&self, batch: Batch, slices: Slices, _: &Context) -> Outcome<Written> {
        let mut slices = slices.0;
        let mut labels = Vec::new();
        let mut error = None;
        while let Some(arrival) = slices.next().await {
            match arrival {
                Ok(Arrival::Slice(slice)) if !slice.context => labels.push(PeriodLabel {
                    period: PeriodRange::one(slice.period),
                    status: slice.status,
                    action: Action::Add,
                }),
                Ok(_) => {}
                Err(failed) => error = Some(failed),
            }
        }
        written(batch, labels, error)
    }

    async fn commit(&self, written: Vec<Written>, _: &Context) -> Outcome<Snapshot> {
        // Long enough for a write to overtake it.
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        let world = world(&self.world);
        let mut world = lock(&world);
        if world.commits_fail > 0 {
            world.commits_fail -= 1;
            let error = StepError::transient(ErrorKind::Store, "the store is away");
            return Outcome::partial(snapshot(&world), error);
        }
        let periods = written.iter().flat_map(|written| &written.labels).map(|label| label.period.first);
        let new: Vec<_> = periods.filter(|period| !world.cube.contains_key(period)).collect();
        if world.moved > 0
            && let Some(first) = new.first()
        {
            world.moved -= 1;
            world.cube.insert(*first, 0);
            world.commits.push(vec![*first]);
            let error = StepError::permanent(ErrorKind::Moved, format!("{first} is there already"));
            return Outcome::partial(snapshot(&world), error);
        }
        let before = world.cube.keys().next().is_some_and(|first| new.last() == Some(&first.plus(-1)));
        if let Some(first) = new.first()
            && !before
            && world.cube.keys().next_back().is_some_and(|last| last >= first)
        {
            return Err(StepError::permanent(ErrorKind::Data, "out of order")).into();
        }
        world.cube.extend(new.iter().map(|period| (*period, period.ordinal())));
        if !new.is_empty() {
            world.commits.push(new);
        }
        Outcome::done(snapshot(&world))
    }
}

/// Does what its script says, a word a try.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Scripted {
    world: String,
    name: String,
    #[serde(default)]
    script: Vec<String>,
}

impl Scripted {
    fn play(&self) -> Outcome<Snapshot> {
        let world = world(&self.world);
        let mut world = lock(&world);
        let place = world.ran.entry(self.name.clone()).or_default();
        *place += 1;
        let word = self.script.get(*place - 1).or(self.script.last()).map_or("ok", String::as_str);
        if let Some((name, cancel)) = &world.cancel_in
            && *name == self.name
        {
            cancel.cancel("the test says so");
        }
        let error = StepError::permanent(ErrorKind::Data, format!("`{}` fails", self.name));
        match word {
            "ok" => Outcome::done(snapshot(&world)),
            "partial" => Outcome::partial(snapshot(&world), error),
            "transient" => Err(StepError::transient(ErrorKind::Network, "away")).into(),
            "panic" => panic!("as scripted"),
            _ => Err(error).into(),
        }
    }
}

macro_rules! scripted {
    ($name:ident, $uses:literal, $input:ty) => {
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub(super) struct $name(Scripted);
        impl Step for $name {
            const USES: &'static str = $uses;
            const SUMMARY: &'static str = "does as scripted";
            const REVISION: u32 = 1;
        }
        impl Node for $name {
            type Input = $input;
            type Output = Snapshot;
            async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
                unplanned()
            }
            async fn run(&self, _: $input, _: &Context) -> Outcome<Snapshot> {
                let outcome = self.0.play();
                tokio::task::yield_now().await;
                outcome
            }
        }
    };
}
scripted!(Root, "fake-root", ());
scripted!(One, "fake-one", Snapshot);
scripted!(Many, "fake-many", Vec<Snapshot>);

/// What a sink that came so far says of its batch.
pub(super) fn written(batch: Batch, labels: Vec<PeriodLabel>, error: Option<StepError>) -> Outcome<Written> {
    let ended = match &error {
        Some(StepError::Cancelled) => Ended::Cancelled,
        Some(_) => Ended::Failed,
        None if labels.len() < batch.periods.count() => Ended::Frontier,
        None => Ended::Whole,
    };
    let (dataset, base) = (batch.periods.dataset, batch.periods.base);
    let (index, source, release, body) = (batch.index, None, None, Value::Null);
    let written = Written { dataset, index, base, labels, ended, source, release, body };
    Outcome { output: Some(written), error }
}
