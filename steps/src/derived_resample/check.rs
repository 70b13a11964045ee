//! What can be known to be wrong before anything is read.

use std::collections::BTreeMap;

use frazil_engine::{
    data::{DatasetId, Frequency},
    dataset::{CellMethod, Dataset, Datasets, TimeAxis, Variable},
    step::Finding,
};

use super::{DerivedResample, Ready, Windows};
use crate::{resample::Method, units::is_rate};

/// A method that makes no sense for a variable, with what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nonsense {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: String,
}

/// Whether `method` says something wrong of a variable with this unit and cell method.
pub(super) fn nonsense(
    name: &str,
    method: Method,
    cell: Option<CellMethod>,
    units: Option<&str>,
) -> Option<Nonsense> {
    let shown = units.unwrap_or("no unit");
    match (method, cell) {
        (Method::Sum, Some(CellMethod::Mean)) => Some(Nonsense {
            code: "FZ520",
            message: format!("`{name}` ({shown}) is a mean over its period: a sum of means is no total"),
            help: rate_help(name),
        }),
        (Method::Sum, cell) if cell != Some(CellMethod::Total) && units.is_some_and(is_rate) => {
            Some(Nonsense {
                code: "FZ520",
                message: format!("`{name}` is a rate ({shown}): a sum of rates is no total"),
                help: rate_help(name),
            })
        }
        (Method::Mean, Some(CellMethod::Total)) => Some(Nonsense {
            code: "FZ521",
            message: format!(
                "`{name}` ({shown}) is a total over its period: a mean of totals says nothing of the window"
            ),
            help: "use `method: sum`; for a mean rate divide the sum by the length of its window".to_owned(),
        }),
        _ => None,
    }
}

fn rate_help(name: &str) -> String {
    format!(
        "use `method: mean`, or make totals of it on the way in: `transform: {{ do: [ {{ scale-offset: {{ {name}: {{ scale: … }} }} }} ] }}` by the length of a period, then `cell: total` in a unit without time"
    )
}

fn finding(
    code: &'static str,
    pointer: impl Into<String>,
    message: String,
    help: impl Into<String>,
) -> Finding {
    Finding { code, pointer: pointer.into(), message, help: Some(help.into()), beside: None }
}

/// All problems of the settings.
pub(super) fn check(step: &DerivedResample, datasets: &Datasets) -> Vec<Finding> {
    let mut findings = settings(step);
    let Some(info) = datasets.get(&step.dataset) else { return findings };
    let Some(source) = info.sources.first().and_then(|id| datasets.get(id)) else { return findings };
    findings.extend(steps(step, &info.block, &source.block, &source.id));
    // A source that is derived itself may declare no variables: what it takes from its own source
    // is known once it exists, and is looked at then.
    let variables = &source.block.variables;
    for (name, choice) in &step.variables {
        if !variables.is_empty() && !variables.contains_key(&choice.from) {
            let known: Vec<&str> = variables.keys().map(String::as_str).collect();
            let found = finding(
                "FZ522",
                format!("/variables/{name}/from"),
                format!("`{}` has no variable `{}`", source.id, choice.from),
                format!("it has {}", known.join(", ")),
            );
            findings.push(found.beside(&source.id, "/variables", "the variables of the source"));
        }
    }
    for (pointer, name, method) in choices(step, variables) {
        let Some(variable) = variables.get(&name) else { continue };
        if let Some(wrong) = nonsense(&name, method, variable.cell, variable.units.as_deref()) {
            let (key, text) = match variable.cell {
                Some(CellMethod::Mean) => ("cell", "a mean over each period"),
                Some(CellMethod::Total) => ("cell", "a total over each period"),
                _ => ("units", "something per time"),
            };
            let found = finding(wrong.code, pointer, wrong.message, wrong.help);
            findings.push(found.beside(&source.id, format!("/variables/{name}/{key}"), text));
        }
    }
    findings
}

/// What is wrong with the block alone.
fn settings(step: &DerivedResample) -> Vec<Finding> {
    let mut findings = Vec::new();
    match (step.method, step.variables.is_empty()) {
        (None, true) => findings.push(finding(
            "FZ524",
            "",
            "neither `method` nor `variables` is said".to_owned(),
            "write `method: sum` for all variables, or `variables: { name: { from: name, method: sum } }`",
        )),
        (Some(_), false) => findings.push(finding(
            "FZ524",
            "/method",
            "both `method` and `variables` are said".to_owned(),
            "`method` is for all variables; where they differ, name each in `variables`",
        )),
        _ => {}
    }
    if step.windows == Some(Windows::Weighted) {
        let unweighted = |method: &Method| !matches!(method, Method::Sum | Method::Mean);
        let all = step.method.iter().map(|method| ("/method".to_owned(), *method));
        let each = step.variables.iter().map(|(name, c)| (format!("/variables/{name}/method"), c.method));
        for (pointer, method) in all.chain(each).filter(|(_, method)| unweighted(method)) {
            findings.push(finding(
                "FZ524",
                pointer,
                format!("`{}` has no weights: a share of a period is not a smaller number of it", method.name()),
                "`windows: weighted` is for `sum` and `mean`; for the others use `overlapping` or `contained`",
            ));
        }
    }
    if let Ready::AtLeast(part) = step.ready
        && !(part > 0.0 && part <= 1.0)
    {
        findings.push(finding(
            "FZ524",
            "/ready/at-least",
            format!("{part} is no part of a window"),
            "a number above 0 and at most 1, such as 0.9",
        ));
    }
    findings
}

/// Whether the windows are windows of the source's periods.
fn steps(step: &DerivedResample, own: &Dataset, source: &Dataset, source_id: &DatasetId) -> Option<Finding> {
    let (to, from) = match (frequency(own), frequency(source)) {
        (Some(to), Some(from)) => (to, from),
        (None, _) => return Some(timeless(&step.dataset)),
        (_, None) => return Some(timeless(source_id)),
    };
    let (message, help) = unfit(from, to, step.windows)?;
    let found = finding("FZ523", "/dataset", format!("`{}` {message}", step.dataset), help);
    Some(found.beside(source_id, "/time/step", "the step of the source"))
}

fn timeless(id: &DatasetId) -> Finding {
    finding(
        "FZ523",
        "/dataset",
        format!("`{id}` has no time axis"),
        "only datasets with a time step are resampled",
    )
    .beside(id, "/time", "no time axis")
}

/// The step of a dataset's axis.
pub(super) fn frequency(dataset: &Dataset) -> Option<Frequency> {
    match &dataset.time {
        TimeAxis::Regular(time) => Some(time.frequency()),
        TimeAxis::None => None,
    }
}

/// Why periods of `from` cannot become windows of `to`, and what to do.
pub(super) fn unfit(from: Frequency, to: Frequency, rule: Option<Windows>) -> Option<(String, &'static str)> {
    if to.nominal_minutes() <= from.nominal_minutes() {
        return Some((
            format!("has step {to}, which is not coarser than {from}"),
            "declare a coarser `time.step`",
        ));
    }
    if rule == Some(Windows::Contained)
        && !from.nests_in(to)
        && to.nominal_minutes() < 2 * from.nominal_minutes()
    {
        return Some((
            format!("has step {to}, and some of its windows hold no {from} as a whole"),
            "use `windows: overlapping` or `weighted`, or derive it from a finer dataset",
        ));
    }
    if rule.is_none() && !from.nests_in(to) {
        return Some((
            format!("has step {to}, and periods of {from} lie across its borders"),
            "say what becomes of them: `windows: weighted` (each by its share of the window), `overlapping` or `contained`; or derive it from a finer dataset",
        ));
    }
    None
}

/// Where a method is said, the source variable it is used on, and the method.
fn choices(step: &DerivedResample, variables: &BTreeMap<String, Variable>) -> Vec<(String, String, Method)> {
    match step.method {
        Some(method) => variables.keys().map(|name| ("/method".to_owned(), name.clone(), method)).collect(),
        None => step
            .variables
            .iter()
            .map(|(name, choice)| (format!("/variables/{name}/method"), choice.from.clone(), choice.method))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
