use chrono::{DateTime, Utc};
use frazil_engine::{
    data::RunId,
    event::{Phase, RunState, RunStatus, UnitState},
    step::StepError,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Known;
use crate::{
    app::App,
    asked::Base,
    link::{EXCEPTIONS, Link, RESULTS, When},
};

/// A job as OGC API – Processes has it, and what more is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct StatusInfo {
    /// The pipeline.
    #[serde(rename = "processID")]
    process: String,
    /// `process`: every job runs one.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its name, which is that of the run.
    #[serde(rename = "jobID")]
    pub(super) job: String,
    pub(super) status: Status,
    /// What it is at, or how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// When it was accepted.
    #[schemars(with = "When")]
    pub(super) created: DateTime<Utc>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<When>")]
    pub(super) started: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<When>")]
    pub(super) finished: Option<DateTime<Utc>>,
    /// When something last happened to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<When>")]
    updated: Option<DateTime<Utc>>,
    /// From 0 to 100.
    #[schemars(range(max = 100))]
    progress: u8,
    /// How many processes worked on it so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// `queued`, `running`, `retrying`, `stopping`, `successful`, `failed`, `cancelled` or `interrupted`.
    #[serde(rename = "frazil:state")]
    state: &'static str,
    #[serde(rename = "frazil:progress", skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
    /// What it was started by: `http`, `cron`, `dataset`, `webhook` or `command-line`.
    #[serde(rename = "frazil:cause", skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    /// The instant that decides what exists by now.
    #[serde(rename = "frazil:instant", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<When>")]
    instant: Option<DateTime<Utc>>,
    links: Vec<Link>,
}

/// The five states of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Accepted,
    Running,
    Successful,
    Failed,
    Dismissed,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
struct Detail {
    /// Periods that are settled.
    done: u64,
    /// Periods of the work, as far as it is listed.
    total: u64,
    percent: u8,
    /// The last that a step said.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Status {
    pub(super) fn from_name(name: &str) -> Result<Self, String> {
        serde_json::from_value(name.into()).map_err(|_| {
            format!(
                "`{}` is none of accepted, running, successful, failed, dismissed",
                crate::asked::short(name)
            )
        })
    }

    pub(super) const fn of_end(status: RunStatus) -> Self {
        match status {
            RunStatus::Successful => Self::Successful,
            RunStatus::Failed | RunStatus::Interrupted => Self::Failed,
            RunStatus::Cancelled => Self::Dismissed,
        }
    }
}

impl StatusInfo {
    /// What is known of a run.
    pub(crate) fn of(app: &App, known: &Known, base: &Base) -> Self {
        let Known { run, state, .. } = known;
        let (status, word) = standing(known);
        let progress = app.runner.standing(run);
        let percent = match state.finished {
            Some((RunStatus::Successful, _)) => 100,
            _ => progress.as_ref().map_or_else(|| over(state), |progress| progress.percent),
        };
        let detail = progress.map(|progress| Detail {
            done: progress.done,
            total: progress.total,
            percent: progress.percent,
            message: progress.message,
        });
        let said = detail.as_ref().and_then(|detail| detail.message.clone());
        let accepted = state.accepted.as_ref();
        Self {
            process: accepted.map_or_else(String::new, |accepted| accepted.pipeline.to_string()),
            kind: "process",
            job: run.to_string(),
            status,
            message: message(known).or(said),
            created: state.since.unwrap_or(known.updated),
            started: known.opened,
            finished: state.finished.map(|(_, at)| at),
            updated: Some(known.updated),
            progress: percent,
            attempt: Some(state.opened),
            state: word,
            detail,
            cause: accepted.map(|accepted| accepted.origin.cause.name()),
            instant: accepted.map(|accepted| accepted.instant),
            links: links(run, status, base),
        }
    }

    /// A job in a list that is over: what the list of runs knows of it.
    pub(super) fn of_summary(run: &frazil_engine::store::RunSummary, base: &Base) -> Self {
        let status = run.finished.map_or(Status::Running, |(status, _)| Status::of_end(status));
        Self {
            process: run.pipeline.to_string(),
            kind: "process",
            job: run.run.to_string(),
            status,
            message: None,
            created: run.accepted,
            started: run.started,
            finished: run.finished.map(|(_, at)| at),
            updated: run.finished.map(|(_, at)| at),
            progress: if status == Status::Successful { 100 } else { 0 },
            attempt: None,
            state: run.finished.map_or("running", |(status, _)| status.name()),
            detail: None,
            cause: None,
            instant: Some(run.instant),
            links: links(&run.run, status, base),
        }
    }

    /// With links to jobs that were made by the same request.
    pub(crate) fn beside(&mut self, others: &[RunId], base: &Base) {
        let link = |run: &RunId| {
            Link::json("related", base.at(&format!("/jobs/{run}"))).titled("Made by the same request")
        };
        self.links.extend(others.iter().map(link));
    }

    /// The same as of a job that was told to stop just now.
    pub(super) fn dismissed(mut self) -> Self {
        if self.finished.is_none() {
            self.status = Status::Dismissed;
            self.state = "stopping";
        }
        self
    }
}

/// The state of the standard.
pub(crate) fn status_of(known: &Known) -> Status {
    standing(known).0
}

/// The state of the standard, and our word for it.
fn standing(known: &Known) -> (Status, &'static str) {
    let state = &known.state;
    match state.finished {
        Some((status, _)) => (Status::of_end(status), status.name()),
        // It keeps what is whole, and does nothing more.
        None if state.cancelling.is_some() => (Status::Dismissed, "stopping"),
        None if state.opened == 0 => (Status::Accepted, "queued"),
        None if known.retrying.is_some() => (Status::Running, "retrying"),
        None => (Status::Running, "running"),
    }
}

/// What a run is at, or how it ended, where the log says.
fn message(known: &Known) -> Option<String> {
    let state = &known.state;
    let failed = || failure(state).map(|(unit, error)| format!("{unit}: {error}"));
    match state.finished {
        Some((RunStatus::Successful, _)) => {
            let before = known.failed_before.as_ref();
            before
                .map(|run| format!("job {run} of the same request, before it, failed"))
                .or_else(|| gaps(state))
        }
        Some((RunStatus::Failed, _)) => failed(),
        Some((RunStatus::Cancelled, _)) => state.cancelling.clone(),
        Some((RunStatus::Interrupted, _)) => {
            Some("its process died; another run settled what it had written".to_owned())
        }
        None => match (&state.cancelling, &known.retrying) {
            (Some(why), _) => Some(format!("is to stop: {why}")),
            (None, Some((unit, error))) => Some(format!("{unit} is tried again: {error}")),
            (None, None) => None,
        },
    }
}

/// What stopped the first unit that failed, in the order of the graph.
pub(crate) fn failure(state: &RunState) -> Option<(&frazil_engine::data::NodeId, &StepError)> {
    let heads = state.accepted.iter().flat_map(|accepted| &accepted.units);
    let failed = heads.filter_map(|head| {
        let unit: &UnitState = state.units.get(&head.unit)?;
        let error = unit.error.as_ref().filter(|_| unit.phase == Phase::Done)?;
        Some((unit.at.as_ref().unwrap_or(&head.unit), error))
    });
    failed.filter(|(_, error)| **error != StepError::Cancelled).min_by_key(|(_, error)| error.is_transient())
}

/// What a successful run left out.
fn gaps(state: &RunState) -> Option<String> {
    let skipped: Vec<&str> = state
        .units
        .iter()
        .filter(|(_, unit)| unit.phase == Phase::Skipped)
        .map(|(name, _)| name.as_str())
        .collect();
    (!skipped.is_empty()).then(|| format!("skipped, as there was nothing for them: {}", skipped.join(", ")))
}

/// How many of the units are over, of 100; never all of them while the run is not.
fn over(state: &RunState) -> u8 {
    let over = state.units.values().filter(|unit| unit.is_over()).count();
    u8::try_from((over * 100 / state.units.len().max(1)).min(99)).unwrap_or(99)
}

fn links(run: &RunId, status: Status, base: &Base) -> Vec<Link> {
    let path = format!("/jobs/{run}");
    let at = |rest: &str| base.at(&format!("{path}{rest}"));
    let mut links = vec![
        Link::json("self", at("")),
        Link::json("monitor", at("")),
        Link::json("up", base.at("/jobs")),
        Link::to("related", "text/event-stream", at("/events")).titled("What happens, as it happens"),
        Link::json("related", at("/logs")).titled("What was said and done, line by line"),
        Link::json("related", at("/prov")).titled("What it was made of (PROV-JSON)"),
    ];
    match status {
        Status::Successful => links.push(Link::json(RESULTS, at("/results")).titled("What it left behind")),
        Status::Failed => {
            let why = Link::to(EXCEPTIONS, "application/problem+json", at("/results"));
            links.push(why.titled("Why it failed"));
        }
        _ => {}
    }
    links
}
