//! HTTP: datasets of a project for those who read them, and runs of its pipelines.

mod api;
mod app;
mod asked;
mod auth;
pub mod backfill;
mod callbacks;
mod clock;
mod conformance;
mod datasets;
mod deploy;
mod desk;
mod echo;
mod events;
mod execution;
mod front;
mod graph;
mod guard;
mod health;
mod jobs;
mod layers;
mod limits;
mod link;
pub mod listen;
mod live;
mod logs;
mod metrics;
mod notify;
mod pages;
mod problem;
mod processes;
mod prov;
pub mod ranged;
mod raw;
mod results;
mod runner;
mod shelves;
mod signature;
mod source;
mod stac;
mod stall;
pub mod standing;
#[cfg(test)]
mod testing;
mod traces;
mod visitor;
mod warm;
mod webhook;
mod zarr;

use std::{io, sync::Arc};

pub use app::Site;
pub use auth::{Minted, digest, mint};
use clock::Triggers;
use frazil_engine::{context::SystemClock, store::Seen};
use metrics::Metrics;
use runner::Runner;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use traces::Traces;

/// All addresses, as an OpenAPI 3.0 document.
#[must_use]
pub fn openapi() -> serde_json::Value {
    front::routes().document()
}

/// Answers on `listener`, fires triggers and runs pipelines until `stop`, then lets what was begun end or settle.
///
/// # Errors
/// When the run history cannot be opened, or the socket fails as a whole.
pub async fn serve(site: Site, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let is_loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
    let live = Arc::new(live::Live::over(site.files));
    if site.has_waited {
        live.reload().await;
    }
    let config = Arc::clone(&live.project().config);
    let runner = Runner::open(Arc::clone(&live), site.registry).await.map_err(io::Error::other)?;
    let metrics = Arc::<Metrics>::default();
    let triggers = Triggers {
        live: Arc::clone(&live),
        starter: Arc::new(runner.clone()),
        seen: Seen::in_folder(&config.state),
        clock: Arc::new(SystemClock),
        metrics: Arc::clone(&metrics),
    };
    let (traces, sending) = Traces::of_environment();
    let measures = (traces, metrics);
    let app =
        app::App::new(Arc::clone(&live), runner.clone(), site.turn, measures, is_loopback, stop.clone());
    let app = Arc::new(app.map_err(io::Error::other)?);
    let router = layers::dress(&front::routes(), &app, &config.serve.limits);
    // Who watches runs stays until the last has settled, and who sends until the last was told.
    let (settled, told) = (CancellationToken::new(), CancellationToken::new());
    let listening = async {
        let ended = listen::listen(listener, router, &config.serve, stop.clone()).await;
        stop.cancel();
        ended
    };
    let working = async {
        runner.work(stop.clone()).await;
        settled.cancel();
    };
    let watching = async {
        desk::watch(Arc::clone(&app), settled.clone()).await;
        told.cancel();
    };
    let callbacks = callbacks::tell(Arc::clone(&app), stop.clone());
    let telling = app.notifier.send(|| app.scope(), &told);
    let tracing = async {
        match sending {
            Some(sending) => sending.send(&told).await,
            None => told.cancelled().await,
        }
    };
    let waking = async { tokio::join!(triggers.work(&stop), live.follow(stop.clone())) };
    let (ended, (), (), (), (), (), _) =
        tokio::join!(listening, working, watching, telling, tracing, callbacks, waking);
    ended
}
