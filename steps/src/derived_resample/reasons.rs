//! The decision in sentences.

use frazil_engine::data::{Action, Period, PeriodRange, Status};

use super::decide::{Axis, Changed, Decision, Inputs, Source};

/// Waiting windows that are named one by one; beyond that they are counted.
const NAMED: usize = 12;

pub(super) fn reasons(
    inputs: &Inputs<'_>,
    decision: &Decision,
    waits: &[Period],
    held: Option<(Period, Period)>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if inputs.remake {
        let chosen = decision.earlier.iter().chain(&decision.windows);
        let again = chosen.filter(|w| w.action == Action::Revise).map(|w| w.period);
        let again = listed(&PeriodRange::collect(again));
        let what = if again.is_empty() { String::new() } else { format!(" ({again})") };
        reasons.push(format!(
            "its definition differs from the one it was made by: everything is made again{what}"
        ));
    } else if held.is_some() && inputs.anew.is_none() {
        let unknown = inputs.sources.iter().filter(|source| *source.changed == Changed::All);
        let names: Vec<&str> = unknown.map(|source| source.name).collect();
        if !names.is_empty() {
            let which = match inputs.sources.len() {
                1 => "the source snapshot".to_owned(),
                _ => format!("the snapshot of {}", names.join(", ")),
            };
            reasons.push(format!(
                "{which} it was made from is not known any more: all windows are computed, only those that differ are written"
            ));
        }
    }
    for (action, verb) in [(Action::Add, "made"), (Action::Revise, "made again"), (Action::Fill, "filled")] {
        let chosen = decision.earlier.iter().chain(&decision.windows);
        let ranges = PeriodRange::collect(
            chosen.filter(|w| w.action == action && w.status != Status::Incomplete).map(|w| w.period),
        );
        if !(ranges.is_empty() || inputs.remake && action == Action::Revise) {
            reasons.push(format!("{}: {verb}{}", listed(&ranges), why(action)));
        }
    }
    // The newest are of interest: the older ones have been waiting for long.
    let shown = &waits[waits.len().saturating_sub(NAMED)..];
    if shown.len() < waits.len() {
        reasons.push(format!("{} earlier windows lack periods too", waits.len() - shown.len()));
    }
    reasons.extend(shown.iter().map(|window| waiting(inputs, *window)));
    if let Some(range) = decision.unaligned {
        reasons.push(unaligned(range, inputs.unit));
    }
    reasons
}

/// Why windows before the axis cannot be written.
pub(super) fn unaligned(range: PeriodRange, unit: usize) -> String {
    format!(
        "{range} come before the first window and do not fill a chunk of {unit}: bringing them in would rewrite the dataset"
    )
}

const fn why(action: Action) -> &'static str {
    match action {
        Action::Add => "",
        Action::Revise => ", their inputs changed",
        Action::Fill => ", their inputs arrived",
    }
}

fn listed(ranges: &[PeriodRange]) -> String {
    let mut text: Vec<String> = ranges.iter().take(NAMED).map(ToString::to_string).collect();
    if ranges.len() > NAMED {
        text.push(format!("{} more", ranges.len() - NAMED));
    }
    text.join(", ")
}

/// That a source has nothing at all.
pub(super) fn empty(inputs: &Inputs<'_>, source: &Source<'_>) -> String {
    let name = if inputs.sources.len() == 1 { "the source" } else { source.name };
    format!("{name} holds no periods yet")
}

/// Which periods of which sources a window waits for.
fn waiting(inputs: &Inputs<'_>, window: Period) -> String {
    let one = inputs.sources.len() == 1;
    let (mut lacks, mut refusals) = (Vec::new(), Vec::new());
    for source in &inputs.sources {
        let parts = source.parts(window);
        // What is enough is not waited for.
        if !one && inputs.ready.passes(parts.have, parts.total) {
            continue;
        }
        let range = source.from.of(window);
        let lacking: Vec<Period> = range.iter().filter(|p| !there(source.axis, *p)).collect();
        let refused: Vec<Period> =
            lacking.iter().copied().filter(|p| status(source.axis, *p).is_some()).collect();
        let of = |periods: &[Period]| listed(&PeriodRange::collect(periods.iter().copied()));
        if let [period, ..] = refused.as_slice() {
            let status = status(source.axis, *period).map_or("", Status::name);
            let name = if one { "the source" } else { source.name };
            refusals.push(format!("in {name} {} is {status}", of(&refused)));
            continue;
        }
        let name = if one { String::new() } else { format!("{} ", source.name) };
        let count = match lacking.len() {
            0 | 1 => String::new(),
            n => format!(" ({n} of {})", range.len()),
        };
        lacks.push(format!("{name}{}{count}", of(&lacking)));
    }
    if refusals.is_empty() {
        return format!("{window}: waits for {}", lacks.join(", "));
    }
    format!("{window}: incomplete, {}", refusals.join(", "))
}

fn status(source: &Axis, period: Period) -> Option<Status> {
    source.binary_search_by_key(&period, |(p, _)| *p).ok().map(|at| source[at].1)
}

fn there(source: &Axis, period: Period) -> bool {
    status(source, period).is_some_and(Status::has_values)
}
