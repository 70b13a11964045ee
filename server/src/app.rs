//! What all answers are made from, and which address gives which.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use frazil_engine::{
    context::{Scope, Secrets},
    data::{InvalidId, PipelineId},
    dataset::DatasetInfo,
    project::Project,
    registry::Registry,
    step::StepError,
};
use minijinja::{context, value::Serde};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower_http::{
    cors::{Any, CorsLayer},
    limit::RequestBodyLimitLayer,
    timeout::TimeoutLayer,
};

use crate::{
    api::{Operation, Role, Routes},
    asked::Base,
    conformance::{self, OPENAPI},
    datasets,
    events::{self, Tails},
    execution, graph,
    jobs::{self, Jobs},
    live::{Current, Live},
    logs, pages,
    problem::{self, Problem},
    processes, prov, raw, results,
    runner::Runner,
    shelves::Shelves,
    stac,
    standing::{NewestRuns, newest_runs},
    visitor::{Visitor, origin},
    zarr,
};

/// The most that a request may carry.
const BODY_AT_MOST: usize = 1 << 20;

/// How long an answer may take to begin.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What is served.
#[derive(Debug, Clone)]
pub struct Site {
    /// The checked project as it stands at the start.
    pub project: Arc<Project>,
    /// Resolves secrets at the moment of use.
    pub secrets: Arc<dyn Secrets>,
    /// Step types by name.
    pub registry: Arc<Registry>,
}

/// What all answers are made from.
#[derive(Debug)]
pub(crate) struct App {
    /// The project as it stands now.
    pub(crate) live: Arc<Live>,
    /// Stands where a run has the name of its pipeline: reading belongs to none.
    reader: PipelineId,
    pub(crate) shelves: Shelves,
    /// Runs pipelines.
    pub(crate) runner: Runner,
    /// Runs that were asked for lately.
    pub(crate) jobs: Jobs,
    /// The newest events of runs to which somebody listens.
    pub(crate) tails: Tails,
    /// Told when the server is to stop: answers that go on end then.
    pub(crate) stop: CancellationToken,
}

impl App {
    pub(crate) fn new(live: Arc<Live>, runner: Runner, stop: CancellationToken) -> Result<Self, InvalidId> {
        Ok(Self {
            live,
            reader: "serve".parse()?,
            shelves: Shelves::default(),
            runner,
            jobs: Jobs::default(),
            tails: Tails::default(),
            stop,
        })
    }

    /// The project as it stands now; what is taken stays as it is.
    pub(crate) fn project(&self) -> Arc<Project> {
        self.live.project()
    }

    /// A dataset by name.
    pub(crate) fn dataset(&self, name: &str) -> Result<Arc<DatasetInfo>, Problem> {
        let found = self.project().datasets.get(name).map(Arc::clone);
        found.ok_or_else(|| Problem::not_found(format!("no dataset `{name}` here")))
    }

    /// The datasets that may be read.
    pub(crate) fn readable(&self) -> Vec<Arc<DatasetInfo>> {
        self.project().datasets.values().map(Arc::clone).collect()
    }

    /// The newest run of each pipeline.
    pub(crate) async fn newest_runs(&self) -> Result<NewestRuns, StepError> {
        newest_runs(&self.project(), self.runner.store().as_ref()).await
    }

    /// The address of this server as whoever asks knows it, without a slash at its end.
    #[expect(clippy::unused_self, reason = "the project may say an address of its own")]
    pub(crate) fn base(&self, headers: &axum::http::HeaderMap) -> String {
        origin(headers)
    }

    /// What reading needs of a scope.
    pub(crate) fn scope(&self) -> Scope {
        let Current { project, secrets } = self.live.current();
        project.scope(&self.reader, serde_json::Map::new(), Utc::now(), secrets)
    }
}

/// All addresses.
pub(crate) fn router(app: Arc<App>) -> Router {
    // Readers in browsers come from anywhere, and nothing here is decided by a cookie. Pages of others may
    // read and start nothing: what starts something takes JSON alone, for which a browser asks here first.
    let cors = CorsLayer::new()
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
            HeaderName::from_static("preference-applied"),
            HeaderName::from_static("frazil-snapshot"),
        ])
        .max_age(Duration::from_secs(86_400));
    routes()
        .router()
        .method_not_allowed_fallback(async || Problem::no_method())
        .fallback(async || Problem::not_found("nothing lies here"))
        .layer(axum::middleware::from_fn(pages::dress))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_WITHIN))
        .layer(RequestBodyLimitLayer::new(BODY_AT_MOST))
        .layer(axum::middleware::map_response(problem::written))
        .layer(cors)
        .with_state(app)
}

/// All that is answered.
pub(crate) fn routes() -> Routes {
    let landing_page = Operation::new("getLandingPage", "about", "What there is", Role::Anyone)
        .gives_media(200, "application/json", "Datasets and links")
        .gives_media(200, "text/html", "The same for people");
    let live = Operation::new("getLiveness", "about", "Whether the server answers", Role::Anyone)
        .gives_nothing(204, "It does");
    let document = Operation::new("getApi", "about", "This document", Role::Anyone).gives_media(
        200,
        OPENAPI,
        "All addresses, in OpenAPI 3.0",
    );
    Routes::default()
        .get("/", landing_page, landing)
        .get("/health/live", live, async || StatusCode::NO_CONTENT)
        .get("/api", document, openapi)
        .and(conformance::routes())
        .and(processes::routes())
        .and(execution::routes())
        .and(jobs::routes())
        .and(events::routes())
        .and(logs::routes())
        .and(results::routes())
        .and(prov::routes())
        .and(zarr::routes())
        .and(raw::routes())
        .and(stac::routes())
        .and(datasets::routes())
        .and(graph::routes())
}

/// What is said of all addresses.
async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, OPENAPI)], routes().document().to_string()).into_response()
}

/// What there is, for people and for programs.
async fn landing(State(app): State<Arc<App>>, base: Base, visitor: Visitor) -> Result<Response, Problem> {
    let project = app.project();
    let title = project.config.title.clone().unwrap_or_else(|| project.config.id.clone());
    let datasets: Vec<_> = project
        .datasets
        .iter()
        .map(|(id, info)| {
            let id = id.to_string();
            json!({
                "id": id,
                "title": info.block.title,
                "links": [
                    { "rel": "data", "title": "Zarr", "href": format!("/zarr/{id}/") },
                    { "rel": "data", "title": "Icechunk repository", "href": format!("/icechunk/{id}") },
                ],
            })
        })
        .collect();
    if visitor.html {
        return pages::page("landing.html", context! { title, datasets => Serde(&datasets) });
    }
    let links = conformance::links(&base);
    Ok(Json(json!({ "title": title, "links": links, "datasets": datasets })).into_response())
}
