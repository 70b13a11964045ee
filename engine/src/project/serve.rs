//! What `frazil.yaml` says of `frazil serve`.

mod url;

use std::{net::IpAddr, num::NonZeroU32};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    context::pool_interval,
    data::{Duration, Size},
    diagnostic::codes,
};
pub use url::{PublicUrl, PublicUrlError};

/// The least body that is of any use: a request to start a run is some hundred bytes.
const LEAST_BODY: u64 = 1 << 10;

/// The shortest URI that a limit may allow: names of snapshots and keys have to fit.
const LEAST_URI: u64 = 256;

/// How `frazil serve` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Serve {
    /// Where it listens, as `127.0.0.1:8080`; `--listen` goes before.
    pub listen: Option<String>,
    /// The address by which clients know it, where a proxy stands before it: all links begin with it. A
    /// path in it is taken off by the proxy. Where nothing is said, links begin as each request says.
    pub url: Option<PublicUrl>,
    /// Every dataset may be read without a token, not only those that say `visibility: public`.
    pub public: bool,
    /// Names by which clients know this server besides that in `url`. On loopback, requests for any other
    /// name but `localhost` are refused.
    pub hosts: Vec<String>,
    /// Addresses of proxies that tell the client's own in `X-Forwarded-For`.
    pub proxies: Vec<IpAddr>,
    /// How much of it clients may take.
    pub limits: Limits,
    /// Whether there is the process `echo`, which gives what it takes: for those who test clients.
    pub echo: bool,
    /// Whom subscribers of jobs may have told.
    pub callbacks: Callbacks,
    /// Whether pipelines are taken, replaced and taken away over HTTP; they lie in `pipelines/deployed`.
    pub deploy: bool,
    /// For how long the newest commit of a dataset that lies in a bucket is believed to be the newest, as
    /// `1s`. Where nothing is said the bucket is asked again for every answer that depends on it.
    pub head_age: Option<Duration>,
}

impl Serve {
    /// Names by which clients know this server.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str).chain(self.url.as_ref().map(PublicUrl::host))
    }

    /// For how long the head of a dataset in a bucket is believed.
    #[must_use]
    pub fn head_age(&self) -> std::time::Duration {
        self.head_age.map_or(std::time::Duration::ZERO, Duration::to_std)
    }
}

/// Whom subscribers of jobs may have told: nobody where no host is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Callbacks {
    /// Hosts, as `hooks.example.org`, or `*.example.org` for all under it.
    pub allow: Vec<String>,
    /// Also by `http://`, which anybody on the way can read and change.
    pub http: bool,
    /// Also at addresses of this machine and of networks inside.
    pub private: bool,
}

/// How much of a server clients may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// The most that a request may carry.
    pub body: Size,
    /// The longest path with its query.
    pub uri: Size,
    /// Connections at a time.
    pub connections: u32,
    /// Connections of one address at a time; those beyond are closed. Half of `connections` where nothing is
    /// said, which then is not asked of this machine itself; never asked of `proxies`.
    pub connections_each: Option<NonZeroU32>,
    /// How long a client may take to say what it wants.
    pub header: Duration,
    /// How long an answer may take to begin.
    pub answer: Duration,
    /// How long a client may take nothing of what is sent to it; what is streamed has no other end.
    pub stall: Duration,
    /// Requests of one token, or of one address without: `500/s`, of which those of two seconds may come at
    /// once. None is counted where no token was ever made.
    pub requests: String,
    /// Runs that wait for their turn; who asks for one more is told to come again. 1,000 where
    /// nothing is said.
    pub queue: NonZeroU32,
    /// Runs at work at a time, one of each pipeline at most; as many as there are cores where nothing
    /// is said. Each may take as much memory as `memory` says.
    pub runs: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        const QUEUE: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);
        Self {
            body: Size::from_bytes(1 << 20),
            uri: Size::from_bytes(8 << 10),
            connections: 256,
            connections_each: None,
            header: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            requests: "500/s".to_owned(),
            queue: QUEUE,
            runs: None,
        }
    }
}

impl Limits {
    /// Runs at work at a time.
    #[must_use]
    pub fn runs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.runs.map_or_else(cores, |runs| runs.get() as usize)
    }

    /// Connections that an address may have at a time; none for any number.
    #[must_use]
    pub fn connections_of(&self, address: IpAddr) -> Option<u32> {
        let half = || (!address.to_canonical().is_loopback()).then_some(self.connections.div_ceil(2));
        self.connections_each.map(NonZeroU32::get).or_else(half)
    }

    /// The time that one request takes of a client's share.
    #[must_use]
    pub fn interval(&self) -> std::time::Duration {
        // What cannot be read does not pass a check.
        pool_interval(&self.requests).unwrap_or(std::time::Duration::from_millis(2))
    }
}

/// What is wrong with the block, each with its code and place.
pub(super) fn judge(serve: &Serve, mut bad: impl FnMut(&'static str, &str, String)) {
    let Serve { listen, limits, hosts, .. } = serve;
    if let Some(listen) = listen.as_ref().filter(|l| l.parse::<std::net::SocketAddr>().is_err()) {
        let message = format!(
            "`{listen}` is no address: write `127.0.0.1:8080`, or `[::]:8080` for all of this machine"
        );
        bad(codes::PATTERN, "/serve/listen", message);
    }
    for (at, host) in hosts.iter().enumerate() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if host.is_empty() || !host.chars().all(is_name) {
            let message = format!("`{host}` is no name of a host: write `data.example.org`, without a port");
            bad(codes::PATTERN, &format!("/serve/hosts/{at}"), message);
        }
    }
    if pool_interval(&limits.requests).is_none() {
        let message =
            format!("`{}` is not a rate: write requests in a time, `500/s` or `1000/m`", limits.requests);
        bad(codes::PATTERN, "/serve/limits/requests", message);
    }
    let least = [
        ("body", limits.body.bytes(), LEAST_BODY, Size::from_bytes(LEAST_BODY).to_string()),
        ("uri", limits.uri.bytes(), LEAST_URI, Size::from_bytes(LEAST_URI).to_string()),
        ("connections", limits.connections.into(), 1, "1".to_owned()),
    ];
    for (key, found, least, shown) in least {
        if found < least {
            let message = format!("nothing can be asked with so little: write at least {shown}");
            bad(codes::RANGE, &format!("/serve/limits/{key}"), message);
        }
    }
    for (key, found) in [("header", limits.header), ("answer", limits.answer), ("stall", limits.stall)] {
        if found.to_std() < std::time::Duration::from_secs(1) {
            let message = "nobody is that fast: write at least `1s`".to_owned();
            bad(codes::RANGE, &format!("/serve/limits/{key}"), message);
        }
    }
}
