use std::{collections::BTreeMap, time::SystemTime};

use chrono::{DateTime, Utc};
use frazil_engine::{
    data::RunId,
    event::{Event, RunEvent, RunStatus},
};
use opentelemetry::{
    KeyValue,
    trace::{SpanId, SpanKind, Status, TraceId},
};
use opentelemetry_sdk::trace::SpanData;
use sha2::{Digest, Sha256};

use super::{Ended, Parent};

/// The run and each try of its units.
pub(super) fn spans(run: &RunId, events: &[RunEvent]) -> Vec<SpanData> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Vec::new() };
    let (Event::Accepted(accepted), Event::Finished { status }) = (&first.event, &last.event) else {
        return Vec::new();
    };
    let parent = accepted.origin.traceparent.as_deref().and_then(Parent::read);
    if parent.is_some_and(|parent| !parent.is_sampled) {
        return Vec::new();
    }
    let trace = parent.map_or_else(|| TraceId::from_bytes(digest(&[run.as_str()])), |parent| parent.trace);
    let id = SpanId::from_bytes(digest(&[run.as_str(), "run"]));
    let failed = matches!(status, RunStatus::Failed | RunStatus::Interrupted);
    let of_run = Ended {
        trace,
        id,
        parent: parent.map_or(SpanId::INVALID, |parent| parent.span),
        is_remote: parent.is_some(),
        kind: SpanKind::Consumer,
        name: format!("run {}", accepted.pipeline).into(),
        from: time(first.at),
        to: time(last.at),
        status: if failed { Status::error(status.name()) } else { Status::Unset },
        attributes: vec![
            KeyValue::new("frazil.run", run.to_string()),
            KeyValue::new("frazil.pipeline", accepted.pipeline.to_string()),
            KeyValue::new("frazil.cause", accepted.origin.cause.name()),
            KeyValue::new("frazil.status", status.name()),
        ],
    };
    let mut told = vec![of_run.span()];
    let mut open: BTreeMap<String, (u32, DateTime<Utc>)> = BTreeMap::new();
    for event in events {
        let (unit, error) = match &event.event {
            Event::Started { unit, attempt } => {
                open.insert(unit.to_string(), (*attempt, event.at));
                continue;
            }
            Event::Retrying { unit, error, .. } => (unit.to_string(), Some(error)),
            Event::Ended { unit, error, .. } => (unit.to_string(), error.as_ref()),
            _ => continue,
        };
        let Some((attempt, from)) = open.remove(&unit) else { continue };
        let try_of = Ended {
            trace,
            id: SpanId::from_bytes(digest(&[run.as_str(), &unit, &attempt.to_string(), &from.to_rfc3339()])),
            parent: id,
            is_remote: false,
            kind: SpanKind::Internal,
            name: unit.clone().into(),
            from: time(from),
            to: time(event.at),
            status: error.map_or(Status::Unset, |error| Status::error(error.to_string())),
            attributes: vec![
                KeyValue::new("frazil.run", run.to_string()),
                KeyValue::new("frazil.unit", unit),
                KeyValue::new("frazil.attempt", i64::from(attempt)),
            ],
        };
        told.push(try_of.span());
    }
    told
}

/// The first bytes of a digest, as names that are the same each time.
fn digest<const N: usize>(of: &[&str]) -> [u8; N] {
    let whole: [u8; 32] = Sha256::digest(of.join("\0").as_bytes()).into();
    std::array::from_fn(|at| whole[at])
}

fn time(at: DateTime<Utc>) -> SystemTime {
    at.into()
}
