//! The project as it stands now: files change while the server runs, and what is good of them is taken.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{EnvSecrets, Secrets},
    diagnostic::{Diagnostic, Severity, Sources},
    project::{Checked, Project, Reread, Watched},
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often files are looked at. A look reads none of them.
const LOOK: Duration = Duration::from_secs(2);

/// How long who writes files may take from the first to the last.
const SETTLE: Duration = Duration::from_millis(300);

/// A project and the secrets that it names: one state of its files.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    /// The checked project.
    pub(crate) project: Arc<Project>,
    /// Resolves secrets at the moment of use.
    pub(crate) secrets: Arc<dyn Secrets>,
}

/// What of the files is not at work as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Behind {
    /// Files of which the last good version stands; of a new one none does.
    pub(crate) files: Vec<String>,
    /// What is wrong, a line each: file, line, code, message.
    pub(crate) problems: Vec<String>,
    /// Since when that is so.
    #[schemars(with = "Option<String>")]
    pub(crate) since: Option<DateTime<Utc>>,
}

/// The one handle by which all parts of the server read the project. What is taken from it stays as
/// it is: a run keeps the version that it began with.
#[derive(Debug)]
pub(crate) struct Live {
    now: RwLock<Current>,
    /// None where the project was given and no files are looked at.
    files: Option<Arc<Mutex<Watched>>>,
    behind: RwLock<Arc<Behind>>,
}

impl Live {
    /// A project that never changes.
    #[cfg(test)]
    pub(crate) fn new(project: Arc<Project>, secrets: Arc<dyn Secrets>) -> Self {
        Self { now: RwLock::new(Current { project, secrets }), files: None, behind: RwLock::default() }
    }

    /// The project of files that may change.
    pub(crate) fn over(files: Watched) -> Self {
        let now = Current::of(files.project());
        Self { now: RwLock::new(now), files: Some(Arc::new(Mutex::new(files))), behind: RwLock::default() }
    }

    /// The project with its secrets.
    pub(crate) fn current(&self) -> Current {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The project.
    pub(crate) fn project(&self) -> Arc<Project> {
        self.current().project
    }

    /// What of the files is not at work as it is written; mostly nothing.
    pub(crate) fn behind(&self) -> Arc<Behind> {
        Arc::clone(&self.behind.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what changed until `stop`: after a look, or at once when told to by `SIGHUP`.
    pub(crate) async fn follow(&self, stop: CancellationToken) {
        if self.files.is_none() {
            return stop.cancelled().await;
        }
        let mut told = match signal(SignalKind::hangup()) {
            Ok(told) => Some(told),
            Err(error) => {
                tracing::warn!(%error, "SIGHUP cannot be listened for: changed files are found all the same");
                None
            }
        };
        loop {
            let told = async {
                match &mut told {
                    Some(told) => drop(told.recv().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = told => {}
                () = tokio::time::sleep(LOOK) => {
                    if !self.files(|files| files.has_moved()).await.unwrap_or(false) {
                        continue;
                    }
                    tokio::time::sleep(SETTLE).await;
                }
            }
            self.reload().await;
        }
    }

    /// Reads the files again at once and takes what is good of them; whether anything had changed.
    pub(crate) async fn reload(&self) -> bool {
        let Some(Some(found)) = self.files(Watched::reread).await else { return false };
        let behind = Behind::of(&found, self.behind().since);
        for line in &behind.problems {
            tracing::warn!("{line}");
        }
        for file in &behind.files {
            tracing::warn!(%file, "it is not taken as it is: what was good before stands");
        }
        tracing::info!(pipelines = found.project.pipelines.len(), "the project was read again");
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Current::of(&found.project);
        *self.behind.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(behind);
        true
    }

    /// What the project would be with another text of one of its files, or without it. Nothing is
    /// written; none where no files are looked at.
    pub(crate) async fn with(&self, path: std::path::PathBuf, text: Option<String>) -> Option<Checked> {
        self.files(move |files| files.with(&path, text)).await
    }

    /// Does what reads files, on a thread that may wait.
    async fn files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Watched) -> T + Send + 'static,
    ) -> Option<T> {
        let files = Arc::clone(self.files.as_ref()?);
        let done = tokio::task::spawn_blocking(move || {
            work(&mut files.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::error!(%error, "the files of the project cannot be looked at");
                None
            }
        }
    }
}

impl Current {
    fn of(project: &Arc<Project>) -> Self {
        let config = &project.config;
        let secrets = EnvSecrets::new(config.root.clone(), config.secrets.clone());
        Self { project: Arc::clone(project), secrets: Arc::new(secrets) }
    }
}

impl Behind {
    /// `since`: since when something was behind already.
    fn of(found: &Reread, since: Option<DateTime<Utc>>) -> Self {
        let errors = found.problems.iter().filter(|problem| problem.severity == Severity::Error);
        let mut problems: Vec<_> = errors.map(|problem| line(problem, &found.sources)).collect();
        if found.moves_state {
            problems
                .push("`state` was changed, which takes effect when the server is started anew".to_owned());
        }
        let is_behind = !found.behind.is_empty() || found.moves_state;
        let since = is_behind.then(|| since.unwrap_or_else(Utc::now));
        Self { files: found.behind.clone(), problems, since }
    }
}

/// A problem in one line, without excerpts.
fn line(problem: &Diagnostic, sources: &Sources) -> String {
    let place = problem.primary.as_ref().map_or_else(String::new, |label| {
        let at = sources.position((label.span.source, label.span.from));
        format!("{}:{}: ", sources.name(label.span.source), at.line)
    });
    format!("{place}{} {}", problem.code, problem.message)
}
