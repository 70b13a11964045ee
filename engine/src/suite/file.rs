use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{data::Status, dataset::GridBlock};

/// Tests of pipelines. Each has a clock, stores and sources of its own; nothing else is reached.
///
/// Keys at the top that begin with `x-` are free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SuiteFile {
    /// Version of the format: 1.
    pub frazil: u32,
    /// What people call it.
    pub title: Option<String>,
    /// The tests, by name.
    pub cases: BTreeMap<String, Case>,
}

/// One test: what there is, what is run, and what must come of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// What it shows, in a sentence.
    pub title: Option<String>,
    /// The instant of the run, as `2024-02-01T06:30:00Z`; the clock shows it.
    pub now: Option<String>,
    /// What is run: pipelines, datasets, `name+` with all that hangs from it, `+name` with all that it needs.
    #[serde(default)]
    pub run: Vec<String>,
    /// Parameters, as `key` or `pipeline.key`.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// Other values of the project's `vars`, such as `data: https://files.example.org` in the place of a folder.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    /// Where the cells of what is given and of rasters lie; 2 × 2 cells of half a degree in the north-west
    /// corner of the project's extent where none is said.
    pub grid: Option<GridBlock>,
    /// The coordinate reference system of rasters, and of datasets whose block says none; EPSG:4326 where
    /// nothing is said.
    pub crs: Option<String>,
    /// What stands in the datasets before, commit by commit.
    #[serde(default)]
    pub given: BTreeMap<String, Vec<Given>>,
    /// What sources answer; the first that fits. What none fits is not there (404).
    #[serde(default)]
    pub http: Vec<Answer>,
    /// What must come of it.
    pub expect: Option<Expect>,
    /// Instead of `now` and `expect`: several runs, one after the other over the same stores, such as this
    /// night's and the next.
    #[serde(default)]
    pub runs: Vec<Run>,
}

/// One of several runs of a test. What it does not say is that of the test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Run {
    /// The instant of the run, as `2024-02-01T06:30:00Z`; not before that of the run before.
    pub now: String,
    /// What is run.
    #[serde(default)]
    pub run: Vec<String>,
    /// Parameters, beside those of the test.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// What sources answer, before those of the test.
    #[serde(default)]
    pub http: Vec<Answer>,
    /// What must come of it: commits and requests of this run alone.
    pub expect: Expect,
}

/// Periods that stand in a dataset before, in one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Given {
    /// The periods: `2024-01-01/2024-01-30`, or several such with commas between.
    pub periods: String,
    /// The number in every cell, for all variables or for each by its name.
    pub value: Constant,
    /// What is known of the periods; `final` where nothing is said.
    pub status: Option<Status>,
}

/// A number in every cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Constant {
    /// Of all variables.
    All(f64),
    /// Of each variable, by its name.
    Each(BTreeMap<String, f64>),
}

impl Constant {
    /// The number of a variable, where one is said.
    #[must_use]
    pub fn of(&self, variable: &str) -> Option<f64> {
        match self {
            Self::All(number) => Some(*number),
            Self::Each(numbers) => numbers.get(variable).copied(),
        }
    }
}

/// What a source answers: exactly one of `raster`, `file`, `text` and `status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Answer {
    /// The URLs that are answered so, of any scheme; `*` stands for any text.
    pub url: String,
    /// How often it is given before the next that fits; always where nothing is said.
    pub times: Option<u32>,
    /// A GeoTIFF of one band with this number in every cell of the grid.
    pub raster: Option<f64>,
    /// The bytes of a file, by its path beside the test file.
    pub file: Option<String>,
    /// A text, such as a listing.
    pub text: Option<String>,
    /// Nothing but this HTTP status, such as 503.
    pub status: Option<u16>,
}

/// What must come of a run. What is not said is not looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// How every run ends; `successful` where nothing is said.
    #[serde(default)]
    pub status: Ending,
    /// Text that stands in what went wrong.
    pub error: Option<String>,
    /// The commits of each dataset in their order, each by its periods; a dataset that is not named
    /// has none.
    pub commits: Option<BTreeMap<String, Vec<String>>>,
    /// The datasets that changed, each before what hangs from it.
    pub cascade: Option<Vec<String>>,
    /// Numbers in every cell afterwards, by dataset and period.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, Constant>>,
    /// What is known of periods afterwards, by dataset and range of periods.
    #[serde(default)]
    pub statuses: BTreeMap<String, BTreeMap<String, Status>>,
    /// How many requests sources were asked.
    pub requests: Option<u64>,
}

/// How a run must end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// All that was selected is done.
    #[default]
    Successful,
    /// A task failed.
    Failed,
}
