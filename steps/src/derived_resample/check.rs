//! What can be known to be wrong before anything is read.

use frazil_engine::{
    data::{DatasetId, Frequency},
    dataset::{CellMethod, Dataset, DatasetInfo, Datasets, GridBlock, TimeAxis},
    diagnostic::codes,
    step::Finding,
};

use super::{
    DerivedResample, Ready, Windows,
    from::{self, Known, Wrong},
};
use crate::resample::Method;
use frazil_engine::cf::units::is_rate;

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
    let sources: Vec<&DatasetInfo> =
        info.sources.iter().filter_map(|id| datasets.get(id)).map(|info| &**info).collect();
    findings.extend(sources.iter().filter_map(|source| steps(step, &info.block, &source.block, &source.id)));
    findings.extend(apart(&sources, datasets));
    // Of what is not known at all nothing can be said.
    if sources.is_empty() || sources.len() < info.sources.len() {
        return findings;
    }
    let known: Vec<Known<'_>> = sources.iter().map(|source| known(source)).collect();
    for (pointer, at, name, method) in choices(step, &known, &sources, &mut findings) {
        let Some(variable) = sources[at].block.variables.get(&name) else { continue };
        if let Some(wrong) = nonsense(&name, method, variable.cell, variable.units.as_deref()) {
            let (key, text) = match variable.cell {
                Some(CellMethod::Mean) => ("cell", "a mean over each period"),
                Some(CellMethod::Total) => ("cell", "a total over each period"),
                _ => ("units", "something per time"),
            };
            let found = finding(wrong.code, pointer, wrong.message, wrong.help);
            findings.push(found.beside(&sources[at].id, format!("/variables/{name}/{key}"), text));
        }
    }
    findings
}

/// What a block says of its variables. A source that is derived itself may declare none: what it takes
/// from its own sources is known once it exists, and is looked at then.
fn known(source: &DatasetInfo) -> Known<'_> {
    let variables = &source.block.variables;
    let names = || variables.keys().map(String::as_str).collect();
    Known { id: &source.id, variables: (!variables.is_empty()).then(names) }
}

/// Where a method is said, the source and its variable that it is used on, and the method; what cannot
/// be understood is told.
fn choices(
    step: &DerivedResample,
    known: &[Known<'_>],
    sources: &[&DatasetInfo],
    findings: &mut Vec<Finding>,
) -> Vec<(String, usize, String, Method)> {
    let mut choices = Vec::new();
    if let Some(method) = step.method {
        findings.extend(from::twice(known).map(|wrong| unclear(wrong, "/method".to_owned(), sources)));
        for (at, source) in sources.iter().enumerate() {
            let names = source.block.variables.keys();
            choices.extend(names.map(|name| ("/method".to_owned(), at, name.clone(), method)));
        }
        return choices;
    }
    let mut taken: Vec<bool> = sources.iter().map(|_| false).collect();
    let mut unsure = step.variables.is_empty();
    for (name, choice) in &step.variables {
        match from::find(&choice.from, known) {
            Ok(Some((at, variable))) => {
                taken[at] = true;
                let pointer = format!("/variables/{name}/method");
                choices.push((pointer, at, variable.to_owned(), choice.method));
            }
            Ok(None) => unsure = true,
            Err(wrong) => {
                unsure = true;
                findings.push(unclear(wrong, format!("/variables/{name}/from"), sources));
            }
        }
    }
    let idle = sources.iter().zip(taken).filter(|(_, taken)| !taken && !unsure);
    findings.extend(idle.map(|(source, _)| {
        finding(
            codes::RESAMPLE,
            "/variables",
            format!("nothing is made of `{}`, which this step needs", source.id),
            format!(
                "add a variable (`from: {}.…`), or take the step that gives it out of `needs`",
                source.id
            ),
        )
    }));
    choices
}

fn unclear(wrong: Wrong, pointer: String, sources: &[&DatasetInfo]) -> Finding {
    let found = finding(wrong.code, pointer, wrong.message, wrong.help);
    match wrong.source {
        Some(at) => found.beside(&sources[at].id, "/variables", "the variables of the source"),
        None => found,
    }
}

/// Sources that say of themselves that they lie elsewhere than the first.
fn apart(sources: &[&DatasetInfo], datasets: &Datasets) -> Option<Finding> {
    let (first, others) = sources.split_first()?;
    others.iter().find_map(|other| {
        let differ = |key: &str, what: String| {
            let message = format!("`{}` and `{}` do not lie on one grid: {what}", first.id, other.id);
            let help = "fetch one on the grid of the other, or derive a dataset from each on its own";
            finding(codes::APART, "/dataset", message, help).beside(&other.id, key, "lies elsewhere")
        };
        let crs = |info| said(info, datasets, |block| block.crs.clone());
        if let (Some(a), Some(b)) = (crs(first), crs(other))
            && a != b
        {
            return Some(differ("/crs", format!("{a} is not {b}")));
        }
        let grid = |info| said(info, datasets, |block| block.grid.clone());
        let (a, b) = (grid(first)?, grid(other)?);
        let shape = |grid: &GridBlock| format!("{} × {} cells", grid.shape[0], grid.shape[1]);
        let what = if a.shape != b.shape {
            format!("{}, and {}", shape(&a), shape(&b))
        } else if !near(a.cell, b.cell, a.cell) {
            format!("cells of {:?}, and of {:?}", a.cell, b.cell)
        } else if !near(a.origin, b.origin, a.cell) {
            format!("from {:?}, and from {:?}", a.origin, b.origin)
        } else {
            return None;
        };
        Some(differ("/grid", what))
    })
}

/// Whether two points differ by less than a millionth of a cell: people round.
fn near(a: [f64; 2], b: [f64; 2], cell: [f64; 2]) -> bool {
    (0..2).all(|i| (a[i] - b[i]).abs() <= 1e-6 * cell[i].abs())
}

/// What a block says, or the block that it is derived from does.
fn said<T>(info: &DatasetInfo, datasets: &Datasets, of: impl Fn(&Dataset) -> Option<T> + Copy) -> Option<T> {
    let mut info = info;
    // A checked graph has no circles; this one may have.
    for _ in 0..=datasets.len() {
        if let Some(found) = of(&info.block) {
            return Some(found);
        }
        info = datasets.get(info.sources.first()?)?;
    }
    None
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

#[cfg(test)]
mod tests;
