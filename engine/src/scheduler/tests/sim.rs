//! Random graphs under random schedules, against what must come of them, found one by one.
//!
//! Everything that may differ from run to run follows from a seed: the graph, what fails, how long
//! each thing takes, when the run is told to stop and where its process dies. Time is virtual.

mod clock;
mod process;
mod sketch;
mod steps;
mod world;

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    event::{Event, RunState, RunStatus},
    store::RunStore,
};
use process::{Doing, Life, Sim};
use sketch::Sketch;
use world::lock;

const GRACE: u64 = 20_000;

/// Fails with the seed when anything was done against the rules.
fn judge(sim: &Sim, context: &str) {
    let mut world = lock(&sim.world);
    world.judge();
    assert!(world.wrong.is_empty(), "{context}: {:#?}", world.wrong);
}

/// Nothing starts before what it waits for is over, nor after the run was told to stop.
fn in_order(sim: &Sim, context: &str) {
    let events = futures::executor::block_on(sim.store.load(&sim.run_id())).unwrap();
    let (mut over, mut told) = (BTreeSet::new(), false);
    for event in &events {
        match &event.event {
            Event::Started { unit, attempt } => {
                let waits = sim.sketch.waits(unit.as_str());
                assert!(waits.iter().all(|wait| over.contains(wait)), "{context}: {unit} starts too early");
                // What an earlier process had written goes on to its commit.
                assert!(!told || *attempt > 1, "{context}: {unit} starts after all was told to stop");
            }
            Event::Ended { unit, .. } | Event::Skipped { unit, .. } => {
                over.insert(unit.to_string());
            }
            Event::Relisted { lists, .. } => {
                over.remove(lists.as_str());
            }
            Event::Cancelling { .. } => told = true,
            _ => {}
        }
    }
    let state = RunState::fold(&events).unwrap();
    assert!(state.finished.is_some(), "{context}: it is not finished");
}

/// Whether a run that nobody stopped came to what it must.
fn as_it_must(sim: &Sim, state: &RunState, context: &str) {
    let fates = sim.sketch.fates();
    assert_eq!(sim.sketch.seen(state), fates, "{context}: {:#?}\n{state:#?}", sim.sketch);
    let failed = fates.iter().any(|fate| fate.error);
    let status = if failed { RunStatus::Failed } else { RunStatus::Successful };
    assert_eq!(state.finished.unwrap().0, status, "{context}");
    let world = lock(&sim.world);
    for (name, days) in sim.sketch.days() {
        assert_eq!(world.cubes[&name].held().len(), days, "{context}: {name}");
    }
}

/// A run that was told to stop did a part of what it must, and no more.
fn a_part_of_it(sim: &Sim, state: &RunState, context: &str) {
    let (fates, seen) = (sim.sketch.fates(), sim.sketch.seen(state));
    for (fate, seen) in fates.iter().zip(seen) {
        assert!(fate.runs || !seen.runs, "{context}");
        assert!(fate.output || !seen.output, "{context}");
    }
    let world = lock(&sim.world);
    for (name, days) in sim.sketch.days() {
        assert!(world.cubes[&name].held().len() <= days, "{context}: {name}");
    }
}

/// Whatever happened before: the next run does exactly what is missing, and the one after nothing.
fn the_next_run_does_the_rest(sim: &mut Sim, context: &str) {
    sim.mend();
    for again in [false, true] {
        lock(&sim.world).reborn(None);
        let before: usize = lock(&sim.world).cubes.values().map(|cube| cube.reads + cube.commits.len()).sum();
        let Life::Ended(state) = sim.live(Doing::Start, None, GRACE) else { panic!("{context}: it died") };
        as_it_must(sim, &state, context);
        judge(sim, context);
        let after: usize = lock(&sim.world).cubes.values().map(|cube| cube.reads + cube.commits.len()).sum();
        assert!(!again || before == after, "{context}: something is done twice");
    }
}

/// The last run of a simulation, and whether anything told it to stop.
fn live_and_die(sim: &mut Sim, random: &mut StdRng, stops: bool) -> (RunState, bool) {
    let mut doing = Doing::Start;
    let mut told = false;
    for life in 0.. {
        // The third one lives: work is not listed anew without end.
        let death = (life < 2 && random.random_bool(0.6)).then(|| random.random_range(0..150));
        let stop = (stops && random.random_bool(0.4)).then(|| random.random_range(0..100));
        let grace = if random.random_bool(0.5) { GRACE } else { random.random_range(0..300) };
        lock(&sim.world).reborn(death);
        let life = sim.live(doing, stop, grace);
        let stopped = lock(&sim.world).stop.as_ref().is_some_and(|(_, cancel)| cancel.token.is_cancelled());
        match life {
            Life::Ended(state) => {
                told |= stopped;
                return (*state, told);
            }
            Life::Died => {
                let known = futures::executor::block_on(sim.store.load(&sim.run_id()));
                let resumes = known.is_ok() && random.random_bool(0.5);
                doing = if resumes { Doing::Resume } else { Doing::Start };
                // Being told to stop dies with the process, unless it was noted, and is no matter of
                // another run.
                let noted = known.unwrap_or_default();
                told = resumes && noted.iter().any(|event| matches!(event.event, Event::Cancelling { .. }));
            }
        }
    }
    unreachable!()
}

fn simulate(seeds: std::ops::Range<u64>, stops: bool) {
    let state = tempfile::tempdir().unwrap();
    for seed in seeds {
        let context = format!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut sim = Sim::new(Sketch::random(&mut random), seed, state.path());
        let (end, told) = live_and_die(&mut sim, &mut random, stops);
        judge(&sim, &context);
        if end.accepted.is_some() {
            in_order(&sim, &context);
            if told {
                a_part_of_it(&sim, &end, &context);
            } else {
                as_it_must(&sim, &end, &context);
            }
        }
        the_next_run_does_the_rest(&mut sim, &context);
    }
}

#[test]
fn random_graphs_that_fail_and_die_come_to_what_they_must() {
    simulate(0..1_000, false);
}

#[test]
fn random_graphs_that_are_stopped_do_a_part_and_the_next_run_the_rest() {
    simulate(10_000..11_000, true);
}

/// Processes that stop let go of a run, some of them die of it, and others go on with it.
#[test]
fn a_run_that_is_left_again_and_again_comes_to_what_it_must() {
    let state = tempfile::tempdir().unwrap();
    let mut left = 0;
    for seed in 20_000..20_600 {
        let context = format!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut sim = Sim::new(Sketch::random(&mut random), seed, state.path());
        let mut doing = Doing::Start;
        for life in 0.. {
            let death = (life < 5 && random.random_bool(0.2)).then(|| random.random_range(0..100));
            let stop = (life < 5).then(|| random.random_range(0..60));
            let grace = if random.random_bool(0.5) { GRACE } else { random.random_range(0..300) };
            lock(&sim.world).reborn(death);
            lock(&sim.world).leaves = true;
            if let Life::Ended(end) = sim.live(doing, stop, grace) {
                if end.finished.is_some() {
                    in_order(&sim, &context);
                    as_it_must(&sim, &end, &context);
                    break;
                }
                assert_eq!(end.cancelling, None, "{context}");
                left += end.left;
            }
            judge(&sim, &context);
            let known = futures::executor::block_on(sim.store.load(&sim.run_id())).is_ok();
            doing = if known { Doing::Resume } else { Doing::Start };
        }
        judge(&sim, &context);
        lock(&sim.world).leaves = false;
        the_next_run_does_the_rest(&mut sim, &context);
    }
    assert!(left > 500, "{left}");
}

/// After every event and before and after every effect: taken up again, and settled by another run.
#[test]
fn who_dies_anywhere_loses_doubles_and_sticks_nothing() {
    let state = tempfile::tempdir().unwrap();
    for seed in [3, 14, 15] {
        let sketch = Sketch::random(&mut StdRng::seed_from_u64(seed));
        for doing in [Doing::Resume, Doing::Start] {
            for death in 0.. {
                let context = format!("seed {seed}, {doing:?} after death at point {death}");
                let mut sim = Sim::new(sketch.clone(), seed, state.path());
                lock(&sim.world).reborn(Some(death));
                if let Life::Ended(_) = sim.live(Doing::Start, None, GRACE) {
                    assert!(death > 20, "{context}: seeds are to be chosen that have more to do");
                    break;
                }
                judge(&sim, &context);
                let accepted = futures::executor::block_on(sim.store.load(&sim.run_id())).is_ok();
                lock(&sim.world).reborn(None);
                let doing = if accepted { doing } else { Doing::Start };
                let Life::Ended(end) = sim.live(doing, None, GRACE) else { panic!("{context}: it died") };
                judge(&sim, &context);
                in_order(&sim, &context);
                as_it_must(&sim, &end, &context);
                the_next_run_does_the_rest(&mut sim, &context);
            }
        }
    }
}

/// One seed is one history, to the last event and millisecond.
#[test]
fn a_seed_decides_everything() {
    let state = tempfile::tempdir().unwrap();
    for seed in 0..50 {
        let logs = [(); 2].map(|()| {
            let mut random = StdRng::seed_from_u64(seed);
            let mut sim = Sim::new(Sketch::random(&mut random), seed, state.path());
            live_and_die(&mut sim, &mut random, true);
            let log = futures::executor::block_on(sim.store.load(&sim.run_id()));
            log.map(|events| {
                events.iter().map(|e| format!("{} {}", e.at, e.event.name())).collect::<Vec<_>>()
            })
        });
        assert_eq!(format!("{:?}", logs[0]), format!("{:?}", logs[1]), "seed {seed}");
    }
}
