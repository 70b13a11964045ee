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
};

/// How long it is believed that the state can be written: each look waits for the disk.
const BELIEVED: Duration = Duration::from_secs(5);

/// How long a look may take: what takes longer is as good as broken to whoever waits for a run.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found when it was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Option<(Instant, bool)>>);

/// How the server is.
#[derive(Debug, Serialize, JsonSchema)]
struct Report {
    /// `ready`, or what keeps it from being.
    status: &'static str,
    /// The version of frazil.
    version: &'static str,
    /// Whether runs and tokens can be kept.
    state_writable: bool,
    /// Runs that wait for their turn.
    runs_queued: usize,
    /// Runs that are being carried out.
    runs_at_work: usize,
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
    uncached(if found.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE })
}

async fn report(State(app): State<Arc<App>>) -> Response {
    let found = look(&app).await;
    let (runs_queued, runs_at_work) = app.runner.load();
    let report = Report {
        status: found.err().unwrap_or("ready"),
        version: env!("CARGO_PKG_VERSION"),
        state_writable: found.is_ok(),
        runs_queued,
        runs_at_work,
    };
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    uncached((status, Json(report)))
}

fn uncached(answer: impl IntoResponse) -> Response {
    let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
    (headers, answer).into_response()
}

/// Whether the work can be done, or in a few words why not.
async fn look(app: &App) -> Result<(), &'static str> {
    let kept = *app.health.0.lock().unwrap_or_else(PoisonError::into_inner);
    let is_writable = match kept.filter(|(at, _)| at.elapsed() < BELIEVED) {
        Some((_, found)) => found,
        None => {
            let state = app.project().config.state.clone();
            let found = match tokio::time::timeout(PATIENCE, probe(&state)).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the state cannot be written");
                    false
                }
                Err(_) => {
                    tracing::error!("the state cannot be written in {} s", PATIENCE.as_secs());
                    false
                }
            };
            *app.health.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), found));
            found
        }
    };
    if is_writable { Ok(()) } else { Err("the state cannot be written") }
}
