use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

fn waiting(run: u32, pipeline: &str, after: &[u32]) -> Waiting {
    let id = |run: &u32| format!("r{run}").parse().unwrap();
    let after = after.iter().map(id).collect();
    Waiting { run: id(&run), pipeline: pipeline.parse().unwrap(), after, version: None }
}

/// The same, slow and obvious: all who wait in one list, and all who are over in another.
#[derive(Debug, Default)]
struct Plain {
    waiting: Vec<(u32, &'static str, Vec<u32>)>,
    at_work: BTreeMap<&'static str, u32>,
    held: BTreeSet<&'static str>,
    over: BTreeSet<u32>,
}

impl Plain {
    fn take(&mut self) -> Option<(u32, &'static str)> {
        let may = |(_, pipeline, after): &(u32, &'static str, Vec<u32>)| {
            let free = !self.at_work.contains_key(pipeline) && !self.held.contains(pipeline);
            free && after.iter().all(|run| self.over.contains(run))
        };
        let (run, pipeline, _) = self.waiting.remove(self.waiting.iter().position(may)?);
        self.at_work.insert(pipeline, run);
        Some((run, pipeline))
    }
}

#[test]
fn whose_turn_it_is_is_the_oldest_of_a_pipeline_where_nobody_works_and_that_waits_for_nobody() {
    let pipelines = ["p", "q", "r"];
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut queue, mut plain) = (Queue::default(), Plain::default());
        let mut taken: BTreeMap<u32, (u64, Waiting, Vec<u32>)> = BTreeMap::new();
        // Which runs there were, and after whom each came.
        let mut put: Vec<(u32, Vec<u32>)> = Vec::new();
        for step in 0..60 {
            let pipeline = pipelines[random.random_range(0..3)];
            let context = format!("seed {seed}, step {step}");
            match random.random_range(0..6) {
                0 | 1 => {
                    let chosen = put.iter().filter(|_| random.random_bool(0.2));
                    let after: Vec<u32> = chosen.map(|(run, _)| *run).collect();
                    queue.put(waiting(step, pipeline, &after));
                    put.push((step, after.clone()));
                    plain.waiting.push((step, pipeline, after));
                }
                2 => {
                    let found = queue.take();
                    let expected = plain.take();
                    let named = expected.map(|(run, pipeline)| waiting(run, pipeline, &[]).run);
                    assert_eq!(found.as_ref().map(|(_, it)| it.run.clone()), named, "{context}");
                    if let (Some((place, it)), Some((run, _))) = (found, expected) {
                        let after = put.iter().find(|(other, _)| *other == run).unwrap().1.clone();
                        taken.insert(run, (place, it, after));
                    }
                }
                3 => {
                    if let Some(run) = plain.at_work.remove(pipeline) {
                        let (_, it, _) = taken.remove(&run).unwrap();
                        queue.done(&it);
                        plain.over.insert(run);
                    }
                }
                4 => {
                    if let Some(run) = plain.at_work.remove(pipeline) {
                        let (place, it, after) = taken.remove(&run).unwrap();
                        queue.put_back(place, it);
                        // In its old place: those who came later have higher numbers.
                        let at = plain.waiting.partition_point(|(other, ..)| *other < run);
                        plain.waiting.insert(at, (run, pipeline, after));
                        plain.held.insert(pipeline);
                    }
                }
                _ if random.random_bool(0.5) => {
                    queue.look_again();
                    plain.held.clear();
                }
                _ => {
                    let run = random.random_range(0..=step);
                    queue.forget(&format!("r{run}").parse().unwrap());
                    let before = plain.waiting.len();
                    plain.waiting.retain(|(other, ..)| *other != run);
                    if plain.waiting.len() < before {
                        plain.over.insert(run);
                    }
                    plain.held.retain(|held| plain.waiting.iter().any(|(_, other, _)| other == held));
                }
            }
            assert_eq!(queue.len(), plain.waiting.len(), "{context}");
            assert_eq!(queue.has_held(), !plain.held.is_empty(), "{context}");
            for pipeline in pipelines {
                let waits = plain.waiting.iter().any(|(_, other, _)| *other == pipeline);
                let known = waits || plain.at_work.contains_key(pipeline);
                assert_eq!(queue.knows(&pipeline.parse().unwrap()), known, "{context}: {pipeline}");
            }
        }
        assert_eq!(queue.open.len(), put.len() - plain.over.len(), "seed {seed}: nothing is left behind");
    }
}

#[test]
fn a_place_that_is_not_filled_is_given_back() {
    let queue = Mutex::new(Queue::default());
    let pipeline: PipelineId = "p".parse().unwrap();
    let seen = || {
        let queue = queue.lock().unwrap();
        (queue.len(), queue.is_full(1), queue.knows(&pipeline))
    };
    queue.lock().unwrap().reserve(&pipeline);
    assert_eq!(seen(), (0, true, true));
    drop(Place::new(&queue, pipeline.clone()));
    assert_eq!(seen(), (0, false, false));
    queue.lock().unwrap().reserve(&pipeline);
    Place::new(&queue, pipeline.clone()).fill(waiting(1, "p", &[]));
    assert_eq!(seen(), (1, true, true));
}
