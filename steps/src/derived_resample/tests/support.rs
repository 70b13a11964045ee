//! A source of daily rain, and what is derived from it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use frazil_engine::{
    context::{Context, Progress, Tick},
    data::{
        Action, Axis, Crs, DatasetId, Field, Frequency, Grid, Item, Period, PeriodRange, Periods, Slice,
        Snapshot, SnapshotId, Status, Values,
    },
    dataset::{DatasetInfo, Datasets, Location},
    plan::{Planned, PlannedDocument, PlannedSnapshot, Work},
    step::{Batch, Ended, Every, Node, Outcome, StepError},
};
use serde_json::{Value, json};

use super::super::DerivedResample;
use crate::{
    cube::{BatchWriter, CommitNotes, Cube, commit},
    testing,
};

pub(super) struct Desk {
    folder: tempfile::TempDir,
    pub(super) source: DatasetInfo,
    pub(super) cx: Context,
    step: DerivedResample,
    salts: BTreeMap<Period, f32>,
    /// Where the numbers of the source lie.
    pub(super) grid: Grid,
}

pub(super) fn day(text: &str) -> Period {
    Period::parse(text, Frequency::Day).unwrap()
}

pub(super) fn month(text: &str) -> Period {
    Period::parse(text, Frequency::Month).unwrap()
}

/// The rain of a day in a cell: some cells never have any, some not on some days.
pub(super) fn number(day: Period, cell: u16, salt: f32) -> f32 {
    let n = i16::try_from(day.ordinal().rem_euclid(10_000)).unwrap();
    match cell % 10 {
        3 => f32::NAN,
        7 if n % 4 == 0 => f32::NAN,
        _ => f32::from(n) / 8.0 + f32::from(cell) * 0.1 + salt,
    }
}

fn context(root: &Path) -> Context {
    Context { node: "monthly".parse().unwrap(), ..testing::context(root, Datasets::new()) }
}

fn merge(base: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        base[key] = value.clone();
    }
}

impl Desk {
    /// Daily rain on 6 × 8 cells in a chunk a day, and a monthly dataset made by `with`.
    pub(super) fn new(with: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cx = context(folder.path());
        let rain = json!({
            "title": "Rain", "time": { "step": "P1D" }, "chunks": { "time": 1, "y": 4, "x": 8 },
            "variables": { "rain": { "units": "mm", "cell": "total", "dtype": "float32" } },
        });
        let source = described(folder.path(), "daily", None, rain);
        let step = parsed("monthly", &with);
        let mut desk = Self { step, folder, source, cx, salts: BTreeMap::new(), grid: grid() };
        desk.register(desk.source.clone());
        desk.derive("monthly", "P1M", with);
        desk.register(DatasetInfo {
            sources: vec!["daily".parse().unwrap()],
            ..(*desk.info("monthly")).clone()
        });
        desk
    }

    fn register(&mut self, info: DatasetInfo) {
        let mut datasets = (*self.cx.scope.datasets).clone();
        datasets.insert(info.id.clone(), Arc::new(info));
        self.cx.scope.datasets = Arc::new(datasets);
    }

    pub(super) fn info(&self, id: &str) -> Arc<DatasetInfo> {
        Arc::clone(&self.cx.scope.datasets[&id.parse::<DatasetId>().unwrap()])
    }

    /// Another derived dataset.
    pub(super) fn derive(&mut self, id: &str, step: &str, with: Value) -> DerivedResample {
        let block = json!({ "title": id, "time": { "step": step } });
        self.register(described(self.folder.path(), id, None, block));
        parsed(id, &with)
    }

    /// Other settings of the step.
    pub(super) fn step(&mut self, with: Value) {
        self.step = parsed("monthly", &with);
    }

    /// More in the block of a dataset.
    pub(super) fn block(&mut self, id: &str, more: Value) {
        let info = self.info(id);
        let mut block = json!({ "title": id, "time": { "step": "P1M" } });
        merge(&mut block, &more);
        self.register(DatasetInfo { block: serde_json::from_value(block).unwrap(), ..(*info).clone() });
    }

    /// Another digest of a dataset's definition.
    pub(super) fn define(&mut self, id: &str, definition: &str) {
        let info = self.info(id);
        self.register(DatasetInfo { definition: definition.to_owned(), ..(*info).clone() });
    }

    pub(super) fn salt(&self, day: Period) -> f32 {
        self.salts.get(&day).copied().unwrap_or_default()
    }

    /// A commit of the source: these days, new or again.
    pub(super) async fn write(&mut self, first: &str, last: &str, status: Status, salt: f32) {
        let range = PeriodRange { first: day(first), last: day(last) };
        let cube = Cube::open(&self.source, &self.cx.scope).await.unwrap();
        let stored = cube.as_ref().and_then(|c| c.axis().status(range.first));
        let action = match stored {
            None => Action::Add,
            Some(Status::Gap) => Action::Fill,
            Some(_) => Action::Revise,
        };
        let periods = Periods {
            dataset: self.source.id.clone(),
            step: Frequency::Day,
            base: cube.map(|c| c.id()),
            items: vec![Item { range, action }],
            batches: vec![vec![range]],
            source: None,
            release: None,
        };
        let batch = Batch { index: 0, periods };
        let mut writer = BatchWriter::begin(&self.source, &self.cx.scope, batch).await.unwrap();
        for period in range.iter() {
            self.salts.insert(period, salt);
            let values: Vec<f32> = (0..self.cells()).map(|cell| number(period, cell, salt)).collect();
            let field = Field { name: "rain".to_owned(), values: values.into(), fill: None, units: None };
            let fields = if status.has_values() { vec![field] } else { Vec::new() };
            let slice = Slice { period, status, context: false, grid: Arc::new(self.grid.clone()), fields };
            writer.put(slice).await.unwrap();
        }
        let written = writer.finish(Ended::Whole).await.unwrap();
        commit(&self.source, &self.cx, vec![written], CommitNotes::default()).await.unwrap();
    }

    /// How many cells the source has.
    pub(super) fn cells(&self) -> u16 {
        u16::try_from(self.grid.cells()).unwrap()
    }

    /// The source made anew, on other cells.
    pub(super) async fn begin_anew(&mut self, (rows, columns): (usize, usize), last: &str) {
        std::fs::remove_dir_all(&self.source.location.url).unwrap();
        self.grid.y = Axis::regular("y", 10.0, -0.5, rows);
        self.grid.x = Axis::regular("x", -13.5, 0.5, columns);
        self.write("2024-01-01", last, Status::Final, 0.0).await;
    }

    /// Branches of the monthly dataset.
    pub(super) async fn branches(&self) -> Vec<String> {
        crate::cube::branches(&self.info("monthly"), &self.cx.scope).await
    }

    pub(super) async fn head(&self, info: &DatasetInfo) -> Option<SnapshotId> {
        Cube::open(info, &self.cx.scope).await.unwrap().map(|cube| cube.id())
    }

    pub(super) async fn target(&self) -> Option<Cube> {
        Cube::open(&self.info("monthly"), &self.cx.scope).await.unwrap()
    }

    async fn snapshot(&self, id: &str) -> Snapshot {
        let info = self.info(id);
        let head = self.head(&info).await;
        Snapshot {
            dataset: info.id.clone(),
            repository: info.location.url.clone(),
            branch: "main".to_owned(),
            base: head.clone(),
            id: head,
        }
    }

    pub(super) async fn run(&self) -> Result<Snapshot, StepError> {
        self.run_step(&self.step, "daily").await
    }

    pub(super) async fn run_step(&self, step: &DerivedResample, from: &str) -> Result<Snapshot, StepError> {
        let Outcome { output, error } = step.run(Every(vec![self.snapshot(from).await]), &self.cx).await;
        match error {
            Some(error) => Err(error),
            None => Ok(output.unwrap()),
        }
    }

    /// A run that is told to stop once so many windows are put.
    pub(super) async fn run_and_stop_after(&self, windows: usize) -> Result<(), StepError> {
        let mut cx = self.cx.clone();
        cx.cancel = tokio_util::sync::CancellationToken::new();
        let (cancel, seen) = (cx.cancel.clone(), AtomicUsize::new(0));
        cx.progress = Progress::new(move |tick| {
            if matches!(tick, Tick::Periods { .. }) && seen.fetch_add(1, Ordering::SeqCst) + 1 == windows {
                cancel.cancel();
            }
        });
        let outcome = self.step.run(Every(vec![self.snapshot("daily").await]), &cx).await;
        outcome.error.map_or(Ok(()), Err)
    }

    /// What a plan lists, and why.
    pub(super) async fn plan(&self) -> (Vec<String>, Vec<String>) {
        let source = PlannedSnapshot {
            snapshot: self.snapshot("daily").await,
            changes: Vec::new(),
            statuses: Vec::new(),
            work: Work::default(),
            reasons: Vec::new(),
            aside: None,
            layout: None,
        };
        let input = Planned::idle(PlannedDocument::Snapshot(source));
        let planned = self.step.plan(vec![input], &self.cx.scope).await.unwrap();
        let PlannedDocument::Snapshot(target) = planned.document else { panic!("no snapshot") };
        let item = |item: &Item| format!("{:?} {}", item.action, String::from(item.range));
        (target.changes.iter().map(item).collect(), planned.reasons)
    }

    /// All that stands in the monthly dataset.
    pub(super) async fn contents(&self) -> Vec<(Period, Status, Vec<Option<f32>>)> {
        let Some(cube) = self.target().await else { return Vec::new() };
        let Values::Float32(values) = cube.read("rain", 0..cube.axis().len(), None).await.unwrap() else {
            panic!("not float32")
        };
        let some = |v: &f32| if v.is_nan() { None } else { Some(*v) };
        let fields = values
            .chunks(cube.template().grid.cells())
            .map(|field| field.iter().map(some).collect::<Vec<_>>());
        cube.axis().iter().zip(fields).map(|((period, status), field)| (period, status, field)).collect()
    }
}

fn described(root: &std::path::Path, id: &str, source: Option<&str>, block: Value) -> DatasetInfo {
    DatasetInfo {
        id: id.parse().unwrap(),
        block: serde_json::from_value(block).unwrap(),
        location: Location { url: root.join(id).display().to_string(), ..Location::default() },
        sources: source.into_iter().map(|s| s.parse().unwrap()).collect(),
        definition: "d1".to_owned(),
    }
}

fn parsed(id: &str, with: &Value) -> DerivedResample {
    let mut with = with.clone();
    with["dataset"] = json!(id);
    serde_json::from_value(with).unwrap()
}

fn grid() -> Grid {
    Grid {
        crs: Crs { code: Some("EPSG:4326".to_owned()), wkt: String::new() },
        y: Axis::regular("y", 10.0, -0.5, 6),
        x: Axis::regular("x", -13.5, 0.5, 8),
        extra: Default::default(),
    }
}
