use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::DType;

/// A variable of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variable {
    /// Its unit, as UDUNITS writes it.
    pub units: Option<String>,
    /// Its name in the CF standard name table.
    pub standard_name: Option<String>,
    /// What people call it.
    pub long_name: Option<String>,
    /// A short name.
    pub short_name: Option<String>,
    /// What one number says of its period: CF `cell_methods`.
    pub cell: Option<CellMethod>,
    /// The number type that is stored.
    pub dtype: Option<DType>,
    /// The number that marks missing data in the source; matched exactly.
    pub nodata: Option<f64>,
    /// What marks missing data in the cube, for integers; floats use NaN.
    pub fill: Option<f64>,
    /// CF packing: stored × scale-factor + add-offset is the value.
    pub scale_factor: Option<f64>,
    /// CF packing, as above.
    pub add_offset: Option<f64>,
    /// The smallest and the largest value that can be right.
    pub valid: Option<[f64; 2]>,
    /// What each number means, for categories.
    #[serde(default)]
    pub categories: BTreeMap<String, String>,
    /// Bits of the mantissa that carry information; the rest are rounded away by `transform`.
    pub mantissa_bits: Option<u8>,
    /// Further attributes.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
}

/// What one number says of its period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CellMethod {
    /// The value at an instant (CF `time: point`).
    Point,
    /// The mean over the period (CF `time: mean`).
    Mean,
    /// The sum over the period (CF `time: sum`).
    Total,
    /// The smallest value of the period (CF `time: minimum`).
    Minimum,
    /// The largest value of the period (CF `time: maximum`).
    Maximum,
}
