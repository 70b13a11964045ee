//! `template`: the metadata that a dataset is created with, kept for review.

use std::{fs, io};

use anyhow::Context as _;
use clap::Args;
use frazil_engine::{
    data::DatasetId,
    diagnostic::codes,
    project::{LoadOptions, Project, load},
    review,
};
use serde_json::{Value, json};

use crate::{
    Format, FormatArg, Globals,
    exit::{Exit, Usage},
    render,
};

/// Shows or keeps the metadata that datasets are created with.
#[derive(Debug, Args)]
pub(crate) struct Template {
    /// Datasets; all that `append-commit` makes where none is named, with `--write` those that are kept
    #[arg(value_name = "DATASET")]
    datasets: Vec<String>,
    /// Writes `datasets/<id>.json` in the folder of the project
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// What a dataset is created with, and what is kept of it.
struct One {
    id: DatasetId,
    template: Value,
    /// None where nothing is kept.
    same: Option<bool>,
}

impl Template {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let registry = frazil_steps::registry();
        let folder = std::env::current_dir().context("cannot find the current folder")?;
        let options = LoadOptions { paths: Vec::new(), project: globals.project.clone(), folder };
        let mut checked = load(&options, &registry);
        // What is kept and differs is what this command is for.
        checked.problems.retain(|problem| problem.code != codes::KEPT_TEMPLATE);
        if checked.has_errors() {
            let color = globals.color.on(&io::stderr());
            render::note(&render::problems(&checked.problems, &checked.sources, color))?;
            return Ok(Exit::Failed);
        }
        let [project] = <[Project; 1]>::try_from(checked.projects).map_err(|found| {
            let what = if found.is_empty() { "no project" } else { "more than one project" };
            Usage(format!("{what} here: stand in its folder, or name its file with --project"))
        })?;
        let mut all = all(&project)?;
        for name in &self.datasets {
            if !all.iter().any(|one| one.id.as_str() == name) {
                return Err(Usage(format!(
                    "no dataset `{name}` that `append-commit` makes here\nhelp: what is derived takes its metadata from its source"
                ))
                .into());
            }
        }
        if !self.datasets.is_empty() {
            all.retain(|one| self.datasets.iter().any(|name| name == one.id.as_str()));
        }
        if self.write { self.keep(&project, &all) } else { self.show(&all) }
    }

    fn keep(&self, project: &Project, all: &[One]) -> anyhow::Result<Exit> {
        let named = !self.datasets.is_empty();
        let chosen: Vec<&One> = all.iter().filter(|one| named || one.same.is_some()).collect();
        if chosen.is_empty() {
            let message = "nothing is kept here yet\nhelp: name the datasets that are to be";
            return Err(Usage(message.to_owned()).into());
        }
        for one in chosen {
            let path = review::place(&project.config.root, &one.id);
            if one.same == Some(true) {
                continue;
            }
            let failed = || format!("cannot write {}", path.display());
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).with_context(failed)?;
            }
            fs::write(&path, review::text(&one.template)).with_context(failed)?;
            render::note(&format!("wrote {}\n", path.display()))?;
        }
        Ok(Exit::Done)
    }

    fn show(&self, all: &[One]) -> anyhow::Result<Exit> {
        for One { id, template, same } in all {
            match self.format.format {
                Format::Human => render::out(&review::text(template))?,
                Format::Json => {
                    let line = json!({
                        "frazil": 1, "type": "template", "dataset": id, "template": template,
                        "kept": same.is_some(), "same": same,
                    });
                    render::out(&format!("{line}\n"))?;
                }
            }
        }
        let differ: Vec<&One> = all.iter().filter(|one| one.same == Some(false)).collect();
        for one in &differ {
            render::note(&format!(
                "`datasets/{0}.json` differs: `frazil template {0} --write` writes it anew\n",
                one.id
            ))?;
        }
        Ok(if differ.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

/// Every dataset whose metadata its block says, as far as it does.
fn all(project: &Project) -> anyhow::Result<Vec<One>> {
    let nodes = project.pipelines.values().flat_map(|pipeline| &pipeline.nodes);
    let crs = project.config.crs.as_deref();
    let one = |(id, template): (DatasetId, Value)| {
        let path = review::place(&project.config.root, &id);
        let same = match fs::read_to_string(&path) {
            Ok(text) => Some(same(&text, &template)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(One { id, template, same })
    };
    nodes.filter_map(|node| node.step.template(&project.datasets, crs)).map(one).collect()
}

/// Whether what is kept says the same; how it is laid out says nothing.
fn same(text: &str, template: &Value) -> bool {
    let own: Value = serde_json::from_str(&review::text(template)).unwrap_or_default();
    serde_json::from_str::<Value>(text).is_ok_and(|kept| kept == own)
}
