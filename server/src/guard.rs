//! What every request passes before anything answers it: its name and length, who asks, how often, and
//! whether they may. The role of each address stands beside what answers it, in `api`; this is the one
//! place that looks at it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    RequestExt,
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use frazil_engine::project::{Limits, Serve};

use crate::{
    api::Role,
    app::App,
    auth::{Caller, Refused, is_for_us},
    limits::{Client, Rates},
    listen::Peer,
    problem::Problem,
};

/// What names of path segments stand for a dataset.
const DATASETS: [&str; 3] = ["dataset", "collection", "collectionId"];

/// The least role of each address and method.
pub(crate) type Roles = HashMap<&'static str, Vec<(Method, Role)>>;

/// What requests pass.
#[derive(Debug)]
pub(crate) struct Guard {
    app: Arc<App>,
    roles: Roles,
    rates: Rates,
    uri: usize,
}

impl Guard {
    pub(crate) fn new(app: Arc<App>, roles: Roles, limits: &Limits) -> Self {
        let uri = usize::try_from(limits.uri.bytes()).unwrap_or(usize::MAX);
        Self { app, roles, rates: Rates::new(limits.interval()), uri }
    }

    async fn admit(&self, request: &mut Request) -> Result<(), Box<Response>> {
        let serve = &self.app.project().config.serve;
        self.named(request, serve)?;
        let peer = request.extensions().get::<Peer>().map(|peer| client(peer.0, request.headers(), serve));
        let caller = self.app.gate.caller(request.headers(), serve).await;
        if !caller.as_ref().is_ok_and(|caller| caller.is_open) {
            self.counted(caller.as_ref().ok(), peer)?;
        }
        let caller = caller.map_err(refuse)?;
        let needed = self.needed(request);
        if caller.role < needed && !(needed == Role::Viewer && self.is_public(request, &caller, serve).await)
        {
            return Err(refuse(match &caller {
                Caller { is_open: true, .. } => Refused::Foreign,
                Caller { name: None, .. } => Refused::Missing,
                Caller { .. } => Refused::Role(needed),
            }));
        }
        request.extensions_mut().insert(caller);
        Ok(())
    }

    /// Whether it is meant for us, in a few words.
    fn named(&self, request: &Request, serve: &Serve) -> Result<(), Box<Response>> {
        let uri = request.uri();
        let length = uri.path_and_query().map_or(0, |path| path.as_str().len());
        if length > self.uri {
            let detail = format!("the path and query are {length} bytes, and {} are taken", self.uri);
            return Err(Box::new(Problem::plain(StatusCode::URI_TOO_LONG, detail).into_response()));
        }
        if !self.app.gate.is_loopback() {
            return Ok(());
        }
        let mut said = request.headers().get_all(header::HOST).iter();
        let host = said.next().and_then(|host| host.to_str().ok());
        let named = uri.authority().map(axum::http::uri::Authority::as_str);
        let is_ours = |host: &str| is_for_us(host, serve);
        if said.next().is_none() && host.is_some_and(is_ours) && named.is_none_or(is_ours) {
            return Ok(());
        }
        let detail = "this server listens on loopback and is asked under another name; if that is a proxy's, \
                      name it in frazil.yaml: `serve: { url: https://name }`";
        Err(Box::new(Problem::plain(StatusCode::MISDIRECTED_REQUEST, detail).into_response()))
    }

    fn counted(&self, caller: Option<&Caller>, peer: Option<IpAddr>) -> Result<(), Box<Response>> {
        let client = match (caller.and_then(|caller| caller.name.clone()), peer) {
            (Some(name), _) => Client::Token(name),
            (None, Some(address)) => Client::at(address),
            (None, None) => Client::Others,
        };
        self.rates.take(client, Instant::now()).map_err(|wait| {
            let detail = "more requests than this server takes of one client";
            Box::new(Problem::too_many(detail, whole(wait)).into_response())
        })
    }

    fn needed(&self, request: &Request) -> Role {
        let Some(path) = request.extensions().get::<MatchedPath>() else { return Role::Anyone };
        // What answers `GET` answers `HEAD`. A method that nothing answers is told so.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let mut methods = self.roles.get(path.as_str()).into_iter().flatten();
        methods.find(|(of, _)| of == method).map_or(Role::Anyone, |(_, role)| *role)
    }

    async fn is_public(&self, request: &mut Request, caller: &Caller, serve: &Serve) -> bool {
        let Ok(params) = request.extract_parts::<RawPathParams>().await else { return false };
        let Some((_, named)) = params.iter().find(|(name, _)| DATASETS.contains(name)) else { return false };
        let name = named.split('@').next().unwrap_or(named);
        // Where all are public, that there is none of a name is no secret either.
        let project = self.app.project();
        project.datasets.get(name).map_or(serve.public, |dataset| caller.may_read(dataset, serve))
    }
}

/// Lets through who may ask.
pub(crate) async fn guard(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    match guard.admit(&mut request).await {
        Ok(()) => next.run(request).await,
        Err(refused) => *refused,
    }
}

fn refuse(refused: Refused) -> Box<Response> {
    Box::new(refused.problem().into_response())
}

/// Whole seconds, after which there is time again.
const fn whole(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + (wait.subsec_nanos() > 0) as u64)
}

/// The address of who asks: that of the connection, or what proxies that are known to us say of theirs.
fn client(peer: IpAddr, headers: &HeaderMap, serve: &Serve) -> IpAddr {
    let is_proxy = |address: &IpAddr| serve.proxies.iter().any(|known| known.to_canonical() == *address);
    let mut address = peer.to_canonical();
    // Each proxy adds who asked it at the end: what stands before the first stranger may be made up.
    let said = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let said: Vec<&str> = said.flat_map(|value| value.split(',')).map(str::trim).collect();
    for before in said.into_iter().rev() {
        if !is_proxy(&address) {
            break;
        }
        let Ok(before) = before.parse::<IpAddr>() else { break };
        address = before.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_proxies_say_who_asks() {
        let serve = Serve { proxies: vec!["10.0.0.1".parse().unwrap()], ..Serve::default() };
        let asks = |peer: &str, said: &[&str]| {
            let said = said.iter().map(|value| {
                (
                    header::HeaderName::from_static("x-forwarded-for"),
                    value.parse::<header::HeaderValue>().unwrap(),
                )
            });
            client(peer.parse().unwrap(), &said.collect(), &serve).to_string()
        };
        assert_eq!(asks("192.0.2.7", &["198.51.100.1"]), "192.0.2.7", "a stranger may say what it likes");
        assert_eq!(asks("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(asks("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(asks("10.0.0.1", &["6.6.6.6, 198.51.100.1"]), "198.51.100.1", "the first was made up");
        assert_eq!(asks("10.0.0.1", &["6.6.6.6", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(asks("10.0.0.1", &["198.51.100.1, 10.0.0.1"]), "198.51.100.1", "two proxies");
        assert_eq!(asks("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(asks("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn who_has_to_wait_is_told_whole_seconds() {
        let told = |millis| whole(Duration::from_millis(millis)).as_secs();
        assert_eq!([told(1), told(1_000), told(1_001)], [1, 1, 2]);
    }
}
