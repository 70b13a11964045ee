//! What commands that look at runs have in common: the project, the selection, the state folder.

mod terms;

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Context, EnvSecrets, Pools, Progress, Scope, SystemClock},
    data::{DatasetId, PipelineId, RunId},
    diagnostic::did_you_mean,
    pipeline::{ParamError, Pipeline},
    plan::PlanFile,
    project::{Cascade, Checked, LoadOptions, Project, Retry, Selection, Watched, load},
    registry::Registry,
    scheduler::Cancel,
    store::SqliteStore,
};
use serde_json::Value;

use crate::{
    Globals,
    exit::{Exit, Shown, Usage},
    render,
};

pub(crate) use terms::{Params, Terms};

/// The version of plan files.
const PLAN_VERSION: u64 = 1;

/// A checked project.
pub(crate) struct Session {
    pub(crate) project: Project,
    pub(crate) registry: Arc<Registry>,
    pub(crate) secrets: Arc<EnvSecrets>,
}

/// What of a pipeline is run or planned.
pub(crate) use frazil_engine::project::Stage as Selected;

impl Session {
    /// Reads and checks the project; every problem is shown before this fails.
    pub(crate) fn open(globals: &Globals) -> anyhow::Result<Self> {
        let (options, registry) = Self::options(globals)?;
        let mut checked = load(&options, &registry);
        if checked.has_errors() || checked.projects.len() != 1 {
            return Err(refused(&checked, globals));
        }
        let project = checked.projects.pop().context("one project")?;
        Ok(Self::over(project, registry))
    }

    /// The same with its files, which may change while the process works.
    pub(crate) fn watched(globals: &Globals) -> anyhow::Result<(Self, Watched)> {
        let (options, registry) = Self::options(globals)?;
        let files =
            Watched::open(options, Arc::clone(&registry)).map_err(|checked| refused(&checked, globals))?;
        Ok((Self::over((**files.project()).clone(), registry), files))
    }

    fn options(globals: &Globals) -> anyhow::Result<(LoadOptions, Arc<Registry>)> {
        let folder = std::env::current_dir().context("cannot find the current folder")?;
        let options = LoadOptions { paths: Vec::new(), project: globals.project.clone(), folder };
        Ok((options, Arc::new(frazil_steps::registry())))
    }

    fn over(project: Project, registry: Arc<Registry>) -> Self {
        let secrets = EnvSecrets::new(project.config.root.clone(), project.config.secrets.clone());
        Self { project, registry, secrets: Arc::new(secrets) }
    }

    /// The folder of run history, locks and scratch.
    pub(crate) fn state(&self) -> &Path {
        &self.project.config.state
    }

    /// What is selected, in the order of the graph: pipelines, datasets (the steps that they need),
    /// with `+` what hangs from them or what they need in other pipelines; all where nothing is said.
    pub(crate) fn select(&self, names: &[String]) -> anyhow::Result<Vec<Selected>> {
        let selections: Vec<Selection> = names.iter().map(|name| Selection::parse(name)).collect();
        Ok(Cascade::of(&self.project).select(&selections).map_err(|unknown| {
            let made_elsewhere = self.project.datasets.get(unknown.0.as_str());
            match made_elsewhere.filter(|info| info.location.read_only) {
                Some(info) => Usage(format!(
                    "`{0}` is made elsewhere, so nothing here makes it\nhelp: `{0}+` is all that hangs from it",
                    info.id
                )),
                None => self.unknown("pipeline or dataset", &unknown.0),
            }
        })?)
    }

    /// Says that there is no such thing here, and what was meant.
    pub(crate) fn unknown(&self, what: &str, name: &str) -> Usage {
        let pipelines = self.project.pipelines.keys().map(PipelineId::as_str);
        let written: Vec<DatasetId> = self
            .project
            .pipelines
            .values()
            .flat_map(|pipeline| &pipeline.nodes)
            .filter_map(|node| node.step.writes())
            .map(|write| write.dataset().clone())
            .collect();
        let known: Vec<&str> = pipelines.chain(written.iter().map(DatasetId::as_str)).collect();
        let meant = did_you_mean(name, &known).map_or_else(String::new, |meant| format!("\nhelp: {meant}"));
        Usage(format!("no {what} `{name}` here{meant}"))
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
            let line = |error: &ParamError| {
                let help = error.help.as_ref().map_or_else(String::new, |help| format!("\nhelp: {help}"));
                format!("{error}{help}")
            };
            let lines: Vec<_> = errors.iter().map(line).collect();
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
        let secrets = Arc::<EnvSecrets>::clone(&self.secrets);
        self.project.scope(pipeline, params, instant, secrets)
    }
}

/// Shows what is wrong with the files.
fn refused(checked: &Checked, globals: &Globals) -> anyhow::Error {
    if !checked.has_errors() {
        let what = if checked.projects.is_empty() { "no project" } else { "more than one project" };
        return Usage(format!("{what} here: stand in its folder, or name its file with --project")).into();
    }
    let text = render::problems(&checked.problems, &checked.sources, globals.color.on(&io::stderr()));
    match render::note(&text) {
        Ok(()) => Shown(Exit::Failed).into(),
        Err(error) => error.into(),
    }
}

impl Session {
    /// What is done by a command outside of any run may use; `name` is what the command is called.
    pub(crate) fn context(&self, name: &str) -> anyhow::Result<Context> {
        let any = self.project.pipelines.keys().next().context("the project has no pipeline")?;
        Ok(Context {
            scope: self.scope_of(any, serde_json::Map::new(), Utc::now()),
            run: name.parse().context("a name")?,
            node: name.parse().context("a name")?,
            attempt: 1,
            cancel: Cancel::new().token,
            clock: Arc::new(SystemClock),
            scratch: self.state().join("scratch"),
            retry: Retry::default(),
            timeout: None,
            pools: Pools::default(),
            pool: None,
            progress: Progress::none(),
        })
    }
}

/// A plan that was written with `plan -o`, if the text is one.
pub(crate) fn read_plan(path: &Path) -> anyhow::Result<PlanFile> {
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Usage(format!("there is no {shown}; `frazil plan -o {shown}` makes it")).into());
        }
        read => read.with_context(|| format!("cannot read {shown}"))?,
    };
    let bad = |error: serde_json::Error| Usage(format!("{shown} is no plan: {error}"));
    let plan: Value = serde_json::from_str(&text).map_err(bad)?;
    // Looked at first: a later version may hold what this one does not know.
    match plan["frazil_plan"].as_u64() {
        Some(PLAN_VERSION) => Ok(serde_json::from_value(plan).map_err(bad)?),
        Some(found) => {
            Err(Usage(format!("{shown} has version {found}, and this frazil knows {PLAN_VERSION}")).into())
        }
        None => Err(Usage(format!("{shown} is no plan: it has no `frazil_plan`")).into()),
    }
}

/// A runtime for one command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")
}

/// The run history, if there is any.
pub(crate) async fn history(session: &Session) -> anyhow::Result<Option<SqliteStore>> {
    Ok(SqliteStore::open_to_read(session.state()).await.map_err(frazil_engine::step::StepError::from)?)
}

/// A run by its name.
pub(crate) fn run_id(text: &str) -> anyhow::Result<RunId> {
    text.parse().map_err(|_| Usage(format!("`{text}` is not the name of a run")).into())
}

/// Says that there is no such run here.
pub(crate) fn no_run(run: &str) -> Usage {
    Usage(format!("no run `{run}` here\nhelp: `frazil runs` lists them"))
}
