//! What is said.

use chrono::{DateTime, SecondsFormat, Utc};
use frazil_engine::{
    dataset::{DatasetInfo, Due},
    event::{Event, RunEvent, RunStatus},
    project::NotifyWhen,
    store::RunSummary,
};
use serde_json::{Value, json};

use crate::{asked::Base, live::Current};

/// Failures of a run that are told; the run's log has all.
const FAILURES: usize = 10;

/// The longest text of a failure, in characters.
const TEXT: usize = 1_000;

/// Whether a run that ended so is told of as failed.
pub(crate) const fn is_failure(status: RunStatus) -> bool {
    matches!(status, RunStatus::Failed | RunStatus::Interrupted)
}

/// Whether a run that succeeded follows one that failed: `before` are runs of its pipeline, newest first,
/// itself too. Runs that were told to stop say nothing either way.
pub(crate) fn follows_failure(run: &RunSummary, before: &[RunSummary]) -> bool {
    let older = before.iter().filter(|other| (other.accepted, &other.run) < (run.accepted, &run.run));
    let mut ended = older.filter_map(|other| other.finished).map(|(status, _)| status);
    ended.find(|status| *status != RunStatus::Cancelled).is_some_and(is_failure)
}

/// The word for an occasion.
pub(super) const fn name(when: NotifyWhen) -> &'static str {
    match when {
        NotifyWhen::Failed => "failed",
        NotifyWhen::Late => "late",
        NotifyWhen::Recovered => "recovered",
    }
}

pub(super) fn of_run(when: NotifyWhen, run: &RunSummary, events: &[RunEvent], current: &Current) -> String {
    let redacted = |text: &str| -> String { current.secrets.redact(text).chars().take(TEXT).collect() };
    let failures = events.iter().filter_map(|event| {
        let Event::Ended { unit, error: Some(error), .. } = &event.event else { return None };
        let failure = error.failure();
        Some(json!({
            "step": unit.to_string(),
            "message": redacted(&error.to_string()),
            "help": failure.and_then(|failure| failure.help.as_deref()).map(redacted),
        }))
    });
    let failures: Vec<Value> = failures.take(FAILURES).collect();
    let (status, finished) =
        run.finished.map_or((None, None), |(status, at)| (Some(status.name()), Some(at)));
    json!({
        "frazil": 1,
        "occasion": name(when),
        "project": current.project.config.id,
        "pipeline": run.pipeline,
        "run": run.run,
        "href": href(current, &format!("/jobs/{}", run.run)),
        "status": status,
        "instant": stamp(run.instant),
        "accepted": stamp(run.accepted),
        "finished": finished.map(stamp),
        "failures": failures,
    })
    .to_string()
}

pub(super) fn of_dataset(info: &DatasetInfo, due: &Due, now: DateTime<Utc>, current: &Current) -> String {
    json!({
        "frazil": 1,
        "occasion": name(NotifyWhen::Late),
        "project": current.project.config.id,
        "dataset": info.id,
        "title": info.block.title,
        "href": href(current, &format!("/datasets/{}", info.id)),
        "at": stamp(now),
        "missing": due.missing.map(|missing| json!({
            "first": missing.first.to_string(),
            "last": missing.last.to_string(),
            "periods": missing.len(),
        })),
        "available_since": due.since.map(stamp),
    })
    .to_string()
}

/// Where more is told: known where the project says by which address it is.
fn href(current: &Current, path: &str) -> Option<String> {
    Base::said(&current.project.config.serve).map(|base| base.at(path))
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn run(number: i64, status: Option<RunStatus>) -> RunSummary {
        let accepted = DateTime::UNIX_EPOCH + TimeDelta::minutes(number);
        let mut run = crate::testing::summary(accepted);
        run.finished = status.map(|status| (status, accepted));
        run
    }

    #[test]
    fn who_succeeds_after_a_failure_recovered() {
        use RunStatus::{Cancelled, Failed, Interrupted, Successful};
        let recovered = |before: &[Option<RunStatus>]| {
            // Oldest first; the last is the one that succeeded, before one that is at work.
            let mut runs: Vec<_> = before.iter().zip(0..).map(|(status, at)| run(at, *status)).collect();
            let last = runs.last().unwrap().clone();
            runs.push(run(99, None));
            runs.reverse();
            follows_failure(&last, &runs)
        };
        let done = Some(Successful);
        assert!(recovered(&[Some(Failed), done]));
        assert!(recovered(&[done, Some(Interrupted), done]));
        assert!(recovered(&[Some(Failed), Some(Cancelled), done]));
        assert!(recovered(&[Some(Failed), None, done]), "one at work says nothing yet");
        assert!(!recovered(&[done]));
        assert!(!recovered(&[Some(Failed), done, done]));
        assert!(!recovered(&[Some(Cancelled), done]));
    }
}
