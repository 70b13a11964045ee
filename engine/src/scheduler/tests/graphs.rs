use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::json;

use super::{fake::*, stage::*};
use crate::{
    event::{Phase, RunState, RunStatus},
    pipeline::{Pipeline, Unit},
    scheduler::{RunError, resume, start},
    store::{MemoryStore, RunStore},
};

/// One node of a random graph: what it takes, what it waits for, and what it does.
#[derive(Debug, Clone)]
struct Sketch {
    many: bool,
    needs: Vec<usize>,
    after: Vec<usize>,
    script: Vec<&'static str>,
}

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let one = (
        any::<bool>(),
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        prop::sample::select(vec![
            vec!["ok"],
            vec!["ok"],
            vec!["fail"],
            vec!["partial"],
            vec!["panic"],
            vec!["transient", "ok"],
            vec!["transient", "partial"],
            vec!["transient"],
        ]),
    );
    prop::collection::vec(one, 1..9).prop_map(|nodes| {
        let nodes = nodes.into_iter().enumerate().map(|(at, (many, needs, after, script))| {
            let pick = |from: Vec<prop::sample::Index>| {
                let mut picked: Vec<_> =
                    from.iter().filter(|_| at > 0).map(|index| index.index(at.max(1))).collect();
                picked.sort_unstable();
                picked.dedup();
                picked
            };
            let mut needs = pick(needs);
            if !many {
                needs.truncate(1);
            }
            Sketch { many, needs, after: pick(after), script }
        });
        nodes.collect()
    })
}

fn pipeline_of(name: &str, sketches: &[Sketch]) -> Arc<Pipeline> {
    let nodes: Vec<_> = sketches
        .iter()
        .enumerate()
        .map(|(at, sketch)| {
            let uses = match (sketch.needs.len(), sketch.many) {
                (0, _) => "fake-root",
                (_, true) => "fake-many",
                _ => "fake-one",
            };
            let id = format!("n{at}");
            let with = json!({ "world": name, "name": id, "script": sketch.script });
            node(&id, uses, with, &sketch.needs, &sketch.after)
        })
        .collect();
    let units = (0..nodes.len()).map(Unit::Node).collect();
    pipeline(nodes, units)
}

/// What each node must come to, found node by node: whether it ran, has an output, has an error.
fn model(sketches: &[Sketch]) -> Vec<(bool, bool, bool)> {
    let mut known: Vec<(bool, bool, bool)> = Vec::new();
    for sketch in sketches {
        let there = sketch.needs.iter().filter(|need| known[**need].1).count();
        let runs =
            sketch.needs.is_empty() || if sketch.many { there > 0 } else { there == sketch.needs.len() };
        let last = sketch.script.last().copied().unwrap_or("ok");
        known.push(if runs {
            (true, matches!(last, "ok" | "partial"), last != "ok")
        } else {
            (false, false, false)
        });
    }
    known
}

fn seen(state: &RunState, count: usize) -> Vec<(bool, bool, bool)> {
    let of = |at: usize| {
        let unit = &state.units[format!("n{at}").as_str()];
        (unit.phase == Phase::Done, unit.output.is_some(), unit.error.is_some())
    };
    (0..count).map(of).collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever fails, every node comes to what it must, and after all that it waits for.
    #[test]
    fn random_graphs_come_to_what_they_must(sketches in sketches(), seed in any::<u64>()) {
        let name = format!("graph-{seed}");
        let pipeline = pipeline_of(&name, &sketches);
        let store = Arc::new(MemoryStore::new());
        let run = run(&pipeline, &format!("g{seed}"));
        let state = block_on(start(&run, &services(Arc::<MemoryStore>::clone(&store)))).unwrap();
        let model = model(&sketches);
        prop_assert_eq!(seen(&state, sketches.len()), model.clone());
        let failed = model.iter().any(|(_, _, error)| *error);
        let status = if failed { RunStatus::Failed } else { RunStatus::Successful };
        prop_assert_eq!(state.finished.unwrap().0, status);

        // Order, from the log.
        let events = block_on(store.load(&run.id)).unwrap();
        let mut over = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            use crate::event::Event::{Ended, Skipped, Started};
            match &event.event {
                Started { unit, .. } => {
                    let at: usize = unit.as_str()[1..].parse().unwrap();
                    let waits = sketches[at].needs.iter().chain(&sketches[at].after);
                    prop_assert!(waits.into_iter().all(|wait| over.contains_key(wait)));
                }
                Ended { unit, .. } | Skipped { unit, .. } => {
                    over.insert(unit.as_str()[1..].parse::<usize>().unwrap(), place);
                }
                _ => {}
            }
        }
    }

    /// A cancel anywhere: the run ends, nothing starts afterwards, and what did run is as it must be.
    #[test]
    fn a_cancel_anywhere_starts_nothing_more(sketches in sketches(), at in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let name = format!("cancel-{seed}");
        let pipeline = pipeline_of(&name, &sketches);
        let run = run(&pipeline, &format!("c{seed}"));
        let node = format!("n{}", at.index(sketches.len()));
        lock(&world(&name)).cancel_in = Some((node, run.cancel.clone()));
        let store = Arc::new(MemoryStore::new());
        let result = block_on(start(&run, &services(Arc::<MemoryStore>::clone(&store))));
        prop_assert!(!matches!(result, Err(RunError::Stuck(_))));
        let state = result.unwrap();
        prop_assert!(state.finished.is_some());
        let model = model(&sketches);
        for ((ran, output, _), (should, has, _)) in seen(&state, sketches.len()).into_iter().zip(model) {
            prop_assert!(!ran || should);
            prop_assert!(!output || has);
        }
        let events = block_on(store.load(&run.id)).unwrap();
        let cancelled = events.iter().position(|event| matches!(event.event, crate::event::Event::Cancelling { .. }));
        if let Some(place) = cancelled {
            let started =
                |event: &crate::event::RunEvent| matches!(event.event, crate::event::Event::Started { .. });
            prop_assert!(!events[place..].iter().any(started));
        }
        // Taking it up again changes nothing.
        let again = block_on(resume(&run, &services(Arc::<MemoryStore>::clone(&store)))).unwrap();
        prop_assert_eq!(again, state);
    }
}
