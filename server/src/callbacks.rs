//! Subscribers are told how their jobs go: what came of one, that it failed, that it goes on.
//!
//! Who is told stands in the run log. That somebody was told stands in a file of the state, written
//! afterwards: a server that dies between tells again, and one that comes after a death tells what is
//! not told yet.

mod address;

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    io::ErrorKind,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use frazil_engine::{
    data::RunId,
    event::{RunStatus, Subscriber},
    project::Callbacks,
    store::RunQuery,
};
use serde_json::Value;
use tokio::{sync::broadcast::error::RecvError, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub(crate) use address::judge;

use crate::{
    app::App,
    asked::Base,
    jobs::{Known, StatusInfo, known},
    results,
};

/// How long a subscriber may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits before each further try; after the last it is given up.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];

/// Subscribers that are told at a time: each holds a document and a connection.
const AT_A_TIME: usize = 16;

/// Jobs that ended longer ago are nobody's news, after whatever downtime.
const NEWS: TimeDelta = TimeDelta::days(1);

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Occasion {
    InProgress,
    Over,
}

/// Tells subscribers until `stop`.
pub(crate) async fn tell(app: Arc<App>, stop: CancellationToken) {
    let mut changes = app.runner.changes();
    let mut desk = Desk { app, told: BTreeSet::new(), sending: JoinSet::new(), stop: stop.clone() };
    desk.late().await;
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => break,
            change = changes.recv() => change,
        };
        let mut runs = HashSet::new();
        match change {
            Ok(change) => drop(runs.insert(change.run.clone())),
            Err(RecvError::Lagged(_)) => desk.late().await,
            Err(RecvError::Closed) => break,
        }
        while let Ok(change) = changes.try_recv() {
            runs.insert(change.run.clone());
        }
        for run in runs {
            desk.look(&run).await;
        }
    }
    // What is not told yet is told by the server that comes next.
    desk.sending.shutdown().await;
}

/// Whom is told what.
struct Desk {
    app: Arc<App>,
    /// What was told by this process, or is being told.
    told: BTreeSet<(RunId, Occasion)>,
    sending: JoinSet<()>,
    stop: CancellationToken,
}

impl Desk {
    /// Looks at all that may not be told yet.
    async fn late(&mut self) {
        let runs = match self.app.runner.store().list(&RunQuery::default()).await {
            Ok(runs) => runs,
            Err(error) => return tracing::error!(%error, "subscribers cannot be told"),
        };
        let since = Utc::now() - NEWS;
        for run in runs.into_iter().filter(|run| run.finished.is_none_or(|(_, at)| at >= since)) {
            self.look(&run.run).await;
        }
    }

    /// Tells the subscriber of a run what there is to be told.
    async fn look(&mut self, run: &RunId) {
        let Ok(known) = known(&self.app, run).await else { return };
        let accepted = known.state.accepted.as_ref();
        let Some(subscriber) = accepted.and_then(|it| it.origin.reply.as_ref()?.subscriber.clone()) else {
            return;
        };
        let occasion = match known.is_finished() {
            true => Occasion::Over,
            false if known.opened.is_some() => Occasion::InProgress,
            false => return,
        };
        if !self.told.insert((run.clone(), occasion)) {
            return;
        }
        if occasion == Occasion::Over && is_marked(mark(&self.app, run)).await {
            return;
        }
        while self.sending.len() >= AT_A_TIME {
            self.sending.join_next().await;
        }
        let (app, stop) = (Arc::clone(&self.app), self.stop.clone());
        self.sending.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = told(&app, &known, &subscriber, occasion) => {}
            }
        });
        while self.sending.try_join_next().is_some() {}
    }
}

/// Tells one subscriber one thing, again until it is taken or given up.
async fn told(app: &App, known: &Known, subscriber: &Subscriber, occasion: Occasion) {
    let base = Base::told(&subscriber.base);
    let is_successful = matches!(known.state.finished, Some((RunStatus::Successful, _)));
    let status = || serde_json::to_value(StatusInfo::of(app, known, &base));
    let (to, content) = match occasion {
        Occasion::InProgress => (&subscriber.in_progress, status()),
        Occasion::Over if is_successful => {
            let given =
                match results::given(app, known, &base).await.map(|links| results::document(known, links)) {
                    Ok(given) => given,
                    Err(problem) => {
                        return tracing::error!(run = %known.run, ?problem, "a subscriber cannot be told");
                    }
                };
            (&subscriber.success, serde_json::to_value(given))
        }
        Occasion::Over => (&subscriber.failed, status()),
    };
    if let (Some(to), Ok(content)) = (to, content) {
        let mut waits = WAITS.into_iter();
        loop {
            // As the settings are now: a host that is taken from them is not told any more.
            let why = match post(to, &content, &app.project().config.serve.callbacks).await {
                Ok(()) => break,
                Err(why) => why,
            };
            let run = &known.run;
            let Some(wait) = waits.next() else {
                tracing::warn!(%run, why, "a subscriber was not told, and is given up");
                break;
            };
            tracing::info!(%run, why, "a subscriber was not told, and is tried again");
            tokio::time::sleep(wait).await;
        }
    }
    if occasion == Occasion::Over {
        let mark = mark(app, &known.run);
        let made = tokio::task::spawn_blocking(move || make(&mark)).await;
        if let Err(error) = made.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::error!(%error, "it cannot be noted that a subscriber was told: it may be told twice");
        }
    }
}

/// Sends a document; why it was not taken, in words without the address, which may hold a token.
async fn post(to: &str, content: &Value, settings: &Callbacks) -> Result<(), String> {
    let url = judge(to, settings)?;
    let addresses = address::look_up(&url, settings).await?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .resolve_to_addrs(&host, &addresses)
        .user_agent(concat!("frazil/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client.post(url).json(content).send().await;
    let status = answer.map_err(|error| error.without_url().to_string())?.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}

/// The file that says that the subscriber of a run was told of its end.
fn mark(app: &App, run: &RunId) -> PathBuf {
    app.project().config.state.join("callbacks").join(run.as_str())
}

async fn is_marked(mark: PathBuf) -> bool {
    tokio::task::spawn_blocking(move || mark.exists()).await.unwrap_or_default()
}

fn make(mark: &PathBuf) -> std::io::Result<()> {
    if let Some(folder) = mark.parent() {
        fs::create_dir_all(folder)?;
        forget(folder)?;
    }
    fs::File::create(mark)?.sync_all()
}

/// Takes away marks that nobody asks for any more.
fn forget(folder: &std::path::Path) -> std::io::Result<()> {
    let old = Duration::from_secs(7 * 86_400);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let age =
            entry.metadata().and_then(|about| about.modified()).map(|at| at.elapsed().unwrap_or_default());
        if age.is_ok_and(|age| age > old) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
