//! `graph`: the pipelines and datasets of all files as one drawing.

mod dot;
mod mermaid;

use clap::{Args, ValueEnum};
use frazil_engine::{
    diagnostic::did_you_mean,
    pipeline::Trigger,
    project::{Cascade, Drawing, Selection},
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
            (GraphFormat::Json, _) => format!("{}\n", drawing.json()),
        })?;
        Ok(Exit::Done)
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
