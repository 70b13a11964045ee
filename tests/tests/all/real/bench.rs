//! Runs `fetch` alone, and compares what it gives with another reader, bit for bit.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::DateTime;
use frazil_engine::{
    context::{Context, EnvSecrets, ManualClock, Pools, Progress, Scope},
    data::{Action, Arrival, Frequency, Grid, Item, Period, PeriodRange, Periods, Slice, Values},
    dataset::{DatasetInfo, Location},
    project::{ProjectConfig, Retry},
    registry::Role,
    step::StepError,
};
use frazil_tests::programs::{ask_python, genuine_data};
use futures::StreamExt;
use serde_json::{Value, json};

/// What a fetch of `file` is.
pub(super) struct Bench {
    pub(super) step: &'static str,
    pub(super) with: Value,
    pub(super) variables: Value,
    pub(super) dimensions: Value,
}

/// What came of it.
pub(super) struct Came {
    pub(super) slices: Vec<Slice>,
    pub(super) kept: usize,
    pub(super) error: Option<StepError>,
}

impl Bench {
    /// A fetch from one file, which is named by its path.
    pub(super) fn file(step: &'static str, file: &Path, with: Value, variables: Value) -> Self {
        let mut all = json!({ "source": "file", "url": file.to_str().unwrap() });
        all.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        Self { step, with: all, variables, dimensions: json!({}) }
    }

    /// Adds the periods of some ranges.
    pub(super) async fn fetch(&self, ranges: &[&str]) -> Came {
        self.fetch_as(ranges, Action::Add).await
    }

    pub(super) async fn fetch_as(&self, ranges: &[&str], action: Action) -> Came {
        let step: Frequency = self.step.parse().unwrap();
        let ranges: Vec<PeriodRange> =
            ranges.iter().map(|range| PeriodRange::parse(range, step).unwrap()).collect();
        let periods = Periods {
            dataset: "d".parse().unwrap(),
            step,
            base: None,
            items: ranges.iter().map(|range| Item { range: *range, action }).collect(),
            batches: vec![ranges],
            source: None,
            release: None,
        };
        let scratch = tempfile::tempdir().unwrap();
        let cx = context(self, scratch.path());
        let registry = frazil_steps::registry();
        let fetch = registry.get("fetch").unwrap().bind(&self.with).unwrap();
        let Role::Source(fetch) = &fetch.role else { panic!("fetch is a source") };
        let mut stream = fetch.slices(periods, 0, &cx).0;
        let mut came = Came { slices: Vec::new(), kept: 0, error: None };
        while let Some(arrival) = stream.next().await {
            match arrival {
                Ok(Arrival::Slice(slice)) => came.slices.push(slice),
                Ok(Arrival::Kept(_)) => came.kept += 1,
                Err(error) => came.error = Some(error),
            }
        }
        came
    }

    /// The error that it must end with, before any slice.
    pub(super) async fn refused(&self, ranges: &[&str]) -> String {
        let came = self.fetch(ranges).await;
        assert!(came.slices.is_empty(), "{} slices came", came.slices.len());
        came.error.expect("it is refused").to_string()
    }
}

impl Came {
    pub(super) fn whole(self) -> Self {
        assert_eq!(self.error, None);
        self
    }

    pub(super) fn grid(&self) -> &Grid {
        &self.slices[0].grid
    }

    pub(super) fn periods(&self) -> Vec<String> {
        self.slices.iter().map(|slice| slice.period.to_string()).collect()
    }

    /// Compares one variable of all slices with what another reader says: bit for bit, but for
    /// which NaN it is.
    pub(super) fn same_as(&self, name: &str, other: &Reading) {
        self.compare(name, other, |ours, theirs| ours.to_bits() == theirs.to_bits());
    }

    /// As [`Self::same_as`], but to the neighbouring number of single precision.
    pub(super) fn nearly(&self, name: &str, other: &Reading) {
        self.compare(name, other, |ours, theirs| {
            let (ours, theirs) = (ours as f32, theirs as f32);
            [theirs.next_down(), theirs, theirs.next_up()].contains(&ours)
        });
    }

    fn compare(&self, name: &str, other: &Reading, same: impl Fn(f64, f64) -> bool) {
        let (rows, columns) = self.grid().shape();
        assert_eq!(other.shape, [self.slices.len(), rows, columns]);
        let mut some = false;
        for (step, slice) in self.slices.iter().enumerate() {
            let values = &slice.fields.iter().find(|field| field.name == name).unwrap().values;
            assert_eq!(values.dtype().name(), other.dtype, "{}", slice.period);
            for at in 0..values.len() {
                let (ours, theirs) = (values.get(at), other.values.get(step * values.len() + at));
                let same = same(ours, theirs) || ours.is_nan() && theirs.is_nan();
                assert!(same, "{}: cell {at}: {ours} is not {theirs}", slice.period);
                some |= ours.is_finite() && ours != 0.0;
            }
        }
        assert!(some, "nothing to compare");
    }

    /// The centres of both axes, within `tiny`; bit for bit where that is 0.
    pub(super) fn lies_like(&self, other: &Reading, tiny: f64) {
        for (ours, theirs) in [(&self.grid().y.centres, &other.y), (&self.grid().x.centres, &other.x)] {
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((ours - theirs).abs() <= tiny, "{ours} is not {theirs}");
            }
        }
    }
}

/// What another reader read.
pub(super) struct Reading {
    pub(super) dtype: String,
    pub(super) shape: [usize; 3],
    pub(super) values: Values,
    pub(super) y: Vec<f64>,
    pub(super) x: Vec<f64>,
}

/// A genuine file; `None`, said in a line, where there is none.
pub(super) fn genuine(path: &str) -> Option<std::path::PathBuf> {
    let file = genuine_data()?.join(path);
    assert!(file.is_file(), "{} is not there", file.display());
    Some(std::fs::canonicalize(file).unwrap())
}

/// What another reader reads; `None`, said in a line, where there is none.
pub(super) fn other(file: &Path, mut spec: Value) -> Option<Reading> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("values");
    spec["file"] = json!(file);
    spec["out"] = json!(out);
    let told = ask_python("read_source.py", &[&spec.to_string()])?;
    let dtype = told["dtype"].as_str().unwrap().to_owned();
    let bytes = std::fs::read(out).unwrap();
    let numbers = |key: &str| told[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    Some(Reading {
        values: Values::from_le_bytes(serde_json::from_value(json!(dtype)).unwrap(), &bytes).unwrap(),
        dtype,
        shape: serde_json::from_value(told["shape"].clone()).unwrap(),
        y: numbers("y"),
        x: numbers("x"),
    })
}

/// One period, by its text.
pub(super) fn period(text: &str, step: &str) -> Period {
    Period::parse(text, step.parse().unwrap()).unwrap()
}

fn context(bench: &Bench, scratch: &Path) -> Context {
    let (variables, dimensions) = (&bench.variables, &bench.dimensions);
    let time = json!({ "step": bench.step });
    let block = json!({ "title": "d", "time": time, "variables": variables, "dimensions": dimensions });
    let info = DatasetInfo {
        id: "d".parse().unwrap(),
        block: serde_json::from_value(block).unwrap(),
        location: Location::default(),
        sources: Vec::new(),
        definition: String::new(),
    };
    let project = ProjectConfig {
        root: scratch.to_path_buf(),
        id: "test".into(),
        title: None,
        extent: None,
        stores: BTreeMap::new(),
        crs: None,
        state: scratch.join("state"),
        catalog: scratch.join("stac"),
        memory: 1 << 30,
        pools: BTreeMap::new(),
        vars: BTreeMap::new(),
        secrets: BTreeMap::new(),
        notify: Vec::new(),
        history: Default::default(),
        serve: Default::default(),
    };
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    Context {
        scope: Scope {
            datasets: Arc::new([(info.id.clone(), Arc::new(info))].into()),
            pipeline: "p".parse().unwrap(),
            instant: now,
            params: Arc::default(),
            secrets: Arc::new(EnvSecrets::default()),
            memory: project.memory,
            stand_in: None,
            backfill: None,
            project: Arc::new(project),
        },
        run: "r".parse().unwrap(),
        node: "slices".parse().unwrap(),
        attempt: 1,
        cancel: Default::default(),
        clock: Arc::new(ManualClock::at(now)),
        scratch: scratch.to_path_buf(),
        retry: Retry { attempts: 2, ..Retry::default() },
        timeout: None,
        pools: Pools::default(),
        pool: None,
        progress: Progress::none(),
    }
}

impl Reading {
    /// In single precision.
    pub(super) fn single(self) -> Self {
        let values: Vec<f32> = (0..self.values.len()).map(|at| self.values.get(at) as f32).collect();
        Self { values: values.into(), dtype: "float32".into(), ..self }
    }

    /// Turns the rows round.
    pub(super) fn turn(&mut self, rows: usize, columns: usize) {
        let Values::Float32(values) = &mut self.values else { panic!("not single precision") };
        *values = (0..rows).rev().flat_map(|row| values[row * columns..][..columns].to_vec()).collect();
    }
}
