use std::num::NonZeroU32;

use frazil_engine::template::Template;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Windows of tiled GeoTIFFs, by range requests.
    Cog,
    /// Whole files: GeoTIFF, NetCDF, GRIB, HDF5.
    File,
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
