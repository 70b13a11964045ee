//! The checked graph of one file.
//!
//! Only checking makes a [`Pipeline`], so whoever holds one never meets an unknown name, a wrong
//! edge or a cycle.

mod draft;
mod file;
mod finish;
mod graph;
mod params;
mod settings;
mod triggers;

pub(crate) use draft::{Draft, DraftStep, draft, is_prose};
pub use file::{Defaults, Names, PipelineFile, StepBlock};
pub(crate) use finish::{check_findings, check_references, check_values, finish, naming, no_secret};
pub(crate) use graph::{check as check_graph, runs_as};
pub use params::ParamError;
pub(crate) use params::sides_fit;
pub(crate) use settings::{Walk, check as check_settings, credential, literal};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    data::{DatasetId, Duration, NodeId, PipelineId},
    project::Retry,
    registry::BoundStep,
};

/// A checked pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its name.
    pub id: PipelineId,
    /// What people call it.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The file it came from, relative to the project.
    pub file: String,
    /// Digest of what the file says.
    pub digest: String,
    /// Its parameters, in the order of the file.
    pub params: Vec<(String, Param)>,
    /// What starts it.
    pub triggers: Vec<Trigger>,
    /// Its steps, each after all that it needs or waits for.
    pub nodes: Vec<PipelineNode>,
    /// What runs as one task: a node, or a segment; in an order that edges allow.
    pub units: Vec<Unit>,
}

/// A step of a pipeline.
#[derive(Debug, Clone)]
pub struct PipelineNode {
    /// Its name.
    pub id: NodeId,
    /// Its step type.
    pub uses: String,
    /// Its settings as they are written: expressions not evaluated.
    pub with: Value,
    /// Whose output it takes: places in [`Pipeline::nodes`].
    pub needs: Vec<usize>,
    /// What it waits for without taking anything.
    pub after: Vec<usize>,
    /// The pool that its requests or its task count against.
    pub pool: Option<String>,
    /// How it is tried again.
    pub retry: Retry,
    /// The longest time of one source file in `fetch`, of one task elsewhere.
    pub timeout: Option<Duration>,
    /// Settings decoded with sample or default parameters: for ports, claims and schedules.
    pub step: BoundStep,
}

/// What runs as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A node between documents.
    Node(usize),
    /// Nodes joined by `Slices` edges.
    Segment(Segment),
}

/// Nodes joined by `Slices` edges, as places in [`Pipeline::nodes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Gives the `Periods`.
    pub periods: usize,
    /// The streams that the sink joins by period, in the order in which it needs them.
    pub branches: Vec<Branch>,
    /// Settles slices.
    pub sink: usize,
}

/// One stream of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Reads slices.
    pub source: usize,
    /// Change slices, in order.
    pub filters: Vec<usize>,
}

impl Segment {
    /// Its nodes in the order of its streams, the sink at the end.
    #[must_use]
    pub fn nodes(&self) -> Vec<usize> {
        let streams = self.branches.iter();
        let mut nodes: Vec<usize> = streams
            .flat_map(|branch| std::iter::once(branch.source).chain(branch.filters.iter().copied()))
            .collect();
        nodes.push(self.sink);
        nodes
    }
}

/// A parameter of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Param {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ParamKind,
    /// Whether it takes a list of these.
    #[serde(default)]
    pub list: bool,
    /// The value where none is given; required where there is none.
    pub default: Option<Value>,
    /// What people call it.
    pub title: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// A regular expression that a string must match as a whole.
    pub pattern: Option<String>,
    /// The values of an `enum`.
    #[serde(default)]
    pub values: Vec<Value>,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParamKind {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// One of `values`.
    Enum,
    /// A date.
    Date,
    /// A period of any step, or `latest`.
    Period,
    /// A length of time.
    Duration,
    /// West, south, east, north.
    Bbox,
    /// A GeoJSON geometry.
    Geojson,
}

/// What starts a pipeline. Exactly one of `cron`, `http` and `dataset` is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trigger {
    /// Five fields, or a name such as `@daily`.
    pub cron: Option<String>,
    /// IANA name of a time zone.
    pub timezone: Option<String>,
    /// What becomes of ticks while nothing ran.
    pub missed: Option<Missed>,
    /// What becomes of a tick while the pipeline runs.
    pub overlap: Option<Overlap>,
    /// What becomes of an instant that a clock change skips or doubles.
    pub dst: Option<Dst>,
    /// Spreads starts over this long.
    pub jitter: Option<Duration>,
    /// May be started over HTTP.
    pub http: Option<HttpTrigger>,
    /// A commit to this dataset wakes it.
    pub dataset: Option<DatasetId>,
    /// Parameters of runs started so.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
}

/// How a pipeline may be started over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpTrigger {
    /// Listed among the processes; callable either way.
    #[serde(default = "yes")]
    pub expose: bool,
    /// Name of the secret that webhooks to `/hooks/{pipeline}` are signed with; without one there are none.
    pub signed_by: Option<String>,
}

const fn yes() -> bool {
    true
}

/// What becomes of ticks while nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// They are forgotten.
    None,
    /// The newest is done.
    Latest,
    /// All are done.
    All,
}

/// What becomes of a tick while the pipeline runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is left out.
    Skip,
    /// It waits.
    Queue,
    /// The one that runs is stopped.
    Replace,
}

/// What becomes of an instant that a clock change skips or doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dst {
    /// Once.
    Once,
    /// A skipped or second instant is left out.
    Skip,
    /// Both of a doubled instant.
    Both,
}
