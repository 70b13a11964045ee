//! Connections: how many, how long they may take to ask, and how they end.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, http::Request};
use frazil_engine::project::Limits;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::stall::Stalling;

/// The most that the head of a request may take, and what is read of a body at once.
const HEAD: usize = 64 << 10;

/// Where a connection comes from: an extension of its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// How long answers that were begun may take after the server was told to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

/// Answers connections until `stop`, then lets those end that were begun.
///
/// # Errors
/// When no connection will ever be accepted again.
pub async fn listen(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header.to_std()).max_buf_size(HEAD);
    let most = usize::try_from(limits.connections).unwrap_or(Semaphore::MAX_PERMITS);
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(most)));
    let mut connections = JoinSet::new();
    loop {
        // A place first: who is not answered yet is not accepted.
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((place, listener.accept().await?))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = stop.cancelled() => break,
        };
        let (place, (stream, address)) = match accepted {
            Ok(accepted) => accepted,
            // Of one client, or no file handles left: the next may fare better.
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small answers may come late");
        }
        let peer = Peer(address.ip());
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        });
        let stream = TokioIo::new(Stalling::new(stream, limits.stall.to_std()));
        let connection = builder.serve_connection(stream, TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("answers that were not finished are broken off");
    }
    connections.shutdown().await;
    Ok(())
}
