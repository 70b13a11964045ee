//! What commands that look at runs have in common: the project, the selection, the state folder.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{EnvSecrets, Scope},
    data::{DatasetId, PipelineId, RunId},
    pipeline::Pipeline,
    plan::{PlanFile, units_for},
    project::{LoadOptions, Project, load},
    registry::Registry,
    store::SqliteStore,
};
use serde_json::Value;

use crate::{
    Globals,
    exit::{Exit, Shown, Usage},
    render,
};

/// A checked project.
pub(crate) struct Session {
    pub(crate) project: Project,
    pub(crate) registry: Arc<Registry>,
    secrets: Arc<EnvSecrets>,
}

/// What of a pipeline is run or planned.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) units: Vec<usize>,
}

impl Session {
    /// Reads and checks the project; every problem is shown before this fails.
    pub(crate) fn open(globals: &Globals) -> anyhow::Result<Self> {
        let registry = Arc::new(frazil_steps::registry());
        let folder = std::env::current_dir().context("cannot find the current folder")?;
        let options = LoadOptions { paths: Vec::new(), project: globals.project.clone(), folder };
        let checked = load(&options, &registry);
        if checked.has_errors() {
            render::note(&render::problems(
                &checked.problems,
                &checked.sources,
                globals.color.on(&io::stderr()),
            ))?;
            return Err(Shown(Exit::Failed).into());
        }
        let [project] = <[Project; 1]>::try_from(checked.projects).map_err(|found| {
            let what = if found.is_empty() { "no project" } else { "more than one project" };
            Usage(format!("{what} here: stand in its folder, or name its file with --project"))
        })?;
        let secrets = EnvSecrets::new(project.config.root.clone(), project.config.secrets.clone());
        Ok(Self { project, registry, secrets: Arc::new(secrets) })
    }

    /// The folder of run history, locks and scratch.
    pub(crate) fn state(&self) -> &Path {
        &self.project.config.state
    }

    /// What is selected: pipelines, datasets (the steps that they need), all where nothing is said.
    pub(crate) fn select(&self, names: &[String]) -> anyhow::Result<Vec<Selected>> {
        let mut selected: BTreeMap<PipelineId, Selected> = BTreeMap::new();
        let mut add = |pipeline: &Arc<Pipeline>, units: Vec<usize>| {
            let entry = selected
                .entry(pipeline.id.clone())
                .or_insert_with(|| Selected { pipeline: Arc::clone(pipeline), units: Vec::new() });
            entry.units.extend(units);
            entry.units.sort_unstable();
            entry.units.dedup();
        };
        for name in names {
            let dataset: Option<DatasetId> = name.parse().ok();
            if let Some(pipeline) = self.project.pipelines.get(name.as_str()) {
                add(pipeline, (0..pipeline.units.len()).collect());
            } else if let Some((pipeline, units)) = dataset.and_then(|id| {
                self.project.pipelines.values().find_map(|p| units_for(p, &id).map(|units| (p, units)))
            }) {
                add(pipeline, units);
            } else {
                let known: Vec<&str> = self.project.pipelines.keys().map(PipelineId::as_str).collect();
                let error = format!("no pipeline or dataset `{name}` here; pipelines: {}", known.join(", "));
                return Err(Usage(error).into());
            }
        }
        if names.is_empty() {
            for pipeline in self.project.pipelines.values() {
                add(pipeline, (0..pipeline.units.len()).collect());
            }
        }
        Ok(self.in_order(selected))
    }

    /// A pipeline comes after those that write what it reads.
    fn in_order(&self, mut selected: BTreeMap<PipelineId, Selected>) -> Vec<Selected> {
        let mut ordered = Vec::new();
        while !selected.is_empty() {
            let waits = |one: &Selected| {
                let reads = one.pipeline.nodes.iter().flat_map(|node| node.step.reads());
                let reads: Vec<_> = reads.collect();
                selected.values().any(|other| other.pipeline.id != one.pipeline.id && writes(other, &reads))
            };
            let next = selected.values().find(|one| !waits(one)).or(selected.values().next());
            let Some(id) = next.map(|one| one.pipeline.id.clone()) else { break };
            ordered.extend(selected.remove(&id));
        }
        ordered
    }

    /// What a run of `pipeline` at `instant` sees.
    pub(crate) fn scope(
        &self,
        pipeline: &Pipeline,
        given: &BTreeMap<String, Value>,
        instant: DateTime<Utc>,
    ) -> anyhow::Result<Scope> {
        let config = &self.project.config;
        let params = pipeline.accept_params(given, config, instant).map_err(|errors| {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Usage(lines.join("\n"))
        })?;
        Ok(self.scope_of(&pipeline.id, params, instant))
    }

    /// The same with parameters that were accepted before.
    pub(crate) fn scope_of(
        &self,
        pipeline: &PipelineId,
        params: serde_json::Map<String, Value>,
        instant: DateTime<Utc>,
    ) -> Scope {
        Scope {
            project: Arc::clone(&self.project.config),
            datasets: Arc::clone(&self.project.datasets),
            pipeline: pipeline.clone(),
            instant,
            params: Arc::new(params),
            secrets: Arc::<EnvSecrets>::clone(&self.secrets),
            memory: self.project.config.memory,
        }
    }
}

fn writes(selected: &Selected, datasets: &[DatasetId]) -> bool {
    let written = selected.pipeline.nodes.iter().filter_map(|node| node.step.writes());
    written.into_iter().any(|write| datasets.contains(write.dataset()))
}

/// Parameters as they are given, `key=value` or `pipeline.key=value`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Params {
    /// A parameter of the run
    #[arg(short, long = "param", value_name = "[PIPELINE.]KEY=VALUE")]
    param: Vec<String>,
}

impl Params {
    /// Those for one pipeline.
    pub(crate) fn of(&self, pipeline: &PipelineId) -> anyhow::Result<BTreeMap<String, Value>> {
        let mut given = BTreeMap::new();
        for text in &self.param {
            let (key, value) =
                text.split_once('=').ok_or_else(|| Usage(format!("`{text}` is not KEY=VALUE")))?;
            let key = match key.split_once('.') {
                Some((of, key)) if of == pipeline.as_str() => key,
                Some(_) => continue,
                None => key,
            };
            given.insert(key.to_owned(), Value::String(value.to_owned()));
        }
        Ok(given)
    }
}

/// A plan that was written with `plan -o`, if the text is one.
pub(crate) fn read_plan(path: &Path) -> anyhow::Result<PlanFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .map_err(|error| Usage(format!("{} is no plan of this frazil: {error}", path.display())).into())
}

/// A runtime for one command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")
}

/// The run history, if there is any.
pub(crate) async fn history(session: &Session) -> anyhow::Result<Option<SqliteStore>> {
    Ok(SqliteStore::open_existing(session.state()).await.map_err(frazil_engine::step::StepError::from)?)
}

/// A run by its name.
pub(crate) fn run_id(text: &str) -> anyhow::Result<RunId> {
    text.parse().map_err(|_| Usage(format!("`{text}` is not the name of a run")).into())
}
