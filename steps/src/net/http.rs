use std::{path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use frazil_engine::step::{ErrorKind, StepError};
use futures::StreamExt;
use reqwest::{
    Client, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, LAST_MODIFIED, RANGE},
    redirect::{Attempt, Policy},
};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::{
    Extent, FILE_AT_MOST, FileState, LISTING_AT_MOST, Net, Part, Place, WHOLE_AT_MOST, answer::missing,
};

/// A client for one step. `headers`: whether requests carry headers that only their host may see;
/// `near`: whether all go to a server on this machine, past any proxy.
pub(super) fn client(headers: bool, near: bool) -> Result<Client, StepError> {
    let builder = if near { Client::builder().no_proxy() } else { Client::builder() };
    builder
        .user_agent(concat!("frazil/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(30))
        .redirect(Policy::custom(move |attempt| redirect(attempt, headers)))
        .build()
        .map_err(|error| {
            StepError::permanent(ErrorKind::Internal, format!("cannot set up an HTTP client: {error}"))
        })
}

/// Follows a few redirects, never from https to http, nor to a host that would see headers that
/// were written for another (reqwest itself drops `authorization` there).
fn redirect(attempt: Attempt<'_>, headers: bool) -> reqwest::redirect::Action {
    let Some(last) = attempt.previous().last() else { return attempt.follow() };
    if attempt.previous().len() > 5 {
        return attempt.error("too many redirects");
    }
    if last.scheme() == "https" && attempt.url().scheme() != "https" {
        return attempt.error("redirected from https to http");
    }
    let elsewhere = last.host() != attempt.url().host()
        || last.port_or_known_default() != attempt.url().port_or_known_default();
    if headers && elsewhere {
        return attempt.error("redirected to another host, which must not see `headers`");
    }
    attempt.follow()
}

impl Net {
    async fn send(
        &self,
        place: &Place,
        method: Method,
        url: &Url,
        extent: Option<&Extent>,
    ) -> Result<Response, StepError> {
        let mut request = self.client.request(method, url.clone()).headers(self.access.headers(&self.scope)?);
        if let Some(extent) = extent {
            request = request.header(RANGE, extent.header());
        }
        request.send().await.map_err(|error| self.broken(place, error))
    }

    pub(super) async fn http_part(
        &self,
        place: &Place,
        url: &Url,
        extent: &Extent,
    ) -> Result<Option<Part>, StepError> {
        let response = self.send(place, Method::GET, url, Some(extent)).await?;
        let tag = version(response.headers());
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                self.not_a_page(place, response.headers())?;
                let Some((start, size)) = content_range(response.headers()) else {
                    return Err(self.transient(format!("{place}: a part came without saying which")));
                };
                let range = extent.of(size);
                if start != range.start {
                    return Err(self.transient(format!(
                        "{place}: asked for bytes from {}, got bytes from {start}",
                        range.start
                    )));
                }
                let asked = range.end.saturating_sub(start);
                let bytes = self.body(place, response, asked).await?;
                if (bytes.len() as u64) != asked {
                    return Err(
                        self.transient(format!("{place}: truncated: {} of {asked} bytes came", bytes.len()))
                    );
                }
                Ok(Some(Part { start, bytes, size, tag }))
            }
            StatusCode::OK => {
                self.not_a_page(place, response.headers())?;
                let announced = response.content_length();
                if announced.is_some_and(|length| length > WHOLE_AT_MOST) {
                    return Err(self.no_ranges(place));
                }
                let bytes = self.body(place, response, WHOLE_AT_MOST).await?;
                let size = bytes.len() as u64;
                tracing::debug!(size, "the server does not honour ranges: read whole");
                Ok(Some(Part { start: 0, bytes, size, tag }))
            }
            // No byte of an empty file can be asked for.
            StatusCode::RANGE_NOT_SATISFIABLE => Err(match extent {
                Extent::Range(range) if range.start > 0 => {
                    self.transient(format!("{place}: truncated: it ends before byte {}", range.start))
                }
                _ => self.empty(place),
            }),
            status if missing(status) => Ok(None),
            status => Err(self.refused(place, status, response.headers())),
        }
    }

    pub(super) async fn http_listing(&self, place: &Place, url: &Url) -> Result<Option<String>, StepError> {
        let listing = self.http_whole(place, url, LISTING_AT_MOST, false).await?;
        Ok(listing.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// All of a short answer; `none_of_a_page`: an HTML page is none.
    pub(super) async fn http_whole(
        &self,
        place: &Place,
        url: &Url,
        most: u64,
        none_of_a_page: bool,
    ) -> Result<Option<Bytes>, StepError> {
        let response = self.send(place, Method::GET, url, None).await?;
        match response.status() {
            StatusCode::OK => {}
            status if missing(status) => return Ok(None),
            status => return Err(self.refused(place, status, response.headers())),
        }
        if none_of_a_page {
            self.not_a_page(place, response.headers())?;
        }
        let refused = || {
            let message = format!("{place}: it is longer than {} MiB", most >> 20);
            self.permanent(ErrorKind::Network, message)
        };
        let announced = response.content_length();
        if announced.is_some_and(|length| length > most) {
            return Err(refused());
        }
        let mut bytes = BytesMut::new();
        let mut body = response.bytes_stream();
        while let Some(more) = body.next().await {
            bytes.extend_from_slice(&more.map_err(|error| self.broken(place, error))?);
            if bytes.len() as u64 > most {
                return Err(refused());
            }
        }
        if announced.is_some_and(|announced| announced != bytes.len() as u64) {
            return Err(self.transient(format!("{place}: truncated: {} bytes came", bytes.len())));
        }
        Ok(Some(bytes.freeze()))
    }

    pub(super) async fn http_exists(&self, place: &Place, url: &Url) -> Result<bool, StepError> {
        let mut response = self.send(place, Method::HEAD, url, None).await?;
        if matches!(response.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            response = self.send(place, Method::GET, url, Some(&Extent::Range(0..1))).await?;
        }
        match response.status() {
            // A page where a file should be says "missing" to people, not to programs.
            status if status.is_success() => Ok(!is_page(response.headers())),
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(true),
            status if missing(status) => Ok(false),
            status => Err(self.refused(place, status, response.headers())),
        }
    }

    pub(super) async fn http_size(&self, place: &Place, url: &Url) -> Result<Option<u64>, StepError> {
        let response = self.send(place, Method::HEAD, url, None).await?;
        let says = |name| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        match response.status() {
            // The length of an answer to HEAD is that of no body, so the header is read.
            status if status.is_success() && !is_page(response.headers()) => Ok(says(CONTENT_LENGTH)),
            status if status.is_success() || missing(status) => Ok(None),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(None),
            status => Err(self.refused(place, status, response.headers())),
        }
    }

    pub(super) async fn http_state(&self, place: &Place, url: &Url) -> Result<Option<FileState>, StepError> {
        let response = self.send(place, Method::HEAD, url, None).await?;
        let says = |name| Some(response.headers().get(name)?.to_str().ok()?.trim().to_owned());
        match response.status() {
            status if status.is_success() && !is_page(response.headers()) => Ok(Some(FileState {
                etag: says(ETAG),
                modified: says(LAST_MODIFIED),
                size: says(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
                snapshot: None,
            })),
            status if status.is_success() || missing(status) => Ok(None),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(Some(FileState::default())),
            status => Err(self.refused(place, status, response.headers())),
        }
    }

    pub(super) async fn http_download(
        &self,
        place: &Place,
        url: &Url,
        to: &Path,
    ) -> Result<Option<u64>, StepError> {
        let response = self.send(place, Method::GET, url, None).await?;
        match response.status() {
            StatusCode::OK => {}
            status if missing(status) => return Ok(None),
            status => return Err(self.refused(place, status, response.headers())),
        }
        self.not_a_page(place, response.headers())?;
        let announced = response.content_length();
        if announced.is_some_and(|length| length > FILE_AT_MOST) {
            return Err(self.too_large(place));
        }
        let written = |error: std::io::Error| {
            StepError::permanent(ErrorKind::Store, format!("cannot write {}: {error}", to.display()))
        };
        let mut file = tokio::fs::File::create(to).await.map_err(written)?;
        let mut length = 0u64;
        let mut body = response.bytes_stream();
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| self.broken(place, error))?;
            length += bytes.len() as u64;
            if length > FILE_AT_MOST {
                return Err(self.too_large(place));
            }
            file.write_all(&bytes).await.map_err(written)?;
        }
        file.flush().await.map_err(written)?;
        if announced.is_some_and(|announced| announced != length) {
            return Err(self.transient(format!("{place}: truncated: {length} bytes came")));
        }
        Ok(Some(length))
    }

    async fn body(&self, place: &Place, response: Response, at_most: u64) -> Result<Bytes, StepError> {
        let announced = response.content_length();
        let mut bytes =
            BytesMut::with_capacity(usize::try_from(announced.unwrap_or(0).min(at_most)).unwrap_or_default());
        let mut body = response.bytes_stream();
        while let Some(more) = body.next().await {
            let more = more.map_err(|error| self.broken(place, error))?;
            if (bytes.len() + more.len()) as u64 > at_most {
                return Err(self.no_ranges(place));
            }
            bytes.extend_from_slice(&more);
        }
        if announced.is_some_and(|announced| announced != bytes.len() as u64) {
            return Err(self.transient(format!("{place}: truncated: {} bytes came", bytes.len())));
        }
        Ok(bytes.freeze())
    }

    fn not_a_page(&self, place: &Place, headers: &HeaderMap) -> Result<(), StepError> {
        if is_page(headers) {
            return Err(self.transient(format!("{place}: the server sent an HTML page in place of the file")));
        }
        Ok(())
    }

    fn no_ranges(&self, place: &Place) -> StepError {
        self.permanent(
            ErrorKind::Network,
            format!(
                "{place}: the server does not honour ranges, and the file is larger than {} MiB",
                WHOLE_AT_MOST >> 20
            ),
        )
        .help("use `source: file`, which downloads it whole")
    }

    fn too_large(&self, place: &Place) -> StepError {
        self.permanent(
            ErrorKind::Network,
            format!("{place} is larger than a source file may be ({} GiB)", FILE_AT_MOST >> 30),
        )
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// First byte and size of the whole, from `bytes 0-99/1234`.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, size.trim().parse().ok()?))
}

fn version(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG).or_else(|| headers.get(LAST_MODIFIED))?;
    tag.to_str().ok().map(str::to_owned)
}
