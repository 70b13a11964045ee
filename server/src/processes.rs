//! What can be run: every pipeline, and the few processes of the server itself, as OGC API – Processes
//! describes them.

mod described;
mod input;
mod own;

use std::sync::Arc;

use axum::{Json, extract::State};
use frazil_engine::{diagnostic::did_you_mean, pipeline::Pipeline, project::Project};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

pub(crate) use described::{Described, Process, written};
pub(crate) use input::CRS84;
pub(crate) use own::{Own, PAUSE_AT_MOST, SELECTED_AT_MOST};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Query, Segments, short},
    deploy,
    link::Link,
    problem::Problem,
};

/// Processes on a page where nothing is said, and at most; the standard says both.
const PAGE: usize = 10;
const PAGE_AT_MOST: usize = 10_000;

/// A list of processes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Processes {
    /// In the order of their names, those of the server at the end.
    processes: Vec<Process>,
    links: Vec<Link>,
}

/// Addresses of processes.
pub(crate) fn routes() -> Routes {
    let list = Operation::new("getProcesses", "processes", "What can be run", Role::Viewer)
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": PAGE_AT_MOST, "default": PAGE }),
            "At most so many",
        )
        .query(
            "after",
            json!({ "type": "string", "maxLength": 64 }),
            "Those that follow the one of this name",
        )
        .gives::<Processes>(200, "Processes, and where the next ones are");
    let one = Operation::new("getProcessDescription", "processes", "What one takes and gives", Role::Viewer)
        .segment("processID", "A process")
        .gives::<Process>(200, "Its inputs and outputs")
        .refuses(404, "No such process");
    Routes::default().get("/processes", list, processes).get("/processes/{processID}", one, process)
}

async fn processes(
    State(app): State<Arc<App>>,
    base: Base,
    mut query: Query,
) -> Result<Json<Processes>, Problem> {
    let limit = query.number("limit", 1, PAGE_AT_MOST).unwrap_or(PAGE);
    let after = query.one("after", |text| Ok(text.to_owned()));
    query.all_read()?;
    let project = app.project();
    let all = listed(&project);
    let from = match &after {
        None => 0,
        Some(after) => all.iter().position(|one| one.id() == after).map_or(all.len(), |at| at + 1),
    };
    let page: Vec<&Runnable> = all.iter().skip(from).take(limit).collect();
    let mut links = vec![
        Link::json("self", base.at("/processes")),
        Link::to("alternate", "text/html", base.at("/processes")),
    ];
    if let Some(last) = page.last().filter(|_| from + page.len() < all.len()) {
        links.push(Link::json("next", base.at(&format!("/processes?limit={limit}&after={}", last.id()))));
    }
    let processes = page.into_iter().map(|one| one.summary(&base)).collect();
    Ok(Json(Processes { processes, links }))
}

async fn process(
    State(app): State<Arc<App>>,
    base: Base,
    Segments(id): Segments<String>,
) -> Result<Json<Process>, Problem> {
    let project = app.project();
    Ok(Json(find(&project, &id)?.described(&project, &base)))
}

/// Something that can be run.
#[derive(Debug, Clone)]
pub(crate) enum Runnable {
    /// A pipeline of the project.
    Pipeline(Arc<Pipeline>),
    /// A process of the server.
    Own(Own),
}

/// The process of this name. A pipeline that has the name of a process of the server stands before it.
pub(crate) fn find(project: &Project, id: &str) -> Result<Runnable, Problem> {
    if let Some(pipeline) = project.pipelines.get(id) {
        return Ok(Runnable::Pipeline(Arc::clone(pipeline)));
    }
    if let Some(own) = Own::all(project).into_iter().find(|own| own.id() == id) {
        return Ok(Runnable::Own(own));
    }
    let all = listed(project);
    let known: Vec<&str> = all.iter().map(Runnable::id).collect();
    Err(Problem::no_process(&short(id), did_you_mean(id, &known)))
}

/// All that is listed. Who knows the name of a pipeline that says `expose: false` may run it all the same.
fn listed(project: &Project) -> Vec<Runnable> {
    let hides = |pipeline: &Pipeline| {
        pipeline.triggers.iter().any(|trigger| trigger.http.as_ref().is_some_and(|http| !http.expose))
    };
    let pipelines = project.pipelines.values().filter(|pipeline| !hides(pipeline));
    let pipelines = pipelines.map(|pipeline| Runnable::Pipeline(Arc::clone(pipeline)));
    let own = Own::all(project).into_iter().filter(|own| !project.pipelines.contains_key(own.id()));
    pipelines.chain(own.map(Runnable::Own)).collect()
}

impl Runnable {
    /// Its name.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Pipeline(pipeline) => pipeline.id.as_str(),
            Self::Own(own) => own.id(),
        }
    }

    /// As it stands in a list.
    pub(crate) fn summary(&self, base: &Base) -> Process {
        match self {
            Self::Pipeline(pipeline) => Process::of_pipeline(pipeline, deploy::is_taken(pipeline), base),
            Self::Own(own) => own.summary(base),
        }
    }

    fn described(&self, project: &Project, base: &Base) -> Process {
        match self {
            Self::Pipeline(pipeline) => {
                let (inputs, outputs) =
                    (input::inputs(pipeline, project), described::outputs(pipeline, project));
                self.summary(base).with(inputs, outputs)
            }
            Self::Own(own) => self.summary(base).with(own.inputs(), own.outputs(project)),
        }
    }
}
