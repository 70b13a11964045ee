//! A small server on 127.0.0.1 that answers for all sources of a test. Few lines of HTTP/1.1
//! suffice: one client asks, with GET and HEAD and one range at a time.

use std::{
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// The longest head of a request.
const HEAD_AT_MOST: usize = 64 << 10;

/// What is answered to requests for some URLs.
#[derive(Debug)]
pub(super) struct Reply {
    /// The URLs; `*` stands for any text.
    pub(super) pattern: String,
    /// How often it is still given; always where nothing is said.
    pub(super) left: Option<u32>,
    pub(super) status: u16,
    pub(super) body: Arc<[u8]>,
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
        let task = tokio::spawn(accept(listener, Arc::clone(&asked)));
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
    fn answer(&mut self, url: &str) -> (u16, Arc<[u8]>) {
        self.requests += 1;
        let fits = |reply: &&mut Reply| reply.left != Some(0) && matches(&reply.pattern, url);
        if let Some(reply) = self.replies.iter_mut().find(fits) {
            reply.left = reply.left.map(|left| left - 1);
            return (reply.status, Arc::clone(&reply.body));
        }
        if !self.unanswered.iter().any(|known| known == url) {
            self.unanswered.push(url.to_owned());
        }
        (404, Arc::from(&b"not here\n"[..]))
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

async fn accept(listener: TcpListener, asked: Arc<Mutex<Asked>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, Arc::clone(&asked)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers request after request; an error of the connection ends it.
async fn connection(mut stream: TcpStream, asked: Arc<Mutex<Asked>>) {
    let mut unread = Vec::new();
    while let Ok(Some(head)) = head(&mut stream, &mut unread).await {
        let Some(request) = Request::parse(&head) else { return };
        let (status, body) = lock(&asked).answer(&request.url);
        if send(&mut stream, &request, status, &body).await.is_err() {
            return;
        }
    }
}

/// The head of the next request; none when the other side is done.
async fn head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        let mut more = [0; 4096];
        let n = stream.read(&mut more).await?;
        if n == 0 || unread.len() > HEAD_AT_MOST {
            return Ok(None);
        }
        unread.extend_from_slice(&more[..n]);
    }
}

#[derive(Debug)]
struct Request {
    /// Whether no more than the head of an answer is wanted.
    head: bool,
    /// The URL of the source that was meant.
    url: String,
    /// First byte and last byte.
    range: Option<(u64, Option<u64>)>,
}

impl Request {
    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?, first.next()?);
        let range = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("range"));
        let range = range.and_then(|(_, value)| {
            let (from, to) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
            Some((from.parse().ok()?, to.parse().ok()))
        });
        let url = target.strip_prefix('/')?.replacen('/', "://", 1);
        Some(Self { head: method == "HEAD", url, range })
    }

    /// The bytes that are asked for of so many; none where there are no such.
    fn bytes(&self, size: u64) -> Option<Range<u64>> {
        let Some((from, to)) = self.range else { return Some(0..size) };
        let end = to.map_or(size, |to| to.saturating_add(1).min(size));
        (from < end).then_some(from..end)
    }
}

async fn send(stream: &mut TcpStream, request: &Request, status: u16, body: &[u8]) -> io::Result<()> {
    let size = body.len() as u64;
    let (status, range, more) = match request.bytes(size) {
        Some(range) if status == 200 && request.range.is_some() => {
            let more = format!("Content-Range: bytes {}-{}/{size}\r\n", range.start, range.end - 1);
            (206, range, more)
        }
        None if status == 200 => (416, 0..0, format!("Content-Range: bytes */{size}\r\n")),
        _ => (status, 0..size, String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} Answered by a test\r\nContent-Type: application/octet-stream\r\nETag: \"test\"\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\n{more}\r\n",
        range.end - range.start,
    );
    stream.write_all(head.as_bytes()).await?;
    if !request.head {
        let at = |n: u64| usize::try_from(n).unwrap_or(body.len()).min(body.len());
        stream.write_all(&body[at(range.start)..at(range.end)]).await?;
    }
    stream.flush().await
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

    #[test]
    fn requests_say_what_was_meant_and_which_bytes() {
        let head = "GET /https/h:8/a.tif?q=1 HTTP/1.1\r\nHost: x\r\nrange: bytes=10-19\r\n\r\n";
        let request = Request::parse(head).unwrap();
        assert_eq!(request.url, "https://h:8/a.tif?q=1");
        assert_eq!(request.bytes(100), Some(10..20));
        assert_eq!(request.bytes(15), Some(10..15));
        assert_eq!(request.bytes(10), None);
    }
}
