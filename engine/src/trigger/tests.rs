mod due;
mod zones;

use proptest::prelude::*;

use super::*;

fn schedule(line: &str, zone: &str, dst: Option<Dst>) -> Schedule {
    Schedule { line: parse(line).unwrap(), zone: zone.parse().unwrap(), dst }
}

/// Instants and marks of the ticks after an instant.
fn coming(schedule: &Schedule, after: &str, most: usize) -> Vec<String> {
    let ticks = schedule.coming(after.parse().unwrap(), most);
    let text = |tick: &Tick| {
        let change = tick.change.map_or_else(String::new, |change| format!(" {}", change.name()));
        format!("{}{change}", tick.at.format("%Y-%m-%dT%H:%M"))
    };
    ticks.iter().map(text).collect()
}

#[test]
fn a_line_is_read_in_its_time_zone() {
    let daily = schedule("30 6 * * *", "Africa/Freetown", None);
    assert_eq!(coming(&daily, "2026-03-01T06:30:00Z", 2), ["2026-03-02T06:30", "2026-03-03T06:30"]);
    let kathmandu = schedule("30 6 * * *", "Asia/Kathmandu", None);
    assert_eq!(coming(&kathmandu, "2026-03-01T00:44:59Z", 2), ["2026-03-01T00:45", "2026-03-02T00:45"]);
    // The other side of the date line, and the last day of a month.
    let last = schedule("0 1 L * *", "Pacific/Kiritimati", None);
    assert_eq!(coming(&last, "2026-01-31T00:00:00Z", 2), ["2026-02-27T11:00", "2026-03-30T11:00"]);
    let leap = schedule("0 0 29 2 *", "UTC", None);
    assert_eq!(coming(&leap, "2026-01-01T00:00:00Z", 2), ["2028-02-29T00:00", "2032-02-29T00:00"]);
}

#[test]
fn a_time_that_no_clock_shows_is_moved_or_left_out() {
    // In Berlin the clocks go from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC.
    let eve = "2026-03-28T12:00:00Z";
    for dst in [None, Some(Dst::Once), Some(Dst::Both)] {
        let found = coming(&schedule("30 2 * * *", "Europe/Berlin", dst), eve, 2);
        assert_eq!(found, ["2026-03-29T01:00 moved", "2026-03-30T00:30"], "{dst:?}");
    }
    let skip = schedule("30 2 * * *", "Europe/Berlin", Some(Dst::Skip));
    assert_eq!(coming(&skip, eve, 2), ["2026-03-29T01:00 left-out", "2026-03-30T00:30"]);
    assert!(!skip.coming(eve.parse().unwrap(), 1)[0].fires());
    // Several that are moved to one instant start one run.
    let often = schedule("0,30 2,3 * * *", "Europe/Berlin", None);
    assert_eq!(coming(&often, eve, 2), ["2026-03-29T01:00", "2026-03-29T01:30"]);
    // On Lord Howe clocks move by half an hour: from 02:00 to 02:30 on 4 October 2026.
    let howe = schedule("15 2 * * *", "Australia/Lord_Howe", None);
    assert_eq!(coming(&howe, "2026-10-03T00:00:00Z", 1), ["2026-10-03T15:30 moved"]);
    // Samoa had no 30 December 2011 at all.
    let samoa = schedule("0 12 30 12 *", "Pacific/Apia", None);
    assert_eq!(coming(&samoa, "2011-12-30T00:00:00Z", 1), ["2011-12-30T10:00 moved"]);
}

#[test]
fn a_time_that_clocks_show_twice_fires_once_unless_both_are_wanted() {
    // In Berlin the clocks go from 03:00 to 02:00 on 25 October 2026, at 01:00 UTC.
    let eve = "2026-10-24T12:00:00Z";
    for dst in [None, Some(Dst::Once), Some(Dst::Skip)] {
        let found = coming(&schedule("30 2 * * *", "Europe/Berlin", dst), eve, 2);
        assert_eq!(found, ["2026-10-25T00:30 first", "2026-10-26T01:30"], "{dst:?}");
    }
    let both = schedule("30 2 * * *", "Europe/Berlin", Some(Dst::Both));
    let expected = ["2026-10-25T00:30 first", "2026-10-25T01:30 second", "2026-10-26T01:30"];
    assert_eq!(coming(&both, eve, 3), expected);
    // In St. John's they went from one past midnight to one past eleven of the evening before.
    let before = schedule("30 23 * * *", "America/St_Johns", Some(Dst::Both));
    assert_eq!(coming(&before, "2010-11-07T02:30:30Z", 2), ["2010-11-07T03:00 second", "2010-11-08T03:00"]);
    // Between the two nothing is left, where one is enough.
    let once = schedule("30 2 * * *", "Europe/Berlin", None);
    assert_eq!(coming(&once, "2026-10-25T00:45:00Z", 1), ["2026-10-26T01:30"]);
}

#[test]
fn a_line_of_every_hour_goes_by_the_time_that_passes() {
    let hourly = schedule("0 * * * *", "Europe/Berlin", None);
    for eve in ["2026-03-28T22:30:00Z", "2026-10-24T22:30:00Z"] {
        let ticks = hourly.coming(eve.parse().unwrap(), 6);
        assert_eq!(ticks.len(), 6);
        for pair in ticks.windows(2) {
            assert_eq!(pair[1].at - pair[0].at, TimeDelta::hours(1), "{pair:?}");
        }
    }
}

fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => (low..=high).prop_map(|n| n.to_string()),
        1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{},{}", a.min(b), a.max(b))),
        1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (2u32..7).prop_map(|n| format!("*/{n}")),
    ]
}

proptest! {
    /// Where clocks never change, the ticks are those that the cron crate finds one after the other.
    #[test]
    fn ticks_are_those_of_the_line(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 28), month in field(1, 12),
        weekday in field(0, 6), seconds in 0i64..4_000_000_000,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let after = DateTime::from_timestamp(seconds, 0).unwrap();
        let line = parse(&text).unwrap();
        let mut expected = Vec::new();
        let mut at = after;
        for _ in 0..5 {
            at = line.find_next_occurrence(&at, false).unwrap();
            expected.push(at);
        }
        let found: Vec<_> =
            schedule(&text, "UTC", None).coming(after, 5).iter().map(|tick| tick.at).collect();
        prop_assert_eq!(found, expected, "{}", text);
    }

    /// Whatever the zone and the instant: ticks ascend, none is doubled, and a later look finds the rest.
    #[test]
    fn ticks_ascend_and_do_not_depend_on_when_one_looks(
        zone in 0..chrono_tz::TZ_VARIANTS.len(), hour in field(0, 23), minute in field(0, 59),
        seconds in 0i64..2_500_000_000, dst in prop::sample::select(vec![None, Some(Dst::Once), Some(Dst::Skip), Some(Dst::Both)]),
    ) {
        let line = parse(&format!("{minute} {hour} * * *")).unwrap();
        let schedule = Schedule { line, zone: chrono_tz::TZ_VARIANTS[zone], dst };
        let all = schedule.coming(DateTime::from_timestamp(seconds, 0).unwrap(), 12);
        prop_assert_eq!(all.len(), 12);
        prop_assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at), "{:?}", all);
        prop_assert_eq!(&schedule.coming(all[5].at, 6)[..], &all[6..]);
    }
}
