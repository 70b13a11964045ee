//! How the server is, for those who restart it, send it requests, or are woken by it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use frazil_engine::store::probe;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    live::Behind,
};

/// How long it is believed that the state can be written: each look waits for the disk.
const BELIEVED: Duration = Duration::from_secs(5);

/// How long a look may take: what takes longer is as good as broken to whoever waits for a run.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found when it was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Option<(Instant, Found)>>);

/// What a look finds.
#[derive(Debug, Clone, Copy)]
struct Found {
    state_writable: bool,
    leads: bool,
}

/// How the server is.
#[derive(Debug, Serialize, JsonSchema)]
struct Report {
    /// `ready`, or what keeps it from being.
    status: &'static str,
    /// The version of frazil.
    version: &'static str,
    /// Whether this process alone works on the state. One that stands by does not listen, so that none
    /// answers for it.
    leads: bool,
    /// Whether runs and tokens can be kept.
    state_writable: bool,
    /// Runs that wait for their turn.
    runs_queued: usize,
    /// Runs that are being carried out.
    runs_at_work: usize,
    /// What of the project's files is not at work as it is written; the last good versions are.
    behind: Behind,
}

/// Where it is asked how the server is.
pub(crate) fn routes() -> Routes {
    let live = Operation::new("getLiveness", "about", "Whether the server answers", Role::Anyone)
        .gives_nothing(204, "It does");
    let ready = Operation::new("getReadiness", "about", "Whether the server can do its work", Role::Anyone)
        .gives_nothing(204, "It can")
        .gives_nothing(503, "It cannot: `/health` says why");
    let health = Operation::new("getHealth", "about", "How the server is", Role::Viewer)
        .gives::<Report>(200, "It can do its work")
        .gives::<Report>(503, "It cannot");
    Routes::default()
        .get("/health/live", live, async || StatusCode::NO_CONTENT)
        .get("/health/ready", ready, is_ready)
        .get("/health", health, report)
}

/// Without a word: anybody may ask.
async fn is_ready(State(app): State<Arc<App>>) -> Response {
    let found = look(&app).await;
    uncached(if found.obstacle().is_none() {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    })
}

async fn report(State(app): State<Arc<App>>) -> Response {
    let found = look(&app).await;
    let (runs_queued, runs_at_work) = app.runner.load();
    let report = Report {
        status: found.obstacle().unwrap_or("ready"),
        version: env!("CARGO_PKG_VERSION"),
        leads: found.leads,
        state_writable: found.state_writable,
        runs_queued,
        runs_at_work,
        behind: Behind::clone(&app.live.behind()),
    };
    let status = if found.obstacle().is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    uncached((status, Json(report)))
}

fn uncached(answer: impl IntoResponse) -> Response {
    let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
    (headers, answer).into_response()
}

impl Found {
    /// What keeps the work from being done, in a few words.
    const fn obstacle(self) -> Option<&'static str> {
        match self {
            Self { state_writable: false, .. } => Some("the state cannot be written"),
            Self { leads: false, .. } => {
                Some("the lock file of the state is gone: another server may be at work")
            }
            Self { .. } => None,
        }
    }
}

/// Whether this process alone works on the state.
pub(crate) async fn leads(app: &App) -> bool {
    let turn = Arc::clone(&app.turn);
    tokio::task::spawn_blocking(move || turn.stands()).await.unwrap_or(false)
}

/// Whether the work can be done.
async fn look(app: &App) -> Found {
    let kept = *app.health.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, found)) = kept.filter(|(at, _)| at.elapsed() < BELIEVED) {
        return found;
    }
    let state = app.project().config.state.clone();
    let looked = tokio::time::timeout(PATIENCE, async { (probe(&state).await, leads(app).await) }).await;
    let found = match &looked {
        Ok((Ok(()), leads)) => Found { state_writable: true, leads: *leads },
        Ok((Err(error), leads)) => {
            tracing::error!(%error, "the state cannot be written");
            Found { state_writable: false, leads: *leads }
        }
        Err(_) => {
            tracing::error!("the state cannot be written in {} s", PATIENCE.as_secs());
            Found { state_writable: false, leads: false }
        }
    };
    if looked.is_ok() && !found.leads {
        tracing::error!("the lock file of the state is gone: another server may be at work on it");
    }
    *app.health.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), found));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use frazil_engine::lock::{FileLock, serve_lock};

    #[tokio::test]
    async fn who_lost_the_lock_or_the_state_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("frazil.yaml"), "frazil: 1\n").unwrap();
        let app = crate::testing::app(folder.path()).await;
        let state = folder.path().join(".frazil");
        let again = async || {
            *app.health.0.lock().unwrap() = None;
            look(&app).await
        };
        assert_eq!(again().await.obstacle(), None);
        assert!(FileLock::try_take(&serve_lock(&state)).unwrap().is_none(), "no other leads meanwhile");
        std::fs::remove_file(serve_lock(&state)).unwrap();
        let other = FileLock::try_take(&serve_lock(&state)).unwrap();
        assert!(other.is_some() && !leads(&app).await);
        assert_eq!(look(&app).await.obstacle(), None, "what was found is believed for a while");
        assert!(again().await.obstacle().unwrap().contains("another server"));
        assert_eq!(is_ready(State(Arc::clone(&app))).await.status(), 503);
        std::fs::rename(&state, folder.path().join("elsewhere")).unwrap();
        std::fs::write(&state, "in the way").unwrap();
        assert_eq!(again().await.obstacle(), Some("the state cannot be written"));
        assert_eq!(report(State(Arc::clone(&app))).await.status(), 503);
    }
}
