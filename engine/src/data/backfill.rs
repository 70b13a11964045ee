use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What of the work a run was asked for by name, instead of what its pipeline says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Backfill {
    /// The first period, as people write it; where the pipeline begins if none is said.
    pub from: Option<String>,
    /// The last period, as people write it; where the pipeline ends if none is said.
    pub to: Option<String>,
    /// Only these periods or ranges (`FIRST..LAST`) of them, as people write them; all if none is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<String>,
    /// Which of them; what the pipeline says if none is said.
    pub only: Option<Only>,
    /// Of what is stored, whether the newest is done first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newest_first: bool,
}

/// Which periods are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// What holds no numbers: periods that are not on the axis, gaps and incomplete windows of any
    /// age. Nothing is revised.
    Missing,
    /// Every period of the range, what is final too; but for what a person has withdrawn.
    All,
}
