//! Any history of any sources, against what they say themselves.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What a stored window is made of: the days of each source with the version that was read.
type Made = BTreeMap<(usize, Period), u32>;

/// A source whose commits say which periods they touched.
#[derive(Debug, Clone, Default)]
struct Origin {
    periods: BTreeMap<Period, (Status, u32)>,
    /// What each commit touched.
    commits: Vec<Vec<PeriodRange>>,
    /// Commits that the head of the target has taken in.
    recorded: Option<usize>,
    /// Commits that a run which did not finish worked on.
    pending: Option<usize>,
}

/// Sources, and a target that follows them.
#[derive(Debug, Clone, Default)]
struct World {
    origins: Vec<Origin>,
    target: BTreeMap<Period, (Status, Made)>,
    /// Windows that a run which did not finish has done.
    done: Vec<PeriodRange>,
}

const TO: Frequency = Frequency::Dekad;

fn axis<T>(of: &BTreeMap<Period, (Status, T)>) -> Vec<(Period, Status)> {
    of.iter().map(|(period, (status, _))| (*period, *status)).collect()
}

impl Origin {
    fn since(&self, commit: Option<usize>) -> Changed {
        commit.map_or(Changed::All, |n| Changed::Ranges(self.commits[n..].concat()))
    }

    fn commit(&mut self, first: Period, statuses: &[Status]) -> Vec<Item> {
        let version = u32::try_from(self.commits.len()).unwrap() + 1;
        let mut items = Vec::new();
        for (n, status) in statuses.iter().enumerate() {
            let period = first.plus(i64::try_from(n).unwrap());
            let before = self.periods.insert(period, (*status, version));
            let action = if before.is_none() { Action::Add } else { Action::Revise };
            items.push(Item { range: PeriodRange::one(period), action });
        }
        self.commits.push(items.iter().map(|i| i.range).collect());
        items
    }

    /// The days of `window` that hold values.
    fn days(&self, window: Period) -> Vec<(Period, Status, u32)> {
        let days = window.parts(Frequency::Day);
        let held = self.periods.range(days.first..=days.last);
        held.filter(|(_, (s, _))| s.has_values()).map(|(p, (s, v))| (*p, *s, *v)).collect()
    }
}

impl World {
    fn of(origins: usize) -> Self {
        Self { origins: vec![Origin::default(); origins], ..Self::default() }
    }

    /// What is decided once `planned` is done to sources, each item with the place of its source and
    /// what it will be.
    fn decide(&self, ready: Ready, planned: &[(usize, Item, Status)]) -> Decision {
        let seen = self.origins.iter().enumerate().map(|(n, origin)| {
            let mut held = axis(&origin.periods);
            let mut changed = vec![origin.since(origin.recorded)];
            changed.extend(origin.pending.map(|commit| origin.since(Some(commit))));
            let own = || planned.iter().filter(|(of, ..)| *of == n);
            let items: Vec<Item> = own().map(|(_, item, _)| item.clone()).collect();
            let told = own().filter(|(.., status)| *status != Status::Final);
            let told: Vec<Foretold> =
                told.map(|(_, item, status)| Foretold { range: item.range, status: *status }).collect();
            if !items.is_empty() {
                let (after, touched) = forward(&held, &items, &told);
                held = after;
                for changed in &mut changed {
                    if let Changed::Ranges(ranges) = changed {
                        ranges.extend(touched.iter().copied());
                    }
                }
            }
            (held, changed)
        });
        let seen: Vec<_> = seen.collect();
        let sources = seen
            .iter()
            .map(|(axis, changed)| Source { since: changed.get(1), ..source("one", axis, &changed[0]) });
        let inputs = Inputs {
            sources: sources.collect(),
            target: &axis(&self.target),
            to: TO,
            ready,
            done: &self.done,
            remake: false,
            anew: None,
            unit: 1,
        };
        decide(&inputs)
    }

    fn value(&self, window: Period) -> Made {
        let of = |(n, origin): (usize, &Origin)| {
            origin.days(window).into_iter().map(move |(p, _, v)| ((n, p), v)).collect::<Vec<_>>()
        };
        self.origins.iter().enumerate().flat_map(of).collect()
    }

    /// Does the work window by window, a commit each; dies after `lives` of them.
    fn run(&mut self, ready: Ready, mut lives: usize) -> usize {
        let decision = self.decide(ready, &[]);
        let work: Vec<Window> = decision.windows.iter().chain(&decision.earlier).copied().collect();
        let origins = &self.origins;
        let since = |origin: &Origin| origin.pending.map(|commit| origin.since(Some(commit)));
        let touched = |window: &PeriodRange| {
            let days = window.first.parts(Frequency::Day);
            origins.iter().filter_map(since).any(|changed| changed.touches(days))
        };
        let mut done: Vec<PeriodRange> = self.done.iter().copied().filter(|w| !touched(w)).collect();
        for window in &work {
            if lives == 0 {
                return work.len();
            }
            lives -= 1;
            let made =
                if window.status == Status::Incomplete { Made::new() } else { self.value(window.period) };
            self.target.insert(window.period, (window.status, made));
            done.push(PeriodRange::one(window.period));
            self.done.clone_from(&done);
            for origin in &mut self.origins {
                origin.pending = Some(origin.commits.len());
            }
        }
        if !work.is_empty() {
            self.done.clear();
            for origin in &mut self.origins {
                (origin.recorded, origin.pending) = (Some(origin.commits.len()), None);
            }
        }
        work.len()
    }

    /// What the target should be, from the sources alone.
    fn expected(&self, ready: Ready) -> BTreeMap<Period, (Status, Made)> {
        let ends = self.origins.iter().map(|origin| {
            let ends = origin.periods.first_key_value().zip(origin.periods.last_key_value());
            ends.map(|((first, _), (last, _))| (first.start(), last.start()))
        });
        let Some(ends) = ends.collect::<Option<Vec<_>>>() else { return BTreeMap::new() };
        let begins = ends.iter().map(|(first, _)| Period::containing(*first, TO)).max().unwrap();
        let last = ends.iter().map(|(_, last)| *last).max().unwrap();
        let mut all = Vec::new();
        let mut window = begins;
        while window.start() <= last {
            let total = window.parts(Frequency::Day).len();
            let days: Vec<_> = self.origins.iter().map(|origin| origin.days(window)).collect();
            let provisional = days.iter().flatten().any(|(_, status, _)| *status == Status::Provisional);
            let status = if !days.iter().all(|days| ready.passes(days.len(), total)) {
                Status::Incomplete
            } else if provisional || days.iter().any(|days| days.len() < total) {
                Status::Provisional
            } else {
                Status::Final
            };
            let made = if status == Status::Incomplete { Made::new() } else { self.value(window) };
            all.push((window, (status, made)));
            window = window.plus(1);
        }
        // What comes after the newest that can be made, or that ever was, is not there yet.
        let newest = all
            .iter()
            .rposition(|(w, (s, _))| *s != Status::Incomplete || self.target.contains_key(w))
            .map_or(0, |at| at + 1);
        all.truncate(newest);
        all.into_iter().collect()
    }
}

fn any_status() -> impl Strategy<Value = Status> {
    prop_oneof![
        12 => Just(Status::Final),
        2 => Just(Status::Provisional),
        1 => Just(Status::Gap),
        1 => Just(Status::Withdrawn),
    ]
}

fn any_ready() -> impl Strategy<Value = Ready> {
    prop_oneof![Just(Ready::Complete), Just(Ready::Any), Just(Ready::AtLeast(0.8))]
}

/// A commit: where it begins within what there is (0 to 1; above it appends), and its statuses.
fn any_commit() -> impl Strategy<Value = (f64, Vec<Status>)> {
    (0.0..2.0f64, prop::collection::vec(any_status(), 1..25))
}

fn place(world: &World, origin: usize, at: f64) -> Period {
    let periods = &world.origins[origin].periods;
    let start = day("2024-01-16").plus(17 * i64::try_from(origin).unwrap());
    let Some((first, _)) = periods.first_key_value() else { return start };
    let next = first.plus(i64::try_from(periods.len()).unwrap());
    if at >= 1.0 {
        return next;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a place in a short list"
    )]
    first.plus((at * periods.len() as f64) as i64)
}

/// A commit to one of the sources, and perhaps a run after it with so many lives.
type Step = (usize, (f64, Vec<Status>), Option<usize>);

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0usize..6, any_commit(), prop::option::of(0usize..4)), 1..10)
}

proptest! {
    /// Whatever the sources did, wherever runs died: the target is what the sources say, one more
    /// run finds nothing to do, and no window is made that did not need it.
    #[test]
    fn the_target_follows_its_sources(ready in any_ready(), count in 1usize..4, steps in any_steps()) {
        let mut world = World::of(count);
        for (to, (at, statuses), dies) in steps {
            let first = place(&world, to % count, at);
            world.origins[to % count].commit(first, &statuses);
            if let Some(lives) = dies {
                world.run(ready, lives);
            }
        }
        world.run(ready, usize::MAX);
        prop_assert_eq!(&world.target, &world.expected(ready));
        prop_assert_eq!(world.run(ready, usize::MAX), 0);
        // One more period in a source: one window at most, and those it passes.
        let next = place(&world, 0, 1.5);
        let before = world.target.clone();
        world.origins[0].commit(next, &[Status::Final]);
        let decision = world.decide(ready, &[]);
        for window in &decision.windows {
            let touched = window.period.parts(Frequency::Day).contains(next);
            prop_assert!(touched || !before.contains_key(&window.period), "{:?}", window);
        }
    }

    /// What a plan lists over planned sources is what a run does once they have it.
    #[test]
    fn a_plan_over_planned_sources_is_the_run(
        ready in any_ready(),
        count in 1usize..4,
        steps in any_steps(),
        next in prop::collection::vec((0.0..2.0f64, prop::collection::vec(any_status(), 1..40)), 3),
    ) {
        let mut world = World::of(count);
        for (to, (at, statuses), dies) in steps {
            let first = place(&world, to % count, at);
            world.origins[to % count].commit(first, &statuses);
            world.run(ready, dies.unwrap_or(usize::MAX));
        }
        let mut after = world.clone();
        let mut planned = Vec::new();
        for (n, (at, statuses)) in next.into_iter().take(count).enumerate() {
            let first = place(&world, n, at);
            let items = after.origins[n].commit(first, &statuses);
            planned.extend(items.into_iter().zip(statuses).map(|(item, status)| (n, item, status)));
        }
        let (planned, done) = (world.decide(ready, &planned), after.decide(ready, &[]));
        prop_assert_eq!(planned, done);
    }
}

#[test]
fn a_run_that_died_leaves_exactly_the_rest() {
    let mut world = World::of(1);
    world.origins[0].commit(day("2024-01-01"), &[Status::Final; 60]);
    assert_eq!(world.run(Ready::Complete, 2), 6);
    assert_eq!(world.run(Ready::Complete, usize::MAX), 4);
    // The same where every window stands already and was to be made again.
    world.origins[0].commit(day("2024-01-01"), &[Status::Final; 60]);
    assert_eq!(world.run(Ready::Complete, 4), 6);
    assert_eq!(world.run(Ready::Complete, usize::MAX), 2);
}
