use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    super::fake::{day, slice, written},
    world::{Shared, alive, lock, world},
};
use crate::{
    context::{Context, Scope},
    data::{Action, Arrival, Frequency, Item, Period, PeriodRange, Periods, Slices, Snapshot},
    plan::{Planned, PlannedDocument, PlannedSlices, PlannedSnapshot, Work},
    step::{Batch, ErrorKind, Node, Outcome, PeriodLabel, Sink, Source, Step, StepError, Write, Written},
};

macro_rules! step {
    ($name:ident, $uses:literal) => {
        /// Names its world and its dataset or node.
        #[derive(Debug, Clone, Deserialize, JsonSchema)]
        pub(super) struct $name {
            world: String,
            name: String,
        }
        impl Step for $name {
            const USES: &'static str = $uses;
            const SUMMARY: &'static str = "of a simulation";
            const REVISION: u32 = 1;
        }
    };
}
step!(List, "sim-list");
step!(Read, "sim-read");
step!(Root, "sim-root");
step!(One, "sim-one");
step!(Many, "sim-many");

impl List {
    fn list(&self) -> Periods {
        let world = world(&self.world);
        let world = lock(&world);
        let cube = &world.cubes[&self.name];
        let missing: Vec<Period> = (0..cube.days).map(day).filter(|period| cube.lacks(*period)).collect();
        let items = PeriodRange::collect(missing.iter().copied());
        let batches = missing.chunks(cube.batch);
        Periods {
            dataset: self.name.parse().unwrap(),
            step: Frequency::Day,
            base: cube.snapshot(&self.name).id,
            items: items.into_iter().map(|range| Item { range, action: Action::Add }).collect(),
            batches: batches.map(|batch| PeriodRange::collect(batch.iter().copied())).collect(),
            source: None,
            release: None,
        }
    }
}

impl Node for List {
    type Input = ();
    type Output = Periods;
    async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
        Ok(Planned::idle(PlannedDocument::Periods(self.list())))
    }
    async fn run(&self, (): (), _: &Context) -> Outcome<Periods> {
        alive(&world(&self.world)).await;
        let periods = self.list();
        alive(&world(&self.world)).await;
        Outcome::done(periods)
    }
}

/// One period of the source; none at its frontier.
fn read(world: &Shared, name: &str, period: Period, context: bool) -> Option<Result<Arrival, StepError>> {
    let mut world = lock(world);
    if !context {
        world.reads(name, period);
    }
    let faults = &mut world.cubes.get_mut(name)?.faults;
    if faults.frontier.is_some_and(|frontier| day(frontier) <= period) {
        return None;
    }
    let broken = |error: fn(ErrorKind, &'static str) -> StepError| {
        Some(Err(error(ErrorKind::Network, "the source is broken").at(period)))
    };
    if context {
        return Some(Ok(Arrival::Slice(slice(period, true))));
    }
    match &mut faults.flaky {
        Some((at, left)) if day(*at) == period && *left > 0 => {
            *left -= 1;
            return broken(StepError::transient);
        }
        _ => {}
    }
    if faults.broken.is_some_and(|at| day(at) == period) {
        return broken(StepError::permanent);
    }
    Some(Ok(Arrival::Slice(slice(period, false))))
}

impl Source for Read {
    async fn plan(&self, periods: &Periods, _: u32, _: &Scope) -> Result<PlannedSlices, StepError> {
        let (periods, requests) = (periods.clone(), periods.count());
        Ok(PlannedSlices { periods, requests, bytes: None, in_flight: 1, memory: 0, reasons: Vec::new() })
    }
    fn slices(&self, periods: Periods, halo: u32, _: &Context) -> Slices {
        let mut due = Vec::new();
        let mut last = None;
        for period in periods.batches.iter().flatten().flat_map(PeriodRange::iter) {
            if last != Some(period.plus(-1)) {
                due.extend((1..=i64::from(halo)).rev().map(|back| (period.plus(-back), true)));
            }
            due.push((period, false));
            last = Some(period);
        }
        let state = (world(&self.world), self.name.clone(), due.into_iter(), false);
        let stream = stream::unfold(state, |(world, name, mut due, over)| async move {
            let (period, context) = due.next().filter(|_| !over)?;
            alive(&world).await;
            let item = read(&world, &name, period, context)?;
            let over = item.is_err();
            Some((item, (world, name, due, over)))
        });
        Slices(stream.boxed())
    }
}

/// Settles days in a dataset.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Settle {
    world: String,
    name: String,
}

impl Step for Settle {
    const USES: &'static str = "sim-settle";
    const SUMMARY: &'static str = "of a simulation";
    const REVISION: u32 = 1;
    fn writes(&self) -> Option<Write> {
        Some(Write::Values(self.name.parse().unwrap()))
    }
}

impl Sink for Settle {
    async fn plan(&self, input: &PlannedSlices, _: &Scope) -> Result<PlannedSnapshot, StepError> {
        let snapshot = lock(&world(&self.world)).cubes[&self.name].snapshot(&self.name);
        let changes = input.periods.items.clone();
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
        alive(&world(&self.world)).await;
        Ok(lock(&world(&self.world)).cubes[&self.name].snapshot(&self.name))
    }

    async fn write(&self, batch: Batch, mut slices: Slices, _: &Context) -> Outcome<Written> {
        let (mut labels, mut error) = (Vec::new(), None);
        while let Some(arrival) = slices.0.next().await {
            match arrival {
                Ok(Arrival::Slice(slice)) if !slice.context => {
                    let (period, status) = (PeriodRange::one(slice.period), slice.status);
                    labels.push(PeriodLabel { period, status, action: Action::Add });
                }
                Ok(_) => {}
                Err(failed) => error = Some(failed),
            }
        }
        alive(&world(&self.world)).await;
        written(batch, labels, error)
    }

    async fn commit(&self, written: Vec<Written>, _: &Context) -> Outcome<Snapshot> {
        let world = world(&self.world);
        alive(&world).await;
        let outcome = self.settle(&world, &written);
        // The commit has landed; whether anybody hears of it is another matter.
        alive(&world).await;
        outcome
    }
}

impl Settle {
    fn settle(&self, world: &Shared, written: &[Written]) -> Outcome<Snapshot> {
        let mut world = lock(world);
        let all: Vec<Period> =
            written.iter().flat_map(|written| &written.labels).map(|label| label.period.first).collect();
        world.commits(&self.name, &all);
        let Some(cube) = world.cubes.get_mut(&self.name) else { unreachable!() };
        if cube.faults.commits > 0 {
            cube.faults.commits -= 1;
            let error = StepError::transient(ErrorKind::Store, "the store is away");
            return Outcome::partial(cube.snapshot(&self.name), error);
        }
        let new: Vec<Period> = all.into_iter().filter(|period| cube.lacks(*period)).collect();
        let Some(&first) = new.first() else { return Outcome::done(cube.snapshot(&self.name)) };
        if cube.faults.moved > 0 {
            cube.faults.moved -= 1;
            cube.commits.push(vec![first]);
            let error = StepError::permanent(ErrorKind::Moved, format!("{first} is there already"));
            return Outcome::partial(cube.snapshot(&self.name), error);
        }
        cube.commits.push(new);
        Outcome::done(cube.snapshot(&self.name))
    }
}

/// Does what its script says, a word a try; the last word is kept to.
async fn play(world: &Shared, name: &str) -> Outcome<Snapshot> {
    alive(world).await;
    let word = {
        let mut world = lock(world);
        let Some((script, tries)) = world.nodes.get_mut(name) else { unreachable!() };
        *tries += 1;
        script.get(*tries - 1).or(script.last()).copied().unwrap_or("ok")
    };
    alive(world).await;
    let snapshot = super::world::Cube::default().snapshot(name);
    let error = StepError::permanent(ErrorKind::Data, format!("`{name}` fails"));
    match word {
        "ok" => Outcome::done(snapshot),
        "partial" => Outcome::partial(snapshot, error),
        "transient" => Err(StepError::transient(ErrorKind::Network, "away")).into(),
        "panic" => panic!("as scripted"),
        _ => Err(error).into(),
    }
}

macro_rules! scripted {
    ($name:ident, $input:ty) => {
        impl Node for $name {
            type Input = $input;
            type Output = Snapshot;
            async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
                Ok(Planned::idle(PlannedDocument::Nothing))
            }
            async fn run(&self, _: $input, _: &Context) -> Outcome<Snapshot> {
                play(&world(&self.world), &self.name).await
            }
        }
    };
}
scripted!(Root, ());
scripted!(One, Snapshot);
scripted!(Many, Vec<Snapshot>);
