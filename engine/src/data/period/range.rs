use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Frequency, Period, PeriodError};

/// Periods from `first` to `last`, both inside; empty when `last` is before `first`.
///
/// Shown as `2024-01-01/2024-01-31`, or as one period alone; in documents with its step
/// before it, `P1D:2024-01-01/2024-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeriodRange {
    /// The first period.
    pub first: Period,
    /// The last period, itself inside.
    pub last: Period,
}

impl PeriodRange {
    /// The range of one period.
    #[must_use]
    pub const fn one(period: Period) -> Self {
        Self { first: period, last: period }
    }

    /// The step of its periods.
    #[must_use]
    pub const fn frequency(&self) -> Frequency {
        self.first.frequency
    }

    /// How many periods there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.last.ordinal - self.first.ordinal + 1).unwrap_or(0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `period`, of the same step, is inside.
    #[must_use]
    pub fn contains(&self, period: Period) -> bool {
        self.first <= period && period <= self.last
    }

    /// The periods in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Period> + use<> {
        let first = self.first;
        (first.ordinal..=self.last.ordinal).map(move |ordinal| Period { ordinal, ..first })
    }

    /// Period `n` of several ranges, counted from 0 through all of them.
    #[must_use]
    pub fn nth(ranges: &[Self], mut n: usize) -> Option<Period> {
        ranges.iter().find_map(|range| {
            if n < range.len() {
                return range.iter().nth(n);
            }
            n -= range.len();
            None
        })
    }

    /// Periods in ascending order as the fewest ranges.
    #[must_use]
    pub fn collect(periods: impl IntoIterator<Item = Period>) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for period in periods {
            match ranges.last_mut() {
                Some(range) if range.last.plus(1) == period => range.last = period,
                _ => ranges.push(Self::one(period)),
            }
        }
        ranges
    }

    /// Reads what [`fmt::Display`] writes, for periods of a known step.
    ///
    /// # Errors
    /// When an end is no period of `frequency`.
    pub fn parse(text: &str, frequency: Frequency) -> Result<Self, PeriodError> {
        let (first, last) = text.split_once('/').unwrap_or((text, text));
        Ok(Self { first: Period::parse(first, frequency)?, last: Period::parse(last, frequency)? })
    }
}

impl fmt::Display for PeriodRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}/{}", self.first, self.last) }
    }
}

impl From<PeriodRange> for String {
    fn from(range: PeriodRange) -> Self {
        format!("{}:{range}", range.frequency())
    }
}

impl TryFrom<String> for PeriodRange {
    type Error = PeriodError;
    fn try_from(text: String) -> Result<Self, PeriodError> {
        let (frequency, range) = text.split_once(':').ok_or_else(|| PeriodError::Period(text.clone()))?;
        Self::parse(range, frequency.parse()?)
    }
}
