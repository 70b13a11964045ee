//! What of which standard is kept to, and where everybody begins.

use std::sync::Arc;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::Base,
    link::{CONFORMANCE, JOBS, JSON, Link, PROCESSES},
};

/// The media type of the OpenAPI document.
pub(crate) const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";

/// The classes of OGC API – Processes that are kept to.
const CLASSES: &[&str] = &[
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/callback",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/job-list",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/ogc-process-description",
];

/// The class of Part 2, where pipelines are taken over HTTP.
const DEPLOY: &str = "https://www.opengis.net/spec/ogcapi-processes-2/1.0/conf/deploy-replace-undeploy";

/// What of which standards is kept to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Conformance {
    /// The URIs of classes of requirements.
    conforms_to: Vec<&'static str>,
}

/// The address of conformance.
pub(crate) fn routes() -> Routes {
    let classes =
        Operation::new("getConformance", "about", "What of which standards is kept to", Role::Anyone)
            .gives::<Conformance>(200, "The classes of requirements");
    Routes::default().get("/conformance", classes, conformance)
}

async fn conformance(State(app): State<Arc<App>>) -> Json<Conformance> {
    let deploys = app.project().config.serve.deploy;
    Json(Conformance { conforms_to: CLASSES.iter().copied().chain(deploys.then_some(DEPLOY)).collect() })
}

/// Where one gets to from the landing page.
pub(crate) fn links(base: &Base) -> Vec<Link> {
    vec![
        Link::json("self", base.at("/")).titled("This document"),
        Link::to("alternate", "text/html", base.at("/")).titled("The same for people"),
        Link::to("service-desc", OPENAPI, base.at("/api")).titled("All addresses, in OpenAPI"),
        Link::to(CONFORMANCE, JSON, base.at("/conformance")).titled("What of which standards is kept to"),
        Link::to(PROCESSES, JSON, base.at("/processes")).titled("What can be run"),
        Link::to(JOBS, JSON, base.at("/jobs")).titled("What was run"),
    ]
}
