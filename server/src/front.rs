//! All addresses: what each says of itself, and what a visitor finds first.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::Base,
    conformance::{self, OPENAPI},
    datasets, deploy, events, execution, graph, health, jobs, logs, metrics,
    problem::Problem,
    processes, prov, raw, results,
    source::Source,
    stac,
    visitor::Visitor,
    webhook, zarr,
};

/// All that is answered.
pub(crate) fn routes() -> Routes {
    let landing_page = Operation::new("getLandingPage", "about", "What there is", Role::Anyone)
        .gives_media(200, "application/json", "Datasets and links")
        .gives_media(200, "text/html", "The same for people");
    let document = Operation::new("getApi", "about", "This document", Role::Anyone).gives_media(
        200,
        OPENAPI,
        "All addresses, in OpenAPI 3.0",
    );
    Routes::default()
        .get("/", landing_page, landing)
        .get("/api", document, openapi)
        .and(conformance::routes())
        .and(processes::routes())
        .and(deploy::routes())
        .and(execution::routes())
        .and(jobs::routes())
        .and(events::routes())
        .and(logs::routes())
        .and(results::routes())
        .and(prov::routes())
        .and(health::routes())
        .and(metrics::routes())
        .and(webhook::routes())
        .and(zarr::routes())
        .and(raw::routes())
        .and(stac::routes())
        .and(datasets::routes())
        .and(graph::routes())
}

/// What is said of all addresses.
async fn openapi(base: Base) -> Response {
    let mut document = routes().document();
    document["servers"] = json!([{ "url": base.at("/") }]);
    ([(header::CONTENT_TYPE, OPENAPI)], document.to_string()).into_response()
}

/// What there is, for people and for programs.
async fn landing(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Problem> {
    let project = app.project();
    let title = project.config.title.clone().unwrap_or_else(|| project.config.id.clone());
    let datasets: Vec<_> = app
        .readable(&visitor)
        .iter()
        .map(|info| {
            let id = info.id.to_string();
            json!({
                "id": id,
                "title": info.block.title,
                "links": Source::of(info).links(&id, &visitor.base),
            })
        })
        .collect();
    let links = conformance::links(&visitor.base);
    Ok(Json(json!({ "title": title, "links": links, "datasets": datasets })).into_response())
}
