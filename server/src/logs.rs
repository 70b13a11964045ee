//! What was said and done in a run, line by line.

use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{NodeId, PeriodRange, PeriodSpan, PeriodText, RunId},
    event::{Event, RunEvent, told},
    step::StepError,
    store::{RunStore, RunStoreError},
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

/// Events that are read at a time.
const AT_A_TIME: usize = 256;

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
            "period",
            json!({ "type": "string", "maxLength": 64 }),
            "Of these periods alone: `2024-03-01`, a coarser one for all that lie in it, or `FIRST..LAST`",
        )
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
    let wanted = Wanted {
        step: query.one("step", |text| text.parse::<NodeId>().map_err(|error| error.to_string())),
        periods: query.one("period", |text| text.parse::<PeriodSpan>().map_err(|error| error.to_string())),
    };
    let limit = query.number("limit", 1, PAGE_AT_MOST).unwrap_or(PAGE);
    let after = query.number("after", 0, usize::MAX).unwrap_or_default();
    let (all, again) = (query.clone(), query.without("after"));
    query.all_read()?;
    // There is such a job.
    known(&app, &run).await?;
    let path = format!("/jobs/{run}/logs");
    let mut links = vec![
        Link::json("self", base.at(&all.address(&path))),
        Link::json("up", base.at(&format!("/jobs/{run}"))),
    ];
    let found = page(app.runner.store().as_ref(), &run, after, limit, &wanted).await;
    let (lines, next) = found.map_err(|error| Problem::of_history(&StepError::from(error)))?;
    if let Some(next) = next {
        let next = again.with("after", &next.to_string());
        links.push(Link::json("next", base.at(&next.address(&path))));
    }
    Ok(Json(Logs { lines, links }))
}

/// Which lines are asked for.
#[derive(Debug, Default)]
struct Wanted {
    step: Option<NodeId>,
    periods: Option<PeriodSpan>,
}

impl Wanted {
    fn has(&self, line: &Line) -> bool {
        let is_of = |step: &NodeId| line.step.as_deref() == Some(step.as_str());
        let lies_in = |span: &PeriodSpan| line.periods.iter().any(|range| overlaps(range, span));
        self.step.as_ref().is_none_or(is_of) && self.periods.as_ref().is_none_or(lies_in)
    }
}

/// Whether any time of a range of periods lies in a span.
fn overlaps(range: &str, span: &PeriodSpan) -> bool {
    let (first, last) = range.split_once('/').unwrap_or((range, range));
    match (first.parse::<PeriodText>(), last.parse::<PeriodText>()) {
        (Ok(first), Ok(last)) => first.start < span.last.end && span.first.start < last.end,
        // The one period of what has no time.
        _ => false,
    }
}

/// Lines of the events that follow the first `after`, and the number of the last event of this page
/// where others follow it.
async fn page(
    store: &dyn RunStore,
    run: &RunId,
    after: usize,
    limit: usize,
    wanted: &Wanted,
) -> Result<(Vec<Line>, Option<usize>), RunStoreError> {
    let mut lines = Vec::new();
    let mut batches = Batches::default();
    // A batch is committed soon after it was written, which tells its periods.
    let mut number = after.saturating_sub(AT_A_TIME);
    loop {
        let events = store.load_part(run, number, AT_A_TIME).await?;
        if events.is_empty() {
            return Ok((lines, None));
        }
        for event in &events {
            number += 1;
            let periods = batches.periods(&event.event);
            if number <= after {
                continue;
            }
            // Events are whole: what follows the last one of a page is not cut.
            if lines.len() >= limit {
                return Ok((lines, Some(number - 1)));
            }
            lines.extend(of(number, event, &periods).into_iter().filter(|line| wanted.has(line)));
        }
    }
}

/// The periods of batches that are written and not settled.
#[derive(Debug, Default)]
struct Batches(HashMap<(NodeId, usize), Vec<String>>);

impl Batches {
    /// The periods that an event is about, a range each.
    fn periods(&mut self, event: &Event) -> Vec<String> {
        let error = match event {
            Event::Written { unit, written } => {
                let labels = written.labels.iter().flat_map(|label| label.period.iter());
                let ranges: Vec<String> =
                    PeriodRange::collect(labels).iter().map(ToString::to_string).collect();
                self.0.insert((unit.clone(), written.index), ranges.clone());
                return ranges;
            }
            Event::Committed { unit, index, .. } => {
                return self.0.remove(&(unit.clone(), *index)).unwrap_or_default();
            }
            Event::Retrying { error, .. } | Event::Relisted { error, .. } => Some(error),
            Event::Ended { error, .. } => error.as_ref(),
            _ => None,
        };
        error.and_then(|error| error.failure()?.period.clone()).into_iter().collect()
    }
}

/// The lines of an event.
fn of(number: usize, RunEvent { at, event, .. }: &RunEvent, periods: &[String]) -> Vec<Line> {
    let step = match event {
        Event::Said { node, .. } => Some(node),
        Event::Ended { unit, at, .. } => Some(at.as_ref().unwrap_or(unit)),
        event => event.unit(),
    };
    let line = |from, level, text: String| Line {
        event: number,
        at: *at,
        step: step.map(ToString::to_string),
        periods: periods.to_vec(),
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
