//! What went wrong, as a problem document (RFC 9457).

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use frazil_engine::step::StepError;
use schemars::JsonSchema;
use serde::Serialize;

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// What kind of problem: a URI, or `about:blank` where the status says it all.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "code")]
    #[schemars(with = "u16")]
    status: StatusCode,
    detail: String,
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

    fn of(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { kind: "about:blank", title, status, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default();
        let headers =
            [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        (self.status, headers, body).into_response()
    }
}
