//! One test, run by the real engine and steps in a temporary folder.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context as _;
use axum::http::StatusCode;
use frazil_engine::{
    context::{Context, ManualClock, Pools, Progress, Scope, Secret, Secrets},
    data::{DatasetId, SnapshotId},
    dataset::{DatasetInfo, Datasets, Location},
    event::{Origin, RunState},
    executor::{LocalExecutor, Unwatched},
    project::{Project, ProjectConfig, Retry},
    registry::Registry,
    scheduler::{self, Cancel, Services},
    step::{ErrorKind, StepError},
    store::MemoryStore,
    suite::{TestCase, TestRun},
};
use frazil_steps::{
    cube::Cube,
    given::{Given, give},
};

use super::{
    geotiff, judge,
    server::{Reply, Server},
};

/// What a test runs in: gone with it.
struct Bench<'a> {
    case: &'a TestCase,
    datasets: Arc<Datasets>,
    config: Arc<ProjectConfig>,
    folder: tempfile::TempDir,
}

/// What one of its runs sees: a clock of its own, and sources of its own.
pub(super) struct Night<'a> {
    pub(super) run: &'a TestRun,
    pub(super) datasets: Arc<Datasets>,
    pub(super) server: Server,
    config: Arc<ProjectConfig>,
}

/// Secrets as tests have them: a text in the place of each.
#[derive(Debug)]
struct Placeholders(Vec<String>);

impl Secrets for Placeholders {
    fn get(&self, name: &str) -> Result<Secret, StepError> {
        if self.0.iter().any(|known| known == name) {
            Ok(Secret::new(format!("secret-{name}")))
        } else {
            Err(StepError::permanent(ErrorKind::Credentials, format!("there is no secret `{name}`")))
        }
    }

    fn names(&self) -> Vec<String> {
        self.0.clone()
    }
}

/// Runs a test and gives what was not as expected.
pub(super) async fn run(
    project: &Project,
    registry: &Arc<Registry>,
    case: &TestCase,
) -> anyhow::Result<Vec<String>> {
    let bench = Bench::new(project, case)?;
    let store = Arc::new(MemoryStore::new());
    let mut failures = Vec::new();
    for (at, run) in case.runs.iter().enumerate() {
        let night = bench.night(run).await?;
        if at == 0 {
            bench.give(&night).await?;
        }
        let heads = night.heads().await?;
        let services = Services {
            store: Arc::<MemoryStore>::clone(&store),
            registry: Arc::clone(registry),
            executor: Arc::new(LocalExecutor::new(Arc::clone(registry))),
            clock: Arc::new(ManualClock::at(run.now)),
            pools: Pools::shared(&bench.config.pools, &bench.config.state),
            watch: Arc::new(Unwatched),
        };
        let mut states: Vec<RunState> = Vec::new();
        for (stage, params) in &run.stages {
            let id = scheduler::run_id(services.clock.now());
            let one = scheduler::Run {
                scratch: bench.folder.path().join("scratch").join(id.as_str()),
                id,
                scope: night.scope(&stage.pipeline.id, params.clone()),
                pipeline: Arc::clone(&stage.pipeline),
                units: stage.units.clone(),
                cancel: Cancel::new(),
                grace: scheduler::GRACE,
                origin: Origin::default(),
            };
            states.push(scheduler::start(&one, &services).await.map_err(StepError::from)?);
        }
        let told = judge::judge(&night, &heads, &states).await?;
        let several = case.runs.len() > 1;
        let of = |failure: String| if several { format!("run {}: {failure}", at + 1) } else { failure };
        failures.extend(told.into_iter().map(of));
    }
    Ok(failures)
}

/// An error and what to do, as a failure is told.
pub(super) fn words(error: &anyhow::Error) -> String {
    let step = error.chain().find_map(|cause| cause.downcast_ref::<StepError>());
    let help = step.and_then(StepError::failure).and_then(|failure| failure.help.as_deref());
    help.map_or_else(|| format!("{error:#}"), |help| format!("{error:#}\nhelp: {help}"))
}

impl<'a> Bench<'a> {
    fn new(project: &Project, case: &'a TestCase) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mut config = (*project.config).clone();
        config.state = folder.path().join("state");
        config.catalog = folder.path().join("stac");
        config.vars.extend(case.vars.clone());
        let datasets = Arc::new(moved(&project.datasets, folder.path()));
        Ok(Self { case, datasets, config: Arc::new(config), folder })
    }

    async fn night(&self, run: &'a TestRun) -> anyhow::Result<Night<'a>> {
        let replies = replies(self.case, run)?;
        let server = Server::start(replies).await.context("cannot serve on 127.0.0.1")?;
        Ok(Night { run, datasets: Arc::clone(&self.datasets), server, config: Arc::clone(&self.config) })
    }

    /// Puts in place what is given.
    async fn give(&self, night: &Night<'_>) -> anyhow::Result<()> {
        let Some(scope) = night.any_scope() else { return Ok(()) };
        let context = Context {
            scope: Scope { datasets: Arc::new(writable(&self.datasets)), ..scope },
            run: "given".parse().context("a name")?,
            node: "given".parse().context("a name")?,
            attempt: 1,
            cancel: Cancel::new().token,
            clock: Arc::new(ManualClock::at(night.run.now)),
            scratch: self.folder.path().join("scratch"),
            retry: Retry::default(),
            timeout: None,
            pools: Pools::default(),
            pool: None,
            progress: Progress::none(),
        };
        for filled in &self.case.given {
            let given = Given {
                dataset: &filled.dataset,
                ranges: &filled.ranges,
                status: filled.status,
                grid: &self.case.grid,
                crs: self.case.crs,
            };
            let value = |name: &str| filled.value.of(name);
            give(given, value, &context).await.with_context(|| format!("given `{}`", filled.dataset))?;
        }
        Ok(())
    }
}

impl Night<'_> {
    /// What a run of a pipeline sees.
    fn scope(
        &self,
        pipeline: &frazil_engine::data::PipelineId,
        params: serde_json::Map<String, serde_json::Value>,
    ) -> Scope {
        Scope {
            project: Arc::clone(&self.config),
            datasets: Arc::clone(&self.datasets),
            pipeline: pipeline.clone(),
            instant: self.run.now,
            params: Arc::new(params),
            secrets: Arc::new(Placeholders(self.config.secrets.keys().cloned().collect())),
            memory: self.config.memory,
            stand_in: Some(self.server.url()),
            backfill: None,
        }
    }

    /// What its first pipeline sees; none where nothing is run.
    pub(super) fn any_scope(&self) -> Option<Scope> {
        let (stage, params) = self.run.stages.first()?;
        Some(self.scope(&stage.pipeline.id, params.clone()))
    }

    /// The heads as they stand.
    async fn heads(&self) -> anyhow::Result<BTreeMap<DatasetId, SnapshotId>> {
        let mut heads = BTreeMap::new();
        let Some(scope) = self.any_scope() else { return Ok(heads) };
        for info in self.datasets.values().filter(|info| has_axis(info)) {
            if let Some(cube) = Cube::open(info, &scope).await? {
                heads.insert(info.id.clone(), cube.id());
            }
        }
        Ok(heads)
    }
}

pub(super) fn has_axis(info: &DatasetInfo) -> bool {
    matches!(info.block.time, frazil_engine::dataset::TimeAxis::Regular(_))
}

fn replies(case: &TestCase, run: &TestRun) -> anyhow::Result<Vec<Reply>> {
    let reply = |(answer, path): &(frazil_engine::suite::Answer, Option<std::path::PathBuf>)| {
        let body = match (answer.raster, path, &answer.text) {
            (Some(number), ..) => geotiff::constant(&case.grid, case.crs, number),
            (None, Some(path), _) => {
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
            }
            (None, None, Some(text)) => text.clone().into_bytes(),
            (None, None, None) => Vec::new(),
        };
        let status = answer.status.map_or(Ok(StatusCode::OK), StatusCode::from_u16)?;
        Ok(Reply { pattern: answer.url.clone(), left: answer.times, status, body: body.into() })
    };
    run.answers.iter().map(reply).collect()
}

/// The datasets with their repositories under `folder`, those that others make too.
fn moved(datasets: &Datasets, folder: &Path) -> Datasets {
    let cubes = folder.join("cubes");
    let one = |(id, info): (&DatasetId, &Arc<DatasetInfo>)| {
        let url = cubes.join(id.as_str()).display().to_string();
        let location = Location { url, read_only: info.location.read_only, ..Location::default() };
        (id.clone(), Arc::new(DatasetInfo { location, ..(**info).clone() }))
    };
    datasets.iter().map(one).collect()
}

/// The same, as if all of them were ours.
fn writable(datasets: &Datasets) -> Datasets {
    let one = |(id, info): (&DatasetId, &Arc<DatasetInfo>)| {
        let location = Location { read_only: false, ..info.location.clone() };
        (id.clone(), Arc::new(DatasetInfo { location, ..(**info).clone() }))
    };
    datasets.iter().map(one).collect()
}
