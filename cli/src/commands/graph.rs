//! `graph`: the pipelines and datasets of all files as one drawing.

mod dot;
mod json;
mod mermaid;

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use frazil_engine::{
    data::DatasetId,
    diagnostic::did_you_mean,
    pipeline::{Pipeline, Trigger},
    project::{Cascade, Project, Selection, Stage},
    registry::Registry,
};

use super::project;
use crate::{
    Globals,
    exit::{Exit, Usage},
    render,
};

/// Draws pipelines and what hangs from them.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// Pipelines or datasets, `name+` with all that hangs from it, `+name` with all that it needs;
    /// all pipelines where none is named
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    /// Datasets alone, and which is made from which
    #[arg(long)]
    datasets: bool,
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
        let selections: Vec<Selection> = self.select.iter().map(|name| Selection::parse(name)).collect();
        let stages = Cascade::of(&project).select(&selections).map_err(|unknown| {
            let pipelines = project.pipelines.keys().map(|id| id.as_str());
            let known: Vec<&str> = pipelines.chain(project.datasets.keys().map(|id| id.as_str())).collect();
            let meant = did_you_mean(&unknown.0, &known);
            Usage(format!("{unknown}{}", meant.map_or_else(String::new, |meant| format!("\nhelp: {meant}"))))
        })?;
        let drawing = Drawing::of(&project, &stages);
        render::out(&match (self.format, self.datasets) {
            (GraphFormat::Mermaid, false) => mermaid::steps(&drawing),
            (GraphFormat::Mermaid, true) => mermaid::datasets(&drawing),
            (GraphFormat::Dot, false) => dot::steps(&drawing),
            (GraphFormat::Dot, true) => dot::datasets(&drawing),
            (GraphFormat::Json, _) => format!("{}\n", json::all(&drawing)),
        })?;
        Ok(Exit::Done)
    }
}

/// What is drawn.
struct Drawing<'a> {
    project: &'a Project,
    pipelines: Vec<Part<'a>>,
    /// Those that a step of the drawing writes or reads.
    datasets: BTreeSet<DatasetId>,
    derived: Vec<Derived>,
}

/// The steps of a pipeline that are drawn.
struct Part<'a> {
    pipeline: &'a Pipeline,
    /// Places in its nodes, ascending.
    nodes: Vec<usize>,
}

/// A dataset that is made from another.
struct Derived {
    from: DatasetId,
    made: DatasetId,
    /// `pipeline.step`
    by: String,
}

/// What leads from one step of a file to another.
struct Edge {
    from: usize,
    to: usize,
    /// What is carried; `after` where nothing is.
    carries: String,
}

impl<'a> Drawing<'a> {
    fn of(project: &'a Project, stages: &'a [Stage]) -> Self {
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
    fn edges(&self, registry: &Registry) -> Vec<Edge> {
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
    fn opens(&self, node: usize) -> Vec<DatasetId> {
        let node = &self.pipeline.nodes[node];
        let written = |id: &DatasetId| {
            let steps = self.pipeline.nodes.iter().filter_map(|node| node.step.writes());
            steps.into_iter().any(|write| write.dataset() == id)
        };
        node.step.reads().into_iter().filter(|id| !written(id)).collect()
    }
}

/// What starts a pipeline, but for datasets, in few words.
fn told(trigger: &Trigger) -> Option<String> {
    match (&trigger.cron, &trigger.http) {
        (Some(cron), _) => {
            let zone = trigger.timezone.as_ref().map_or_else(String::new, |zone| format!(" {zone}"));
            Some(format!("{cron}{zone}"))
        }
        (None, Some(_)) => Some("http".to_owned()),
        (None, None) => None,
    }
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}
