use frazil_engine::{
    data::DType,
    dataset::{CellMethod, Variable},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the periods of a window become one number. Missing numbers are left out; where all are
/// missing the result is missing too, but for `count`, which is then 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The sum: of totals, such as rain.
    Sum,
    /// The mean: of means and of values at an instant, such as temperature. Each period weighs the same.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many are not missing.
    Count,
    /// The earliest that is not missing.
    First,
    /// The latest that is not missing.
    Last,
}

impl Method {
    /// Its name in a pipeline file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// Whether the result is one of the numbers that went in.
    #[must_use]
    pub const fn picks(self) -> bool {
        matches!(self, Self::Min | Self::Max | Self::First | Self::Last)
    }

    /// What a number of the result says of its window (CF `cell_methods`).
    #[must_use]
    pub const fn cell(self, source: Option<CellMethod>) -> Option<CellMethod> {
        match self {
            Self::Sum => Some(CellMethod::Total),
            Self::Mean => Some(CellMethod::Mean),
            Self::Min => Some(CellMethod::Minimum),
            Self::Max => Some(CellMethod::Maximum),
            Self::Count => None,
            // The first day's total says nothing of the month as a whole.
            Self::First | Self::Last => match source {
                Some(CellMethod::Point) => Some(CellMethod::Point),
                _ => None,
            },
        }
    }

    /// The variable that results from `source`, before what the dataset's own block says.
    ///
    /// Units and number type stay, but for `count` (a number of periods, `int32`) and for the
    /// mean of integers and sums of packed numbers, which need a float.
    #[must_use]
    pub fn result(self, name: &str, source: &Variable, dtype: DType) -> Variable {
        let packed = source.scale_factor.is_some() || source.add_offset.is_some();
        let mut result = Variable { cell: self.cell(source.cell), dtype: Some(dtype), ..source.clone() };
        // The sentinel of the source stays behind at its door.
        result.nodata = None;
        match self {
            Self::Count => count_of(name, source),
            Self::Sum | Self::Mean if packed || (self == Self::Mean && !dtype.is_float()) => {
                result.dtype = Some(if dtype.size() <= 2 { DType::Float32 } else { DType::Float64 });
                result.fill = None;
                result.scale_factor = None;
                result.add_offset = None;
                self.without_limits(result)
            }
            _ => self.without_limits(result),
        }
    }

    /// A month of rain is more than a day of it may be, and a mean of categories is none.
    fn without_limits(self, mut variable: Variable) -> Variable {
        if self == Self::Sum {
            variable.valid = None;
        }
        if !self.picks() {
            variable.categories.clear();
        }
        variable
    }
}

fn count_of(name: &str, source: &Variable) -> Variable {
    Variable {
        units: Some("1".to_owned()),
        standard_name: None,
        long_name: Some(format!("number of values of {}", source.long_name.as_deref().unwrap_or(name))),
        short_name: None,
        cell: None,
        dtype: Some(DType::Int32),
        nodata: None,
        fill: Some(-1.0),
        scale_factor: None,
        add_offset: None,
        valid: None,
        categories: std::collections::BTreeMap::new(),
        mantissa_bits: None,
        attributes: std::collections::BTreeMap::new(),
    }
}
