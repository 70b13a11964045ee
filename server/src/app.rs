//! What all answers are made from.

use std::{sync::Arc, time::Duration};

use axum::http::HeaderMap;
use chrono::Utc;
use frazil_engine::{
    context::Scope,
    data::{InvalidId, PipelineId},
    dataset::DatasetInfo,
    lock::FileLock,
    project::{Project, Watched},
    registry::Registry,
    step::StepError,
};
use tokio_util::sync::CancellationToken;

use crate::{
    asked::Base,
    auth::Gate,
    events::Tails,
    health::Health,
    jobs::Jobs,
    live::{Current, Live},
    metrics::Metrics,
    notify::Notifier,
    problem::Problem,
    runner::Runner,
    shelves::Shelves,
    standing::{NewestRuns, newest_runs},
    traces::Traces,
    visitor::Visitor,
    warm::Warm,
};

/// What is served.
#[derive(Debug)]
pub struct Site {
    /// The files of the project, as they were when the server started.
    pub files: Watched,
    /// Whether that was a while ago, so that they are read again first.
    pub has_waited: bool,
    /// Step types by name.
    pub registry: Arc<Registry>,
    /// The turn on the state folder: held as long as anything is done.
    pub turn: FileLock,
}

/// What all answers are made from.
#[derive(Debug)]
pub(crate) struct App {
    /// The project as it stands now.
    pub(crate) live: Arc<Live>,
    /// Stands where a run has the name of its pipeline: reading belongs to none.
    reader: PipelineId,
    pub(crate) shelves: Shelves,
    pub(crate) warm: Warm,
    /// Runs pipelines.
    pub(crate) runner: Runner,
    /// Runs that were asked for lately.
    pub(crate) jobs: Jobs,
    /// The newest events of runs to which somebody listens.
    pub(crate) tails: Tails,
    /// Held by who changes files of the project.
    pub(crate) deploying: tokio::sync::Mutex<()>,
    /// Told when the server is to stop: answers that go on end then.
    pub(crate) stop: CancellationToken,
    /// How long an answer may take to begin.
    pub(crate) answer_within: Duration,
    /// Tells callers apart.
    pub(crate) gate: Gate,
    pub(crate) health: Health,
    /// What makes this process the one that works on the state.
    pub(crate) turn: Arc<FileLock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) traces: Traces,
    pub(crate) notifier: Notifier,
}

impl App {
    /// `is_loopback`: whether only this machine can ask.
    pub(crate) fn new(
        live: Arc<Live>,
        runner: Runner,
        turn: FileLock,
        (traces, metrics): (Traces, Arc<Metrics>),
        is_loopback: bool,
        stop: CancellationToken,
    ) -> Result<Self, InvalidId> {
        Ok(Self {
            reader: "serve".parse()?,
            shelves: Shelves::default(),
            warm: Warm::default(),
            runner,
            jobs: Jobs::default(),
            tails: Tails::default(),
            deploying: tokio::sync::Mutex::default(),
            stop,
            answer_within: live.project().config.serve.limits.answer.to_std(),
            gate: Gate::new(&live.project().config.state, is_loopback),
            health: Health::default(),
            turn: Arc::new(turn),
            metrics,
            traces,
            notifier: Notifier::new(Arc::clone(&live)),
            live,
        })
    }

    /// The project as it stands now; what is taken stays as it is.
    pub(crate) fn project(&self) -> Arc<Project> {
        self.live.project()
    }

    /// A dataset by name.
    pub(crate) fn dataset(&self, name: &str) -> Result<Arc<DatasetInfo>, Problem> {
        let found = self.project().datasets.get(name).map(Arc::clone);
        found.ok_or_else(|| Problem::not_found(format!("no dataset `{name}` here")))
    }

    /// The datasets that whoever asks may read.
    pub(crate) fn readable(&self, visitor: &Visitor) -> Vec<Arc<DatasetInfo>> {
        let project = self.project();
        let may = |info: &&Arc<DatasetInfo>| visitor.caller.may_read(info, &project.config.serve);
        project.datasets.values().filter(may).map(Arc::clone).collect()
    }

    /// The newest run of each pipeline.
    pub(crate) async fn newest_runs(&self) -> Result<NewestRuns, StepError> {
        newest_runs(&self.project(), self.runner.store().as_ref()).await
    }

    /// Where addresses of this server begin, as whoever asks knows it.
    pub(crate) fn base(&self, headers: &HeaderMap) -> Base {
        Base::of(&self.project().config.serve, headers)
    }

    /// What reading needs of a scope.
    pub(crate) fn scope(&self) -> Scope {
        let Current { project, secrets } = self.live.current();
        project.scope(&self.reader, serde_json::Map::new(), Utc::now(), secrets)
    }
}
