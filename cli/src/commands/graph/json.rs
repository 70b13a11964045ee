use frazil_engine::pipeline::Unit;
use serde_json::{Value, json};

use super::{Drawing, Part};

/// All of it: pipelines with their steps and triggers, datasets, and which is made from which.
pub(super) fn all(drawing: &Drawing<'_>) -> Value {
    let pipelines: Vec<Value> = drawing.pipelines.iter().map(pipeline).collect();
    let datasets: Vec<Value> = drawing
        .datasets
        .iter()
        .filter_map(|id| drawing.project.datasets.get(id))
        .map(|info| {
            json!({
                "id": info.id, "title": info.block.title, "sources": info.sources,
                "location": info.location.url, "external": info.location.read_only,
            })
        })
        .collect();
    let derived: Vec<Value> = drawing
        .derived
        .iter()
        .map(|derived| json!({ "from": derived.from, "to": derived.made, "by": derived.by }))
        .collect();
    json!({ "version": 1, "type": "graph", "pipelines": pipelines, "datasets": datasets, "derived": derived })
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
