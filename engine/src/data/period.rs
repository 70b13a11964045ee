mod range;
mod text;

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, TimeZone, Utc};

pub use self::{
    range::PeriodRange,
    text::{PeriodSpan, PeriodText},
};
use super::Frequency;

/// A text that names no period, or a frequency that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeriodError {
    /// Not one of the written forms of a period.
    #[error(
        "`{0}` is not a period: write `2024`, `2024-03`, `2024-03-01`, `2024-03-01T05`, `2024-W09`, `2024-03-D1` (dekad) or `2024-03-P1` (pentad)"
    )]
    Period(String),
    /// Two periods of which the second comes first.
    #[error("`{0}` ends before it begins")]
    Backwards(String),
    /// Not one of the frequencies.
    #[error("`{0}` is not a time step: use PT30M, PT1H, PT3H …, P1D, pentad, dekad, P1W, P1M, P3M or P1Y")]
    Frequency(String),
    /// Hours or minutes that do not divide a day.
    #[error("`{0}` does not divide a day: use 1, 2, 3, 4, 6, 8 or 12 hours, or minutes that divide one")]
    NotADivisor(String),
    /// A written period that is not one of this frequency.
    #[error("`{0}` is no period of step {1}")]
    NotOf(String, Frequency),
}

/// One step of a time axis: a frequency and a place on it.
///
/// Times are UTC in the proleptic Gregorian calendar. The label of a period is its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    frequency: Frequency,
    ordinal: i64,
}

/// What the one period of a static dataset is called.
const STATIC: &str = "static";

impl Period {
    /// The one period of a dataset without a time axis.
    pub const STATIC: Self = Self { frequency: Frequency::Static, ordinal: 0 };

    /// The period of `frequency` that holds `instant`.
    #[must_use]
    pub fn containing(instant: DateTime<Utc>, frequency: Frequency) -> Self {
        let date = instant.date_naive();
        let month0 = i64::from(date.year()) * 12 + i64::from(date.month0());
        let ordinal = match frequency {
            Frequency::Minutes(n) => instant.timestamp().div_euclid(60 * i64::from(n)),
            Frequency::Day => instant.timestamp().div_euclid(86_400),
            Frequency::Pentad => month0 * 6 + i64::from((date.day0() / 5).min(5)),
            Frequency::Dekad => month0 * 3 + i64::from((date.day0() / 10).min(2)),
            // 1970-01-01 was a Thursday: three days into its week.
            Frequency::Week => (instant.timestamp().div_euclid(86_400) + 3).div_euclid(7),
            Frequency::Month => month0,
            Frequency::Quarter { anchor } => (month0 - i64::from(anchor - 1)).div_euclid(3),
            Frequency::Year { anchor } => (month0 - i64::from(anchor - 1)).div_euclid(12),
            Frequency::Static => 0,
        };
        Self { frequency, ordinal }
    }

    /// The step of the axis that this period is on.
    #[must_use]
    pub const fn frequency(self) -> Frequency {
        self.frequency
    }

    /// The place on the axis: consecutive periods have consecutive ordinals.
    #[must_use]
    pub const fn ordinal(self) -> i64 {
        self.ordinal
    }

    /// The period `n` steps later; earlier when `n` is negative.
    #[must_use]
    pub const fn plus(self, n: i64) -> Self {
        Self { frequency: self.frequency, ordinal: self.ordinal + n }
    }

    /// The first instant inside.
    #[must_use]
    pub fn start(self) -> DateTime<Utc> {
        let n = self.ordinal;
        match self.frequency {
            Frequency::Minutes(minutes) => at_seconds(n * 60 * i64::from(minutes)),
            Frequency::Day => at_seconds(n * 86_400),
            Frequency::Week => at_seconds((n * 7 - 3) * 86_400),
            Frequency::Pentad => at_day(n.div_euclid(6), n.rem_euclid(6) * 5 + 1),
            Frequency::Dekad => at_day(n.div_euclid(3), n.rem_euclid(3) * 10 + 1),
            Frequency::Month => at_day(n, 1),
            Frequency::Quarter { anchor } => at_day(n * 3 + i64::from(anchor - 1), 1),
            Frequency::Year { anchor } => at_day(n * 12 + i64::from(anchor - 1), 1),
            // It has no place in time.
            Frequency::Static => DateTime::UNIX_EPOCH,
        }
    }

    /// The first instant after it: the start of the next.
    #[must_use]
    pub fn end(self) -> DateTime<Utc> {
        self.plus(1).start()
    }

    /// The label stored on a time axis, in [`Frequency::unit`].
    #[must_use]
    pub fn label(self) -> i64 {
        self.start().timestamp().div_euclid(60 * self.frequency.label_minutes())
    }

    /// The period with this stored label; none when the label is not the start of one.
    #[must_use]
    pub fn from_label(label: i64, frequency: Frequency) -> Option<Self> {
        let seconds = label.checked_mul(60 * frequency.label_minutes())?;
        let period = Self::containing(DateTime::from_timestamp(seconds, 0)?, frequency);
        (period.label() == label).then_some(period)
    }

    /// The period of `text`, which must be written for this very frequency.
    ///
    /// # Errors
    /// When the text is no period, or a period of another step.
    pub fn parse(text: &str, frequency: Frequency) -> Result<Self, PeriodError> {
        if frequency.is_static() {
            let not = || PeriodError::NotOf(text.to_owned(), frequency);
            return (text == STATIC).then_some(Self::STATIC).ok_or_else(not);
        }
        let span: PeriodText = text.parse()?;
        let period = Self::containing(span.start, frequency);
        let whole = match frequency {
            // Minutes, quarters and years are written by their start alone.
            Frequency::Minutes(_) | Frequency::Quarter { .. } | Frequency::Year { .. } => true,
            _ => period.end() == span.end,
        };
        if period.start() == span.start && whole {
            Ok(period)
        } else {
            Err(PeriodError::NotOf(text.to_owned(), frequency))
        }
    }

    /// All periods of a finer frequency that begin inside.
    #[must_use]
    pub fn parts(self, finer: Frequency) -> PeriodRange {
        let first = Self::containing(self.start(), finer);
        let first = if first.start() < self.start() { first.plus(1) } else { first };
        let next = Self::containing(self.end(), finer);
        let next = if next.start() < self.end() { next.plus(1) } else { next };
        PeriodRange { first, last: next.plus(-1) }
    }
}

fn at_seconds(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Day `day` of month `month0`, counted from January of year 0.
fn at_day(month0: i64, day: i64) -> DateTime<Utc> {
    i32::try_from(month0.div_euclid(12))
        .ok()
        .zip(u32::try_from(month0.rem_euclid(12) + 1).ok())
        .zip(u32::try_from(day).ok())
        .and_then(|((year, month), day)| NaiveDate::from_ymd_opt(year, month, day))
        .and_then(|date| date.and_hms_opt(0, 0, 0))
        .map_or(DateTime::<Utc>::MAX_UTC, |t| Utc.from_utc_datetime(&t))
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start();
        match self.frequency {
            Frequency::Minutes(n) if n % 60 == 0 => write!(f, "{}", start.format("%Y-%m-%dT%H")),
            Frequency::Minutes(_) => write!(f, "{}", start.format("%Y-%m-%dT%H:%M")),
            Frequency::Day => write!(f, "{}", start.format("%Y-%m-%d")),
            Frequency::Pentad => write!(f, "{}-P{}", start.format("%Y-%m"), start.day0() / 5 + 1),
            Frequency::Dekad => write!(f, "{}-D{}", start.format("%Y-%m"), start.day0() / 10 + 1),
            Frequency::Week => {
                let week = start.iso_week();
                write!(f, "{:04}-W{:02}", week.year(), week.week())
            }
            Frequency::Month | Frequency::Quarter { .. } | Frequency::Year { anchor: 2.. } => {
                write!(f, "{}", start.format("%Y-%m"))
            }
            Frequency::Year { .. } => write!(f, "{}", start.format("%Y")),
            Frequency::Static => f.write_str(STATIC),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_frequency() -> impl Strategy<Value = Frequency> {
        prop_oneof![
            prop::sample::select(vec![1, 30, 60, 180, 360, 720]).prop_map(Frequency::Minutes),
            Just(Frequency::Day),
            Just(Frequency::Pentad),
            Just(Frequency::Dekad),
            Just(Frequency::Week),
            Just(Frequency::Month),
            (1..=3u32).prop_map(|anchor| Frequency::Quarter { anchor }),
            (1..=12u32).prop_map(|anchor| Frequency::Year { anchor }),
        ]
    }

    fn period(text: &str, frequency: Frequency) -> Period {
        Period::parse(text, frequency).unwrap()
    }

    proptest! {
        /// Every instant lies in exactly one period, neighbours touch, and label and text lead back.
        #[test]
        fn periods_tile_time(seconds in -2_000_000_000i64..6_000_000_000, frequency in any_frequency()) {
            let instant = DateTime::from_timestamp(seconds, 0).unwrap();
            let p = Period::containing(instant, frequency);
            prop_assert!(p.start() <= instant && instant < p.end());
            prop_assert_eq!(Period::containing(p.start(), frequency), p);
            prop_assert_eq!(Period::containing(p.end(), frequency), p.plus(1));
            prop_assert_eq!(Period::from_label(p.label(), frequency), Some(p));
            prop_assert_eq!(Period::parse(&p.to_string(), frequency), Ok(p));
            prop_assert_eq!(frequency.to_string().parse(), Ok(frequency));
            let range = PeriodRange { first: p, last: p.plus(3) };
            prop_assert_eq!(PeriodRange::try_from(String::from(range)), Ok(range));
        }

        /// The parts of a window are those that begin in it, found the slow way.
        #[test]
        fn parts_begin_inside(seconds in 0i64..2_000_000_000, fine in any_frequency(), coarse in any_frequency()) {
            prop_assume!(fine.nominal_minutes() >= 60 && fine.nominal_minutes() <= coarse.nominal_minutes());
            let window = Period::containing(DateTime::from_timestamp(seconds, 0).unwrap(), coarse);
            let mut slow = Vec::new();
            let mut p = Period::containing(window.start(), fine).plus(-2);
            while p.start() < window.end() {
                if p.start() >= window.start() { slow.push(p); }
                p = p.plus(1);
            }
            let parts: Vec<_> = window.parts(fine).iter().collect();
            prop_assert_eq!(parts, slow);
        }
    }

    #[test]
    fn iso_weeks_and_dekads_cross_years_as_people_count_them() {
        let day = "2025-12-29".parse::<PeriodText>().unwrap();
        assert_eq!(Period::containing(day.start, Frequency::Week).to_string(), "2026-W01");
        let third = period("2024-02-D3", Frequency::Dekad);
        assert_eq!(third.parts(Frequency::Day).len(), 9);
        assert_eq!(period("2024-02-P6", Frequency::Pentad).parts(Frequency::Day).len(), 4);
    }

    #[test]
    fn a_coarse_text_covers_its_hours() {
        let day: PeriodText = "2024-01-01".parse().unwrap();
        let hourly = Frequency::Minutes(60);
        assert_eq!(day.first(hourly).to_string(), "2024-01-01T00");
        assert_eq!(day.last(hourly).to_string(), "2024-01-01T23");
        let hour: PeriodText = "2024-01-01T00".parse().unwrap();
        assert_eq!(hour.first(hourly), hour.last(hourly));
    }

    #[test]
    fn a_static_dataset_has_one_period_without_a_place_in_time() {
        let all = Period::containing(DateTime::<Utc>::MAX_UTC, Frequency::Static);
        assert_eq!((all, all.to_string().as_str()), (Period::STATIC, "static"));
        assert_eq!(Period::from_label(0, Frequency::Static), Some(all));
        let range = PeriodRange::one(all);
        assert_eq!(String::from(range), "none:static");
        assert_eq!(PeriodRange::try_from("none:static".to_owned()), Ok(range));
        assert!(Period::parse("2024", Frequency::Static).is_err());
        assert!(!Frequency::Day.nests_in(Frequency::Static) && !Frequency::Static.nests_in(Frequency::Day));
        assert!(!Frequency::Minutes(60).nests_in(Frequency::Static));
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "",
            "24",
            "2024-13",
            "2024-02-30",
            "2024-W54",
            "2024-01-D4",
            "2024-1-1",
            "2024-01-01T24",
            "2024-01-01x",
            "２０２４",
        ] {
            assert!(text.parse::<PeriodText>().is_err(), "{text}");
        }
        assert!(Period::parse("2024-03", Frequency::Day).is_err());
        assert!(Period::parse("2024-03-02", Frequency::Month).is_err());
        assert!("PT5H".parse::<Frequency>().is_err());
        assert!("PT7M".parse::<Frequency>().is_err());
    }
}
