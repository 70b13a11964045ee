mod run;

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

pub use run::TestRun;

use super::{Case, Constant};
use crate::{
    data::{DatasetId, Frequency, Period, PeriodRange, Status},
    dataset::{GridBlock, TimeAxis},
    diagnostic::{Diagnostic, Span, codes},
    document::Node,
    project::{Project, decode},
};

/// The EPSG code of longitudes and latitudes.
const WGS84: u32 = 4326;

/// The most rows or columns of a grid that a test makes up.
const SIDE_AT_MOST: u64 = 1_024;

/// A test that was checked: names are known, periods are those of their datasets.
#[derive(Debug, Clone)]
pub struct TestCase {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Span,
    /// Where cells lie.
    pub grid: GridBlock,
    /// The EPSG code of rasters, and of datasets that say none.
    pub crs: u32,
    /// Other values of the project's `vars`.
    pub vars: BTreeMap<String, Value>,
    /// What stands in datasets before, a commit each.
    pub given: Vec<Filled>,
    /// Its runs, one or several, in order.
    pub runs: Vec<TestRun>,
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
        let given = self.given(&case);
        let answers = self.answers(&case.http);
        let runs = self.runs(&case, &answers);
        self.grid(&case);
        self.vars(&case);
        let crs = self.crs(&case);
        if self.out.len() > before {
            return None;
        }
        let grid = case.grid.clone().unwrap_or_else(|| corner(self.project));
        Some(TestCase { name: name.to_owned(), place: self.key, grid, crs, vars: case.vars, given, runs })
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

    fn vars(&mut self, case: &Case) {
        let known: Vec<&str> = self.project.config.vars.keys().map(String::as_str).collect();
        for name in case.vars.keys().filter(|name| !known.contains(&name.as_str())) {
            let entry = self.node.get("vars").and_then(|vars| vars.entry(name));
            let message = format!("the project has no `{name}` among its `vars`");
            let place = entry.map_or(self.key, |entry| entry.key_span);
            self.out.push(Diagnostic::error(codes::ATTRIBUTE, place, message).meant(name, &known));
        }
    }

    fn crs(&mut self, case: &Case) -> u32 {
        let Some(text) = &case.crs else { return WGS84 };
        let code = text.split_once(':').filter(|(authority, _)| authority.eq_ignore_ascii_case("EPSG"));
        let code = code.and_then(|(_, code)| code.trim().parse().ok());
        if code.is_none() {
            let message = format!("`{text}` is not the code of a CRS");
            let problem = Diagnostic::error(codes::TEXT, self.node.place("/crs"), message);
            self.out.push(problem.help("write `EPSG:4326`, or `EPSG:32629` for a zone of UTM"));
        }
        code.unwrap_or(WGS84)
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
