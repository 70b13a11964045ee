use std::{io, ops::Range};

use tokio::{io::AsyncReadExt, net::TcpStream};

/// The longest head of a request.
const HEAD_AT_MOST: usize = 64 << 10;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path, percent-decoded, without the query.
    pub path: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The bytes asked for of a file of `size` bytes: `None` for all of it, `Some(None)` when there
    /// are none such. Several ranges at once are not understood, which is all of it.
    pub(super) fn bytes(&self, size: u64) -> Option<Option<Range<u64>>> {
        let (from, to) = self.range.as_deref()?.strip_prefix("bytes=")?.split_once('-')?;
        let range = match (from.trim(), to.trim()) {
            ("", last) => size.saturating_sub(last.parse().ok()?)..size,
            (from, "") => from.parse().ok()?..size,
            (from, to) => from.parse().ok()?..to.parse::<u64>().ok()?.saturating_add(1).min(size),
        };
        Some((range.start < range.end).then_some(range))
    }
}

/// The next request; `None` when the other side is done.
pub(super) async fn read(stream: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<Request>> {
    loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            return Ok(parse(&String::from_utf8_lossy(&head)));
        }
        if unread.len() > HEAD_AT_MOST {
            return Ok(None);
        }
        let mut more = [0; 4096];
        let n = stream.read(&mut more).await?;
        if n == 0 {
            return Ok(None);
        }
        unread.extend_from_slice(&more[..n]);
    }
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let path = decoded(target.split(['?', '#']).next()?)?;
    let range = headers.iter().find(|(name, _)| name == "range").map(|(_, value)| value.clone());
    Some(Request { method, path, range, headers })
}

/// Undoes `%20` and its like.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let pair = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_clients_write_them() {
        let bytes = |range: &str| {
            let head = format!("GET /a%20b.tif?x=1 HTTP/1.1\r\nRange: {range}\r\n\r\n");
            let request = parse(&head).unwrap();
            assert_eq!(request.path, "/a b.tif");
            request.bytes(100)
        };
        assert_eq!(bytes("bytes=0-9"), Some(Some(0..10)));
        assert_eq!(bytes("bytes=90-200"), Some(Some(90..100)));
        assert_eq!(bytes("bytes=90-"), Some(Some(90..100)));
        assert_eq!(bytes("bytes=-10"), Some(Some(90..100)));
        assert_eq!(bytes("bytes=-200"), Some(Some(0..100)));
        assert_eq!(bytes("bytes=100-"), Some(None));
        assert_eq!(bytes("bytes=-0"), Some(None));
        assert_eq!(bytes("lines=1-2"), None);
    }
}
