//! The `datasets` block: what a cube is, said once, beside the steps that make it.

mod chunk;
mod due;
mod time;
mod variable;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use chunk::CHUNK_BYTES;
pub use due::Due;
pub use time::{Available, RegularTime, TimeAxis, Whole};
pub use variable::{CellMethod, Variable};

use crate::data::{DatasetId, Dimensions};

/// A dataset as its block says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dataset {
    /// What people call it.
    pub title: String,
    /// What it holds, where it comes from, how it is made.
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Links for people, such as documentation or the licence text.
    #[serde(default)]
    pub links: Vec<Link>,
    /// How to cite it.
    pub citation: Option<String>,
    /// An SPDX identifier, or `other` with a link.
    pub license: Option<String>,
    /// Who makes, processes, hosts or licenses it.
    #[serde(default)]
    pub providers: Vec<Provider>,
    /// Name of a store of the project (the dataset lies at `<store>/<id>`), or a URL.
    pub store: Option<String>,
    /// A URL made elsewhere: read, never written.
    pub external: Option<String>,
    /// Another value: every period is done again, published at once.
    pub version: Option<String>,
    /// Who may read it over HTTP.
    #[serde(default)]
    pub visibility: Visibility,
    /// Written on a branch, validated, then promoted.
    #[serde(default)]
    pub audit: bool,
    /// Its time axis, or `none` for a static dataset.
    pub time: TimeAxis,
    /// Coordinate reference system, as `EPSG:n`; the source's where it says one.
    pub crs: Option<String>,
    /// The grid; that of the first slice where none is declared.
    pub grid: Option<GridBlock>,
    /// Dimensions between time and y, with their labels, in the order in which they are stored.
    #[serde(default)]
    pub dimensions: Dimensions,
    /// Its variables; a derived dataset takes them from its source.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Lengths of chunks by dimension.
    #[serde(default)]
    pub chunks: BTreeMap<String, u64>,
    /// Lengths of shards by dimension.
    #[serde(default)]
    pub shards: BTreeMap<String, u64>,
    /// How chunks are compressed.
    #[serde(default)]
    pub codec: Codec,
    /// How it is drawn.
    pub display: Option<Display>,
    /// Attributes of the root group (ACDD and others).
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// Version of the Icechunk format.
    #[serde(default = "default_spec")]
    pub spec: u8,
}

const fn default_spec() -> u8 {
    2
}

/// A link for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Link {
    /// Where it leads.
    pub href: String,
    /// Its relation, such as `about` or `license`.
    pub rel: String,
    /// Media type.
    #[serde(rename = "type")]
    pub media_type: Option<String>,
    /// What people read.
    pub title: Option<String>,
}

/// An organisation behind a dataset, as in STAC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// `licensor`, `producer`, `processor` or `host`.
    #[serde(default)]
    pub roles: Vec<ProviderRole>,
    /// Its page.
    pub url: Option<String>,
    /// More about it.
    pub description: Option<String>,
}

/// What an organisation does for a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderRole {
    /// Licenses it.
    Licensor,
    /// Makes it.
    Producer,
    /// Processes it.
    Processor,
    /// Hosts it.
    Host,
}

/// Who may read a dataset over HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// Those with a token.
    #[default]
    Private,
    /// Everyone.
    Public,
}

/// A declared grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GridBlock {
    /// Corner of the first cell, x then y.
    pub origin: [f64; 2],
    /// Signed size of a cell, x then y: y is negative where the first row is the northernmost.
    pub cell: [f64; 2],
    /// Rows, then columns.
    pub shape: [u64; 2],
    /// Names of the dimensions, y then x.
    pub names: Option<[String; 2]>,
}

/// How chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Codec {
    /// Zstandard at this level.
    pub zstd: i32,
}

impl Default for Codec {
    fn default() -> Self {
        Self { zstd: 3 }
    }
}

/// How a dataset is drawn: STAC renders, thumbnails, maps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Display {
    /// The variable that is drawn; the first where none is named.
    pub variable: Option<String>,
    /// A named colour map.
    pub colormap: Option<String>,
    /// Values of its two ends.
    pub range: Option<[f64; 2]>,
    /// A colour for each category, by value.
    #[serde(default)]
    pub palette: BTreeMap<String, String>,
}

/// A dataset with what the project says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetInfo {
    /// Its name.
    pub id: DatasetId,
    /// Its block.
    pub block: Dataset,
    /// Where its repository is.
    pub location: Location,
    /// The datasets that it is derived from, where edges say so, each once, in the order of the edges.
    pub sources: Vec<DatasetId>,
    /// Digest of its resolved definition: the values that matter and the revisions of the step
    /// types that make it.
    pub definition: String,
}

/// Where a repository is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// An absolute path, or a URL (`s3://`, `http://`, `https://`).
    pub url: String,
    /// Endpoint, region and names of secrets: the store's options.
    pub options: crate::project::StoreOptions,
    /// Made elsewhere: never written.
    pub read_only: bool,
}

/// All datasets of a project, by name.
pub type Datasets = BTreeMap<DatasetId, std::sync::Arc<DatasetInfo>>;
