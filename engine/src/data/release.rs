use serde::{Deserialize, Serialize};

use super::PeriodRange;

/// Another version of a dataset on its way, or another layout of a derived one: every period is done
/// again on a branch of its own, and `main`, which everyone reads, moves there when all of them are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The version that the dataset will have; empty for a derived one without any.
    pub version: String,
    /// Of a derived dataset: a digest of the layout that follows from its sources now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The branch that it is settled on.
    pub branch: String,
    /// From the first to the last period that it is asked to hold.
    pub range: PeriodRange,
}
