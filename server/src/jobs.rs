//! Jobs: runs, as those who ask over HTTP see them. All that is said of one is the fold of its log.

mod filter;
mod known;
mod status;

use std::{sync::Arc, time::Duration};

use axum::{Extension, Json, extract::State, http::Method};
use frazil_engine::{data::RunId, event::RunStatus, step::StepError, store::RunQuery};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use filter::Filter;
pub(crate) use known::{Jobs, Known, known, within};
pub(crate) use status::{Status, StatusInfo, failure, status_of};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Query, Segments, short},
    auth::Caller,
    link::Link,
    problem::Problem,
    runner::Uncancelled,
};

/// Jobs on a page where nothing is said, and at most.
const PAGE: usize = 10;
const PAGE_AT_MOST: usize = 10_000;

/// How long the answer to a dismissal waits for the run to settle.
const SETTLES_WITHIN: Duration = Duration::from_secs(3);

/// A list of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct JobList {
    /// The newest first.
    jobs: Vec<StatusInfo>,
    links: Vec<Link>,
}

/// Addresses of jobs.
pub(crate) fn routes() -> Routes {
    let names =
        || json!({ "type": "array", "items": { "type": "string", "maxLength": 64 }, "maxItems": 100 });
    let list = Operation::new("getJobs", "jobs", "What was run, and what is about to be", Role::Viewer)
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
        .query("type", names(), "Of these types: there is only `process`")
        .query("processID", names(), "Of these processes")
        .query(
            "status",
            json!({ "type": "array", "maxItems": 100, "items": {
                "type": "string", "enum": ["accepted", "running", "successful", "failed", "dismissed"] } }),
            "In one of these states",
        )
        .query(
            "datetime",
            json!({ "type": "string", "maxLength": 100 }),
            "Accepted at this instant, or in this interval: `2024-01-01T00:00:00Z/..`",
        )
        .query(
            "minDuration",
            json!({ "type": "integer", "minimum": 0 }),
            "That took at least so many seconds",
        )
        .query("maxDuration", json!({ "type": "integer", "minimum": 0 }), "That took at most so many seconds")
        .gives::<JobList>(200, "Jobs, and where the next ones are");
    let job = |id, summary, role| {
        Operation::new(id, "jobs", summary, role)
            .segment("jobID", "A job")
            .gives::<StatusInfo>(200, "How it stands")
            .refuses(404, "No such job")
    };
    let status = job("getStatus", "How a job stands", Role::Viewer);
    let dismiss = job("dismiss", "Stop a job; one that is over is forgotten", Role::Operator)
        .refuses(409, "Its process is gone: the next run of its pipeline settles it");
    Routes::default().get("/jobs", list, jobs).get("/jobs/{jobID}", status, one).on(
        Method::DELETE,
        "/jobs/{jobID}",
        dismiss,
        dismissal,
    )
}

/// The run of a name from the path.
pub(crate) fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| Problem::no_job(&short(text)))
}

async fn jobs(State(app): State<Arc<App>>, base: Base, mut query: Query) -> Result<Json<JobList>, Problem> {
    let limit = query.number("limit", 1, PAGE_AT_MOST).unwrap_or(PAGE);
    let after = query.one("after", |text| text.parse::<RunId>().map_err(|error| error.to_string()));
    let filter = Filter::read(&mut query);
    let (all, again) = (query.clone(), query.without("after"));
    query.all_read()?;
    let runs =
        app.runner.store().list(&RunQuery { pipeline: filter.only_process(), ..RunQuery::default() }).await;
    let runs = runs.map_err(|error| Problem::of_history(&StepError::from(error)))?;
    // Names made later sort later, and the newest is first.
    let runs = runs.into_iter().filter(|run| after.as_ref().is_none_or(|after| run.run < *after));
    let (mut found, mut is_more) = (Vec::new(), false);
    for run in runs {
        if !filter.may_take(&run) {
            continue;
        }
        let job = if run.finished.is_some() {
            StatusInfo::of_summary(&run, &base)
        } else {
            StatusInfo::of(&app, &*known(&app, &run.run).await?, &base)
        };
        if !filter.takes(&job) {
            continue;
        }
        if found.len() == limit {
            is_more = true;
            break;
        }
        found.push(job);
    }
    let mut links = vec![
        Link::json("self", base.at(&all.address("/jobs"))),
        Link::to("alternate", "text/html", base.at("/jobs")),
    ];
    if let Some(last) = found.last().filter(|_| is_more) {
        let next = again.with("after", &last.job);
        links.push(Link::json("next", base.at(&next.address("/jobs"))));
    }
    Ok(Json(JobList { jobs: found, links }))
}

async fn one(
    State(app): State<Arc<App>>,
    base: Base,
    Segments(job): Segments<String>,
) -> Result<Json<StatusInfo>, Problem> {
    let known = known(&app, &run_id(&job)?).await?;
    Ok(Json(StatusInfo::of(&app, &known, &base)))
}

/// Stops a job that is not over; one that is is forgotten, but for one that was dismissed: asking again,
/// as a client does that got no answer, changes nothing.
async fn dismissal(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    base: Base,
    Segments(job): Segments<String>,
) -> Result<Json<StatusInfo>, Problem> {
    let run = run_id(&job)?;
    let found = known(&app, &run).await?;
    match found.state.finished {
        Some((RunStatus::Cancelled, _)) => return Ok(Json(StatusInfo::of(&app, &found, &base))),
        Some(_) => {
            let removed = app.runner.store().remove(&run).await;
            removed.map_err(|error| Problem::of_history(&StepError::from(error)))?;
            app.jobs.forget(&run);
            return Ok(Json(StatusInfo::of(&app, &found, &base)));
        }
        None => {}
    }
    let by = caller.name.map_or_else(String::new, |name| format!(" with the token `{name}`"));
    match app.runner.cancel(&run, &format!("dismissed over HTTP{by}")).await {
        // It may have come to its end meanwhile.
        Ok(()) | Err(Uncancelled::Finished(_)) => {}
        Err(Uncancelled::NoRun(run)) => return Err(Problem::no_job(run.as_str())),
        Err(error @ Uncancelled::Dead) => return Err(Problem::conflict(error.to_string())),
        Err(Uncancelled::Failed(error)) => return Err(Problem::of_history(&error)),
    }
    let settled = within(&app, &run, SETTLES_WITHIN).await?;
    Ok(Json(StatusInfo::of(&app, &settled, &base).dismissed()))
}
