use std::{collections::BTreeMap, sync::Arc};

use super::Run;
use crate::{
    data::{NodeId, Periods},
    event::{RunState, UnitState},
    executor::{BranchWork, SegmentWork, Task, TaskNode, TaskWork},
    pipeline::{Pipeline, Unit},
    registry::Registry,
    step::{Arity, Document},
};

/// The units of a run and what they wait for. Units are named by their place here.
#[derive(Debug)]
pub(super) struct Graph {
    units: Vec<Vertex>,
}

#[derive(Debug)]
struct Vertex {
    id: NodeId,
    unit: Unit,
    /// Whose outputs it takes: the unit, and the node for messages.
    needs: Vec<usize>,
    /// Takes what there is of its needs, and runs unless there is nothing.
    many: bool,
    /// Units that wait for it, each once.
    followers: Vec<usize>,
    /// How many units it waits for.
    waits_for: usize,
}

/// What becomes of a unit that waits for nothing any more.
#[derive(Debug)]
pub(super) enum Turn {
    /// It runs over these documents.
    Run(Vec<Document>),
    /// It does not, as these gave nothing.
    Skip(Vec<NodeId>),
}

impl Graph {
    pub(super) fn of(run: &Run, registry: &Registry) -> Self {
        let pipeline = &*run.pipeline;
        let mut place = BTreeMap::new();
        for (at, &unit) in run.units.iter().enumerate() {
            place.extend(pipeline.units[unit].nodes().into_iter().map(|node| (node, at)));
        }
        let mut units: Vec<_> = run
            .units
            .iter()
            .map(|&unit| Vertex::of(&pipeline.units[unit], pipeline, registry, &place))
            .collect();
        for at in 0..units.len() {
            let mut waits: Vec<usize> = units[at].needs.clone();
            let nodes = units[at].unit.nodes();
            waits.extend(
                nodes.iter().flat_map(|&node| &pipeline.nodes[node].after).filter_map(|n| place.get(n)),
            );
            waits.sort_unstable();
            waits.dedup();
            waits.retain(|wait| *wait != at);
            units[at].waits_for = waits.len();
            waits.into_iter().for_each(|wait| units[wait].followers.push(at));
        }
        Self { units }
    }

    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn id(&self, at: usize) -> &NodeId {
        &self.units[at].id
    }

    /// The nodes of a unit, by their place in the pipeline.
    pub(super) fn nodes(&self, at: usize) -> Vec<usize> {
        self.units[at].unit.nodes()
    }

    /// The unit that lists the work of this one, if it is a segment.
    pub(super) fn lists(&self, at: usize) -> Option<usize> {
        match self.units[at].unit {
            Unit::Segment(_) => self.units[at].needs.first().copied(),
            Unit::Node(_) => None,
        }
    }

    pub(super) fn waits_for(&self, at: usize) -> usize {
        self.units[at].waits_for
    }

    pub(super) fn followers(&self, at: usize) -> &[usize] {
        &self.units[at].followers
    }

    /// What becomes of a unit, all that it waits for being over.
    pub(super) fn turn(&self, at: usize, state: &RunState) -> Turn {
        let vertex = &self.units[at];
        let (mut documents, mut missing) = (Vec::new(), Vec::new());
        for &need in &vertex.needs {
            let id = &self.units[need].id;
            match state.units.get(id).and_then(|unit| unit.output.clone()) {
                Some(document) => documents.push(document),
                None => missing.push(id.clone()),
            }
        }
        let enough = if vertex.many { !documents.is_empty() } else { missing.is_empty() };
        if enough || vertex.needs.is_empty() { Turn::Run(documents) } else { Turn::Skip(missing) }
    }

    /// The work of a unit, less what its state says is done.
    pub(super) fn task(
        &self,
        at: usize,
        input: Vec<Document>,
        state: &UnitState,
        pipeline: &Pipeline,
    ) -> Task {
        let vertex = &self.units[at];
        let node = |place: usize| TaskNode::from(&pipeline.nodes[place]);
        let work = match (&vertex.unit, periods(&input)) {
            (Unit::Segment(segment), Some(periods)) => TaskWork::Segment(Box::new(SegmentWork {
                branches: segment
                    .branches
                    .iter()
                    .map(|branch| BranchWork {
                        source: node(branch.source),
                        filters: branch.filters.iter().copied().map(node).collect(),
                    })
                    .collect(),
                sink: node(segment.sink),
                periods,
                pending: state.segment.pending().cloned().collect(),
                next: state.segment.next(),
                stopped: state.segment.stopped(),
            })),
            (unit, _) => TaskWork::Node { node: Box::new(node(unit.node())), input },
        };
        Task { unit: vertex.id.clone(), attempt: state.attempts, work }
    }
}

fn periods(input: &[Document]) -> Option<Arc<Periods>> {
    match input {
        [Document::Periods(periods)] => Some(Arc::clone(periods)),
        _ => None,
    }
}

impl Vertex {
    fn of(unit: &Unit, pipeline: &Pipeline, registry: &Registry, place: &BTreeMap<usize, usize>) -> Self {
        let node = &pipeline.nodes[unit.node()];
        let (needs, many) = match unit {
            Unit::Segment(segment) => (vec![segment.periods], false),
            Unit::Node(_) => {
                let many = registry.get(&node.uses).is_some_and(|step| step.input.arity == Arity::Many);
                (node.needs.clone(), many)
            }
        };
        Self {
            id: node.id.clone(),
            unit: unit.clone(),
            needs: needs.iter().filter_map(|need| place.get(need).copied()).collect(),
            many,
            followers: Vec::new(),
            waits_for: 0,
        }
    }
}
