//! Times as CF writes them (conventions 1.11, section 4.4): numbers since an instant.

use chrono::{DateTime, NaiveDate, Utc};

/// Whether a unit is one of a time axis: `hours since 1970-01-01`.
pub(crate) fn is_time(units: &str) -> bool {
    units.to_ascii_lowercase().contains(" since ")
}

/// The instants of a time axis.
///
/// # Errors
/// When the calendar is not ours, the unit is not understood, or a number is no time; the text
/// fits after the name of the axis.
pub(crate) fn instants(
    numbers: &[f64],
    units: &str,
    calendar: Option<&str>,
) -> Result<Vec<DateTime<Utc>>, String> {
    let calendar = calendar.unwrap_or("standard").trim().to_ascii_lowercase();
    // They agree from 1582-10-15 on; before it `standard` is Julian, and no cube of ours begins there.
    if !matches!(calendar.as_str(), "standard" | "gregorian" | "proleptic_gregorian") {
        return Err(format!("is in the calendar `{calendar}`, which frazil does not read"));
    }
    let not_understood = || format!("has the unit `{units}`, which is not understood");
    let (unit, since) = split(units).ok_or_else(not_understood)?;
    let step = millis(unit).ok_or_else(not_understood)?;
    let epoch = epoch(since).ok_or_else(not_understood)?;
    let first_gregorian = NaiveDate::from_ymd_opt(1582, 10, 15).unwrap_or_default();
    numbers
        .iter()
        .map(|number| {
            let instant =
                after(epoch, *number, step).ok_or_else(|| format!("holds {number}, which is no time"))?;
            if calendar != "proleptic_gregorian" && instant.date_naive() < first_gregorian {
                return Err(format!("begins before 1582-10-15 in the calendar `{calendar}`"));
            }
            Ok(instant)
        })
        .collect()
}

fn split(units: &str) -> Option<(&str, &str)> {
    let at = units.to_ascii_lowercase().find(" since ")?;
    Some((units[..at].trim(), units[at + " since ".len()..].trim()))
}

/// Milliseconds in a unit. A month or a year is no fixed time, so they are none.
fn millis(unit: &str) -> Option<f64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "days" | "day" | "d" => 86_400_000.0,
        "hours" | "hour" | "hrs" | "hr" | "h" => 3_600_000.0,
        "minutes" | "minute" | "mins" | "min" => 60_000.0,
        "seconds" | "second" | "secs" | "sec" | "s" => 1_000.0,
        "milliseconds" | "millisecond" | "msec" | "ms" => 1.0,
        _ => return None,
    })
}

/// Hours in a unit of leads; 1 where it is none that is known.
pub(crate) fn hours(unit: &str) -> f64 {
    let hours = |millis: f64| millis / 3_600_000.0;
    match unit.trim() {
        "nanoseconds" | "nanosecond" | "ns" => hours(1e-6),
        "microseconds" | "microsecond" | "us" => hours(1e-3),
        "weeks" | "week" => 168.0,
        unit => millis(unit).map_or(1.0, hours),
    }
}

/// `1978-01-01 12:00:00`, with or without time, fractions, `T`, and zone (`Z`, `UTC`, `+02:00`).
fn epoch(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim().trim_end_matches("UTC").trim();
    let (date, clock) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let mut parts = date.splitn(3, '-').map(str::parse::<u32>);
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(parts.next()?.ok()?).ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    )?;
    let (clock, east) = zone(clock.trim())?;
    let mut parts = clock.splitn(3, ':');
    let hour = number(parts.next())?;
    let minute = number(parts.next())?;
    let seconds: f64 = match parts.next() {
        None => 0.0,
        Some(text) => text.parse().ok().filter(|s| (0.0..60.0).contains(s))?,
    };
    let start = date.and_hms_opt(hour, minute, 0)?.and_utc();
    after(start, seconds, 1_000.0)?.checked_sub_signed(chrono::Duration::minutes(east))
}

fn number(text: Option<&str>) -> Option<u32> {
    text.filter(|text| !text.is_empty()).map_or(Some(0), |text| text.parse().ok())
}

/// The clock, and how many minutes its zone is ahead of UTC.
fn zone(clock: &str) -> Option<(&str, i64)> {
    let clock = clock.trim_end_matches(['Z', 'z']).trim_end();
    let Some(at) = clock.find(['+', '-', ' ']) else { return Some((clock, 0)) };
    let (clock, zone) = (clock[..at].trim(), clock[at..].trim());
    let (sign, zone) = match zone.strip_prefix('-') {
        Some(zone) => (-1, zone),
        None => (1, zone.trim_start_matches('+')),
    };
    let (hours, minutes) = match zone.split_once(':') {
        Some(parts) => parts,
        None if zone.len() == 4 && zone.is_ascii() => zone.split_at(2),
        None => (zone, "0"),
    };
    Some((clock, sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?)))
}

/// To the millisecond: a float counts days with errors of less than that for 200,000 years, and
/// what it means is a whole number of something.
fn after(epoch: DateTime<Utc>, number: f64, step: f64) -> Option<DateTime<Utc>> {
    let millis = (number * step).round();
    #[expect(clippy::cast_possible_truncation, reason = "checked to be well inside")]
    let millis = (millis.is_finite() && millis.abs() < 1e17).then_some(millis as i64)?;
    epoch.checked_add_signed(chrono::Duration::milliseconds(millis))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(number: f64, units: &str, calendar: Option<&str>) -> Result<String, String> {
        instants(&[number], units, calendar).map(|times| times[0].to_rfc3339())
    }

    #[test]
    fn the_units_that_sources_write() {
        for (number, units, time) in [
            (16_003.0, "days since 1978-01-01 12:00:00", "2021-10-25T12:00:00+00:00"),
            (1_738_368_000.0, "seconds since 1970-01-01", "2025-02-01T00:00:00+00:00"),
            (30.0, "days since 2025-07-01 00:00:00", "2025-07-31T00:00:00+00:00"),
            (0.25, "Days Since 1900-1-1", "1900-01-01T06:00:00+00:00"),
            (1.0, "hours since 2000-01-01T00:00:00Z", "2000-01-01T01:00:00+00:00"),
            (0.0, "hours since 2000-01-01 00:00:00.0", "2000-01-01T00:00:00+00:00"),
            (0.0, "hours since 2000-01-01 02:00 +02:00", "2000-01-01T00:00:00+00:00"),
            (0.0, "hours since 2000-01-01 00:00:00 -0130", "2000-01-01T01:30:00+00:00"),
            (90.0, "minutes since 2000-01-01 00:00:00 UTC", "2000-01-01T01:30:00+00:00"),
            (0.1, "days since 2000-01-01", "2000-01-01T02:24:00+00:00"),
        ] {
            assert_eq!(one(number, units, None).as_deref(), Ok(time), "{units}");
        }
    }

    #[test]
    fn other_calendars_are_refused_by_name() {
        for calendar in ["noleap", "365_day", "360_day", "julian", "all_leap", "none"] {
            let error = one(0.0, "days since 2000-01-01", Some(calendar)).unwrap_err();
            assert!(error.contains(calendar), "{error}");
        }
        assert!(one(0.0, "days since 0001-01-01", Some("standard")).unwrap_err().contains("1582"));
        assert!(one(0.0, "days since 0001-01-01", Some("proleptic_gregorian")).is_ok());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for units in ["months since 2000-01-01", "days since yesterday", "days since 2000-02-30", "K", ""] {
            assert!(one(0.0, units, None).is_err(), "{units}");
        }
        assert!(one(f64::NAN, "days since 2000-01-01", None).is_err());
        assert!(one(1e300, "days since 2000-01-01", None).is_err());
    }

    proptest! {
        /// Whole hours come back to the second in every unit, also by way of a float of days.
        #[test]
        fn whole_hours_survive(hours in -3_000_000i64..3_000_000) {
            let epoch = "1970-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
            let wanted = epoch + chrono::Duration::hours(hours);
            let hours = hours as f64;
            for (number, unit) in [(hours / 24.0, "days"), (hours, "hours"), (hours * 60.0, "minutes"), (hours * 3600.0, "seconds")] {
                let units = format!("{unit} since 1970-01-01");
                prop_assert_eq!(instants(&[number], &units, Some("proleptic_gregorian")).unwrap()[0], wanted);
            }
        }
    }
}
