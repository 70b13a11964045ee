//! Connections: how many, how long they may take to ask, and how they end.

use std::{
    io,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, http::Request};
use frazil_engine::project::Serve;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    limits::{Client, Seat, Seats},
    stall::Stalling,
};

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
    serve: &Serve,
    stop: CancellationToken,
) -> io::Result<()> {
    let limits = &serve.limits;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header.to_std()).max_buf_size(HEAD);
    let most = usize::try_from(limits.connections).unwrap_or(Semaphore::MAX_PERMITS);
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(most)));
    let (mut door, mut connections) = (Door::new(serve), JoinSet::new());
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
        // Whoever takes all places would leave none to others.
        let Ok(seat) = door.seat(address.ip()) else { continue };
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
            drop((place, seat));
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

/// How often it is said that somebody has too many connections.
const SAY: Duration = Duration::from_secs(60);

/// Lets in whoever has not too many connections.
struct Door<'a> {
    serve: &'a Serve,
    seats: Seats,
    said: Option<Instant>,
}

impl<'a> Door<'a> {
    fn new(serve: &'a Serve) -> Self {
        Self { serve, seats: Seats::default(), said: None }
    }

    /// A seat, or nothing for those that are not counted.
    fn seat(&mut self, address: IpAddr) -> Result<Option<Seat>, Full> {
        let is_proxy = self.serve.proxies.iter().any(|proxy| proxy.to_canonical() == address.to_canonical());
        let Some(most) = self.serve.limits.connections_of(address).filter(|_| !is_proxy) else {
            return Ok(None);
        };
        let seat = self.seats.take(Client::at(address), most);
        if seat.is_none() && self.said.is_none_or(|said| said.elapsed() >= SAY) {
            tracing::warn!(%address, most, "an address has too many connections: more are closed");
            self.said = Some(Instant::now());
        }
        seat.map(Some).ok_or(Full)
    }
}

/// A client has as many connections as it may.
#[derive(Debug)]
struct Full;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use axum::routing::get;
    use frazil_engine::project::Limits;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpSocket, TcpStream},
    };

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    /// A connection from one of the addresses of this machine, with its answer; none where it was closed.
    async fn ask(server: SocketAddr, from: u8) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, from), 0).into()).unwrap();
        let mut stream = socket.connect(server).await.unwrap();
        let mut answer = [0; 12];
        stream.write_all(ASK).await.ok()?;
        stream.read_exact(&mut answer).await.ok()?;
        assert_eq!(&answer, b"HTTP/1.1 200");
        Some(stream)
    }

    #[tokio::test]
    async fn one_client_cannot_take_all_places() {
        let limits =
            Limits { connections: 4, connections_each: std::num::NonZeroU32::new(2), ..Limits::default() };
        let serve = Serve { limits, proxies: vec!["127.0.0.9".parse().unwrap()], ..Serve::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (server, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new().route("/", get(async || "here"));
        let asking = async {
            let first = ask(server, 1).await;
            let second = ask(server, 1).await;
            assert!(first.is_some() && second.is_some());
            assert!(ask(server, 1).await.is_none(), "it has its two");
            let other = ask(server, 2).await;
            assert!(other.is_some(), "another is let in all the same");
            // What comes to its end makes room; until it has, one more is closed.
            drop(first);
            let mut again = ask(server, 1).await;
            while again.is_none() {
                again = ask(server, 1).await;
            }
            drop((second, other, again));
            let mut behind = Vec::new();
            for _ in 0..3 {
                behind.push(ask(server, 9).await.unwrap());
            }
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(listen(listener, router, &serve, stop.clone()), asking);
        ended.unwrap();
    }

    #[test]
    fn where_nothing_is_said_an_address_has_half_and_this_machine_all() {
        let serve = Serve { limits: Limits { connections: 3, ..Limits::default() }, ..Serve::default() };
        let mut door = Door::new(&serve);
        let (far, near): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "::ffff:127.0.0.1".parse().unwrap());
        let mut seats: Vec<_> = (0..2).map(|_| door.seat(far).unwrap().unwrap()).collect();
        assert!(door.seat(far).is_err() && door.said.is_some());
        seats.pop();
        assert!(door.seat(far).is_ok());
        assert!((0..9).all(|_| matches!(door.seat(near), Ok(None))));
    }
}
