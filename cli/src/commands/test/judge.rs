//! What a run came to, beside what was expected of it.

use std::collections::BTreeMap;

use frazil_engine::{
    data::{DatasetId, Period, PeriodRange, SnapshotId},
    event::{RunState, RunStatus},
    step::StepError,
    suite::{Constant, Ending, TestRun},
};
use frazil_steps::cube::Cube;

use super::bench::{Night, has_axis};

/// Numbers that differ by less than this part of themselves are the same: float32 keeps seven digits.
const TOLERANCE: f64 = 1e-5;

/// Requests without an answer that are named.
const NAMED: usize = 5;

/// Commits by the periods that each changed, oldest first.
type Commits = BTreeMap<DatasetId, Vec<Vec<PeriodRange>>>;

/// Everything that is not as expected.
pub(super) async fn judge(
    night: &Night<'_>,
    heads: &BTreeMap<DatasetId, SnapshotId>,
    states: &[RunState],
) -> anyhow::Result<Vec<String>> {
    let run = night.run;
    let mut failures = ending(run, states);
    let Some(scope) = night.any_scope() else { return Ok(failures) };
    let mut cubes = BTreeMap::new();
    let mut made = Commits::new();
    for info in night.datasets.values().filter(|info| has_axis(info)) {
        let Some(cube) = Cube::open(info, &scope).await? else { continue };
        let commits = commits(&cube, heads.get(&info.id)).await?;
        if !commits.is_empty() {
            made.insert(info.id.clone(), commits);
        }
        cubes.insert(info.id.clone(), cube);
    }
    if let Some(expected) = &run.commits {
        failures.extend(compare(expected, &made));
    }
    if let Some(expected) = &run.cascade {
        let changed = cascade(run, &made);
        if *expected != changed {
            let (expected, changed) = (names(expected), names(&changed));
            failures.push(format!("cascade: expected {expected}; changed {changed}"));
        }
    }
    for (dataset, period, value) in &run.values {
        failures.extend(numbers(cubes.get(dataset), dataset, *period, value).await?);
    }
    for (dataset, ranges, status) in &run.statuses {
        let axis = cubes.get(dataset).map(Cube::axis);
        for period in ranges.iter().flat_map(PeriodRange::iter) {
            let found = axis.and_then(|axis| axis.status(period));
            if found != Some(*status) {
                let found = found
                    .map_or("the period is not there".to_owned(), |found| format!("it is {}", found.name()));
                failures.push(format!("status of `{dataset}` {period}: expected {}; {found}", status.name()));
            }
        }
    }
    let requests = night.server.requests();
    if let Some(expected) = run.expect.requests.filter(|expected| *expected != requests) {
        failures.push(format!("requests: expected {expected}; sources were asked {requests} times"));
    }
    let unanswered = night.server.unanswered();
    if !failures.is_empty() && !unanswered.is_empty() {
        let shown = unanswered.iter().take(NAMED).cloned().collect::<Vec<_>>().join("\n  ");
        let more = unanswered.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        failures.push(format!("note: nothing under `http` answers\n  {shown}{more}"));
    }
    Ok(failures)
}

fn ending(run: &TestRun, states: &[RunState]) -> Vec<String> {
    let mut failures = Vec::new();
    let units = || states.iter().flat_map(|state| &state.units);
    let errors: Vec<String> = units()
        .filter_map(|(unit, state)| state.error.as_ref().map(|error| format!("`{unit}`: {}", told(error))))
        .collect();
    let successful = |state: &RunState| matches!(state.finished, Some((RunStatus::Successful, _)));
    let wanted = run.expect.status;
    let ended = if states.iter().all(successful) { Ending::Successful } else { Ending::Failed };
    if wanted != ended {
        let word = |ending: Ending| if ending == Ending::Successful { "successful" } else { "failed" };
        let mut text = format!("status: expected {}; the run was {}", word(wanted), word(ended));
        errors.iter().for_each(|error| text.push_str(&format!("\n  {error}")));
        failures.push(text);
    }
    if let Some(part) = &run.expect.error
        && !errors.iter().any(|error| error.contains(part.as_str()))
    {
        let said = if errors.is_empty() { "nothing went wrong".to_owned() } else { errors.join("\n  ") };
        failures.push(format!("error: expected “{part}”; {said}"));
    }
    failures
}

fn told(error: &StepError) -> String {
    let help = error.failure().and_then(|failure| failure.help.as_deref());
    help.map_or_else(|| error.to_string(), |help| format!("{error} (help: {help})"))
}

/// The commits since `base` that changed periods, oldest first.
async fn commits(cube: &Cube, base: Option<&SnapshotId>) -> Result<Vec<Vec<PeriodRange>>, StepError> {
    let all = cube.commits(|commit| Some(&commit.id) != base).await?;
    let since = all.iter().take_while(|commit| Some(&commit.id) != base);
    let mut found: Vec<Vec<PeriodRange>> = since
        .map(|commit| {
            let ranges = commit.added.iter().chain(&commit.revised).chain(&commit.filled);
            let mut periods: Vec<Period> = ranges.flat_map(PeriodRange::iter).collect();
            periods.sort_unstable();
            periods.dedup();
            PeriodRange::collect(periods)
        })
        .filter(|ranges| !ranges.is_empty())
        .collect();
    found.reverse();
    Ok(found)
}

fn compare(expected: &Commits, made: &Commits) -> Vec<String> {
    let none = Vec::new();
    let mut ids: Vec<&DatasetId> = expected.keys().chain(made.keys()).collect();
    ids.sort();
    ids.dedup();
    let differs = ids.into_iter().filter_map(|id| {
        let (expected, made) = (expected.get(id).unwrap_or(&none), made.get(id).unwrap_or(&none));
        (expected != made)
            .then(|| format!("commits of `{id}`: expected {}; made {}", shown(expected), shown(made)))
    });
    differs.collect()
}

fn shown(commits: &[Vec<PeriodRange>]) -> String {
    if commits.is_empty() {
        return "none".to_owned();
    }
    let one =
        |ranges: &Vec<PeriodRange>| ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let commits: Vec<String> = commits.iter().map(|ranges| format!("[{}]", one(ranges))).collect();
    commits.join(" then ")
}

/// The datasets that changed, in the order of the graph.
fn cascade(run: &TestRun, made: &Commits) -> Vec<DatasetId> {
    let mut changed: Vec<DatasetId> = Vec::new();
    for (stage, _) in &run.stages {
        for unit in &stage.units {
            let pipeline = &stage.pipeline;
            let writes =
                pipeline.units[*unit].nodes().into_iter().filter_map(|n| pipeline.nodes[n].step.writes());
            for write in writes {
                let dataset = write.dataset();
                if made.contains_key(dataset) && !changed.contains(dataset) {
                    changed.push(dataset.clone());
                }
            }
        }
    }
    changed
}

fn names(ids: &[DatasetId]) -> String {
    if ids.is_empty() {
        return "nothing".to_owned();
    }
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ")
}

/// What differs in the numbers of one period.
async fn numbers(
    cube: Option<&Cube>,
    dataset: &DatasetId,
    period: Period,
    value: &Constant,
) -> Result<Vec<String>, StepError> {
    let place = format!("values of `{dataset}` {period}");
    let Some((cube, at)) = cube.and_then(|cube| Some((cube, cube.axis().position(period)?))) else {
        return Ok(vec![format!("{place}: the period is not there")]);
    };
    let mut failures = Vec::new();
    if let Constant::Each(each) = value {
        let unknown = each.keys().filter(|name| cube.template().variable(name).is_none());
        failures.extend(unknown.map(|name| format!("{place}: there is no variable `{name}`")));
    }
    for variable in &cube.template().variables {
        let Some(expected) = value.of(&variable.name) else { continue };
        let values = cube.read(&variable.name, at..at + 1, None).await?;
        let valid: Vec<f64> = (0..values.len())
            .filter_map(|cell| variable.value(values.get(cell)))
            .filter(|number| !number.is_nan())
            .collect();
        let same = |number: f64| (number - expected).abs() <= TOLERANCE * expected.abs().max(TOLERANCE);
        let other = valid.iter().find(|number| !same(**number));
        if let Some(found) = other {
            failures.push(format!("{place}, `{}`: expected {expected}; found {found}", variable.name));
        } else if valid.is_empty() {
            failures.push(format!("{place}, `{}`: expected {expected}; all is missing", variable.name));
        }
    }
    Ok(failures)
}
