use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Param, Trigger};
use crate::{
    data::{Duration, NodeId, PipelineId},
    dataset::Dataset,
    project::Retry,
};

/// A pipeline: a graph of typed steps, and the datasets that they make.
///
/// Keys at the top that begin with `x-` are free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PipelineFile {
    /// Version of the format: 1.
    pub frazil: u32,
    /// Its name; pipelines and datasets of a project share one set of names.
    pub id: PipelineId,
    /// What people call it.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What a run may be given; `{{ params.name }}` in expressions.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// The cubes that it makes.
    #[serde(default)]
    pub datasets: BTreeMap<String, Dataset>,
    /// What starts it.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// What holds for all its steps.
    pub defaults: Option<Defaults>,
    /// Its steps.
    pub steps: BTreeMap<String, StepBlock>,
}

/// What holds for all steps of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Defaults {
    /// How often and how soon something that failed is tried again.
    pub retry: Option<Retry>,
    /// The longest time of one source file in `fetch`, of one task elsewhere.
    pub timeout: Option<Duration>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StepBlock {
    /// Its step type.
    pub uses: String,
    /// Whose output it takes.
    pub needs: Option<Names>,
    /// What it waits for without taking anything.
    pub after: Option<Names>,
    /// The pool that its requests or its task count against.
    pub pool: Option<String>,
    /// How it is tried again.
    pub retry: Option<Retry>,
    /// The longest time of one source file in `fetch`, of one task elsewhere.
    pub timeout: Option<Duration>,
    /// What people call it.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The settings of its type.
    pub with: Option<Value>,
}

/// A step or a list of steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Names {
    /// One.
    One(NodeId),
    /// Several.
    Many(Vec<NodeId>),
}
