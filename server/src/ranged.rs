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
use http_range_header::parse_range_header;

use crate::problem::Problem;

/// What is sent in pieces, so that a long object is never held whole: four pieces of a slow client
/// are as much as one chunk of a large one.
const PIECE: u64 = 4 << 20;

/// What is known of bytes before they are read.
#[derive(Debug)]
pub(crate) struct About {
    /// Of what: for the log and for problems.
    pub(crate) what: String,
    pub(crate) media: &'static str,
    pub(crate) length: u64,
    /// Another text for other bytes.
    pub(crate) tag: Option<String>,
    /// Whether there will never be other bytes under this address.
    pub(crate) is_fixed: bool,
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

    /// Whether one of the tags that a header lists is this one.
    fn is_named(&self, listed: Option<&HeaderValue>) -> bool {
        let (Some(own), Some(listed)) = (self.quoted(), listed.and_then(|v| v.to_str().ok())) else {
            return false;
        };
        listed.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own)
    }
}

/// Answers a GET or HEAD; `read` gives the bytes of a range that lies within. One range is sent as it
/// was asked for; several are answered with all, as RFC 9110 allows.
pub(crate) async fn answer<R, F>(about: About, method: &Method, asked: &HeaderMap, read: R) -> Response
where
    R: Fn(Range<u64>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Bytes, StepError>> + Send + 'static,
{
    let mut headers = about.headers();
    if about.is_named(asked.get(header::IF_NONE_MATCH)) {
        headers.remove(header::CONTENT_TYPE);
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let wanted = match wanted(&about, asked) {
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

/// The range that is asked for; none for all.
fn wanted(about: &About, asked: &HeaderMap) -> Result<Option<Range<u64>>, Problem> {
    let Some(text) = asked.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    // Of a version that is gone, a part would not fit the parts that the client has.
    if asked.contains_key(header::IF_RANGE) && !about.is_named(asked.get(header::IF_RANGE)) {
        return Ok(None);
    }
    // Another unit, or none that can be read, is as if nothing had been said.
    let Ok(parsed) = parse_range_header(text) else { return Ok(None) };
    let ranges = parsed.validate(about.length).map_err(|_| Problem::unsatisfiable(about.length))?;
    match ranges.as_slice() {
        [one] => Ok(Some(*one.start()..one.end().saturating_add(1))),
        _ => Ok(None),
    }
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
