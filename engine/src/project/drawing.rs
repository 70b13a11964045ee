//! The pipelines and datasets of all files as one drawing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Project, Stage};
use crate::{
    data::DatasetId,
    pipeline::{Pipeline, Unit},
    registry::Registry,
};

/// What is drawn.
#[derive(Debug)]
pub struct Drawing<'a> {
    /// What it is drawn from.
    pub project: &'a Project,
    /// Pipelines of which a step is drawn.
    pub pipelines: Vec<Part<'a>>,
    /// Those that a step of the drawing writes or reads.
    pub datasets: BTreeSet<DatasetId>,
    /// Which of them is made from which.
    pub derived: Vec<Derived>,
}

/// The steps of a pipeline that are drawn.
#[derive(Debug)]
pub struct Part<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Places in its nodes, ascending.
    pub nodes: Vec<usize>,
}

/// A dataset that is made from another.
#[derive(Debug)]
pub struct Derived {
    /// The other one.
    pub from: DatasetId,
    /// What is made.
    pub made: DatasetId,
    /// `pipeline.step`
    pub by: String,
}

/// What leads from one step of a file to another.
#[derive(Debug)]
pub struct Edge {
    /// Where it begins: a place in the nodes of the pipeline.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// What is carried; `after` where nothing is.
    pub carries: String,
}

impl<'a> Drawing<'a> {
    /// The drawing of what was selected.
    #[must_use]
    pub fn of(project: &'a Project, stages: &'a [Stage]) -> Self {
        let mut drawing =
            Self { project, pipelines: Vec::new(), datasets: BTreeSet::new(), derived: Vec::new() };
        for stage in stages {
            let mut nodes: Vec<usize> =
                stage.units.iter().flat_map(|unit| stage.pipeline.units[*unit].nodes()).collect();
            // A pipeline that is walked twice is drawn once.
            match drawing.pipelines.iter_mut().find(|part| part.pipeline.id == stage.pipeline.id) {
                Some(part) => part.nodes.append(&mut nodes),
                None => drawing.pipelines.push(Part { pipeline: &stage.pipeline, nodes }),
            }
        }
        for part in &mut drawing.pipelines {
            part.nodes.sort_unstable();
            part.nodes.dedup();
            let steps = part.nodes.iter().map(|node| &part.pipeline.nodes[*node].step);
            for step in steps {
                drawing.datasets.extend(step.reads());
                drawing.datasets.extend(step.writes().map(|write| write.dataset().clone()));
            }
        }
        drawing.derived = drawing.derived();
        drawing
    }

    /// Datasets that are made from others, where both are drawn.
    fn derived(&self) -> Vec<Derived> {
        let mut found = Vec::new();
        for part in &self.pipelines {
            for node in part.nodes.iter().map(|node| &part.pipeline.nodes[*node]) {
                let Some(write) = node.step.writes() else { continue };
                let made = write.dataset();
                let sources = self.project.datasets.get(made).map_or(&[][..], |info| &info.sources);
                for from in sources.iter().filter(|from| self.datasets.contains(*from)) {
                    let by = format!("{}.{}", part.pipeline.id, node.id);
                    found.push(Derived { from: from.clone(), made: made.clone(), by });
                }
            }
        }
        found
    }
}

impl Part<'_> {
    /// Edges between steps that are drawn.
    #[must_use]
    pub fn edges(&self, registry: &Registry) -> Vec<Edge> {
        let mut edges = Vec::new();
        for &to in &self.nodes {
            let node = &self.pipeline.nodes[to];
            for &from in node.needs.iter().filter(|from| self.nodes.contains(from)) {
                let kind = registry.get(&self.pipeline.nodes[from].uses).map(|kind| kind.output.to_string());
                edges.push(Edge { from, to, carries: kind.unwrap_or_default() });
            }
            for &from in node.after.iter().filter(|from| self.nodes.contains(from)) {
                edges.push(Edge { from, to, carries: "after".to_owned() });
            }
        }
        edges
    }

    /// The datasets that a step opens: those that it reads and that nothing in its file gives it.
    #[must_use]
    pub fn opens(&self, node: usize) -> Vec<DatasetId> {
        let node = &self.pipeline.nodes[node];
        let written = |id: &DatasetId| {
            let steps = self.pipeline.nodes.iter().filter_map(|node| node.step.writes());
            steps.into_iter().any(|write| write.dataset() == id)
        };
        node.step.reads().into_iter().filter(|id| !written(id)).collect()
    }
}

impl Drawing<'_> {
    /// All of it as one versioned object: pipelines with their steps and triggers, datasets, and which is made from which.
    #[must_use]
    pub fn json(&self) -> Value {
        let pipelines: Vec<Value> = self.pipelines.iter().map(pipeline).collect();
        let datasets: Vec<Value> = self
            .datasets
            .iter()
            .filter_map(|id| self.project.datasets.get(id))
            .map(|info| {
                json!({
                    "id": info.id, "title": info.block.title, "sources": info.sources,
                    "location": info.location.url, "external": info.location.read_only,
                })
            })
            .collect();
        let derived: Vec<Value> = self
            .derived
            .iter()
            .map(|derived| json!({ "from": derived.from, "to": derived.made, "by": derived.by }))
            .collect();
        json!({ "version": 1, "type": "graph", "pipelines": pipelines, "datasets": datasets, "derived": derived })
    }
}

fn pipeline(part: &Part<'_>) -> Value {
    let pipeline = part.pipeline;
    let id = |at: &usize| pipeline.nodes[*at].id.to_string();
    let nodes: Vec<Value> = part
        .nodes
        .iter()
        .map(|&at| {
            let node = &pipeline.nodes[at];
            json!({
                "id": node.id, "uses": node.uses,
                "needs": node.needs.iter().map(id).collect::<Vec<_>>(),
                "after": node.after.iter().map(id).collect::<Vec<_>>(),
                "opens": part.opens(at),
                "reads": node.step.reads(), "writes": node.step.writes().map(|w| w.dataset().clone()),
            })
        })
        .collect();
    let drawn = |unit: &&Unit| unit.nodes().iter().all(|node| part.nodes.contains(node));
    let units: Vec<Value> = pipeline
        .units
        .iter()
        .filter(drawn)
        .map(|unit| match unit {
            Unit::Node(at) => json!({ "node": id(at) }),
            Unit::Segment(s) => json!({ "segment": {
                "periods": id(&s.periods), "sink": id(&s.sink),
                "streams": s.branches.iter().map(|branch| json!({
                    "source": id(&branch.source), "filters": branch.filters.iter().map(id).collect::<Vec<_>>(),
                })).collect::<Vec<_>>(),
            }}),
        })
        .collect();
    json!({
        "id": pipeline.id, "title": pipeline.title, "file": pipeline.file, "triggers": pipeline.triggers,
        "nodes": nodes, "units": units,
    })
}
