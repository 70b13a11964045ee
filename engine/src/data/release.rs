use serde::{Deserialize, Serialize};

use super::PeriodRange;

/// Another version of a dataset on its way: every period is done again on a branch of its own, and
/// `main`, which everyone reads, moves there when all of them are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The version that the dataset will have.
    pub version: String,
    /// The branch that it is settled on.
    pub branch: String,
    /// From the first to the last period that it is asked to hold.
    pub range: PeriodRange,
}
