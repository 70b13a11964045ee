//! What a step says of one period of the dataset that it makes: what it is made of, what it waits for.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::data::{DatasetId, PeriodRange};

/// A period of a derived dataset as one of its sources has it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Explained {
    /// The dataset that it is made from.
    pub source: DatasetId,
    /// The periods of the source that belong to it.
    pub pieces: PeriodRange,
    /// How many there are.
    pub total: usize,
    /// How many of them hold values.
    pub have: usize,
    /// Whether that is enough to make it.
    pub ready: bool,
    /// What is lacking or preliminary, ascending.
    pub lacking: Vec<Lack>,
    /// Pieces that changed since the dataset was last made from its source; none where that cannot
    /// be told, and all may have.
    pub changed: Option<Vec<PeriodRange>>,
}

/// Periods of a source that are not there, or not for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lack {
    /// The periods.
    pub periods: PeriodRange,
    /// What is wrong with them.
    pub why: Why,
    /// When the last of them can be had, where the calendar says it.
    pub until: Option<DateTime<Utc>>,
}

/// Why a period of a source is lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// By the calendar it cannot be had yet.
    NotAvailable,
    /// It can be had by the calendar, and lies behind the newest period that the source has.
    Frontier,
    /// It lies before the first period that the source has.
    BeforeTheFirst,
    /// The source has earlier and later ones.
    Hole,
    /// It is there, and will be replaced.
    Provisional,
    /// The source said that there is none.
    Gap,
    /// It is a window that lacked something itself.
    Incomplete,
    /// A person took it out.
    Withdrawn,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::NotAvailable => "cannot be had yet",
            Why::Frontier => "behind its newest period",
            Why::BeforeTheFirst => "before its first period",
            Why::Hole => "missing in the middle of its axis",
            Why::Provisional => "preliminary",
            Why::Gap => "a gap: its own source has none",
            Why::Incomplete => "incomplete itself",
            Why::Withdrawn => "withdrawn",
        };
        write!(f, "{}: {why}", self.periods)?;
        match self.until {
            Some(until) => write!(f, ", from {}", until.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => Ok(()),
        }
    }
}
