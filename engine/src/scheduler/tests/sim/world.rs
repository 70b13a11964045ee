use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use super::{super::fake::day, clock::VirtualClock};
use crate::{
    context::Clock,
    data::{Period, Snapshot, SnapshotId},
    event::{Event, RunEvent},
    scheduler::Cancel,
};

/// All that the steps of one simulation touch: it outlives the processes that die in it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Arc<VirtualClock>,
    random: StdRng,
    pub(super) cubes: BTreeMap<String, Cube>,
    /// What each node does, a word a try, and how often it was tried.
    pub(super) nodes: BTreeMap<String, (Vec<&'static str>, usize)>,
    /// Points until the process dies.
    pub(super) death: Option<usize>,
    pub(super) died: CancellationToken,
    /// Points until the run is told to stop.
    pub(super) stop: Option<(usize, Cancel)>,
    /// Whether its process then lets go of it for another.
    pub(super) leaves: bool,
    /// Segments whose start is durable.
    started: BTreeSet<String>,
    /// What was done against the rules.
    pub(super) wrong: Vec<String>,
}

/// A dataset, its source and what is wrong with both.
#[derive(Debug, Default, Clone)]
pub(super) struct Cube {
    pub(super) days: i64,
    pub(super) batch: usize,
    pub(super) faults: Faults,
    /// Periods of each commit, in order.
    pub(super) commits: Vec<Vec<Period>>,
    /// Reads, context not counted.
    pub(super) reads: usize,
    /// Written, by a durable event, and not let go since: these are never read again.
    pub(super) kept: BTreeSet<Period>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Faults {
    /// This day cannot be read.
    pub(super) broken: Option<i64>,
    /// This day cannot be read so often.
    pub(super) flaky: Option<(i64, usize)>,
    /// There is nothing from this day on.
    pub(super) frontier: Option<i64>,
    /// So many commits fail, and may be tried again.
    pub(super) commits: usize,
    /// Before so many commits somebody else commits the first period of each.
    pub(super) moved: usize,
}

impl Cube {
    pub(super) fn held(&self) -> Vec<Period> {
        self.commits.iter().flatten().copied().collect()
    }

    pub(super) fn lacks(&self, period: Period) -> bool {
        !self.commits.iter().flatten().any(|held| *held == period)
    }

    pub(super) fn snapshot(&self, name: &str) -> Snapshot {
        let id = (!self.commits.is_empty()).then(|| SnapshotId(format!("c{}", self.commits.len())));
        let (repository, branch) = ("memory".to_owned(), "main".to_owned());
        Snapshot { dataset: name.parse().unwrap(), repository, branch, id, base: None }
    }
}

pub(super) type Shared = Arc<Mutex<World>>;

static WORLDS: LazyLock<Mutex<HashMap<String, Shared>>> = LazyLock::new(Mutex::default);

fn worlds() -> MutexGuard<'static, HashMap<String, Shared>> {
    WORLDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The world of this name, made by [`World::make`].
pub(super) fn world(name: &str) -> Shared {
    Arc::clone(&worlds()[name])
}

pub(super) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn make(name: &str, seed: u64) -> Shared {
        let world = Self {
            clock: VirtualClock::at(super::super::stage::now()),
            random: StdRng::seed_from_u64(seed),
            cubes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            death: None,
            died: CancellationToken::new(),
            stop: None,
            leaves: false,
            started: BTreeSet::new(),
            wrong: Vec::new(),
        };
        let world = Arc::new(Mutex::new(world));
        worlds().insert(name.to_owned(), Arc::clone(&world));
        world
    }

    pub(super) fn forget(name: &str) {
        worlds().remove(name);
    }

    /// A process of its own begins.
    pub(super) fn reborn(&mut self, death: Option<usize>) {
        self.death = death;
        self.died = CancellationToken::new();
        self.stop = None;
        self.started.clear();
    }

    fn is_dead(&self) -> bool {
        self.died.is_cancelled()
    }

    /// An event became durable.
    pub(super) fn noted(&mut self, event: &RunEvent) {
        match &event.event {
            Event::Started { unit, .. } => {
                self.started.insert(unit.to_string());
            }
            Event::Written { unit, written } => {
                if let Some(cube) = self.cubes.get_mut(unit.as_str()) {
                    cube.kept.extend(written.labels.iter().map(|label| label.period.first));
                }
            }
            Event::Committed { unit, snapshot: Some(snapshot), .. } => {
                let commits = self.cubes[unit.as_str()].commits.len();
                let number = snapshot.id.as_ref().and_then(|id| id.0[1..].parse::<usize>().ok());
                if number.is_none_or(|number| number > commits) {
                    self.wrong.push(format!("{unit}: {snapshot:?} is noted before it is there"));
                }
            }
            Event::Discarded { unit, .. } | Event::Relisted { unit, .. } => {
                if let Some(cube) = self.cubes.get_mut(unit.as_str()) {
                    let held = cube.held();
                    cube.kept.retain(|period| held.contains(period));
                }
            }
            // What its time to settle was too short for is let go.
            Event::Finished { .. } => {
                for cube in self.cubes.values_mut() {
                    let held = cube.held();
                    cube.kept.retain(|period| held.contains(period));
                }
            }
            _ => {}
        }
    }

    /// Whether a period may be read now.
    pub(super) fn reads(&mut self, name: &str, period: Period) {
        if !self.started.contains(name) {
            self.wrong.push(format!("{name}: {period} is read before the start is noted"));
        }
        let Some(cube) = self.cubes.get_mut(name) else { return };
        cube.reads += 1;
        if cube.kept.contains(&period) {
            self.wrong.push(format!("{name}: {period} was written and is read again"));
        }
    }

    /// Periods are about to be committed.
    pub(super) fn commits(&mut self, name: &str, periods: &[Period]) {
        let cube = &self.cubes[name];
        if let Some(period) = periods.iter().find(|period| !cube.kept.contains(period)) {
            self.wrong.push(format!("{name}: {period} is committed before it is noted as written"));
        }
    }

    /// What stands in the cubes: each period once, without a hole, from the first day on.
    pub(super) fn judge(&mut self) {
        for (name, cube) in &self.cubes {
            let held = cube.held();
            let days: Vec<_> = (0..).map(day).take(held.len()).collect();
            if held != days {
                self.wrong.push(format!("{name}: lost, doubled or out of order: {:?}", cube.commits));
            }
        }
    }
}

/// A place where the process may die, the run be told to stop, and time pass.
pub(super) async fn point(world: &Shared) {
    enum Fate {
        On,
        Yield,
        Wait(Duration, Arc<VirtualClock>),
        Dead,
    }
    let fate = {
        let mut world = lock(world);
        let world = &mut *world;
        if let Some((left, cancel)) = &mut world.stop {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None if world.leaves => cancel.leave(),
                None => cancel.cancel("the test says so"),
            }
        }
        match &mut world.death {
            Some(0) => world.died.cancel(),
            Some(left) => *left -= 1,
            None => {}
        }
        match world.random.random_range(0..8) {
            _ if world.is_dead() => Fate::Dead,
            0 => Fate::Yield,
            1 => {
                Fate::Wait(Duration::from_millis(world.random.random_range(0..200)), Arc::clone(&world.clock))
            }
            _ => Fate::On,
        }
    };
    match fate {
        Fate::On => {}
        Fate::Yield => tokio::task::yield_now().await,
        Fate::Wait(time, clock) => clock.sleep(time).await,
        Fate::Dead => std::future::pending().await,
    }
}

/// The same, for an effect that a dead process has no more.
pub(super) async fn alive(world: &Shared) {
    point(world).await;
    if lock(world).is_dead() {
        std::future::pending::<()>().await;
    }
}
