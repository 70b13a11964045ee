use std::{borrow::Cow, fmt, num::NonZeroU32};

use frazil_engine::{data::Duration, template::Template};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How a source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Windows of tiled GeoTIFFs, by range requests.
    Cog,
    /// Whole files: GeoTIFF, NetCDF, GRIB, HDF5, and Zarr stores (version 2) of this machine.
    File,
    /// A Zarr store, version 2 or 3: a chunk is fetched once, however many periods lie in it.
    Zarr,
    /// An Icechunk repository that somebody else makes, at one state of it.
    Icechunk,
    /// Another dataset of the project, at the state that the step which lists the periods was given.
    Dataset,
}

/// Which number of the source a variable is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Selection {
    /// Its name in the source; the same as here where none is said.
    pub from: Option<String>,
    /// The level, where the source has several.
    pub level: Option<f64>,
    /// The band, from 1, where the source has several.
    pub band: Option<NonZeroU32>,
    /// A source file of its own.
    pub url: Option<Template>,
    /// Which end of its interval the source's stamp names, where it differs from the others.
    pub stamp: Option<Stamp>,
}

/// Which end of its interval the source's stamp names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stamp {
    /// The stamp is the period's start.
    #[default]
    Start,
    /// The stamp is the period's end: the start of the next one. `period` in `url` is the stamp's.
    End,
}

/// What to do with a period that the source lacks although it has later ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnMissing {
    /// Fail, keeping what came before.
    #[default]
    Stop,
    /// Record a gap and go on.
    Gap,
}

/// Another place to look when a source file is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Alternative {
    /// Where it is; takes the place of the step's `url`.
    pub url: Template,
    /// What is found there is preliminary, and asked for again until the better one is there.
    #[serde(default)]
    pub provisional: bool,
}

/// How long a source file that is not there yet is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wait {
    /// It is looked for again after this long.
    pub every: Duration,
    /// All waits of a run together are no longer than this.
    pub r#for: Duration,
}

/// A part of a whole, as `2%`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(f64);

impl Share {
    /// Whether `count` of `all` is no more than this.
    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 periods")]
    pub(crate) fn admits(self, count: usize, all: usize) -> bool {
        count as f64 * 100.0 <= self.0 * all as f64
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        number
            .filter(|percent| (0.0..=100.0).contains(percent))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no share: write `2%`"))
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A part of a whole, as `2%`.",
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)? ?%$",
        })
    }
}
