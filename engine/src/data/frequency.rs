use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::PeriodError;

/// The step of a time axis.
///
/// Written `PT30M`, `PT1H`, `PT3H` (dividing a day), `P1D`, `pentad`, `dekad`, `P1W` (ISO 8601),
/// `P1M`, `P3M` and `P1Y`. Quarters and years may begin in another month than January, their
/// anchor, which is written after an `@` wherever a frequency stands alone: `P3M@12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Frequency {
    /// A number of minutes that divides a day.
    Minutes(u32),
    /// A day from 00 UTC.
    Day,
    /// Six a month: from the 1st, 6th, 11th, 16th, 21st and 26th.
    Pentad,
    /// Three a month: from the 1st, 11th and 21st.
    Dekad,
    /// An ISO 8601 week, from Monday.
    Week,
    /// A calendar month.
    Month,
    /// Three months; `anchor` is one of the months that begin one (1 to 3 after reduction).
    Quarter {
        /// The earliest month of the year, 1 to 3, in which a quarter begins.
        anchor: u32,
    },
    /// Twelve months.
    Year {
        /// The month, 1 to 12, in which a year begins.
        anchor: u32,
    },
    /// No time axis: a static dataset has one period, which is all of it. Written `none`.
    Static,
}

impl Frequency {
    /// Whether there is no time axis.
    #[must_use]
    pub const fn is_static(self) -> bool {
        matches!(self, Self::Static)
    }

    /// The same frequency beginning in `month`; only quarters and years have one.
    #[must_use]
    pub fn anchored(self, month: u32) -> Self {
        match self {
            Self::Quarter { .. } => Self::Quarter { anchor: (month.max(1) - 1) % 3 + 1 },
            Self::Year { .. } => Self::Year { anchor: (month.max(1) - 1) % 12 + 1 },
            other => other,
        }
    }

    /// The CF unit of labels: `days`, `hours` or `minutes` since 1970-01-01.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self.label_minutes() {
            1_440 => "days since 1970-01-01",
            60 => "hours since 1970-01-01",
            _ => "minutes since 1970-01-01",
        }
    }

    /// Minutes in one unit of [`Self::unit`].
    #[must_use]
    pub const fn label_minutes(self) -> i64 {
        match self {
            Self::Minutes(n) if n % 60 == 0 => 60,
            Self::Minutes(_) => 1,
            _ => 1_440,
        }
    }

    /// The usual length in minutes: to compare frequencies, not to count with.
    #[must_use]
    pub const fn nominal_minutes(self) -> i64 {
        match self {
            Self::Minutes(n) => n as i64,
            Self::Day => 1_440,
            Self::Pentad => 5 * 1_440,
            Self::Week => 7 * 1_440,
            Self::Dekad => 10 * 1_440,
            Self::Month => 30 * 1_440,
            Self::Quarter { .. } => 91 * 1_440,
            Self::Year { .. } => 365 * 1_440,
            Self::Static => i64::MAX,
        }
    }

    /// Whether every period of `self` lies within one period of `coarser`.
    #[must_use]
    pub fn nests_in(self, coarser: Self) -> bool {
        use Frequency::{Day, Dekad, Minutes, Month, Pentad, Quarter, Static, Week, Year};
        if self == coarser {
            return true;
        }
        match (self, coarser) {
            (_, Static) => false,
            (Minutes(a), Minutes(b)) => b % a == 0,
            (Minutes(_), _)
            | (Day, Pentad | Dekad | Week | Month | Quarter { .. } | Year { .. })
            | (Pentad, Dekad | Month | Quarter { .. } | Year { .. })
            | (Dekad, Month | Quarter { .. } | Year { .. })
            | (Month, Quarter { .. } | Year { .. }) => true,
            (Quarter { anchor: a }, Year { anchor: b }) => (b + 2) % 3 + 1 == a,
            _ => false,
        }
    }

    /// Length of the `time` chunk where a dataset declares none.
    #[must_use]
    pub const fn default_time_chunk(self) -> u64 {
        match self {
            Self::Minutes(_) => 168,
            Self::Day => 30,
            Self::Pentad => 72,
            Self::Dekad => 36,
            Self::Week => 52,
            Self::Month => 12,
            Self::Quarter { .. } => 4,
            Self::Year { .. } | Self::Static => 1,
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Minutes(n) if n % 60 == 0 => write!(f, "PT{}H", n / 60),
            Self::Minutes(n) => write!(f, "PT{n}M"),
            Self::Day => f.write_str("P1D"),
            Self::Pentad => f.write_str("pentad"),
            Self::Dekad => f.write_str("dekad"),
            Self::Week => f.write_str("P1W"),
            Self::Month => f.write_str("P1M"),
            Self::Quarter { anchor: 1 } => f.write_str("P3M"),
            Self::Quarter { anchor } => write!(f, "P3M@{anchor}"),
            Self::Year { anchor: 1 } => f.write_str("P1Y"),
            Self::Year { anchor } => write!(f, "P1Y@{anchor}"),
            Self::Static => f.write_str("none"),
        }
    }
}

impl FromStr for Frequency {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let unknown = || PeriodError::Frequency(text.to_owned());
        if let Some((plain, month)) = text.split_once('@') {
            let month = month.parse().ok().filter(|m| (1..=12).contains(m)).ok_or_else(unknown)?;
            let frequency: Self = plain.parse()?;
            return match frequency {
                Self::Quarter { .. } | Self::Year { .. } => Ok(frequency.anchored(month)),
                _ => Err(unknown()),
            };
        }
        Ok(match text {
            "P1D" => Self::Day,
            "pentad" => Self::Pentad,
            "dekad" => Self::Dekad,
            "P1W" => Self::Week,
            "P1M" => Self::Month,
            "P3M" => Self::Quarter { anchor: 1 },
            "P1Y" => Self::Year { anchor: 1 },
            "none" => Self::Static,
            _ => {
                let number = text.strip_prefix("PT").ok_or_else(unknown)?;
                let minutes: u32 = if let Some(hours) = number.strip_suffix('H') {
                    hours.parse::<u32>().ok().and_then(|h| h.checked_mul(60)).ok_or_else(unknown)?
                } else {
                    number.strip_suffix('M').and_then(|m| m.parse().ok()).ok_or_else(unknown)?
                };
                if minutes == 0 || minutes >= 1_440 || 1_440 % minutes != 0 {
                    return Err(PeriodError::NotADivisor(text.to_owned()));
                }
                Self::Minutes(minutes)
            }
        })
    }
}

impl TryFrom<String> for Frequency {
    type Error = PeriodError;
    fn try_from(text: String) -> Result<Self, PeriodError> {
        text.parse()
    }
}

impl From<Frequency> for String {
    fn from(frequency: Frequency) -> Self {
        frequency.to_string()
    }
}

impl JsonSchema for Frequency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Frequency".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The step of a time axis: `PT30M`, `PT1H`, `PT3H` (dividing a day), `P1D`, `pentad`, `dekad`, `P1W` (ISO), `P1M`, `P3M`, `P1Y`.",
            "pattern": "^(PT[0-9]+[HM]|P1D|pentad|dekad|P1W|P1M|P3M|P1Y)$",
            "examples": ["PT1H", "P1D", "dekad", "P1M", "P1Y"],
        })
    }
}
