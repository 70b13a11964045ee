//! Bytes for clients that ask for parts of them, for their length, or whether they are others by now.

use std::{future::Future, ops::Range};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use frazil_engine::step::StepError;
use futures::{StreamExt, stream};
use http_range_header::{EndPosition, StartPosition, parse_range_header};

use crate::problem::Problem;

/// What is sent in pieces, so that a long object is never held whole: four pieces of a slow client
/// are as much as one chunk of a large one.
const PIECE: u64 = 4 << 20;

/// What is known of bytes before they are read.
#[derive(Debug)]
pub struct About {
    /// Of what: for the log and for problems.
    pub what: String,
    /// Their media type.
    pub media: &'static str,
    /// How many there are.
    pub length: u64,
    /// Another text for other bytes.
    pub tag: Option<String>,
    /// Whether there will never be other bytes under this address.
    pub is_fixed: bool,
}

impl About {
    /// Its headers, whatever part of it is asked for.
    fn headers(&self) -> HeaderMap {
        let cache = if self.is_fixed { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put(header::CONTENT_TYPE, self.media);
        put(header::ACCEPT_RANGES, "bytes");
        put(header::CACHE_CONTROL, cache);
        if let Some(tag) = self.quoted() {
            put(header::ETAG, &tag);
        }
        headers
    }

    fn quoted(&self) -> Option<String> {
        self.tag.as_ref().map(|tag| format!("\"{}\"", tag.trim_matches('"')))
    }

    /// Whether one of the tags that a header lists is this one: whoever has it has these bytes.
    fn is_listed(&self, listed: Option<&HeaderValue>) -> bool {
        let (Some(own), Some(listed)) = (self.quoted(), listed.and_then(|v| v.to_str().ok())) else {
            return false;
        };
        listed.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own)
    }

    /// Whether a header names this very tag: a weak one or a date is not enough to join parts by.
    fn is_named(&self, named: &HeaderValue) -> bool {
        self.quoted().is_some_and(|own| named.as_bytes() == own.as_bytes())
    }
}

/// Answers a GET or HEAD; `read` gives the bytes of a range that lies within. One range is sent as it
/// was asked for; several are answered with all, as RFC 9110 allows.
pub async fn answer<R, F>(about: About, method: &Method, asked: &HeaderMap, read: R) -> Response
where
    R: Fn(Range<u64>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Bytes, StepError>> + Send + 'static,
{
    let mut headers = about.headers();
    if about.is_listed(asked.get(header::IF_NONE_MATCH)) {
        headers.remove(header::CONTENT_TYPE);
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let wanted = match wanted(&about, method, asked) {
        Ok(wanted) => wanted,
        Err(problem) => {
            let length = [(header::CONTENT_RANGE, format!("bytes */{}", about.length))];
            return (length, problem).into_response();
        }
    };
    let range = wanted.clone().unwrap_or(0..about.length);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    let status = match &wanted {
        None => StatusCode::OK,
        Some(range) => {
            let text = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), about.length);
            if let Ok(text) = HeaderValue::from_str(&text) {
                headers.insert(header::CONTENT_RANGE, text);
            }
            StatusCode::PARTIAL_CONTENT
        }
    };
    if method == Method::HEAD {
        return (status, headers, Body::empty()).into_response();
    }
    // Before anything is promised: mostly it is all there is.
    match read(range.start..range.end.min(range.start + PIECE)).await {
        Ok(first) => (status, headers, pieces(about.what, first, range, read)).into_response(),
        Err(error) => Problem::of_store(&about.what, &error).into_response(),
    }
}

/// A range of bytes that are in memory.
pub(crate) fn part(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let end = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(end(range.start)..end(range.end))
}

/// The range that is asked for; none for all.
fn wanted(about: &About, method: &Method, asked: &HeaderMap) -> Result<Option<Range<u64>>, Problem> {
    // Ranges are defined for GET alone (RFC 9110, 14.2).
    let text = asked.get(header::RANGE).filter(|_| method == Method::GET);
    let Some(text) = text.and_then(|value| value.to_str().ok()) else { return Ok(None) };
    // Of a version that is gone, a part would not fit the parts that the client has.
    if asked.get(header::IF_RANGE).is_some_and(|named| !about.is_named(named)) {
        return Ok(None);
    }
    // Another unit, or what cannot be read, is as if nothing had been said; so are several ranges.
    let parsed = parse_range_header(text).map(|parsed| parsed.ranges).unwrap_or_default();
    let [range] = parsed.as_slice() else { return Ok(None) };
    let length = about.length;
    let (start, end) = match (range.start, range.end) {
        (StartPosition::Index(start), EndPosition::Index(end)) if end < start => return Ok(None),
        (StartPosition::Index(start), EndPosition::Index(end)) => (start, end.saturating_add(1).min(length)),
        (StartPosition::Index(start), EndPosition::LastByte) => (start, length),
        // Of fewer bytes than were asked for, all.
        (StartPosition::FromLast(count), _) => (length.saturating_sub(count), length),
    };
    if start < end { Ok(Some(start..end)) } else { Err(Problem::unsatisfiable(length)) }
}

/// A body that is read while it is sent, after its first piece. What fails in the middle breaks the
/// connection off, so that nobody takes the beginning for all of it.
fn pieces<R, F>(what: String, first: Bytes, range: Range<u64>, read: R) -> Body
where
    R: Fn(Range<u64>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Bytes, StepError>> + Send + 'static,
{
    if range.end - range.start <= PIECE {
        return Body::from(first);
    }
    let starts = (range.start + PIECE..range.end).step_by(usize::try_from(PIECE).unwrap_or(usize::MAX));
    let rest = stream::iter(starts).then(move |start| {
        let (part, what) = (read(start..range.end.min(start + PIECE)), what.clone());
        async move {
            part.await.map_err(|error| {
                tracing::error!(what, %error, "bytes that were promised cannot be read");
                std::io::Error::other("the store cannot be read")
            })
        }
    });
    Body::from_stream(stream::once(async { Ok(first) }).chain(rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn about(length: u64) -> About {
        About { what: "x".to_owned(), media: "x/y", length, tag: Some("a".to_owned()), is_fixed: false }
    }

    fn asked(headers: &[(HeaderName, &str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn range(text: &str, length: u64) -> Result<Option<Range<u64>>, Problem> {
        wanted(&about(length), &Method::GET, &asked(&[(header::RANGE, text)]))
    }

    #[test]
    fn one_range_is_cut_to_what_there_is() {
        assert_eq!(range("bytes=0-3", 10).unwrap(), Some(0..4));
        assert_eq!(range("bytes=4-", 10).unwrap(), Some(4..10));
        assert_eq!(range("bytes=4-99", 10).unwrap(), Some(4..10));
        assert_eq!(range("bytes=-4", 10).unwrap(), Some(6..10));
        assert_eq!(range("bytes=-99", 10).unwrap(), Some(0..10));
        for outside in ["bytes=10-", "bytes=10-12"] {
            assert_eq!(range(outside, 10), Err(Problem::unsatisfiable(10)), "{outside}");
        }
        assert!(range("bytes=0-0", 0).is_err() && range("bytes=-1", 0).is_err());
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_answered_with_all() {
        for text in ["bytes=4-2", "lines=1-2", "bytes=a-b", "bytes=0-1,4-5", "bytes=0-1,0-1", "bytes=", ""] {
            assert_eq!(range(text, 10).unwrap(), None, "{text}");
        }
        let head = wanted(&about(10), &Method::HEAD, &asked(&[(header::RANGE, "bytes=0-1")]));
        assert_eq!(head.unwrap(), None);
    }

    #[test]
    fn a_part_of_another_version_is_not_given() {
        let of = |named: &str| {
            let headers = asked(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, named)]);
            wanted(&about(10), &Method::GET, &headers).unwrap()
        };
        assert_eq!(of("\"a\""), Some(0..2));
        for other in ["\"b\"", "W/\"a\"", "*", "Fri, 20 Nov 2026 00:00:00 GMT"] {
            assert_eq!(of(other), None, "{other}");
        }
        let listed = |text: &str| about(10).is_listed(Some(&HeaderValue::from_str(text).unwrap()));
        assert!(listed("\"a\"") && listed("\"b\", W/\"a\"") && listed("*") && !listed("\"b\""));
    }

    proptest! {
        #[test]
        fn a_range_is_that_of_a_slice(start in 0u64..20, end in 0u64..20, length in 0u64..20) {
            let all: Vec<u64> = (0..length).collect();
            let slow: Vec<u64> = all.iter().copied().filter(|at| (start..=end).contains(at)).collect();
            let found = range(&format!("bytes={start}-{end}"), length);
            match found {
                Ok(Some(found)) => prop_assert_eq!(found.collect::<Vec<_>>(), slow),
                Ok(None) => prop_assert!(end < start),
                Err(_) => prop_assert!(slow.is_empty() && start <= end),
            }
        }
    }
}
