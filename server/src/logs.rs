//! What was said and done in a run, line by line.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{NodeId, PeriodRange},
    event::{Event, RunEvent, told},
    step::StepError,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Query, Segments},
    jobs::{known, run_id},
    link::{Link, When},
    problem::Problem,
};

/// Lines on a page where nothing is said, and at most.
const PAGE: usize = 1_000;
const PAGE_AT_MOST: usize = 10_000;

/// Lines of a job.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Logs {
    /// In the order in which they were noted.
    lines: Vec<Line>,
    links: Vec<Link>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Line {
    /// The number of the event in the run log, from 1.
    event: usize,
    /// When it was noted.
    #[schemars(with = "When")]
    at: DateTime<Utc>,
    /// The step, or the last step of what runs as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// The periods that it is about, a range each, where it is about some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    periods: Vec<String>,
    /// `frazil`: what frazil did; `program`: what a program of the project printed.
    from: &'static str,
    /// `error`, `warning` or `info`.
    level: &'static str,
    text: String,
}

/// Addresses of lines.
pub(crate) fn routes() -> Routes {
    let logs = Operation::new("getLogs", "jobs", "What was said and done in a job", Role::Viewer)
        .segment("jobID", "A job")
        .query("step", json!({ "type": "string", "maxLength": 64 }), "Of this step alone")
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": PAGE_AT_MOST, "default": PAGE }),
            "At most so many",
        )
        .query("after", json!({ "type": "integer", "minimum": 0 }), "Those of events that follow this one")
        .gives::<Logs>(200, "Lines, and where the next ones are")
        .refuses(404, "No such job");
    Routes::default().get("/jobs/{jobID}/logs", logs, lines)
}

async fn lines(
    State(app): State<Arc<App>>,
    base: Base,
    Segments(job): Segments<String>,
    mut query: Query,
) -> Result<Json<Logs>, Problem> {
    let run = run_id(&job)?;
    let step = query.one("step", |text| text.parse::<NodeId>().map_err(|error| error.to_string()));
    let limit = query.number("limit", 1, PAGE_AT_MOST).unwrap_or(PAGE);
    let after = query.number("after", 0, usize::MAX).unwrap_or_default();
    let (all, again) = (query.clone(), query.without("after"));
    query.all_read()?;
    // There is such a job.
    known(&app, &run).await?;
    // Every event is a line at least, unless it is of another step.
    let events = app.runner.store().load_after(&run, after).await;
    let events = events.map_err(|error| Problem::of_history(&StepError::from(error)))?;
    let path = format!("/jobs/{run}/logs");
    let mut links = vec![
        Link::json("self", base.at(&all.address(&path))),
        Link::json("up", base.at(&format!("/jobs/{run}"))),
    ];
    let mut lines = Vec::new();
    for (number, event) in (after + 1..).zip(&events) {
        // Events are whole: what follows the last one of a page is not cut.
        if lines.len() >= limit {
            let next = again.with("after", &(number - 1).to_string());
            links.push(Link::json("next", base.at(&next.address(&path))));
            break;
        }
        lines.extend(
            of(number, event).into_iter().filter(|line| step.as_ref().is_none_or(|step| line.is_of(step))),
        );
    }
    Ok(Json(Logs { lines, links }))
}

impl Line {
    fn is_of(&self, step: &NodeId) -> bool {
        self.step.as_deref() == Some(step.as_str())
    }
}

/// The lines of an event.
fn of(number: usize, RunEvent { at, event, .. }: &RunEvent) -> Vec<Line> {
    let step = match event {
        Event::Said { node, .. } => Some(node),
        Event::Ended { unit, at, .. } => Some(at.as_ref().unwrap_or(unit)),
        event => event.unit(),
    };
    let line = |from, level, text: String| Line {
        event: number,
        at: *at,
        step: step.map(ToString::to_string),
        periods: periods(event),
        from,
        level,
        text,
    };
    if let Event::Said { lines, more, .. } = event {
        let left = (*more > 0).then(|| line("frazil", "info", format!("{more} more lines are not kept")));
        let said = lines.iter().map(|text| line("program", "info", text.clone()));
        return said.chain(left).collect();
    }
    vec![line("frazil", level(event), told(event))]
}

fn level(event: &Event) -> &'static str {
    match event {
        Event::Ended { error: Some(error), .. } if *error != StepError::Cancelled => "error",
        Event::Retrying { .. } | Event::Relisted { .. } | Event::Discarded { .. } | Event::Skipped { .. } => {
            "warning"
        }
        Event::Checked { checks, .. } if checks.iter().any(|check| !check.passed) => "warning",
        _ => "info",
    }
}

fn periods(event: &Event) -> Vec<String> {
    let error = match event {
        Event::Written { written, .. } => {
            let ranges = PeriodRange::collect(written.labels.iter().flat_map(|label| label.period.iter()));
            return ranges.iter().map(ToString::to_string).collect();
        }
        Event::Retrying { error, .. } | Event::Relisted { error, .. } => Some(error),
        Event::Ended { error, .. } => error.as_ref(),
        _ => None,
    };
    error.and_then(|error| error.failure()?.period.clone()).into_iter().collect()
}
