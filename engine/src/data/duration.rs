use std::{fmt, str::FromStr};

use chrono::{DateTime, Months, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time with its unit: `500ms`, `2s`, `10m`, `3h`, `45d`, `2w`, or ISO 8601 (`PT10M`, `P1M`).
///
/// Months and years are calendar lengths: [`Duration::after`] needs an instant to begin from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    months: u32,
    millis: u64,
}

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number alone.
    #[error("`{0}` has no unit: write `{0}s`, `{0}m`, `{0}h` or `{0}d`")]
    NoUnit(String),
    /// Anything else.
    #[error("`{0}` is not a duration: write `10m`, `45d`, `PT10M` or `P1M`")]
    Unreadable(String),
}

impl Duration {
    /// A length of so many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self { months: 0, millis }
    }

    /// A length of so many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self { months: 0, millis: seconds * 1_000 }
    }

    /// A length of so many days of 24 hours.
    #[must_use]
    pub const fn from_days(days: u64) -> Self {
        Self::from_secs(days * 86_400)
    }

    /// The instant this long after `instant`; the end of time if there is none.
    #[must_use]
    pub fn after(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        instant
            .checked_add_months(Months::new(self.months))
            .and_then(|t| t.checked_add_signed(self.signed()?))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The instant this long before `instant`; the beginning of time if there is none.
    #[must_use]
    pub fn before(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        instant
            .checked_sub_months(Months::new(self.months))
            .and_then(|t| t.checked_sub_signed(self.signed()?))
            .unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// As a length of the clock; a month counts 30 days, as nothing else can be said without a calendar.
    #[must_use]
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.millis + self.months as u64 * 30 * 86_400_000)
    }

    fn signed(self) -> Option<chrono::Duration> {
        i64::try_from(self.millis).ok().and_then(chrono::Duration::try_milliseconds)
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let bad = || DurationError::Unreadable(text.to_owned());
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(DurationError::NoUnit(text.to_owned()));
        }
        if let Some(iso) = text.strip_prefix('P') {
            return parse_iso(iso).ok_or_else(bad);
        }
        let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, unit) = text.split_at(at);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err(bad()),
        };
        number.checked_mul(factor).map(Self::from_millis).ok_or_else(bad)
    }
}

fn parse_iso(text: &str) -> Option<Duration> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (text, ""),
    };
    let mut months: u32 = 0;
    let mut millis: u64 = 0;
    for (number, unit) in fields(date)? {
        match unit {
            'Y' => months = months.checked_add(u32::try_from(number).ok()?.checked_mul(12)?)?,
            'M' => months = months.checked_add(u32::try_from(number).ok()?)?,
            'W' => millis = millis.checked_add(number.checked_mul(7 * 86_400_000)?)?,
            'D' => millis = millis.checked_add(number.checked_mul(86_400_000)?)?,
            _ => return None,
        }
    }
    for (number, unit) in fields(time)? {
        let factor = match unit {
            'H' => 3_600_000,
            'M' => 60_000,
            'S' => 1_000,
            _ => return None,
        };
        millis = millis.checked_add(number.checked_mul(factor)?)?;
    }
    (!date.is_empty() || !time.is_empty()).then_some(Duration { months, millis })
}

fn fields(text: &str) -> Option<Vec<(u64, char)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit = rest[at..].chars().next()?;
        found.push((rest[..at].parse().ok()?, unit));
        rest = &rest[at + unit.len_utf8()..];
    }
    Some(found)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months > 0 {
            write!(f, "P{}M", self.months)?;
            return if self.millis > 0 { write!(f, "T{}S", self.millis / 1_000) } else { Ok(()) };
        }
        let (number, unit) = match self.millis {
            0 => (0, "s"),
            n if n % 86_400_000 == 0 => (n / 86_400_000, "d"),
            n if n % 3_600_000 == 0 => (n / 3_600_000, "h"),
            n if n % 60_000 == 0 => (n / 60_000, "m"),
            n if n % 1_000 == 0 => (n / 1_000, "s"),
            n => (n, "ms"),
        };
        write!(f, "{number}{unit}")
    }
}

impl TryFrom<String> for Duration {
    type Error = DurationError;
    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A length of time with its unit: `500ms`, `2s`, `10m`, `3h`, `45d`, `2w`, or ISO 8601 (`PT10M`, `P1M`).",
            "pattern": "^([0-9]+(ms|s|m|h|d|w)|P([0-9]+[YMWD])*(T([0-9]+[HMS])+)?)$",
            "examples": ["10m", "45d", "P1M"],
        })
    }
}
