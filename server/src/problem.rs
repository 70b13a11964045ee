//! What went wrong, as a problem document (RFC 9457).

use std::{borrow::Cow, time::Duration};

use axum::{
    body::to_bytes,
    extract::rejection::{BytesRejection, PathRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use frazil_engine::step::StepError;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Where the types of problems of OGC API – Processes begin, Part 1 and Part 2.
const PART_1: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/";
const PART_2: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-2/1.0/";

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// What kind of problem: a URI, or `about:blank` where the status says it all.
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    title: &'static str,
    #[serde(serialize_with = "code")]
    #[schemars(with = "u16")]
    status: StatusCode,
    detail: String,
    /// Each thing that is wrong, where it is more than one or has a place.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: Box<[Wrong]>,
    /// What is wrong with a file, as `frazil check --format json` says it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    diagnostics: Box<[Value]>,
    #[serde(skip)]
    headers: Box<[(HeaderName, HeaderValue)]>,
}

/// One thing of a request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Wrong {
    /// Where: `inputs.start`, `limit`.
    pub(crate) name: String,
    /// What is wrong with it.
    pub(crate) message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into(), help: None }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn code<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}

impl Problem {
    /// There is nothing of that name.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_FOUND, "not found", detail)
    }

    /// What was asked for cannot be meant.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, "bad request", detail)
    }

    /// There was something of that name, and it is not kept. A reader of Zarr takes what is not found for
    /// missing data: this it takes for an error.
    pub(crate) fn gone(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::GONE, "gone", detail)
    }

    /// The ranges that were asked for lie outside.
    pub(crate) fn unsatisfiable(length: u64) -> Self {
        let detail = format!("no such range: there are {length} bytes");
        Self::of(StatusCode::RANGE_NOT_SATISFIABLE, "range not satisfiable", detail)
    }

    /// A store that cannot be read. The reason, which may name places of this machine, goes to the
    /// log alone.
    pub(crate) fn of_store(what: &str, error: &StepError) -> Self {
        tracing::error!(what, %error, "a store cannot be read");
        let detail = format!("the store of `{what}` cannot be read; the server's log says why");
        Self::of(StatusCode::BAD_GATEWAY, "store unreachable", detail)
    }

    /// Something of ours broke; the log has told.
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, "internal error", detail)
    }

    /// What a status says by itself, with what it means here.
    pub(crate) fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::of(status, status.canonical_reason().unwrap_or("refused"), detail)
    }

    fn of(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: Cow::Borrowed("about:blank"),
            title,
            status,
            detail: detail.into(),
            errors: Box::default(),
            diagnostics: Box::default(),
            headers: Box::default(),
        }
    }

    /// Of a kind that Part 1 of the standard names.
    fn part_1(mut self, name: &str) -> Self {
        self.kind = Cow::Owned(format!("{PART_1}{name}"));
        self
    }

    /// Of a kind that Part 2 of the standard names.
    fn part_2(mut self, name: &str) -> Self {
        self.kind = Cow::Owned(format!("{PART_2}{name}"));
        self
    }

    /// The request says something that cannot be.
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, "bad request", detail)
    }

    /// Several things of a request are wrong, at least one.
    pub(crate) fn wrong(what: &str, errors: Vec<Wrong>) -> Self {
        let said: Vec<String> = errors.iter().map(|one| format!("{}: {}", one.name, one.message)).collect();
        Self { errors: errors.into(), ..Self::bad(format!("{what}: {}", said.join("; "))) }
    }

    /// Parts of the query are wrong, at least one.
    pub(crate) fn wrong_query(errors: Vec<Wrong>) -> Self {
        Self::wrong("the query cannot be answered", errors).part_1("invalid-query-parameter-value")
    }

    /// No process of that name.
    pub(crate) fn no_process(name: &str, help: Option<String>) -> Self {
        let help = help.map_or_else(String::new, |help| format!(": {help}"));
        let problem =
            Self::of(StatusCode::NOT_FOUND, "no such process", format!("no process `{name}` here{help}"));
        problem.part_1("no-such-process")
    }

    /// No job of that name.
    pub(crate) fn no_job(name: &str) -> Self {
        let detail = format!("no job `{name}` here: it never was, or its history is not kept any more");
        Self::of(StatusCode::NOT_FOUND, "no such job", detail).part_1("no-such-job")
    }

    /// Whether it says that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// A job that is not over has no results yet.
    pub(crate) fn not_ready(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_FOUND, "result not ready", detail).part_1("result-not-ready")
    }

    /// A job that has no output of that name.
    pub(crate) fn no_output(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_FOUND, "no such output", detail).part_1("no-such-output")
    }

    /// What was sent is of another media type.
    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::of(status, "unsupported media type", detail).part_2("unsupported-media-type")
    }

    /// The address answers, but not to this method.
    pub(crate) fn no_method() -> Self {
        let detail = "this address does not answer to that method; `Allow` lists those that it answers to";
        Self::of(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", detail)
    }

    /// As much is asked for as is taken; it may be asked again after a while.
    pub(crate) fn too_many(detail: impl Into<String>, again: Duration) -> Self {
        let headers = Box::new([(header::RETRY_AFTER, HeaderValue::from(again.as_secs().max(1)))]);
        Self { headers, ..Self::of(StatusCode::TOO_MANY_REQUESTS, "too many requests", detail) }
    }

    /// It is understood, and does not fit what was asked before.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable content", detail)
    }

    /// A job that has no results, and will have none.
    pub(crate) fn not_available(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_FOUND, "result not available", detail).part_1("result-not-available")
    }

    /// Why a job failed: what it says of itself, which is redacted as its log is.
    pub(crate) fn of_job(status: StatusCode, step: &str, message: String, help: Option<String>) -> Self {
        let problem = Self::of(status, "the job failed", format!("{step}: {message}"));
        Self { errors: Box::new([Wrong { name: step.to_owned(), message, help }]), ..problem }
    }

    /// The run history cannot be read or kept. The reason goes to the log alone.
    pub(crate) fn of_history(error: &StepError) -> Self {
        tracing::error!(%error, "the run history cannot be used");
        Self::internal("the run history cannot be used; the server's log says why")
    }

    /// It may not be done here.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// There is a process of this name.
    pub(crate) fn duplicated(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::CONFLICT, "duplicated process", detail).part_2("duplicated-process")
    }

    /// A process that is not changed over HTTP.
    pub(crate) fn immutable(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::FORBIDDEN, "immutable process", detail).part_2("immutable-process")
    }

    /// What is wrong with files as they would be, at least one thing: with one that was sent, or with
    /// those that hang from one that is to go.
    pub(crate) fn of_files(was_sent: bool, diagnostics: Vec<Value>) -> Self {
        let said: Vec<&str> = diagnostics.iter().filter_map(|one| one["message"].as_str()).take(3).collect();
        let problem = if was_sent {
            Self::bad(format!("the pipeline is not good: {}", said.join("; ")))
        } else {
            Self::conflict(format!("what is left would not be good: {}", said.join("; ")))
        };
        Self { diagnostics: diagnostics.into(), ..problem }
    }

    /// It cannot be done as things stand.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::CONFLICT, "conflict", detail)
    }
}

/// The longest text of a refusal that is repeated.
const TEXT_AT_MOST: usize = 4 << 10;

/// Refusals of what stands before our own code, such as a limit or a path that cannot be read, as problems.
pub(crate) async fn written(response: Response) -> Response {
    let status = response.status();
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let is_text = media.is_none_or(|media| media.starts_with("text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_text {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, TEXT_AT_MOST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let title = status.canonical_reason().unwrap_or("refused");
    let detail = if text.is_empty() { title.to_owned() } else { text };
    let mut response = Problem::of(status, title, detail).into_response();
    for (name, value) in &parts.headers {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

impl From<PathRejection> for Problem {
    fn from(rejected: PathRejection) -> Self {
        Self::bad(rejected.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejected: BytesRejection) -> Self {
        if rejected.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::of(
                StatusCode::PAYLOAD_TOO_LARGE,
                "content too large",
                "more was sent than is taken",
            );
        }
        Self::bad(rejected.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default();
        let headers =
            [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        (self.status, headers, AppendHeaders(self.headers.into_vec()), body).into_response()
    }
}
