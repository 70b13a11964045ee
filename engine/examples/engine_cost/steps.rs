//! Step types that do nothing.

use std::sync::Arc;

use frazil_engine::{
    context::{Context, Scope},
    data::{
        Action, Arrival, Axis, Crs, DatasetId, Frequency, Grid, Item, Period, PeriodRange, Periods, Slice,
        Slices, Snapshot, SnapshotId, Status,
    },
    plan::{Planned, PlannedDocument, PlannedSlices, PlannedSnapshot, Work},
    step::{
        Batch, Ended, ErrorKind, Node, Outcome, PeriodLabel, Sink, Source, Step, StepError, Write, Written,
    },
};
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;

fn dataset() -> Result<DatasetId, StepError> {
    "noop".parse().map_err(|_| StepError::permanent(ErrorKind::Internal, "no name"))
}

fn snapshot() -> Result<Snapshot, StepError> {
    Ok(Snapshot {
        dataset: dataset()?,
        repository: "nowhere".to_owned(),
        branch: "main".to_owned(),
        id: Some(SnapshotId("1".to_owned())),
        base: None,
    })
}

macro_rules! node {
    ($name:ident, $uses:literal, $input:ty) => {
        #[derive(Debug, Deserialize, JsonSchema)]
        pub(crate) struct $name {}
        impl Step for $name {
            const USES: &'static str = $uses;
            const SUMMARY: &'static str = "does nothing";
            const REVISION: u32 = 1;
        }
        impl Node for $name {
            type Input = $input;
            type Output = Snapshot;
            async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
                Ok(Planned::idle(PlannedDocument::Nothing))
            }
            async fn run(&self, _: $input, _: &Context) -> Outcome<Snapshot> {
                snapshot().into()
            }
        }
    };
}
node!(Root, "noop-root", ());
node!(One, "noop-one", Snapshot);
node!(Many, "noop-many", Vec<Snapshot>);

/// Lists days from 1700 on.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct List {
    periods: usize,
    batch: usize,
}

impl Step for List {
    const USES: &'static str = "noop-list";
    const SUMMARY: &'static str = "lists days";
    const REVISION: u32 = 1;
}

impl List {
    fn list(&self) -> Result<Periods, StepError> {
        let wrong = |_| StepError::permanent(ErrorKind::Internal, "no period");
        let origin = Period::parse("1700-01-01", Frequency::Day).map_err(wrong)?;
        let day = |n: usize| origin.plus(i64::try_from(n).unwrap_or(i64::MAX));
        let range = |first: usize, end: usize| PeriodRange { first: day(first), last: day(end - 1) };
        let batch = |first: usize| vec![range(first, (first + self.batch).min(self.periods))];
        Ok(Periods {
            dataset: dataset()?,
            step: Frequency::Day,
            base: None,
            release: None,
            source: None,
            items: vec![Item { range: range(0, self.periods), action: Action::Add }],
            batches: (0..self.periods).step_by(self.batch).map(batch).collect(),
        })
    }
}

impl Node for List {
    type Input = ();
    type Output = Periods;
    async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
        Ok(Planned::idle(PlannedDocument::Periods(self.list()?)))
    }
    async fn run(&self, (): (), _: &Context) -> Outcome<Periods> {
        self.list().into()
    }
}

/// Gives slices without numbers.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Read {}

impl Step for Read {
    const USES: &'static str = "noop-read";
    const SUMMARY: &'static str = "gives slices without numbers";
    const REVISION: u32 = 1;
}

impl Source for Read {
    async fn plan(&self, periods: &Periods, _: u32, _: &Scope) -> Result<PlannedSlices, StepError> {
        let (periods, requests) = (periods.clone(), periods.count());
        Ok(PlannedSlices { periods, requests, bytes: None, in_flight: 1, memory: 0, reasons: Vec::new() })
    }
    fn slices(&self, periods: Periods, _: u32, _: &Context) -> Slices {
        let axis = |name| Axis::regular(name, 0.0, 1.0, 1);
        let crs = Crs { code: None, wkt: String::new() };
        let grid = Arc::new(Grid { crs, y: axis("y"), x: axis("x"), extra: Default::default() });
        // One after the other: a list of them all would be as long as the work.
        let periods = periods.batches.into_iter().flatten().flat_map(|range| range.iter());
        let slice = move |period| {
            let (grid, fields) = (Arc::clone(&grid), Vec::new());
            Ok(Arrival::Slice(Slice { period, status: Status::Final, context: false, grid, fields }))
        };
        Slices(stream::iter(periods).map(slice).boxed())
    }
}

/// Takes slices and keeps nothing.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settle {}

impl Step for Settle {
    const USES: &'static str = "noop-settle";
    const SUMMARY: &'static str = "takes slices and keeps nothing";
    const REVISION: u32 = 1;
    fn writes(&self) -> Option<Write> {
        dataset().ok().map(Write::Values)
    }
}

impl Sink for Settle {
    async fn plan(&self, input: &PlannedSlices, _: &Scope) -> Result<PlannedSnapshot, StepError> {
        let (snapshot, changes) = (snapshot()?, input.periods.items.clone());
        Ok(PlannedSnapshot {
            snapshot,
            changes,
            work: Work::default(),
            reasons: Vec::new(),
            statuses: Vec::new(),
            aside: None,
            layout: None,
        })
    }
    async fn head(&self, _: &Context) -> Result<Snapshot, StepError> {
        snapshot()
    }
    async fn write(&self, batch: Batch, mut slices: Slices, _: &Context) -> Outcome<Written> {
        let mut labels = Vec::new();
        while let Some(arrival) = slices.0.next().await {
            match arrival {
                Ok(arrival) => labels.push(PeriodLabel {
                    period: PeriodRange::one(arrival.period()),
                    status: Status::Final,
                    action: Action::Add,
                }),
                Err(error) => return Err(error).into(),
            }
        }
        let (dataset, base) = (batch.periods.dataset, batch.periods.base);
        let (ended, body) = (Ended::Whole, serde_json::Value::Null);
        let index = batch.index;
        Outcome::done(Written { dataset, index, base, source: None, release: None, labels, ended, body })
    }
    async fn commit(&self, _: Vec<Written>, _: &Context) -> Outcome<Snapshot> {
        snapshot().into()
    }
}
