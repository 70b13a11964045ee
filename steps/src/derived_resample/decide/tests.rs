use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn day(text: &str) -> Period {
    Period::parse(text, Frequency::Day).unwrap()
}

fn month(text: &str) -> Period {
    Period::parse(text, Frequency::Month).unwrap()
}

fn days(first: &str, last: &str) -> Vec<(Period, Status)> {
    PeriodRange { first: day(first), last: day(last) }.iter().map(|p| (p, Status::Final)).collect()
}

fn inputs<'a>(source: &'a Axis, target: &'a Axis, changed: &'a Changed) -> Inputs<'a> {
    Inputs {
        source,
        from: Frequency::Day.into(),
        target,
        to: Frequency::Month,
        ready: Ready::Complete,
        changed,
        done: None,
        remake: false,
        unit: 1,
    }
}

fn window(text: &str, action: Action, status: Status) -> Window {
    Window { period: month(text), action, status }
}

fn ranges(list: &[(&str, &str)]) -> Changed {
    Changed::Ranges(list.iter().map(|(a, b)| PeriodRange { first: day(a), last: day(b) }).collect())
}

#[test]
fn a_month_waits_for_its_last_day() {
    let source = days("2025-01-01", "2025-02-27");
    let got = decide(&inputs(&source, &[], &Changed::All));
    assert_eq!(got.windows, vec![window("2025-01", Action::Add, Status::Final)]);
    assert_eq!(got.reasons, ["2025-01: made", "2025-02: waits for 2025-02-28"]);
}

#[test]
fn a_hole_makes_its_month_incomplete_once_a_later_one_is_whole() {
    let mut source = days("2025-01-01", "2025-03-31");
    source[40].1 = Status::Gap;
    let got = decide(&inputs(&source, &[], &Changed::All));
    let want = [
        window("2025-01", Action::Add, Status::Final),
        window("2025-02", Action::Add, Status::Incomplete),
        window("2025-03", Action::Add, Status::Final),
    ];
    assert_eq!(got.windows, want);
    assert!(
        got.reasons.contains(&"2025-02: incomplete, in the source 2025-02-10 is gap".to_owned()),
        "{got:?}"
    );
    // Later the day arrives.
    source[40].1 = Status::Provisional;
    let stored: Vec<_> = want.iter().map(|w| (w.period, w.status)).collect();
    let changed = ranges(&[("2025-02-10", "2025-02-10")]);
    let got = decide(&inputs(&source, &stored, &changed));
    assert_eq!(got.windows, vec![window("2025-02", Action::Fill, Status::Provisional)]);
}

#[test]
fn one_new_day_costs_one_month() {
    let source = days("2024-01-01", "2024-12-31");
    let stored: Vec<_> = (1..=11).map(|m| (month(&format!("2024-{m:02}")), Status::Final)).collect();
    let changed = ranges(&[("2024-12-31", "2024-12-31")]);
    let got = decide(&inputs(&source, &stored, &changed));
    assert_eq!(got.windows, vec![window("2024-12", Action::Add, Status::Final)]);
    let changed = ranges(&[("2024-03-05", "2024-03-05"), ("2024-12-31", "2024-12-31")]);
    let got = decide(&inputs(&source, &stored, &changed));
    assert_eq!(got.windows.len(), 2);
    assert_eq!(got.windows[0], window("2024-03", Action::Revise, Status::Final));
}

#[test]
fn what_is_missing_is_made_although_nothing_is_new() {
    let source = days("2025-01-01", "2025-02-28");
    let stored = [(month("2025-01"), Status::Final)];
    let got = decide(&inputs(&source, &stored, &ranges(&[])));
    assert_eq!(got.windows, vec![window("2025-02", Action::Add, Status::Final)]);
}

#[test]
fn another_definition_makes_everything_again() {
    let source = days("2025-01-01", "2025-02-28");
    let stored = [(month("2025-01"), Status::Final)];
    let nothing = ranges(&[]);
    let got = decide(&Inputs { remake: true, ..inputs(&source, &stored, &nothing) });
    assert_eq!(got.windows.len(), 2);
}

#[test]
fn what_was_withdrawn_stays_so() {
    let source = days("2025-01-01", "2025-01-31");
    let stored = [(month("2025-01"), Status::Withdrawn)];
    assert!(decide(&inputs(&source, &stored, &Changed::All)).items().is_empty());
}

#[test]
fn a_source_that_was_begun_anew_empties_nothing() {
    let stored = [(month("2025-01"), Status::Final), (month("2025-02"), Status::Final)];
    let source = days("2025-02-01", "2025-02-10");
    assert!(decide(&inputs(&source, &stored, &Changed::All)).items().is_empty());
    // But what it says to have no value for is no longer vouched for.
    let mut source = days("2025-01-01", "2025-02-28");
    source[3].1 = Status::Withdrawn;
    let got = decide(&inputs(&source, &stored, &ranges(&[("2025-01-04", "2025-01-04")])));
    assert_eq!(got.windows, vec![window("2025-01", Action::Revise, Status::Incomplete)]);
}

#[test]
fn earlier_months_come_in_whole_write_units() {
    let source = days("2024-08-01", "2025-01-31");
    let stored = [(month("2025-01"), Status::Final)];
    let nothing = ranges(&[]);
    let got = decide(&Inputs { unit: 2, ..inputs(&source, &stored, &nothing) });
    assert_eq!(got.earlier.len(), 4);
    assert_eq!(got.earlier[0], window("2024-09", Action::Add, Status::Final));
    assert_eq!(got.unaligned.map(|r| r.to_string()), Some("2024-08".to_owned()));
    // A remainder that could not be made anyway is no fault.
    let source = days("2024-08-02", "2025-01-31");
    let got = decide(&Inputs { unit: 2, ..inputs(&source, &stored, &nothing) });
    assert_eq!((got.earlier.len(), got.unaligned), (4, None));
}

#[test]
fn readiness_counts_what_is_there() {
    assert!(Ready::AtLeast(0.9).passes(27, 30));
    assert!(!Ready::AtLeast(0.9).passes(26, 30));
    assert!(!Ready::Any.passes(0, 30));
    assert!(Ready::Any.passes(1, 30));
    assert!(!Ready::Complete.passes(29, 30));
    let source = days("2025-01-01", "2025-01-30");
    let got = decide(&Inputs { ready: Ready::Any, ..inputs(&source, &[], &Changed::All) });
    assert_eq!(got.windows, vec![window("2025-01", Action::Add, Status::Provisional)]);
}

/// What a stored window is made of: its days, each with the version that was read.
type Made = BTreeMap<Period, u32>;

/// A source whose commits say which periods they touched, and a target that follows it.
#[derive(Debug, Clone, Default)]
struct World {
    source: BTreeMap<Period, (Status, u32)>,
    /// What each commit of the source touched.
    commits: Vec<Vec<PeriodRange>>,
    target: BTreeMap<Period, (Status, Made)>,
    /// Commits of the source that the head of the target has taken in.
    recorded: Option<usize>,
    pending: Option<(usize, Vec<PeriodRange>)>,
}

const TO: Frequency = Frequency::Dekad;

impl World {
    fn axis<T>(of: &BTreeMap<Period, (Status, T)>) -> Vec<(Period, Status)> {
        of.iter().map(|(period, (status, _))| (*period, *status)).collect()
    }

    fn since(&self, commit: Option<usize>) -> Changed {
        commit.map_or(Changed::All, |n| Changed::Ranges(self.commits[n..].concat()))
    }

    fn decide(&self, ready: Ready, planned: &[Item]) -> Decision {
        let (mut source, target) = (Self::axis(&self.source), Self::axis(&self.target));
        let mut changed = self.since(self.recorded);
        let mut done = self
            .pending
            .as_ref()
            .map(|(n, windows)| Done { windows: windows.clone(), since: self.since(Some(*n)) });
        if !planned.is_empty() {
            let (axis, touched) = forward(&source, planned);
            source = axis;
            for changed in [Some(&mut changed), done.as_mut().map(|d| &mut d.since)].into_iter().flatten() {
                if let Changed::Ranges(ranges) = changed {
                    ranges.extend(touched.iter().copied());
                }
            }
        }
        let inputs = Inputs {
            source: &source,
            from: Frequency::Day.into(),
            target: &target,
            to: TO,
            ready,
            changed: &changed,
            done: done.as_ref(),
            remake: false,
            unit: 1,
        };
        decide(&inputs)
    }

    fn commit(&mut self, first: Period, statuses: &[Status]) -> Vec<Item> {
        let version = u32::try_from(self.commits.len()).unwrap() + 1;
        let mut items = Vec::new();
        for (n, status) in statuses.iter().enumerate() {
            let period = first.plus(i64::try_from(n).unwrap());
            let before = self.source.insert(period, (*status, version));
            let action = if before.is_none() { Action::Add } else { Action::Revise };
            items.push(Item { range: PeriodRange::one(period), action });
        }
        self.commits.push(items.iter().map(|i| i.range).collect());
        items
    }

    fn value(&self, window: Period) -> Made {
        let held = self.source.range(window.parts(Frequency::Day).first..=window.parts(Frequency::Day).last);
        held.filter(|(_, (s, _))| s.has_values()).map(|(p, (_, v))| (*p, *v)).collect()
    }

    /// Does the work window by window, a commit each; dies after `lives` of them.
    fn run(&mut self, ready: Ready, mut lives: usize) -> usize {
        let decision = self.decide(ready, &[]);
        let head = self.commits.len();
        let work: Vec<Window> = decision.windows.iter().chain(&decision.earlier).copied().collect();
        let mut done: Vec<PeriodRange> = match &self.pending {
            Some((n, windows)) => windows
                .iter()
                .copied()
                .filter(|w| !self.since(Some(*n)).touches(w.first.parts(Frequency::Day)))
                .collect(),
            None => Vec::new(),
        };
        for window in &work {
            if lives == 0 {
                return work.len();
            }
            lives -= 1;
            let made =
                if window.status == Status::Incomplete { Made::new() } else { self.value(window.period) };
            self.target.insert(window.period, (window.status, made));
            done.push(PeriodRange::one(window.period));
            self.pending = Some((head, done.clone()));
        }
        if !work.is_empty() {
            (self.recorded, self.pending) = (Some(head), None);
        }
        work.len()
    }

    /// What the target should be, from the source alone.
    fn expected(&self, ready: Ready) -> BTreeMap<Period, (Status, Made)> {
        let Some((first, _)) = self.source.first_key_value() else { return BTreeMap::new() };
        let Some((last, _)) = self.source.last_key_value() else { return BTreeMap::new() };
        let mut all = Vec::new();
        let mut window = Period::containing(first.start(), TO);
        while window.start() <= last.start() {
            let total = window.parts(Frequency::Day).len();
            let made = self.value(window);
            let held: BTreeSet<Status> = made.keys().map(|p| self.source[p].0).collect();
            let status = if !ready.passes(made.len(), total) {
                Status::Incomplete
            } else if held.contains(&Status::Provisional) || made.len() < total {
                Status::Provisional
            } else {
                Status::Final
            };
            let made = if status == Status::Incomplete { Made::new() } else { made };
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

fn place(world: &World, at: f64) -> Period {
    let start = day("2024-01-16");
    let Some((first, _)) = world.source.first_key_value() else { return start };
    let next = first.plus(i64::try_from(world.source.len()).unwrap());
    if at >= 1.0 {
        return next;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a place in a short list"
    )]
    first.plus((at * world.source.len() as f64) as i64)
}

proptest! {
    /// Whatever the source did, wherever runs died: the target is what the source says, one more
    /// run finds nothing to do, and no window is made that did not need it.
    #[test]
    fn the_target_follows_the_source(
        ready in any_ready(),
        steps in prop::collection::vec((any_commit(), prop::option::of(0usize..4)), 1..8),
    ) {
        let mut world = World::default();
        for ((at, statuses), dies) in steps {
            let first = place(&world, at);
            world.commit(first, &statuses);
            if let Some(lives) = dies {
                world.run(ready, lives);
            }
        }
        world.run(ready, usize::MAX);
        prop_assert_eq!(&world.target, &world.expected(ready));
        prop_assert_eq!(world.run(ready, usize::MAX), 0);
        // One more period in the source: one window at most, and those it passes.
        let next = place(&world, 1.5);
        let before = world.target.clone();
        world.commit(next, &[Status::Final]);
        let decision = world.decide(ready, &[]);
        for window in &decision.windows {
            let touched = window.period.parts(Frequency::Day).contains(next);
            prop_assert!(touched || !before.contains_key(&window.period), "{:?}", window);
        }
    }

    /// What a plan lists over a planned source is what a run does once the source has it.
    #[test]
    fn a_plan_over_a_planned_source_is_the_run(
        ready in any_ready(),
        steps in prop::collection::vec((any_commit(), prop::option::of(0usize..4)), 0..6),
        at in 0.0..2.0f64,
        length in 1usize..40,
    ) {
        let mut world = World::default();
        for ((at, statuses), dies) in steps {
            let first = place(&world, at);
            world.commit(first, &statuses);
            world.run(ready, dies.unwrap_or(usize::MAX));
        }
        let mut after = world.clone();
        let items = after.commit(place(&world, at), &vec![Status::Final; length]);
        let (planned, done) = (world.decide(ready, &items), after.decide(ready, &[]));
        prop_assert_eq!(planned, done);
    }
}

#[test]
fn a_run_that_died_leaves_exactly_the_rest() {
    let mut world = World::default();
    world.commit(day("2024-01-01"), &[Status::Final; 60]);
    assert_eq!(world.run(Ready::Complete, 2), 6);
    assert_eq!(world.run(Ready::Complete, usize::MAX), 4);
    // The same where every window stands already and was to be made again.
    world.commit(day("2024-01-01"), &[Status::Final; 60]);
    assert_eq!(world.run(Ready::Complete, 4), 6);
    assert_eq!(world.run(Ready::Complete, usize::MAX), 2);
}

#[test]
fn a_status_that_is_behind_is_caught_up() {
    let source = days("2025-01-01", "2025-01-31");
    let stored = [(month("2025-01"), Status::Provisional)];
    let got = decide(&inputs(&source, &stored, &ranges(&[])));
    assert_eq!(got.windows, vec![window("2025-01", Action::Revise, Status::Final)]);
}
