use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the cells of a square become one cell of an overview. Missing cells are left out; where all
/// are missing the result is missing too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The mean of all cells at full resolution, each of which weighs the same. Integers are rounded
    /// to the nearest, halves away from zero.
    Mean,
    /// The sum of all cells at full resolution: of counts, such as people.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The most frequent value at full resolution, of several the smallest: of categories.
    Mode,
    /// The first cell of the square, missing or not.
    Nearest,
}

impl Method {
    /// Its name in a pipeline file and in the attributes of a level.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mode => "mode",
            Self::Nearest => "nearest",
        }
    }

    /// The method where nothing is said: the mean, which of categories is none.
    #[must_use]
    pub const fn of(categories: bool) -> Self {
        if categories { Self::Mode } else { Self::Mean }
    }

    /// The method of a name; none of one that is not known.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Mean, Self::Sum, Self::Min, Self::Max, Self::Mode, Self::Nearest]
            .into_iter()
            .find(|method| method.name() == name)
    }

    /// Whether it makes numbers that are none of those that went in, which of categories mean nothing.
    #[must_use]
    pub const fn computes(self) -> bool {
        matches!(self, Self::Mean | Self::Sum)
    }
}
