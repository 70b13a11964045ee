//! What lies around all that is answered, the outermost last.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, Method, StatusCode, header},
    middleware::{from_fn_with_state, map_response},
};
use frazil_engine::project::Limits;
use tower_http::{
    cors::{Any, CorsLayer},
    limit::RequestBodyLimitLayer,
    timeout::TimeoutLayer,
};

use crate::{
    api::Routes,
    app::App,
    guard::{Guard, guard},
    metrics::measure,
    pages,
    problem::{self, Problem},
    traces::trace,
};

/// How long browsers believe what they were told of other sites' pages.
const BELIEVED: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Puts the layers around routes.
pub(crate) fn dress(routes: &Routes, app: &Arc<App>, limits: &Limits) -> Router {
    let body = usize::try_from(limits.body.bytes()).unwrap_or(usize::MAX);
    let entry = Arc::new(Guard::new(Arc::clone(app), routes.roles(), limits));
    routes
        .router()
        .method_not_allowed_fallback(async || Problem::no_method())
        .fallback(async || Problem::not_found("nothing lies here"))
        // Until an answer begins: what is streamed after that ends when nobody takes it, in `stall`.
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limits.answer.to_std()))
        // In place of the usual limit of whoever reads content.
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(body))
        .layer(from_fn_with_state(entry, guard))
        .layer(map_response(problem::written))
        .layer(from_fn_with_state(Arc::clone(app), pages::dress))
        .layer(from_fn_with_state(Arc::clone(&app.metrics), measure))
        .layer(from_fn_with_state(Arc::new(app.traces.clone()), trace))
        .layer(cors())
        .with_state(Arc::clone(app))
}

/// Readers in browsers come from anywhere: what they may see is decided by a token that they send
/// themselves, never by what a browser adds, so that credentials are not allowed.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::OPTIONS])
        .allow_headers([
            header::RANGE,
            header::IF_RANGE,
            header::IF_NONE_MATCH,
            header::AUTHORIZATION,
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([
            header::CONTENT_RANGE,
            header::CONTENT_LENGTH,
            header::CONTENT_LOCATION,
            header::ACCEPT_RANGES,
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("preference-applied"),
            HeaderName::from_static("frazil-snapshot"),
        ])
        .max_age(BELIEVED)
}

#[cfg(test)]
mod tests;
