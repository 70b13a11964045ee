//! When cron triggers fire, and what clock changes do to them.

mod due;

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    Cron, Weekday,
    parser::{CronParser, Seconds},
};

pub use due::{CATCH_UP, Due, Timer};

use crate::pipeline::{Dst, Trigger};

/// The longest cron line that is looked at.
const MAX_LINE: usize = 200;

/// Weekdays and leap days come round in 28 years: a line that fires at all fires within so many days.
pub(crate) const ROUND: usize = 28 * 366;

/// A cron line in its time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    line: Cron,
    zone: Tz,
    dst: Option<Dst>,
}

/// One time at which a line says that it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The instant.
    pub at: DateTime<Utc>,
    /// What the line says, by the clocks of its zone.
    pub local: NaiveDateTime,
    /// What a clock change does to it.
    pub change: Option<ClockChange>,
}

/// What a clock change does to a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// No clock shows this time: it fires when the clocks have been moved.
    Moved,
    /// No clock shows this time, and it is left out.
    LeftOut,
    /// The clocks show this time twice: this is the first.
    First,
    /// The clocks show this time twice: this is the second.
    Second,
}

impl ClockChange {
    /// The word for it in lines that machines read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::LeftOut => "left-out",
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

impl Tick {
    /// Whether anything starts.
    #[must_use]
    pub fn fires(&self) -> bool {
        self.change != Some(ClockChange::LeftOut)
    }

    /// Of several ticks at one instant the plainest stands: nothing starts twice.
    const fn rank(&self) -> u8 {
        match self.change {
            None | Some(ClockChange::First | ClockChange::Second) => 0,
            Some(ClockChange::Moved) => 1,
            Some(ClockChange::LeftOut) => 2,
        }
    }
}

/// Reads a cron line of five fields.
pub(crate) fn parse(line: &str) -> Result<Cron, String> {
    // The reader is asked for nothing that nobody writes.
    if line.len() > MAX_LINE {
        return Err("it is too long".to_owned());
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
    parser.parse(line).map_err(|error| error.to_string())
}

/// Whether a line names this day.
pub(crate) fn fits(line: &Cron, day: NaiveDate) -> bool {
    let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
    line.pattern.month_match(day.month()).unwrap_or(true)
        && line.pattern.day_match(day.year(), day.month(), day.day(), weekday).unwrap_or(true)
}

/// The times of a day that a line names, ascending.
pub(crate) fn times(line: &Cron, day: NaiveDate) -> impl Iterator<Item = NaiveDateTime> + '_ {
    let hours = (0..24).filter(move |hour| line.pattern.hour_match(*hour).unwrap_or(false));
    hours.flat_map(move |hour| {
        let minutes = (0..60).filter(move |minute| line.pattern.minute_match(*minute).unwrap_or(false));
        minutes.filter_map(move |minute| day.and_hms_opt(hour, minute, 0))
    })
}

impl Schedule {
    /// The schedule of a trigger; none for one that is no cron, or that a check refuses.
    #[must_use]
    pub fn of(trigger: &Trigger) -> Option<Self> {
        let line = parse(trigger.cron.as_ref()?).ok()?;
        let zone = trigger.timezone.as_ref().map_or(Ok(Tz::UTC), |zone| zone.parse()).ok()?;
        Some(Self { line, zone, dst: trigger.dst })
    }

    /// The first ticks after an instant, ascending, at most so many; those that a clock change
    /// leaves out among them.
    #[must_use]
    pub fn coming(&self, after: DateTime<Utc>, most: usize) -> Vec<Tick> {
        let today = after.with_timezone(&self.zone).date_naive();
        // Where clocks go back over midnight, something of the day before comes after that.
        let first = today.checked_sub_days(Days::new(1)).unwrap_or(today);
        let mut found = Vec::new();
        let mut enough = false;
        for day in first.iter_days().take(ROUND) {
            if fits(&self.line, day) {
                found.extend(self.ticks(day).into_iter().filter(|tick| tick.at > after));
                found.sort_by_key(|tick: &Tick| (tick.at, tick.rank()));
                found.dedup_by_key(|tick| tick.at);
            }
            // Where clocks go back over midnight, a day ends after the next one has begun.
            if enough {
                break;
            }
            enough = found.len() >= most;
        }
        found.truncate(most);
        found
    }

    /// Minutes from one start to the next, as it goes in a usual week; none for a line that never fires.
    pub(crate) fn interval(&self) -> Option<i64> {
        /// Enough for each weekday once, and the first again.
        const TICKS: usize = 8;
        let ticks = self.coming(DateTime::UNIX_EPOCH, TICKS);
        let (first, last) = (ticks.first()?, ticks.last()?);
        let between = i64::try_from(ticks.len().saturating_sub(1)).ok().filter(|count| *count > 0)?;
        Some((last.at - first.at).num_minutes() / between)
    }

    fn ticks(&self, day: NaiveDate) -> Vec<Tick> {
        // A line that fires in every hour goes by the time that passes, unless it says otherwise.
        let passing = self.dst.is_none() && self.line.pattern.hours.from_wildcard;
        let mut ticks = Vec::new();
        for local in times(&self.line, day) {
            let mut tick = |at: DateTime<Tz>, change| {
                ticks.push(Tick { at: at.to_utc(), local, change });
            };
            match self.zone.from_local_datetime(&local) {
                LocalResult::Single(at) => tick(at, None),
                LocalResult::Ambiguous(one, other) => {
                    tick(one.min(other), Some(ClockChange::First));
                    if passing || self.dst == Some(Dst::Both) {
                        tick(one.max(other), Some(ClockChange::Second));
                    }
                }
                LocalResult::None if passing => {}
                LocalResult::None => {
                    let skip = self.dst == Some(Dst::Skip);
                    let change = if skip { ClockChange::LeftOut } else { ClockChange::Moved };
                    if let Some(at) = self.moved(local) {
                        tick(at, Some(change));
                    }
                }
            }
        }
        ticks
    }

    /// The first minute that clocks show after a time that they do not show.
    fn moved(&self, local: NaiveDateTime) -> Option<DateTime<Tz>> {
        (1..=26 * 60)
            .filter_map(|minutes| local.checked_add_signed(TimeDelta::minutes(minutes)))
            .find_map(|later| self.zone.from_local_datetime(&later).earliest())
    }
}

#[cfg(test)]
mod tests;
