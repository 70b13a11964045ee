//! The periods of a dataset: which are there, which are not, and why.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use frazil_engine::{
    data::{Period, PeriodRange, PeriodText, Status},
    dataset::{DatasetInfo, Due, RegularTime, TimeAxis},
    event::RunState,
    project::Project,
    step::StepError,
    store::RunQuery,
};
use frazil_steps::cube::Cube;
use serde_json::{Value, json};

use crate::{
    api::{Operation, Role},
    app::App,
    asked::{Base, Query, Segments},
    link::Link,
    problem::Problem,
};

/// Periods that are shown where nothing is said.
const USUAL: i64 = 400;

/// The most periods of one answer: ten years of hours are asked for in parts.
const MOST: usize = 10_000;

pub(super) fn operation() -> Operation {
    let period = || json!({ "type": "string", "example": "2024-01" });
    super::of("getDatasetPeriods", "Which periods are there, which are not, and why", Role::Viewer)
        .query("from", period(), "The first period, or a coarser one that begins with it")
        .query("to", period(), "The last period, or a coarser one that ends with it")
        .gives_media(200, "application/json", "Periods, each with its state")
        .gives_media(200, "text/html", "The same for people")
        .refuses(400, "No period, or too many of them")
}

/// What is known of a stretch of time.
#[derive(Debug, serde::Serialize)]
pub(super) struct Strip {
    from: String,
    to: String,
    counts: BTreeMap<&'static str, usize>,
    periods: Vec<Value>,
}

/// The periods of a dataset.
pub(super) async fn periods(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    mut query: Query,
    base: Base,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    let unreadable = |error| Problem::of_store(&name, &error);
    let TimeAxis::Regular(time) = &info.block.time else {
        return Err(Problem::bad_request(format!("`{name}` has no time axis")));
    };
    let mut period =
        |name: &str| query.one(name, |text| text.parse::<PeriodText>().map_err(|error| error.to_string()));
    let (from, to) = (period("from"), period("to"));
    query.all_read()?;
    let now = Utc::now();
    let cube = app.shelves.cube(&info, &app.scope()).await.map_err(unreadable)?;
    let mut range = shown(&info, time, cube.as_deref(), &app.project(), now);
    if let Some(from) = from {
        range.first = from.first(time.frequency());
        if to.is_none() {
            range.last = range.last.max(range.first);
        }
    }
    if let Some(to) = to {
        range.last = to.last(time.frequency());
        if from.is_none() {
            range.first = range.last.plus(1 - USUAL);
        }
    }
    if range.is_empty() || range.len() > MOST {
        let what =
            format!("{range} is {} periods, and at least one and at most {MOST} are told", range.len());
        return Err(Problem::bad_request(what));
    }
    let strip = strip(&app, &info, cube.as_deref(), range, now).await.map_err(unreadable)?;
    let all = json!({
        "dataset": name, "step": time.frequency().to_string(), "snapshot": cube.map(|cube| cube.id()),
        "at": now.to_rfc3339_opts(SecondsFormat::Secs, true),
        "from": strip.from, "to": strip.to, "counts": strip.counts, "periods": strip.periods,
        "links": [Link::json("self", base.at(&format!("/datasets/{name}/periods")))],
    });
    Ok(Json(all).into_response())
}

/// The newest periods: those that are there, and those that could be.
pub(super) fn shown(
    info: &DatasetInfo,
    time: &RegularTime,
    cube: Option<&Cube>,
    project: &Project,
    now: DateTime<Utc>,
) -> PeriodRange {
    let due = Due::of(info, &project.datasets, cube.and_then(Cube::newest), now);
    let held = cube.and_then(|cube| Some((cube.axis().first()?, cube.axis().last()?)));
    let expected = due.and_then(|due| due.expected);
    let last = expected.into_iter().chain(held.map(|(_, last)| last)).max();
    let last = last.unwrap_or_else(|| Period::containing(now, time.frequency()));
    let lacking = due.and_then(|due| due.missing).map(|missing| missing.first);
    let first = lacking.into_iter().chain(held.map(|(first, _)| first)).min().unwrap_or(last);
    PeriodRange { first: first.max(last.plus(1 - USUAL)), last }
}

/// What is known of each period of a range.
pub(super) async fn strip(
    app: &App,
    info: &DatasetInfo,
    cube: Option<&Cube>,
    range: PeriodRange,
    now: DateTime<Utc>,
) -> Result<Strip, StepError> {
    let project = app.project();
    let due = Due::of(info, &project.datasets, cube.and_then(Cube::newest), now);
    let failed = failed_at(app, &project, info).await?;
    let known = Known { info, cube, expected: due.and_then(|due| due.expected), failed, now };
    let mut counts = BTreeMap::new();
    let periods = range.iter().map(|period| {
        let state = known.state(period);
        *counts.entry(state).or_insert(0) += 1;
        let start = period.start().to_rfc3339_opts(SecondsFormat::Secs, true);
        json!({ "period": period.to_string(), "start": start, "state": state })
    });
    let periods = periods.collect();
    Ok(Strip { from: range.first.to_string(), to: range.last.to_string(), counts, periods })
}

/// What decides on the state of a period.
struct Known<'a> {
    info: &'a DatasetInfo,
    cube: Option<&'a Cube>,
    /// The newest period that can be had by now.
    expected: Option<Period>,
    /// Where the newest run failed.
    failed: Option<Period>,
    now: DateTime<Utc>,
}

impl Known<'_> {
    fn state(&self, period: Period) -> &'static str {
        match self.cube.and_then(|cube| cube.axis().status(period)) {
            Some(Status::Final) => return "have",
            Some(status) => return status.name(),
            None => {}
        }
        let late = match &self.info.block.time {
            TimeAxis::Regular(time) => time.late,
            TimeAxis::None => None,
        };
        match self.expected {
            _ if self.failed == Some(period) => "failed",
            Some(expected) if period > expected => "not-yet",
            None => "not-yet",
            Some(_) if late.is_some_and(|late| late.after(period.end()) <= self.now) => "late",
            Some(_) => "missing",
        }
    }
}

/// The period at which the newest run of its pipeline failed, if it did at one.
async fn failed_at(app: &App, project: &Project, info: &DatasetInfo) -> Result<Option<Period>, StepError> {
    let TimeAxis::Regular(time) = &info.block.time else { return Ok(None) };
    let Some((pipeline, node)) = project.writer(&info.id) else { return Ok(None) };
    let store = app.runner.store();
    let query = RunQuery { pipeline: Some(pipeline.id.clone()), limit: Some(1), ..RunQuery::default() };
    let Some(run) = store.list(&query).await?.into_iter().next() else { return Ok(None) };
    let state = RunState::fold(&store.load(&run.run).await?)
        .map_err(|error| StepError::permanent(frazil_engine::step::ErrorKind::Internal, error.to_string()))?;
    let failure = state.units.get(&node.id).and_then(|unit| unit.error.as_ref()?.failure()?.period.clone());
    Ok(failure.and_then(|text| Period::parse(&text, time.frequency()).ok()))
}
