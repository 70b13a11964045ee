//! HTTP: datasets of a project for those who read them.

mod api;
mod app;
mod listen;
mod live;
mod pages;
mod problem;
mod ranged;
mod raw;
mod shelves;
mod zarr;

use std::{io, sync::Arc};

pub use app::Site;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Answers on `listener` until `stop`, then lets what was begun end.
///
/// # Errors
/// When the socket fails as a whole.
pub async fn serve(site: Site, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let app = app::App::new(site).map_err(io::Error::other)?;
    listen::listen(listener, app::router(Arc::new(app)), stop).await
}
