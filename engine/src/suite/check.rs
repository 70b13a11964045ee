use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Answer, Case, Constant};
use crate::{
    data::{DatasetId, Frequency, Period, PeriodRange, Status},
    dataset::{GridBlock, TimeAxis},
    diagnostic::{Diagnostic, Span, codes},
    document::Node,
    project::{Cascade, Project, Selection, Stage, decode},
};

/// The most rows or columns of a grid that a test makes up.
const SIDE_AT_MOST: u64 = 1_024;

/// A test that was checked: names are known, periods are those of their datasets.
#[derive(Debug, Clone)]
pub struct TestCase {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Span,
    /// As it is written.
    pub case: Case,
    /// The instant of its runs.
    pub now: DateTime<Utc>,
    /// What is run, in the order of the graph, with the parameters of each.
    pub stages: Vec<(Stage, Map<String, Value>)>,
    /// Where cells lie.
    pub grid: GridBlock,
    /// What stands in datasets before, a commit each.
    pub given: Vec<Filled>,
    /// What sources answer, with the path of each file.
    pub answers: Vec<(Answer, Option<PathBuf>)>,
    /// The commits of each dataset, where they are compared.
    pub commits: Option<BTreeMap<DatasetId, Vec<Vec<PeriodRange>>>>,
    /// The datasets that change, where they are compared.
    pub cascade: Option<Vec<DatasetId>>,
    /// Numbers that stand in every cell afterwards.
    pub values: Vec<(DatasetId, Period, Constant)>,
    /// What is known of periods afterwards.
    pub statuses: Vec<(DatasetId, Vec<PeriodRange>, Status)>,
}

/// Periods of a dataset that are put in place.
#[derive(Debug, Clone)]
pub struct Filled {
    /// The dataset.
    pub dataset: DatasetId,
    /// The periods.
    pub ranges: Vec<PeriodRange>,
    /// The number in every cell.
    pub value: Constant,
    /// What is known of them.
    pub status: Status,
}

/// The tests of a file; where the project has errors, only what can be told without it is looked at.
pub(super) fn cases(
    root: &Node,
    project: Option<&Project>,
    folder: &Path,
    out: &mut Vec<Diagnostic>,
) -> Vec<TestCase> {
    let mut cases = Vec::new();
    for entry in root.get("cases").map_or(&[][..], Node::entries) {
        let Some(case) = decode::<Case>(&entry.value, out) else { continue };
        let Some(project) = project else { continue };
        let mut judge = Judge { node: &entry.value, key: entry.key_span, project, folder, out };
        cases.extend(judge.case(&entry.key, case));
    }
    cases
}

struct Judge<'a> {
    node: &'a Node,
    key: Span,
    project: &'a Project,
    folder: &'a Path,
    out: &'a mut Vec<Diagnostic>,
}

impl Judge<'_> {
    /// Looks at everything, so that all is told; none where something is wrong.
    fn case(&mut self, name: &str, case: Case) -> Option<TestCase> {
        let before = self.out.len();
        let now = self.now(&case);
        let stages = now.map(|now| self.stages(&case, now)).unwrap_or_default();
        let given = self.given(&case);
        let answers = self.answers(&case);
        let commits = self.commits(&case);
        let cascade = case.expect.cascade.as_ref().map(|names| {
            let place = |at: usize| format!("/expect/cascade/{at}");
            let names = names.iter().enumerate();
            names.filter_map(|(at, name)| self.dataset(name, self.node.place(&place(at)))).collect()
        });
        let values = self.values(&case);
        let statuses = self.statuses(&case);
        self.grid(&case);
        if self.out.len() > before {
            return None;
        }
        let grid = case.grid.clone().unwrap_or_else(|| corner(self.project));
        let name = name.to_owned();
        Some(TestCase {
            name,
            place: self.key,
            now: now?,
            stages,
            grid,
            given,
            answers,
            commits,
            cascade,
            values,
            statuses,
            case,
        })
    }

    fn now(&mut self, case: &Case) -> Option<DateTime<Utc>> {
        let parsed = case.now.parse().ok();
        if parsed.is_none() {
            let message = format!("`{}` is not an instant", case.now);
            let problem = Diagnostic::error(codes::PATTERN, self.node.place("/now"), message);
            self.out.push(problem.help("write `2024-02-01T06:30:00Z`"));
        }
        parsed
    }

    fn stages(&mut self, case: &Case, now: DateTime<Utc>) -> Vec<(Stage, Map<String, Value>)> {
        let cascade = Cascade::of(self.project);
        let known: Vec<&str> = self
            .project
            .pipelines
            .keys()
            .map(|id| id.as_str())
            .chain(self.project.datasets.keys().map(DatasetId::as_str))
            .collect();
        let mut selections = Vec::new();
        for (at, text) in case.run.iter().enumerate() {
            let selection = Selection::parse(text);
            if cascade.select(std::slice::from_ref(&selection)).is_err() {
                let place = self.node.place(&format!("/run/{at}"));
                let message = format!("there is no pipeline or dataset `{}` to run here", selection.name);
                let problem = Diagnostic::error(codes::DATASET, place, message);
                self.out.push(problem.meant(&selection.name, &known));
            } else {
                selections.push(selection);
            }
        }
        if selections.is_empty() {
            if case.run.is_empty() {
                let problem = Diagnostic::error(codes::RANGE, self.node.place("/run"), "nothing is run");
                self.out.push(problem.help("name a pipeline, a dataset, or `name+`"));
            }
            return Vec::new();
        }
        let stages = cascade.select(&selections).unwrap_or_default();
        self.param_names(case, &stages);
        stages
            .into_iter()
            .filter_map(|stage| {
                let params = self.params(case, &stage, now)?;
                Some((stage, params))
            })
            .collect()
    }

    /// Parameters that nothing that is run has.
    fn param_names(&mut self, case: &Case, stages: &[Stage]) {
        let names =
            |stage: &Stage| stage.pipeline.params.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let known: Vec<String> = stages.iter().flat_map(names).collect();
        for key in case.params.keys() {
            let name = match key.split_once('.') {
                Some((of, name)) if stages.iter().any(|stage| stage.pipeline.id.as_str() == of) => name,
                _ => key,
            };
            if !known.iter().any(|known| known == name) {
                let params = self.node.get("params");
                let place = params.and_then(|params| params.entry(key)).map_or(self.key, |e| e.key_span);
                let message = format!("nothing that is run has a parameter `{name}`");
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                self.out.push(Diagnostic::error(codes::ATTRIBUTE, place, message).meant(name, &known));
            }
        }
    }

    fn params(&mut self, case: &Case, stage: &Stage, now: DateTime<Utc>) -> Option<Map<String, Value>> {
        let pipeline = &stage.pipeline;
        let mut given: BTreeMap<String, Value> = BTreeMap::new();
        let mut written: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in &case.params {
            let name = match key.split_once('.') {
                Some((of, name)) if of == pipeline.id.as_str() => name,
                _ => key.as_str(),
            };
            if pipeline.params.iter().any(|(known, _)| known == name) {
                given.insert(name.to_owned(), value.clone());
                written.insert(name.to_owned(), key.clone());
            }
        }
        match pipeline.accept_params(&given, &self.project.config, now) {
            Ok(params) => Some(params),
            Err(errors) => {
                for error in errors {
                    let key = written.get(&error.name).unwrap_or(&error.name);
                    let place = self.node.get("params").map_or(self.key, |p| p.place(&format!("/{key}")));
                    let message = format!("`{}` of `{}`: {}", error.name, pipeline.id, error.message);
                    self.out.push(Diagnostic::error(codes::PARAM, place, message).maybe_help(error.help));
                }
                None
            }
        }
    }

    fn given(&mut self, case: &Case) -> Vec<Filled> {
        let mut filled = Vec::new();
        for (name, commits) in &case.given {
            let Some((dataset, step)) = self.axis(name, &["given"]) else { continue };
            for (at, given) in commits.iter().enumerate() {
                let place = self.node.place(&format!("/given/{name}/{at}/periods"));
                let Some(ranges) = self.ranges(&given.periods, step, place) else { continue };
                let status = given.status.unwrap_or(Status::Final);
                filled.push(Filled { dataset: dataset.clone(), ranges, value: given.value.clone(), status });
            }
        }
        filled
    }

    fn answers(&mut self, case: &Case) -> Vec<(Answer, Option<PathBuf>)> {
        let mut answers = Vec::new();
        for (at, answer) in case.http.iter().enumerate() {
            let said = [
                answer.raster.is_some(),
                answer.file.is_some(),
                answer.text.is_some(),
                answer.status.is_some(),
            ];
            if said.into_iter().filter(|said| *said).count() != 1 {
                let message = "an answer is exactly one of `raster`, `file`, `text` and `status`";
                let place = self.node.place(&format!("/http/{at}/url"));
                let problem = Diagnostic::error(codes::SETTINGS, place, message);
                self.out.push(problem.help("write `raster: 1` for a GeoTIFF of ones"));
            }
            if answer.status.is_some_and(|status| !(200..600).contains(&status)) {
                let place = self.node.place(&format!("/http/{at}/status"));
                let problem = Diagnostic::error(codes::RANGE, place, "this is not the status of an answer");
                self.out.push(problem.help("write one from 200 to 599, such as 404 or 503"));
            }
            let path = answer.file.as_ref().map(|file| self.folder.join(file));
            if let Some(path) = path.as_ref().filter(|path| !path.is_file()) {
                let message = format!("there is no file {}", path.display());
                let place = self.node.place(&format!("/http/{at}/file"));
                let problem = Diagnostic::error(codes::UNREADABLE, place, message);
                self.out.push(problem.help("paths begin in the folder of the test file"));
            }
            answers.push((answer.clone(), path));
        }
        answers
    }

    fn commits(&mut self, case: &Case) -> Option<BTreeMap<DatasetId, Vec<Vec<PeriodRange>>>> {
        let mut expected = BTreeMap::new();
        for (name, commits) in case.expect.commits.as_ref()? {
            let Some((dataset, step)) = self.axis(name, &["expect", "commits"]) else { continue };
            let place = |at: usize| self.node.place(&format!("/expect/commits/{name}/{at}"));
            let places: Vec<Span> = (0..commits.len()).map(place).collect();
            let ranges =
                commits.iter().zip(places).filter_map(|(text, place)| self.ranges(text, step, place));
            expected.insert(dataset, ranges.collect());
        }
        Some(expected)
    }

    fn values(&mut self, case: &Case) -> Vec<(DatasetId, Period, Constant)> {
        let mut values = Vec::new();
        for (name, periods) in &case.expect.values {
            let Some((dataset, step)) = self.axis(name, &["expect", "values"]) else { continue };
            for (period, value) in periods {
                let map = self.node.get("expect").and_then(|e| e.get("values")).and_then(|v| v.get(name));
                let place = map.and_then(|map| map.entry(period)).map_or(self.key, |entry| entry.key_span);
                match Period::parse(period, step) {
                    Ok(period) => values.push((dataset.clone(), period, value.clone())),
                    Err(error) => self.bad_period(&error.to_string(), place),
                }
            }
        }
        values
    }

    fn grid(&mut self, case: &Case) {
        let Some(grid) = &case.grid else { return };
        if grid.shape.iter().any(|n| *n == 0 || *n > SIDE_AT_MOST) {
            let message = format!("a grid of a test has 1 to {SIDE_AT_MOST} rows and columns");
            let problem = Diagnostic::error(codes::RANGE, self.node.place("/grid/shape"), message);
            self.out.push(problem.help("a few cells show as much as many"));
        }
        if grid.cell[0] <= 0.0 || grid.cell[1] >= 0.0 {
            let message = "a grid of a test has its north-west cell first";
            let problem = Diagnostic::error(codes::RANGE, self.node.place("/grid/cell"), message);
            self.out.push(problem.help("write a positive width and a negative height: `cell: [0.5, -0.5]`"));
        }
    }

    fn statuses(&mut self, case: &Case) -> Vec<(DatasetId, Vec<PeriodRange>, Status)> {
        let mut statuses = Vec::new();
        for (name, periods) in &case.expect.statuses {
            let Some((dataset, step)) = self.axis(name, &["expect", "statuses"]) else { continue };
            for (text, status) in periods {
                let map = self.node.get("expect").and_then(|e| e.get("statuses")).and_then(|s| s.get(name));
                let place = map.and_then(|map| map.entry(text)).map_or(self.key, |entry| entry.key_span);
                let Some(ranges) = self.ranges(text, step, place) else { continue };
                statuses.push((dataset.clone(), ranges, *status));
            }
        }
        statuses
    }

    /// A dataset that is named as a key under `path`, with the step of its time axis.
    fn axis(&mut self, name: &str, path: &[&str]) -> Option<(DatasetId, Frequency)> {
        let block = path.iter().try_fold(self.node, |node, key| node.get(key));
        let place = block.and_then(|block| block.entry(name)).map_or(self.key, |entry| entry.key_span);
        let id = self.dataset(name, place)?;
        match &self.project.datasets.get(&id)?.block.time {
            TimeAxis::Regular(time) => Some((id, time.frequency())),
            TimeAxis::None => {
                let message = format!("`{name}` has no time axis");
                let problem = Diagnostic::error(codes::NO_AXIS, place, message);
                self.out.push(problem.help("only datasets with periods can be given and compared"));
                None
            }
        }
    }

    fn dataset(&mut self, name: &str, place: Span) -> Option<DatasetId> {
        if let Some((id, _)) = self.project.datasets.get_key_value(name) {
            return Some(id.clone());
        }
        let known: Vec<&str> = self.project.datasets.keys().map(DatasetId::as_str).collect();
        let message = format!("there is no dataset `{name}` in this project");
        self.out.push(Diagnostic::error(codes::DATASET, place, message).meant(name, &known));
        None
    }

    /// Ranges with commas between, as the fewest ascending ones.
    fn ranges(&mut self, text: &str, step: Frequency, place: Span) -> Option<Vec<PeriodRange>> {
        let parsed: Result<Vec<PeriodRange>, _> =
            text.split(',').map(|part| PeriodRange::parse(part.trim(), step)).collect();
        match parsed {
            Ok(ranges) if ranges.iter().all(|range| range.first <= range.last) => {
                let mut periods: Vec<Period> = ranges.iter().flat_map(PeriodRange::iter).collect();
                periods.sort_unstable();
                periods.dedup();
                Some(PeriodRange::collect(periods))
            }
            Ok(_) => {
                self.bad_period(&format!("`{text}` ends before it begins"), place);
                None
            }
            Err(error) => {
                self.bad_period(&error.to_string(), place);
                None
            }
        }
    }

    fn bad_period(&mut self, what: &str, place: Span) {
        let help = "write periods of the dataset: `2024-01-01/2024-01-31` of days, `2024-01` of months";
        self.out.push(Diagnostic::told(codes::PERIOD, place, what).help(help));
    }
}

/// A few cells that every bbox of the project holds.
fn corner(project: &Project) -> GridBlock {
    let origin = project.config.extent.as_ref().map_or([0.0, 1.0], |e| [e.bbox[0], e.bbox[3]]);
    GridBlock { origin, cell: [0.5, -0.5], shape: [2, 2], names: None }
}
