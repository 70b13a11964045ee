//! Events of a run as lines.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{Event, RunEvent};
use crate::{
    data::PeriodRange,
    step::{Document, StepError},
};

/// An event as a line of JSON, without what only the sink understands, and without addresses of subscribers.
#[must_use]
pub fn json(run: &str, event: &RunEvent) -> Value {
    let mut body = serde_json::to_value(&event.event).unwrap_or(Value::Null);
    if let Some(written) = body.pointer_mut("/written/written").and_then(Value::as_object_mut) {
        written.remove("body");
    }
    // An address of somebody else, in which a token may stand.
    if let Some(reply) = body.pointer_mut("/accepted/origin/reply").and_then(Value::as_object_mut) {
        reply.remove("subscriber");
    }
    json!({ "frazil": 1, "type": "event", "run": run, "at": event.at, "event": body })
}

/// What is worth a line for people who wait for a run.
#[must_use]
pub fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started { unit, attempt } if *attempt > 1 => format!("{unit} starts again"),
        Event::Retrying { unit, error, wait, .. } => {
            let seconds = std::time::Duration::from_millis(*wait).as_secs_f64();
            format!("{unit}: {error}; trying again in {seconds:.1} s")
        }
        Event::Committed { unit, index, snapshot: Some(snapshot) } => {
            let number = index + 1;
            match &snapshot.id {
                // What is part of a release is on a branch of its own, until all of it is there.
                Some(id) if snapshot.base.as_ref() == Some(id) => {
                    format!("{unit}: batch {number} is settled, main stays at {id}")
                }
                Some(id) => format!("{unit}: batch {number} is committed as {id}"),
                None => format!("{unit}: batch {number} is settled, main holds nothing yet"),
            }
        }
        Event::Discarded { unit, why, .. } => {
            format!("{unit}: goes no further: {why}")
        }
        Event::Relisted { unit, error, .. } => format!("{unit}: its work is listed again: {error}"),
        Event::Ended { unit, error: Some(StepError::Cancelled), .. } => format!("{unit} is stopped"),
        Event::Ended { unit, error: Some(error), .. } => format!("{unit} failed: {error}"),
        Event::Ended { unit, output, error: None, .. } => match output {
            Some(Document::Periods(periods)) => {
                let s = if periods.count() == 1 { "" } else { "s" };
                let batches = match periods.batches.len() {
                    0 | 1 => String::new(),
                    more => format!(" in {more} batches"),
                };
                format!("{unit}: {} period{s} to do{batches}", periods.count())
            }
            _ => format!("{unit} done"),
        },
        Event::Checked { unit, checks } => {
            let bad: Vec<String> =
                checks.iter().filter(|check| !check.passed).map(ToString::to_string).collect();
            let passed = checks.len() - bad.len();
            let s = if passed == 1 { "" } else { "s" };
            let rest = bad.iter().map(|check| format!("; {check}")).collect::<String>();
            format!("{unit}: {passed} check{s} passed{rest}")
        }
        Event::Skipped { unit, because } => {
            let lacks: Vec<_> = because.iter().map(|id| format!("`{id}`")).collect();
            format!("{unit} skipped: nothing came from {}", lacks.join(", "))
        }
        _ => return None,
    })
}

/// What is worth a line for people who read the whole log.
#[must_use]
pub fn told(event: &Event) -> String {
    if let Some(text) = words(event) {
        return text;
    }
    match event {
        Event::Accepted(accepted) => {
            let units: Vec<&str> = accepted.units.iter().map(|head| head.unit.as_str()).collect();
            let params = Value::Object(accepted.params.clone());
            format!(
                "{} is accepted as of {}: {}; parameters {params}",
                accepted.pipeline,
                accepted.instant.to_rfc3339_opts(SecondsFormat::Secs, true),
                units.join(", ")
            )
        }
        Event::Opened { process } => format!("process {process} works on it"),
        Event::Left { process } => format!("process {process} lets go of it for another"),
        Event::Started { unit, .. } => format!("{unit} starts"),
        Event::Written { unit, written } => {
            let periods = PeriodRange::collect(written.labels.iter().map(|label| label.period.first));
            let periods: Vec<String> = periods.iter().map(ToString::to_string).collect();
            let what = if periods.is_empty() { "nothing".to_owned() } else { periods.join(", ") };
            format!("{unit}: batch {} is written: {what}", written.index + 1)
        }
        Event::Committed { unit, index, .. } => format!("{unit}: batch {} held nothing to commit", index + 1),
        Event::Said { node, lines, more, .. } => {
            let more = (*more > 0).then(|| format!("{more} more lines are not kept"));
            let lines: Vec<&str> = lines.iter().map(String::as_str).chain(more.as_deref()).collect();
            format!("{node} says: {}", lines.join("\n    "))
        }
        Event::Cancelling { reason } => format!("is to stop: {reason}"),
        Event::Finished { status } => status.name().to_owned(),
        other => other.name().to_owned(),
    }
}
