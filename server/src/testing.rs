//! What tests of several modules stand on.

use std::{path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::EnvSecrets,
    lock::{FileLock, serve_lock},
    project::{LoadOptions, load},
    store::RunSummary,
};

use tokio_util::sync::CancellationToken;

use crate::{app::App, live::Live, runner::Runner, traces::Traces};

/// The app of a project in a folder, on loopback.
pub(crate) async fn app(folder: &Path) -> Arc<App> {
    let registry = Arc::new(frazil_steps::registry());
    let options = LoadOptions { folder: folder.to_owned(), ..LoadOptions::default() };
    let project = load(&options, &registry).projects.pop().unwrap();
    let secrets = EnvSecrets::new(folder.to_owned(), project.config.secrets.clone());
    let live = Arc::new(Live::new(Arc::new(project), Arc::new(secrets)));
    let runner = Runner::open(Arc::clone(&live), registry).await.unwrap();
    let turn = FileLock::try_take(&serve_lock(&live.project().config.state)).unwrap().unwrap();
    let measures = (Traces::none(), Arc::default());
    Arc::new(App::new(live, runner, turn, measures, true, CancellationToken::new()).unwrap())
}

/// A run in a list.
pub(crate) fn summary(accepted: DateTime<Utc>) -> RunSummary {
    RunSummary {
        run: format!("r{}", accepted.timestamp()).parse().unwrap(),
        pipeline: "p".parse().unwrap(),
        instant: accepted,
        accepted,
        started: None,
        finished: None,
        events: 2,
    }
}
