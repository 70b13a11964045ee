//! HTTP: datasets of a project for those who read them, and runs of its pipelines.

mod api;
mod app;
mod asked;
mod callbacks;
mod conformance;
mod datasets;
mod events;
mod execution;
mod graph;
mod jobs;
mod link;
mod listen;
mod live;
mod logs;
mod pages;
mod problem;
mod processes;
mod prov;
mod ranged;
mod raw;
mod results;
#[expect(dead_code, reason = "who starts runs comes one after the other: the last one takes this away")]
mod runner;
mod shelves;
mod stac;
pub mod standing;
mod visitor;
mod zarr;

use std::{io, sync::Arc};

pub use app::Site;
use runner::Runner;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// All addresses, as an OpenAPI 3.0 document.
#[must_use]
pub fn openapi() -> serde_json::Value {
    app::routes().document()
}

/// Answers on `listener` and runs pipelines until `stop`, then lets what was begun end or settle.
///
/// # Errors
/// When the run history cannot be opened, or the socket fails as a whole.
pub async fn serve(site: Site, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let live = Arc::new(live::Live::new(site.project, site.secrets));
    let runner = Runner::open(Arc::clone(&live), site.registry).await.map_err(io::Error::other)?;
    let app = Arc::new(app::App::new(live, runner.clone(), stop.clone()).map_err(io::Error::other)?);
    let callbacks = callbacks::tell(Arc::clone(&app), stop.clone());
    let listening = async {
        let ended = listen::listen(listener, app::router(app), stop.clone()).await;
        stop.cancel();
        ended
    };
    let (ended, (), ()) = tokio::join!(listening, runner.work(stop.clone()), callbacks);
    ended
}
