//! A server on 127.0.0.1 that answers for all sources of a test.

use std::{
    future::ready,
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use frazil_engine::project::Serve;
use frazil_server::{
    listen::listen,
    ranged::{self, About},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// What is answered to requests for some URLs.
#[derive(Debug)]
pub(super) struct Reply {
    /// The URLs; `*` stands for any text.
    pub(super) pattern: String,
    /// How often it is still given; always where nothing is said.
    pub(super) left: Option<u32>,
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

#[derive(Debug, Default)]
struct Asked {
    replies: Vec<Reply>,
    requests: u64,
    /// URLs that nothing answers.
    unanswered: Vec<String>,
}

/// A running server: stopped, with all its connections, when dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Asked>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(replies: Vec<Reply>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Asked { replies, ..Asked::default() }));
        let router = Router::new().fallback(reply).with_state(Arc::clone(&asked));
        let task = tokio::spawn(async move {
            if let Err(error) = listen(listener, router, &Serve::default(), CancellationToken::new()).await {
                tracing::error!(%error, "the sources of a test answer no more");
            }
        });
        Ok(Self { address, asked, task })
    }

    /// Its URL, without a slash at its end.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn requests(&self) -> u64 {
        lock(&self.asked).requests
    }

    /// URLs that were asked for and that nothing answers, each once.
    pub(super) fn unanswered(&self) -> Vec<String> {
        lock(&self.asked).unanswered.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Asked {
    /// The answer to a request for `url`: the first that fits and is still given.
    fn answer(&mut self, url: &str) -> (StatusCode, Bytes) {
        self.requests += 1;
        let fits = |reply: &&mut Reply| reply.left != Some(0) && matches(&reply.pattern, url);
        if let Some(reply) = self.replies.iter_mut().find(fits) {
            reply.left = reply.left.map(|left| left - 1);
            return (reply.status, reply.body.clone());
        }
        if !self.unanswered.iter().any(|known| known == url) {
            self.unanswered.push(url.to_owned());
        }
        (StatusCode::NOT_FOUND, Bytes::from_static(b"not here\n"))
    }
}

/// Whether `text` is what `pattern` says, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    // The earliest place of each part leaves most to those behind it.
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Answers one request. The path holds the URL of the source that was meant, `https/host/a.tif`.
async fn reply(
    State(asked): State<Arc<Mutex<Asked>>>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    let url = target.trim_start_matches('/').replacen('/', "://", 1);
    let (status, body) = lock(&asked).answer(&url);
    if status != StatusCode::OK {
        return (status, body).into_response();
    }
    let about = About {
        what: url,
        media: "application/octet-stream",
        length: body.len() as u64,
        tag: Some("test".to_owned()),
        is_fixed: false,
    };
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let part = move |range: Range<u64>| ready(Ok(body.slice(at(range.start)..at(range.end))));
    ranged::answer(about, &method, &headers, part).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/*", "a/b/c", true),
            ("*.tif", "x.tif", true),
            ("*.tif", "x.tif?y", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "acb", false),
            ("ab*bc", "abc", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
