use clap::{Args, ValueEnum};
use frazil_engine::{
    pipeline::{Pipeline, Unit},
    project::Project,
};
use serde_json::{Value, json};

use super::project;
use crate::{Globals, exit::Exit, render};

/// Draws pipelines and what hangs from them.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// Pipelines; all where none is said
    pipelines: Vec<String>,
    /// How it is drawn
    #[arg(long, value_name = "FORMAT", default_value = "mermaid")]
    format: GraphFormat,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
    /// One versioned JSON object
    Json,
}

impl Graph {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let project = project(globals, &[])?;
        let mut chosen: Vec<&Pipeline> = Vec::new();
        for (id, pipeline) in &project.pipelines {
            if self.pipelines.is_empty() || self.pipelines.iter().any(|p| p == id.as_str()) {
                chosen.push(pipeline);
            }
        }
        for name in &self.pipelines {
            if !project.pipelines.contains_key(name.as_str()) {
                return Err(crate::exit::Usage(format!("there is no pipeline `{name}`")).into());
            }
        }
        render::out(&match self.format {
            GraphFormat::Mermaid => mermaid(&chosen),
            GraphFormat::Dot => dot(&chosen),
            GraphFormat::Json => format!("{}\n", as_json(&chosen, &project)),
        })?;
        Ok(Exit::Done)
    }
}

/// Edges between the steps of a pipeline: from, to, what is carried.
fn edges(pipeline: &Pipeline) -> Vec<(usize, usize, String)> {
    let mut edges = Vec::new();
    let registry = frazil_steps::registry();
    for (at, node) in pipeline.nodes.iter().enumerate() {
        for from in &node.needs {
            let gives =
                registry.get(&pipeline.nodes[*from].uses).map_or_else(String::new, |t| t.output.to_string());
            edges.push((*from, at, gives));
        }
        edges.extend(node.after.iter().map(|from| (*from, at, "after".to_owned())));
    }
    edges
}

fn mermaid(pipelines: &[&Pipeline]) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for pipeline in pipelines {
        let name = |at: usize| format!("{}__{}", pipeline.id, pipeline.nodes[at].id).replace('-', "_");
        line(&mut text, &format!("  subgraph {}", pipeline.id));
        for (at, node) in pipeline.nodes.iter().enumerate() {
            line(&mut text, &format!("    {}[\"{}<br/><i>{}</i>\"]", name(at), node.id, node.uses));
        }
        for (from, to, kind) in edges(pipeline) {
            let arrow = if kind == "after" { "-.->".to_owned() } else { format!("-- {kind} -->") };
            line(&mut text, &format!("    {} {arrow} {}", name(from), name(to)));
        }
        line(&mut text, "  end");
        for (at, node) in pipeline.nodes.iter().enumerate() {
            if let Some(write) = node.step.writes() {
                line(&mut text, &format!("  {} ==> {}", name(at), cylinder(write.dataset().as_str())));
            }
            for read in node.step.reads().iter().filter(|_| node.needs.is_empty()) {
                line(&mut text, &format!("  {} -.-> {}", cylinder(read.as_str()), name(at)));
            }
        }
    }
    text
}

fn cylinder(dataset: &str) -> String {
    format!("{}[(\"{dataset}\")]", dataset.replace('-', "_"))
}

fn dot(pipelines: &[&Pipeline]) -> String {
    let mut text = "digraph frazil {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for pipeline in pipelines {
        let name = |at: usize| format!("\"{}/{}\"", pipeline.id, pipeline.nodes[at].id);
        line(&mut text, &format!("  subgraph \"cluster_{0}\" {{\n    label=\"{0}\";", pipeline.id));
        for (at, node) in pipeline.nodes.iter().enumerate() {
            line(&mut text, &format!("    {} [label=\"{}\\n{}\"];", name(at), node.id, node.uses));
        }
        line(&mut text, "  }");
        for (from, to, kind) in edges(pipeline) {
            let style = if kind == "after" { ", style=dashed" } else { "" };
            line(&mut text, &format!("  {} -> {} [label=\"{kind}\"{style}];", name(from), name(to)));
        }
        for (at, node) in pipeline.nodes.iter().enumerate() {
            if let Some(write) = node.step.writes() {
                let id = write.dataset();
                line(&mut text, &format!("  \"{id}\" [shape=cylinder];\n  {} -> \"{id}\";", name(at)));
            }
            for id in node.step.reads().iter().filter(|_| node.needs.is_empty()) {
                line(
                    &mut text,
                    &format!("  \"{id}\" [shape=cylinder];\n  \"{id}\" -> {} [style=dotted];", name(at)),
                );
            }
        }
    }
    line(&mut text, "}");
    text
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}

fn as_json(pipelines: &[&Pipeline], project: &Project) -> Value {
    let shown: Vec<Value> = pipelines.iter().map(|p| one(p)).collect();
    let datasets: Vec<Value> = project
        .datasets
        .values()
        .map(
            |d| json!({ "id": d.id, "title": d.block.title, "source": d.source, "location": d.location.url }),
        )
        .collect();
    json!({ "version": 1, "type": "graph", "pipelines": shown, "datasets": datasets })
}

fn one(pipeline: &Pipeline) -> Value {
    let id = |at: &usize| pipeline.nodes[*at].id.to_string();
    let nodes: Vec<Value> = pipeline
        .nodes
        .iter()
        .map(|node| {
            json!({
                "id": node.id, "uses": node.uses,
                "needs": node.needs.iter().map(id).collect::<Vec<_>>(),
                "after": node.after.iter().map(id).collect::<Vec<_>>(),
                "reads": node.step.reads(), "writes": node.step.writes().map(|w| w.dataset().clone()),
            })
        })
        .collect();
    let units: Vec<Value> = pipeline
        .units
        .iter()
        .map(|unit| match unit {
            Unit::Node(at) => json!({ "node": id(at) }),
            Unit::Segment(s) => json!({ "segment": {
                "periods": id(&s.periods), "source": id(&s.source),
                "filters": s.filters.iter().map(id).collect::<Vec<_>>(), "sink": id(&s.sink),
            }}),
        })
        .collect();
    json!({ "id": pipeline.id, "title": pipeline.title, "file": pipeline.file, "nodes": nodes, "units": units })
}
