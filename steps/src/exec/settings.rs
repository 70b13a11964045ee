use std::num::NonZeroU32;

use frazil_engine::data::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fetch::Selection;

/// Which number of a file a variable is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Choice {
    /// Its name in the file; the same as here where none is said.
    pub from: Option<String>,
    /// The level, where the file has several.
    pub level: Option<f64>,
    /// The band, from 1, where the file has several.
    pub band: Option<NonZeroU32>,
}

impl From<Choice> for Selection {
    fn from(choice: Choice) -> Self {
        Self { from: choice.from, level: choice.level, band: choice.band, ..Self::default() }
    }
}

/// The most that a program may write in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Output {
    /// Bytes of all its files together.
    pub bytes: Size,
    /// How many files, those of a Zarr store each.
    pub files: u64,
}

impl Default for Output {
    fn default() -> Self {
        Self { bytes: Size::from_bytes(8 << 30), files: 100_000 }
    }
}
