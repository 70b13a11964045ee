//! A dataset in a temporary folder, and slices for it.

use std::{path::Path, sync::Arc};

use frazil_engine::{
    context::Context,
    data::{
        Action, Axis, Crs, Field, Frequency, Grid, Item, Period, PeriodRange, Periods, Slice, Snapshot,
        Status, Values,
    },
    dataset::{DatasetInfo, Location},
    step::{Batch, Ended, ErrorKind, StepError, Written},
};
use serde_json::{Value, json};

use crate::{
    cube::{BatchWriter, CommitNotes, Cube, commit},
    testing,
};

pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) info: DatasetInfo,
    pub(super) cx: Context,
}

/// A dataset of `rain` on 6 × 8 cells, with what `block` adds.
pub(super) fn bench(block: Value) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("rain").display().to_string();
    bench_at(folder, url, block)
}

pub(super) fn bench_at(folder: tempfile::TempDir, url: String, block: Value) -> Bench {
    let mut whole = json!({
        "title": "Rain",
        "time": { "step": "P1D" },
        "variables": { "rain": { "units": "mm", "cell": "total", "dtype": "float32" } },
        "chunks": { "time": 4, "y": 4, "x": 8 },
    });
    for (key, value) in block.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let info = DatasetInfo {
        id: "rain".parse().unwrap(),
        block: serde_json::from_value(whole).unwrap(),
        location: Location { url, ..Location::default() },
        sources: Vec::new(),
        definition: "d1".to_owned(),
    };
    let cx = context(folder.path(), &info);
    Bench { folder, info, cx }
}

pub(super) fn context(root: &Path, info: &DatasetInfo) -> Context {
    let datasets = [(info.id.clone(), Arc::new(info.clone()))].into();
    Context { node: "daily".parse().unwrap(), ..testing::context(root, datasets) }
}

pub(super) fn grid() -> Grid {
    Grid {
        crs: Crs { code: Some("EPSG:4326".to_owned()), wkt: String::new() },
        y: Axis::regular("y", 10.0, -0.5, 6),
        x: Axis::regular("x", -13.5, 0.5, 8),
        extra: Default::default(),
    }
}

pub(super) fn day(n: i64) -> Period {
    Period::parse("2024-01-01", Frequency::Day).unwrap().plus(n - 1)
}

/// Numbers that tell period and cell; one cell in ten is missing.
pub(super) fn numbers(period: Period, salt: f32) -> Vec<f32> {
    (0..48u16)
        .map(|c| {
            if c % 10 == 3 {
                f32::NAN
            } else {
                f32::from(c) + salt + (period.ordinal() % 1_000) as f32 * 100.0
            }
        })
        .collect()
}

pub(super) fn field(name: &str, values: impl Into<Values>) -> Field {
    Field { name: name.to_owned(), values: values.into(), fill: None, units: Some("mm".to_owned()) }
}

pub(super) fn slice(period: Period, status: Status, salt: f32) -> Slice {
    let fields = if status.has_values() { vec![field("rain", numbers(period, salt))] } else { Vec::new() };
    Slice { period, status, context: false, grid: Arc::new(grid()), fields }
}

impl Bench {
    pub(super) async fn cube(&self) -> Option<Cube> {
        Cube::open(&self.info, &self.cx.scope).await.unwrap()
    }

    pub(super) async fn head(&self) -> Option<String> {
        self.cube().await.map(|cube| cube.id().0)
    }

    pub(super) async fn batch(&self, index: usize, periods: &[Period], action: Action) -> Batch {
        let ranges = PeriodRange::collect(periods.iter().copied());
        let base = self.cube().await.map(|cube| cube.id());
        let items = ranges.iter().map(|range| Item { range: *range, action }).collect();
        let step = self.step();
        let periods = Periods {
            dataset: self.info.id.clone(),
            step,
            base,
            items,
            batches: vec![ranges],
            source: None,
            release: None,
        };
        Batch { index, periods }
    }

    fn step(&self) -> Frequency {
        match &self.info.block.time {
            frazil_engine::dataset::TimeAxis::Regular(time) => time.frequency(),
            frazil_engine::dataset::TimeAxis::None => Frequency::Day,
        }
    }

    /// Writes slices as one batch.
    pub(super) async fn write(
        &self,
        index: usize,
        action: Action,
        slices: Vec<Slice>,
    ) -> Result<Written, StepError> {
        let periods: Vec<Period> = slices.iter().map(|s| s.period).collect();
        let batch = self.batch(index, &periods, action).await;
        self.write_batch(batch, slices).await
    }

    pub(super) async fn write_batch(&self, batch: Batch, slices: Vec<Slice>) -> Result<Written, StepError> {
        let mut writer = BatchWriter::begin(&self.info, &self.cx.scope, batch).await?;
        for slice in slices {
            writer.put(slice).await?;
        }
        writer.finish(Ended::Whole).await
    }

    pub(super) async fn commit(&self, written: Vec<Written>) -> Result<Snapshot, StepError> {
        commit(&self.info, &self.cx, written, CommitNotes::default()).await
    }

    /// Writes and commits final days `from..=to`.
    pub(super) async fn add(&self, from: i64, to: i64) -> Snapshot {
        let slices = (from..=to).map(|n| slice(day(n), Status::Final, 0.0)).collect();
        let written = self.write(0, Action::Add, slices).await.unwrap();
        self.commit(vec![written]).await.unwrap()
    }

    /// All that is stored, and what is known of it.
    pub(super) async fn contents(&self) -> Vec<(Period, Status, Vec<Option<f32>>)> {
        let Some(cube) = self.cube().await else { return Vec::new() };
        let values = cube.read("rain", 0..cube.axis().len(), None).await.unwrap();
        let Values::Float32(values) = values else { panic!("{:?}", values.dtype()) };
        let some = |v: &f32| if v.is_nan() { None } else { Some(*v) };
        let periods = values.chunks(48).map(|chunk| chunk.iter().map(some).collect::<Vec<_>>());
        cube.axis().iter().zip(periods).map(|((p, s), v)| (p, s, v)).collect()
    }

    /// Asserts that nothing changed and that the error says `text`.
    pub(super) async fn refused<T: std::fmt::Debug>(
        &self,
        result: Result<T, StepError>,
        before: &Option<String>,
        text: &str,
    ) {
        let error = result.unwrap_err();
        let message = error.to_string();
        assert!(message.contains(text), "{message}");
        let failure = error.failure().unwrap();
        assert!(failure.help.is_some(), "{message} says not what to do");
        assert!(
            matches!(failure.kind, ErrorKind::Data | ErrorKind::Refused | ErrorKind::Moved),
            "{failure:?}"
        );
        assert_eq!(&self.head().await, before, "{message} changed the store");
    }
}

/// What `contents` gives for days with these statuses and salts.
pub(super) fn expected(days: &[(i64, Status, f32)]) -> Vec<(Period, Status, Vec<Option<f32>>)> {
    let some = |v: f32| if v.is_nan() { None } else { Some(v) };
    days.iter()
        .map(|&(n, status, salt)| {
            let values = if status.has_values() {
                numbers(day(n), salt).into_iter().map(some).collect()
            } else {
                vec![None; 48]
            };
            (day(n), status, values)
        })
        .collect()
}

pub(super) fn finals(days: std::ops::RangeInclusive<i64>) -> Vec<(Period, Status, Vec<Option<f32>>)> {
    expected(&days.map(|n| (n, Status::Final, 0.0)).collect::<Vec<_>>())
}
