//! A project: `frazil.yaml`, and all files as one graph.

mod audit;
mod cascade;
mod check;
mod config;
mod datasets;
mod drawing;
mod files;
mod given;
mod graph;
mod judge;
mod kept;
mod opened;
mod over;
mod programs;
mod serve;
#[cfg(test)]
mod tests;
mod unused;
mod waits;
mod watched;

pub use cascade::{Cascade, Selection, Stage, Unknown};
pub(crate) use check::read;
pub(crate) use config::{absolute, bad_name, decode, is_crs, is_name};
pub(crate) use datasets::Blocks;
pub use drawing::{Derived, Drawing, Edge, Part};
pub use files::{Checked, LoadOptions, load};
pub(crate) use files::{collect_tests, nearest, shown, text_of, unreadable};
pub use given::{Given, Misdirected};
pub use serve::{Callbacks, Limits, PublicUrl, PublicUrlError, Serve};
pub use watched::{Reread, Watched};

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    context::{Scope, Secrets},
    data::{DatasetId, Duration, PipelineId},
    dataset::Datasets,
    pipeline::{Pipeline, PipelineNode},
    step::Write,
    store::Retention,
};

/// `frazil.yaml`, one to one; every field has a default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProjectFile {
    /// Version of the format: 1.
    pub frazil: u32,
    /// Name of the project; that of its folder where none is said.
    pub id: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// The region that it is about.
    pub extent: Option<Extent>,
    /// CRS of new grids, where the data do not say.
    pub crs: Option<String>,
    /// Places for cubes: a path, a URL, or an object with its options.
    #[serde(default)]
    pub stores: BTreeMap<String, Store>,
    /// Run history, locks and scratch; `./.frazil` where none is said.
    pub state: Option<String>,
    /// The STAC catalog; `./stac` where none is said.
    pub catalog: Option<String>,
    /// The most that a run may take, as `4GiB`; half of what the machine or its cgroup allows.
    pub memory: Option<String>,
    /// Limits shared by all pipelines.
    #[serde(default)]
    pub pools: BTreeMap<String, Pool>,
    /// Values for expressions.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    /// Secrets, by where their values come from.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretRef>,
    /// Who is told.
    #[serde(default)]
    pub notify: Vec<Notify>,
    /// How much run history is kept; 1,000 runs of the last 90 days where nothing is said.
    pub history: Option<Retention>,
    /// How `frazil serve` answers.
    #[serde(default)]
    pub serve: Serve,
}

/// A region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Extent {
    /// What people call it.
    pub name: Option<String>,
    /// West, south, east, north, in degrees.
    pub bbox: [f64; 4],
    /// ISO 3166-1 alpha-3 code.
    pub country: Option<String>,
}

/// A place for cubes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Store {
    /// A path or a URL.
    Place(String),
    /// A place with options.
    Full(FullStore),
}

/// A place with options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FullStore {
    /// A path or a URL.
    pub url: String,
    /// Endpoint of an S3-compatible service.
    pub endpoint: Option<String>,
    /// Region of a bucket.
    pub region: Option<String>,
    /// Bucket in the path, not in the host.
    #[serde(default)]
    pub path_style: bool,
    /// No credentials are sent.
    #[serde(default)]
    pub anonymous: bool,
    /// `{{ secrets.name }}`.
    pub access_key: Option<String>,
    /// `{{ secrets.name }}`.
    pub secret_key: Option<String>,
    /// `{{ secrets.name }}`.
    pub session_token: Option<String>,
}

/// The options of a store; secrets by name, `{{ secrets.name }}` taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// Endpoint of an S3-compatible service.
    pub endpoint: Option<String>,
    /// Region of a bucket.
    pub region: Option<String>,
    /// Bucket in the path, not in the host.
    pub path_style: bool,
    /// No credentials are sent.
    pub anonymous: bool,
    /// Name of the secret that holds the access key.
    pub access_key: Option<String>,
    /// Name of the secret that holds the secret key.
    pub secret_key: Option<String>,
    /// Name of the secret that holds the session token.
    pub session_token: Option<String>,
}

/// A limit shared by all pipelines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pool {
    /// How many at a time.
    pub max: Option<u32>,
    /// How many in a time, as `2/s`, `30/m`, `500/h`.
    pub rate: Option<String>,
}

/// Where the value of a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretRef {
    /// Name of an environment variable.
    pub env: Option<String>,
    /// Path of a file that holds it.
    pub file: Option<String>,
}

/// Who is told, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Notify {
    /// On what.
    pub when: Vec<NotifyWhen>,
    /// Where to, usually `{{ secrets.name }}`.
    pub webhook: String,
    /// Name of the secret that it is signed with, so that the receiver knows from whom it is.
    pub signed_by: Option<String>,
}

/// An occasion to tell somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NotifyWhen {
    /// A run failed.
    Failed,
    /// A dataset is late.
    Late,
    /// A run succeeded after one that failed.
    Recovered,
}

/// What `frazil.yaml` says, with its defaults and absolute paths.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectConfig {
    /// Folder of `frazil.yaml`: relative paths begin here.
    pub root: PathBuf,
    /// Name of the project.
    pub id: String,
    /// What people call it.
    pub title: Option<String>,
    /// The region that it is about.
    pub extent: Option<Extent>,
    /// CRS of new grids, where the data do not say.
    pub crs: Option<String>,
    /// Run history, locks and scratch.
    pub state: PathBuf,
    /// The STAC catalog.
    pub catalog: PathBuf,
    /// The most that a run may take, in bytes.
    pub memory: u64,
    /// Places for cubes, by name.
    pub stores: BTreeMap<String, crate::dataset::Location>,
    /// Limits shared by all pipelines.
    pub pools: BTreeMap<String, Pool>,
    /// Values for expressions.
    pub vars: BTreeMap<String, Value>,
    /// Secrets, by where their values come from.
    pub secrets: BTreeMap<String, SecretRef>,
    /// Who is told.
    pub notify: Vec<Notify>,
    /// How much run history is kept.
    pub history: Retention,
    /// How `frazil serve` answers.
    pub serve: Serve,
}

/// A checked project.
#[derive(Debug, Clone)]
pub struct Project {
    /// What `frazil.yaml` says.
    pub config: Arc<ProjectConfig>,
    /// All datasets, by name.
    pub datasets: Arc<Datasets>,
    /// All pipelines, by name.
    pub pipelines: BTreeMap<PipelineId, Arc<Pipeline>>,
}

impl Project {
    /// The step that makes the values of a dataset, with its pipeline; of what is made elsewhere the first
    /// that keeps something of it, such as its levels.
    #[must_use]
    pub fn writer(&self, dataset: &DatasetId) -> Option<(&Arc<Pipeline>, &PipelineNode)> {
        let steps = || self.pipelines.values().flat_map(|one| one.nodes.iter().map(move |node| (one, node)));
        let makes =
            |node: &PipelineNode| matches!(node.step.writes(), Some(Write::Values(id)) if id == *dataset);
        let keeps = |node: &PipelineNode| node.step.writes().is_some_and(|write| write.dataset() == dataset);
        steps().find(|(_, node)| makes(node)).or_else(|| steps().find(|(_, node)| keeps(node)))
    }

    /// What work of `pipeline` at `instant` sees, with parameters that were accepted.
    #[must_use]
    pub fn scope(
        &self,
        pipeline: &PipelineId,
        params: Map<String, Value>,
        instant: DateTime<Utc>,
        secrets: Arc<dyn Secrets>,
    ) -> Scope {
        Scope {
            project: Arc::clone(&self.config),
            datasets: Arc::clone(&self.datasets),
            pipeline: pipeline.clone(),
            instant,
            params: Arc::new(params),
            secrets,
            memory: self.config.memory,
            stand_in: None,
            backfill: None,
        }
    }
}

/// How often and how soon something that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Retry {
    /// Tries in all, the first one too.
    pub attempts: u32,
    /// Wait before the second try.
    pub initial: Duration,
    /// What each wait is multiplied by.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
    /// How waits are spread.
    pub jitter: Jitter,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            initial: Duration::from_secs(2),
            factor: 2.0,
            max: Duration::from_secs(120),
            jitter: Jitter::Full,
        }
    }
}

/// How waits are spread, so that many that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// Anything from nothing to the whole wait.
    Full,
    /// The wait as it is.
    None,
}
