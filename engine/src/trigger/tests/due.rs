//! What is due, looked at again and again by clocks that jump.

use std::collections::BTreeSet;

use super::*;
use crate::{
    data::{Duration, PipelineId},
    pipeline::Missed,
    trigger::{Due, Timer},
};

fn trigger(line: &str, missed: Option<Missed>, jitter: Option<Duration>) -> Trigger {
    Trigger {
        cron: Some(line.to_owned()),
        timezone: None,
        missed,
        overlap: None,
        dst: None,
        jitter,
        http: None,
        dataset: None,
        params: Default::default(),
    }
}

fn timer(line: &str, missed: Option<Missed>, jitter: Option<Duration>) -> Timer {
    Timer::of(&pipeline(), &trigger(line, missed, jitter)).unwrap()
}

fn pipeline() -> PipelineId {
    "rain".parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn what_is_on_time_starts_once_anchored_to_the_line() {
    let timer = timer("30 6 * * *", None, None);
    let early = timer.due(at("2026-03-01T00:00:00Z"), at("2026-03-01T06:29:59Z"));
    assert_eq!((early.starts.len(), early.next), (0, Some(at("2026-03-01T06:30:00Z"))));
    assert_eq!(early.settled, at("2026-03-01T00:00:00Z"), "nothing happened");
    let due = timer.due(early.settled, at("2026-03-01T06:30:02Z"));
    assert_eq!(due.starts, [at("2026-03-01T06:30:00Z")]);
    assert_eq!(due.next, Some(at("2026-03-02T06:30:00Z")));
    let again = timer.due(due.settled, at("2026-03-01T06:30:02Z"));
    assert!(again.starts.is_empty());
}

#[test]
fn what_was_missed_is_left_out_or_done_by_choice() {
    let (since, now) = (at("2026-03-01T00:00:00Z"), at("2026-03-04T12:00:00Z"));
    let due = |missed| timer("30 6 * * *", missed, None).due(since, now);
    let newest = at("2026-03-04T06:30:00Z");
    assert_eq!((due(Some(Missed::None)).starts, due(Some(Missed::None)).left_out), (vec![], 4));
    for missed in [None, Some(Missed::Latest)] {
        let due = due(missed);
        assert_eq!((due.starts, due.left_out, due.settled), (vec![newest], 3, newest));
    }
    assert_eq!(due(Some(Missed::All)).starts.len(), 4);
    assert_eq!(due(Some(Missed::None)).settled, newest, "what is left out is left out for good");
    // One that is on time makes up for those before it.
    let on_time = timer("30 6 * * *", None, None).due(since, at("2026-03-04T06:30:30Z"));
    assert_eq!((on_time.starts, on_time.left_out), (vec![newest], 3));
}

#[test]
fn five_hundred_that_were_missed_are_one_run_and_all_of_years_are_bounded() {
    let since = at("2026-03-01T00:00:00Z");
    let latest = timer("0 * * * *", None, None).due(since, at("2026-03-21T20:30:00Z"));
    assert_eq!((latest.starts, latest.left_out), (vec![at("2026-03-21T20:00:00Z")], 499));
    let all = timer("*/10 * * * *", Some(Missed::All), None).due(since, at("2026-06-01T00:05:00Z"));
    assert_eq!((all.starts.len(), *all.starts.last().unwrap()), (CATCH_UP, at("2026-06-01T00:00:00Z")));
    assert_eq!(all.left_out + CATCH_UP, 92 * 144);
}

#[test]
fn waits_are_the_same_at_every_look_and_end_before_the_next_start() {
    let spread = timer("0 * * * *", None, Some(Duration::from_secs(3 * 3600)));
    let mut waits = BTreeSet::new();
    let mut settled = at("2026-03-01T00:00:00Z");
    for _ in 0..24 {
        let next = spread.due(settled, settled).next.unwrap();
        assert!(spread.due(settled, next - TimeDelta::milliseconds(1)).starts.is_empty());
        let due = spread.due(settled, next);
        assert_eq!(due.starts.len(), 1);
        assert!(next >= due.starts[0] && next < due.starts[0] + TimeDelta::hours(1));
        waits.insert(next - due.starts[0]);
        settled = due.settled;
    }
    assert!(waits.len() > 20, "{waits:?}");
    let other =
        Timer::of(&"snow".parse().unwrap(), &trigger("0 * * * *", None, Some(Duration::from_secs(600))));
    let one = timer("0 * * * *", None, Some(Duration::from_secs(600)));
    assert_ne!(other.unwrap().due(settled, settled).next, one.due(settled, settled).next);
}

#[test]
fn a_clock_that_was_wrong_by_years_does_not_stop_a_trigger_for_years() {
    let timer = timer("0 * * * *", None, None);
    let now = at("2026-03-01T00:30:00Z");
    let due = timer.due(at("2036-01-01T00:00:00Z"), now);
    assert!(due.anew && due.starts.is_empty());
    assert_eq!((due.settled, due.next), (now, Some(at("2026-03-01T01:00:00Z"))));
    // By an hour or a day it is waited for.
    let due = timer.due(at("2026-03-02T00:00:00Z"), now);
    assert_eq!((due.anew, due.next), (false, Some(at("2026-03-02T01:00:00Z"))));
}

#[test]
fn triggers_are_told_apart_by_what_starts_them_alone() {
    let one = trigger("30  6 * * *", None, None);
    assert_eq!(one.name(), "30 6 * * *");
    let spread = trigger("30 6 * * *", Some(Missed::All), Some(Duration::from_secs(60)));
    assert_eq!(one.name(), spread.name());
    let there = Trigger { timezone: Some("Africa/Freetown".to_owned()), ..one.clone() };
    assert_eq!(there.name(), "30 6 * * * Africa/Freetown");
    let with = Trigger { params: [("end".to_owned(), "latest".into())].into(), ..one };
    assert_eq!(with.name(), "30 6 * * * with end=\"latest\"");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the clock shows from look to look, within what clocks jump by: what starts ascends, and
    /// with `all` nothing is lost up to the furthest instant that the clock showed.
    #[test]
    fn nothing_starts_twice_or_is_lost_while_the_clock_jumps(
        minute in 0u32..60, hour in field(0, 23), jitter in 0u64..7200,
        jumps in prop::collection::vec(prop_oneof![
            5 => 0i64..90, 1 => -7200i64..7200, 1 => 0i64..400_000,
        ], 1..40),
        missed in prop::sample::select(vec![Missed::None, Missed::Latest, Missed::All]),
    ) {
        let line = format!("{minute} {hour} * * *");
        let timer = timer(&line, Some(missed), Some(Duration::from_secs(jitter)));
        let begin = at("2026-03-01T00:00:00Z");
        let (mut now, mut settled, mut started) = (begin, begin, Vec::new());
        let (mut furthest, mut left_out) = (begin, 0);
        for jump in jumps {
            now += TimeDelta::seconds(jump);
            furthest = furthest.max(now);
            let Due { starts, settled: until, next, left_out: out, anew } = timer.due(settled, now);
            prop_assert!(!anew);
            prop_assert!(next.unwrap() > now && until >= settled);
            started.extend(starts);
            settled = until;
            left_out += out;
        }
        prop_assert!(started.windows(2).all(|pair| pair[0] < pair[1]), "{started:?}");
        prop_assert!(started.iter().all(|at| *at <= furthest));
        let whole = Schedule::of(&trigger(&line, None, None)).unwrap();
        let mut expected = Vec::new();
        let mut after = begin;
        while let Some(tick) = whole.coming(after, 1).first().filter(|tick| tick.at <= settled) {
            expected.push(tick.at);
            after = tick.at;
        }
        if missed == Missed::All && left_out == 0 {
            prop_assert_eq!(&started, &expected);
        }
        prop_assert_eq!(started.len() + left_out, expected.len());
        // Nothing whose wait is over is open.
        prop_assert!(timer.due(settled, now).starts.is_empty());
    }
}
