use chrono::{DateTime, NaiveDate, TimeZone, Utc, Weekday};

use super::{Frequency, Period, PeriodError, PeriodRange, at_day};

/// A period as people write it, of any step: the time it covers.
///
/// `2024`, `2024-03`, `2024-03-01`, `2024-03-01T05`, `2024-03-01T05:30`, `2024-W09`,
/// `2024-03-D1` (dekad), `2024-03-P1` (pentad). A minute text covers one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodText {
    /// The first instant inside.
    pub start: DateTime<Utc>,
    /// The first instant after it.
    pub end: DateTime<Utc>,
}

impl PeriodText {
    /// The first period of `frequency` when this text is given as a start.
    #[must_use]
    pub fn first(self, frequency: Frequency) -> Period {
        Period::containing(self.start, frequency)
    }

    /// The last period of `frequency` when this text is given as an end.
    #[must_use]
    pub fn last(self, frequency: Frequency) -> Period {
        Period::containing(self.end - chrono::Duration::seconds(1), frequency)
    }
}

/// Periods as people write them: one of any step, or two as `FIRST..LAST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodSpan {
    /// The first.
    pub first: PeriodText,
    /// The last, itself inside.
    pub last: PeriodText,
}

impl PeriodSpan {
    /// The periods of `frequency` that are meant: all that lie in a coarser one, and the one that a
    /// finer one lies in.
    #[must_use]
    pub fn range(self, frequency: Frequency) -> PeriodRange {
        PeriodRange { first: self.first.first(frequency), last: self.last.last(frequency) }
    }
}

impl std::str::FromStr for PeriodSpan {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let span = Self { first: first.parse()?, last: last.parse()? };
        if span.last.end <= span.first.start {
            Err(PeriodError::Backwards(text.to_owned()))
        } else {
            Ok(span)
        }
    }
}

impl std::str::FromStr for PeriodText {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        parse_text(text).ok_or_else(|| PeriodError::Period(text.to_owned()))
    }
}

fn parse_text(text: &str) -> Option<PeriodText> {
    if !text.is_ascii() {
        return None;
    }
    let of = |p: Period| PeriodText { start: p.start(), end: p.end() };
    let year: i32 = number(text.get(..4)?)?;
    let Some(rest) = text[4..].strip_prefix('-') else {
        let year = at_day(i64::from(year) * 12, 1);
        return text.len().eq(&4).then(|| of(Period::containing(year, Frequency::Year { anchor: 1 })));
    };
    if let Some(week) = rest.strip_prefix('W') {
        let monday = NaiveDate::from_isoywd_opt(year, two(week)?, Weekday::Mon)?;
        return Some(of(Period::containing(midnight(monday)?, Frequency::Week)));
    }
    let month0 = i64::from(year) * 12 + i64::from(two(rest.get(..2)?)?) - 1;
    let (1..=12) = two(rest.get(..2)?)? else { return None };
    let Some(rest) = rest[2..].strip_prefix('-') else {
        let month = Period { frequency: Frequency::Month, ordinal: month0 };
        return rest.len().eq(&2).then(|| of(month));
    };
    if let Some(third) = rest.strip_prefix('D') {
        let n = number::<i64>(third).filter(|n| third.len() == 1 && (1..=3).contains(n))?;
        return Some(of(Period { frequency: Frequency::Dekad, ordinal: month0 * 3 + n - 1 }));
    }
    if let Some(sixth) = rest.strip_prefix('P') {
        let n = number::<i64>(sixth).filter(|n| sixth.len() == 1 && (1..=6).contains(n))?;
        return Some(of(Period { frequency: Frequency::Pentad, ordinal: month0 * 6 + n - 1 }));
    }
    let date = NaiveDate::from_ymd_opt(year, two(text.get(5..7)?)?, two(rest.get(..2)?)?)?;
    let Some(clock) = rest[2..].strip_prefix('T') else {
        return rest
            .len()
            .eq(&2)
            .then(|| of(Period::containing(midnight(date).unwrap_or_default(), Frequency::Day)));
    };
    let clock = clock.strip_suffix('Z').unwrap_or(clock);
    let hour = two(clock.get(..2)?)?;
    let (minute, length) = match clock[2..].strip_prefix(':') {
        None if clock.len() == 2 => (0, 60),
        Some(minutes) => (two(minutes.strip_suffix(":00").unwrap_or(minutes))?, 1),
        None => return None,
    };
    let start = Utc.from_utc_datetime(&date.and_hms_opt(hour, minute, 0)?);
    Some(PeriodText { start, end: start + chrono::Duration::minutes(length) })
}

fn midnight(date: NaiveDate) -> Option<DateTime<Utc>> {
    Some(Utc.from_utc_datetime(&date.and_hms_opt(0, 0, 0)?))
}

fn two(text: &str) -> Option<u32> {
    if text.len() == 2 { number(text) } else { None }
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.chars().all(|c| c.is_ascii_digit()) { text.parse().ok() } else { None }
}
