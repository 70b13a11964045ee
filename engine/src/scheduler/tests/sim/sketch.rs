use std::sync::Arc;

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;

use super::{
    super::stage,
    steps::{List, Many, One, Read, Root, Settle},
    world::{Cube, Faults, World},
};
use crate::{
    event::{Phase, RunState},
    pipeline::{Branch, Pipeline, PipelineNode, Segment, Unit},
    registry::Registry,
    scheduler::tests::fake::Look,
};

/// A random graph of segments and nodes, and what is wrong with each.
#[derive(Debug, Clone)]
pub(super) struct Sketch(pub(super) Vec<Vertex>);

#[derive(Debug, Clone)]
pub(super) struct Vertex {
    /// Places of those whose snapshots it takes.
    needs: Vec<usize>,
    /// Places of those that it waits for.
    after: Vec<usize>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Settles so many days of a dataset.
    Segment { days: i64, batch: usize, streams: usize, halo: u32, faults: Faults },
    /// Takes snapshots, all or those that there are.
    Node { many: bool, script: Vec<&'static str> },
}

/// What a unit must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) runs: bool,
    pub(super) output: bool,
    pub(super) error: bool,
}

pub(super) fn registry() -> Registry {
    Registry::new()
        .node::<List>()
        .source::<Read>()
        .filter::<Look>()
        .sink::<Settle>()
        .node::<Root>()
        .node::<One>()
        .node::<Many>()
}

const SCRIPTS: [&[&str]; 8] = [
    &["ok"],
    &["ok"],
    &["fail"],
    &["partial"],
    &["panic"],
    &["transient", "ok"],
    &["transient", "partial"],
    &["transient"],
];

impl Sketch {
    pub(super) fn random(random: &mut StdRng) -> Self {
        let count = random.random_range(1..8);
        Self((0..count).map(|at| Vertex::random(at, random)).collect())
    }

    /// Puts its datasets and nodes into a world.
    pub(super) fn settle_in(&self, world: &mut World) {
        for (at, vertex) in self.0.iter().enumerate() {
            match &vertex.what {
                What::Segment { days, batch, faults, .. } => {
                    let cube = Cube { days: *days, batch: *batch, faults: faults.clone(), ..Cube::default() };
                    world.cubes.insert(name(at), cube);
                }
                What::Node { script, .. } => {
                    world.nodes.insert(name(at), (script.clone(), 0));
                }
            }
        }
    }

    pub(super) fn pipeline(&self, world: &str) -> Arc<Pipeline> {
        let (mut nodes, mut units) = (Vec::<PipelineNode>::new(), Vec::new());
        // Where the node stands that gives a vertex's snapshot.
        let mut place: Vec<usize> = Vec::new();
        for (at, vertex) in self.0.iter().enumerate() {
            let of = |others: &[usize]| others.iter().map(|other| place[*other]).collect::<Vec<_>>();
            let (needs, after) = (of(&vertex.needs), of(&vertex.after));
            let with = json!({ "world": world, "name": name(at) });
            let mut add = |id: &str, uses: &str, with, needs: &[usize], after: &[usize]| {
                nodes.push(stage::node_of(&registry(), id, uses, with, needs, after));
                nodes.len() - 1
            };
            match &vertex.what {
                What::Segment { halo, streams, .. } => {
                    // Whatever a segment waits for, it is over before the first read.
                    let (first, rest) =
                        if at % 2 == 0 { (&after[..], &[][..]) } else { (&[][..], &after[..]) };
                    let periods = add(&format!("l{at}"), "sim-list", with.clone(), &[], first);
                    let mut branches = Vec::new();
                    for stream in 0..*streams {
                        let source =
                            add(&format!("r{at}-{stream}"), "sim-read", with.clone(), &[periods], rest);
                        let look = json!({ "halo": halo });
                        let look = add(&format!("f{at}-{stream}"), "fake-look", look, &[source], &[]);
                        branches.push(Branch { source, filters: vec![look] });
                    }
                    let ends: Vec<usize> = branches.iter().map(|branch| branch.filters[0]).collect();
                    let sink = add(&name(at), "sim-settle", with, &ends, &[]);
                    units.push(Unit::Node(periods));
                    units.push(Unit::Segment(Segment { periods, branches, sink }));
                    place.push(sink);
                }
                What::Node { many, .. } => {
                    let uses = match (needs.len(), many) {
                        (0, _) => "sim-root",
                        (_, true) => "sim-many",
                        _ => "sim-one",
                    };
                    place.push(add(&name(at), uses, with, &needs, &after));
                    units.push(Unit::Node(place[at]));
                }
            }
        }
        stage::pipeline(nodes, units)
    }

    /// What each vertex must come to when nobody stops the run: found one by one.
    pub(super) fn fates(&self) -> Vec<Fate> {
        let mut known: Vec<Fate> = Vec::new();
        for vertex in &self.0 {
            let there = vertex.needs.iter().filter(|need| known[**need].output).count();
            known.push(match &vertex.what {
                What::Segment { days, faults, .. } => {
                    let end = faults.frontier.unwrap_or(*days).min(*days);
                    Fate { runs: true, output: true, error: faults.broken.is_some_and(|at| at < end) }
                }
                What::Node { many, script } => {
                    let all = vertex.needs.len();
                    let runs = all == 0 || if *many { there > 0 } else { there == all };
                    let last = script.last().copied().unwrap_or("ok");
                    let output = matches!(last, "ok" | "partial");
                    Fate { runs, output: runs && output, error: runs && last != "ok" }
                }
            });
        }
        known
    }

    /// How many days each dataset must hold when nobody stops the run.
    pub(super) fn days(&self) -> Vec<(String, usize)> {
        let of = |(at, vertex): (usize, &Vertex)| match &vertex.what {
            What::Segment { days, faults, .. } => {
                let ends = [Some(*days), faults.frontier, faults.broken];
                let end = ends.into_iter().flatten().min().unwrap_or_default();
                Some((name(at), usize::try_from(end).unwrap()))
            }
            What::Node { .. } => None,
        };
        self.0.iter().enumerate().filter_map(of).collect()
    }

    /// The same graph with nothing wrong.
    pub(super) fn mended(&self) -> Self {
        let mut mended = self.clone();
        for vertex in &mut mended.0 {
            match &mut vertex.what {
                What::Segment { faults, .. } => *faults = Faults::default(),
                What::Node { script, .. } => *script = vec!["ok"],
            }
        }
        mended
    }

    /// What each vertex came to.
    pub(super) fn seen(&self, state: &RunState) -> Vec<Fate> {
        let of = |at: usize| {
            let unit = &state.units[name(at).as_str()];
            Fate {
                runs: unit.phase == Phase::Done,
                output: unit.output.is_some(),
                error: unit.error.is_some(),
            }
        };
        (0..self.0.len()).map(of).collect()
    }

    /// The units that must be over before this one starts.
    pub(super) fn waits(&self, unit: &str) -> Vec<String> {
        let Ok(at) = unit[1..].parse::<usize>() else { return Vec::new() };
        let vertex = &self.0[at];
        let after = |lists: bool| {
            let own = matches!(vertex.what, What::Segment { .. }) && (at % 2 == 0) != lists;
            vertex.after.iter().filter(move |_| !own).map(|other| name(*other)).collect::<Vec<_>>()
        };
        match &unit[..1] {
            "l" => after(true),
            _ if matches!(vertex.what, What::Segment { .. }) => {
                let mut waits = after(false);
                waits.push(format!("l{at}"));
                waits
            }
            _ => vertex.needs.iter().chain(&vertex.after).map(|other| name(*other)).collect(),
        }
    }
}

fn name(at: usize) -> String {
    format!("n{at}")
}

impl Vertex {
    fn random(at: usize, random: &mut StdRng) -> Self {
        let mut some = |most: usize| {
            let count = random.random_range(0..=most.min(at));
            let mut picked: Vec<usize> = (0..count).map(|_| random.random_range(0..at)).collect();
            picked.sort_unstable();
            picked.dedup();
            picked
        };
        let (mut needs, after) = (some(3), some(2));
        if random.random_bool(0.4) {
            let days = random.random_range(0..12);
            let mut maybe = |chance: f64| random.random_bool(chance).then(|| random.random_range(0..12));
            let (broken, frontier, flaky) = (maybe(0.2), maybe(0.2), maybe(0.3));
            let faults = Faults {
                broken,
                flaky: flaky.map(|day| (day, random.random_range(1..3))),
                frontier,
                commits: random.random_range(0..3),
                moved: usize::from(random.random_bool(0.2)),
            };
            let (batch, halo, streams) =
                (random.random_range(1..5), random.random_range(0..3), random.random_range(1..3));
            return Self {
                needs: Vec::new(),
                after,
                what: What::Segment { days, batch, streams, halo, faults },
            };
        }
        let many = random.random_bool(0.5);
        if !many {
            needs.truncate(1);
        }
        let script = SCRIPTS.choose(random).map_or_else(Vec::new, |script| script.to_vec());
        Self { needs, after, what: What::Node { many, script } }
    }
}
