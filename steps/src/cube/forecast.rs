//! Forecasts: datasets with a dimension `lead_time`. Their periods are the times at which they were made;
//! `valid_time` beside the time axis says for which time each of their numbers holds.

use frazil_engine::{
    data::{DType, Frequency, Grid, LEAD_TIME},
    step::StepError,
};
use icechunk::session::Session;
use serde_json::{Value, json};

use super::{
    change::{self, resize},
    document::Nodes,
    layout::ArrayDocument,
    level::inside,
    read,
    template::Template,
    time::{TIME_CHUNK, TimeIndex},
};

/// The coordinate over the time axis and the leads.
pub(super) const VALID_TIME: &str = "valid_time";

/// The leads of a grid in hours; none where it is not that of forecasts, or has no periods to begin at.
pub(super) fn leads(step: Frequency, grid: &Grid) -> Option<Vec<i64>> {
    if step.is_static() { None } else { grid.extra.leads() }
}

/// Seconds in one unit of `valid_time`, and the unit as CF has it. Leads are whole hours, periods may begin
/// between them.
const fn unit(step: Frequency) -> (i64, &'static str) {
    if step.label_minutes() == 1 {
        (60, "minutes since 1970-01-01")
    } else {
        (3_600, "hours since 1970-01-01")
    }
}

/// Rows that are stored together: as many numbers as of the time axis, so that an append writes as little.
const fn rows(leads: usize) -> u64 {
    let rows = TIME_CHUNK / if leads == 0 { 1 } else { leads as u64 };
    if rows == 0 { 1 } else { rows }
}

/// The `zarr.json` of `valid_time` without periods yet; none of what is no forecast.
pub(super) fn document(step: Frequency, grid: &Grid) -> Option<Value> {
    let leads = leads(step, grid)?;
    let attributes = json!({
        "standard_name": "time",
        "long_name": "time for which the forecast holds",
        "units": unit(step).1,
        "calendar": "proleptic_gregorian",
    });
    let mut document = ArrayDocument::coordinate("time", 0, rows(leads.len()), DType::Int64, attributes);
    for (key, second) in [("shape", json!(leads.len())), ("dimension_names", json!(LEAD_TIME))] {
        document[key] = json!([document[key][0], second]);
    }
    let chunks = &mut document["chunk_grid"]["configuration"]["chunk_shape"];
    *chunks = json!([chunks[0], leads.len()]);
    Some(document)
}

/// Writes `valid_time` from position `from` on, in every group that has it; `grows` where the axis has another
/// length than before.
pub(super) async fn write(
    session: &mut Session,
    (nodes, template): (&Nodes, &Template),
    axis: &TimeIndex,
    (from, grows): (usize, bool),
    what: &str,
) -> Result<(), StepError> {
    let Some(leads) = leads(template.step, &template.grid) else { return Ok(()) };
    let seconds = unit(template.step).0;
    for group in template.groups() {
        let name = inside(group, VALID_TIME);
        // What was made before it was written has none.
        if !nodes.contains_key(&name) {
            continue;
        }
        if grows {
            resize(session, nodes, &name, axis.len() as u64, what).await?;
        }
        let codec = read::codec(nodes, &name, what)?;
        let rows = codec.lengths().first().copied().unwrap_or(1).max(1);
        for (at, periods) in axis.periods().chunks(rows).enumerate().skip(from / rows) {
            let starts = periods.iter().map(|period| period.start().timestamp());
            let valid =
                starts.flat_map(|start| leads.iter().map(move |lead| (start + lead * 3_600) / seconds));
            let bytes: Vec<u8> = valid.flat_map(i64::to_le_bytes).collect();
            change::coordinate(session, &codec, (&name, &[at, 0]), &bytes, what).await?;
        }
    }
    Ok(())
}
