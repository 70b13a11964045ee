use std::collections::BTreeMap;

use chrono::TimeZone;
use frazil_engine::{
    data::{Action, Frequency, PeriodRange},
    dataset::{Available, Whole},
};
use proptest::prelude::*;

use super::*;

fn time(step: Frequency) -> RegularTime {
    RegularTime { step, start: None, available: None, late: None, anchor: None }
}

fn request(start: &str, end: &str, step: Frequency, unit: u64) -> Request<'static> {
    let text = |t: &str| t.parse::<frazil_engine::data::PeriodText>().unwrap();
    Request {
        start: Some(text(start).first(step)),
        end: (end != "latest").then(|| text(end).last(step)),
        upstream: None,
        changed: None,
        newest: None,
        only: None,
        lookback: None,
        refill: default_refill(),
        asked: &[],
        rejected: &[],
        among: None,
        newest_first: false,
        withdrawn: false,
        cut: Cut { size: BatchSize::Count(1), unit, most: None },
    }
}

fn axis(first: &str, statuses: &[Status], step: Frequency) -> Vec<(Period, Status)> {
    let first = Period::parse(first, step).unwrap();
    (0..).map(|i| first.plus(i)).zip(statuses.iter().copied()).collect()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn items(decision: &Decision) -> Vec<String> {
    decision.items.iter().map(|i| format!("{:?} {}", i.action, i.range).to_lowercase()).collect()
}

fn batches(decision: &Decision) -> Vec<String> {
    let text =
        |ranges: &Vec<PeriodRange>| ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    decision.batches.iter().map(text).collect()
}

const NOW: &str = "2024-03-05T12:00:00Z";

#[test]
fn an_end_asked_for_by_name_is_clipped_only_by_a_declared_availability() {
    let yearly = Frequency::Year { anchor: 1 };
    let request = request("2023", "2026", yearly, 1);
    let decision = decide(&[], &time(yearly), &request, at(NOW)).unwrap();
    assert_eq!(items(&decision), ["add 2023/2026"]);
    let available = Some(Available { lag: Duration::from_days(0), whole: None });
    let decision = decide(&[], &RegularTime { available, ..time(yearly) }, &request, at(NOW)).unwrap();
    assert_eq!(items(&decision), ["add 2023"]);
}

#[test]
fn a_first_request_adds_everything_that_can_be_had() {
    for (step, start, expected) in [
        (Frequency::Minutes(60), "2024-03-05", "2024-03-05t00/2024-03-05t11"),
        (Frequency::Minutes(180), "2024-03-05", "2024-03-05t00/2024-03-05t09"),
        (Frequency::Day, "2024-03", "2024-03-01/2024-03-04"),
        (Frequency::Pentad, "2024-02-21", "2024-02-p5/2024-02-p6"),
        (Frequency::Dekad, "2024-02", "2024-02-d1/2024-02-d3"),
        (Frequency::Week, "2024-02-20", "2024-w08/2024-w09"),
        (Frequency::Month, "2023-12", "2023-12/2024-02"),
        (Frequency::Quarter { anchor: 1 }, "2023-07", "2023-07/2023-10"),
        (Frequency::Quarter { anchor: 3 }, "2023-09", "2023-09/2023-12"),
        (Frequency::Year { anchor: 1 }, "2020", "2020/2023"),
    ] {
        let decision = decide(&[], &time(step), &request(start, "latest", step, 30), at(NOW)).unwrap();
        assert_eq!(items(&decision), [format!("add {expected}")], "{step}");
    }
}

#[test]
fn availability_clips_and_says_so() {
    let whole_months = Available { lag: Duration::from_days(45), whole: Some(Whole::Month) };
    let time = RegularTime { available: Some(whole_months), ..time(Frequency::Day) };
    let day = Frequency::Day;
    let decision =
        decide(&[], &time, &request("2024-01-01", "2024-03-03", day, 30), at("2024-03-17T00:00:00Z"));
    let decision = decision.unwrap();
    assert_eq!(items(&decision), ["add 2024-01-01/2024-01-31"]);
    assert!(decision.reasons[0].contains("2024-01-31 is the newest"), "{:?}", decision.reasons);
    let nothing =
        decide(&[], &time, &request("2024-02-01", "2024-03-03", day, 30), at("2024-03-17T00:00:00Z"));
    let nothing = nothing.unwrap();
    assert!(nothing.items.is_empty());
    assert!(nothing.reasons[1].contains("2024-02-01 can be had from 2024-04-15T00:00:00Z"), "{nothing:?}");
}

#[test]
fn an_hourly_end_given_as_a_date_runs_through_its_last_hour() {
    let hour = Frequency::Minutes(60);
    let decision =
        decide(&[], &time(hour), &request("2024-01-01", "2024-01-01", hour, 168), at(NOW)).unwrap();
    assert_eq!(items(&decision), ["add 2024-01-01t00/2024-01-01t23"]);
    let one = request("2024-01-01T00", "2024-01-01T00", hour, 168);
    assert_eq!(items(&decide(&[], &time(hour), &one, at(NOW)).unwrap()), ["add 2024-01-01t00"]);
}

#[test]
fn statuses_decide_what_is_asked_again() {
    use Status::{Final, Gap, Incomplete, Provisional, Withdrawn};
    let day = Frequency::Day;
    let axis = axis("2024-02-27", &[Provisional, Final, Gap, Incomplete, Withdrawn, Provisional], day);
    let asked = |change: &dyn Fn(&mut Request)| {
        let mut request = request("2024-02-27", "2024-03-04", day, 1);
        change(&mut request);
        items(&decide(&axis, &time(day), &request, at(NOW)).unwrap())
    };
    let lookback = |days, all| Some(Lookback { age: Duration::from_days(days), all });
    assert_eq!(
        asked(&|_| {}),
        ["revise 2024-02-27", "fill 2024-02-29/2024-03-01", "revise 2024-03-03", "add 2024-03-04"]
    );
    assert_eq!(
        asked(&|r| r.refill = Duration::from_days(4)),
        ["revise 2024-02-27", "fill 2024-03-01", "revise 2024-03-03", "add 2024-03-04"]
    );
    assert_eq!(
        asked(&|r| r.lookback = lookback(3, false)),
        ["fill 2024-02-29/2024-03-01", "revise 2024-03-03", "add 2024-03-04"]
    );
    assert_eq!(
        asked(&|r| r.lookback = lookback(6, true)),
        ["revise 2024-02-28", "fill 2024-02-29/2024-03-01", "revise 2024-03-03", "add 2024-03-04"]
    );
    assert_eq!(
        asked(&|r| {
            r.only = Some(Only::Missing);
            r.refill = Duration::from_days(0)
        }),
        ["fill 2024-02-29/2024-03-01", "add 2024-03-04"]
    );
    assert_eq!(
        asked(&|r| r.only = Some(Only::All)),
        ["revise 2024-02-27/2024-02-28", "fill 2024-02-29/2024-03-01", "revise 2024-03-03", "add 2024-03-04"]
    );
}

#[test]
fn what_lies_between_the_axis_and_the_request_is_added_too() {
    let axis = axis("2024-01-01", &[Status::Final; 10], Frequency::Day);
    let day = Frequency::Day;
    let decision = decide(&axis, &time(day), &request("2024-01-12", "2024-01-13", day, 30), at(NOW)).unwrap();
    assert_eq!(items(&decision), ["add 2024-01-11/2024-01-13"]);
    assert!(decision.reasons[0].starts_with("2024-01-11 lies between"), "{:?}", decision.reasons);
    let again = decide(&axis, &time(day), &request("2024-01-03", "2024-01-04", day, 30), at(NOW)).unwrap();
    assert_eq!(again.batches.len(), 0);
}

#[test]
fn earlier_periods_go_in_newest_first_by_whole_units_and_then_the_rest() {
    let day = Frequency::Day;
    let axis = axis("2024-01-10", &[Status::Final; 7], day);
    let decision = decide(&axis, &time(day), &request("2024-01-01", "2024-01-18", day, 3), at(NOW)).unwrap();
    assert_eq!(
        batches(&decision),
        ["2024-01-17/2024-01-18", "2024-01-07/2024-01-09", "2024-01-04/2024-01-06", "2024-01-01/2024-01-03"]
    );
    let decision = decide(&axis, &time(day), &request("2024-01-02", "2024-01-16", day, 3), at(NOW)).unwrap();
    assert_eq!(
        batches(&decision),
        ["2024-01-07/2024-01-09", "2024-01-04/2024-01-06", "2024-01-02/2024-01-03"]
    );
    assert!(decision.reasons[1].starts_with("the first 2 of them"), "{:?}", decision.reasons);
}

#[test]
fn batches_end_on_chunk_boundaries_at_least_so_long_and_within_memory() {
    let day = Frequency::Day;
    let axis = axis("2024-01-01", &[Status::Final; 4], day);
    let cut = |size, most| {
        let mut request = request("2024-01-01", "2024-02-20", day, 10);
        request.cut = Cut { size, unit: 10, most };
        batches(&decide(&axis, &time(day), &request, at(NOW)).unwrap())
    };
    assert_eq!(
        cut(BatchSize::Count(12), None),
        ["2024-01-05/2024-01-20", "2024-01-21/2024-02-09", "2024-02-10/2024-02-20"]
    );
    assert_eq!(
        cut(BatchSize::Count(40), Some(15)),
        [
            "2024-01-05/2024-01-10",
            "2024-01-11/2024-01-20",
            "2024-01-21/2024-01-30",
            "2024-01-31/2024-02-09",
            "2024-02-10/2024-02-20"
        ]
    );
    assert_eq!(
        cut(BatchSize::Window(Frequency::Month), None),
        ["2024-01-05/2024-02-09", "2024-02-10/2024-02-20"]
    );
}

#[test]
fn settings_read_what_people_write() {
    let read = |text: &str| serde_json::from_str::<EnumeratePeriods>(text);
    let step = read(
        r#"{"dataset":"d","start":2024,"end":"latest","lookback":{"all":"90d"},"batch":"P1M","only":"all"}"#,
    );
    let step = step.unwrap();
    assert_eq!(step.start, Some(Bound("2024".to_owned())));
    assert_eq!(step.lookback, Some(Lookback { age: Duration::from_days(90), all: true }));
    assert_eq!(step.batch, BatchSize::Window(Frequency::Month));
    for bad in [
        r#"{"dataset":"d","batch":0}"#,
        r#"{"dataset":"d","batch":"often"}"#,
        r#"{"dataset":"d","lookback":90}"#,
        r#"{"dataset":"d","lookback":{"al":"90d"}}"#,
        r#"{"dataset":"d","start":[]}"#,
        r#"{"dataset":"d","begin":"2024"}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

fn any_step() -> impl Strategy<Value = Frequency> {
    prop::sample::select(vec![
        Frequency::Minutes(60),
        Frequency::Minutes(180),
        Frequency::Day,
        Frequency::Pentad,
        Frequency::Dekad,
        Frequency::Week,
        Frequency::Month,
        Frequency::Quarter { anchor: 2 },
        Frequency::Year { anchor: 1 },
    ])
}

fn any_status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL.to_vec())
}

prop_compose! {
    fn any_case()(
        step in any_step(),
        statuses in prop::collection::vec(any_status(), 0..40),
        unit in 1u64..12,
        size in prop_oneof![
            (1usize..40).prop_map(BatchSize::Count),
            Just(BatchSize::Window(Frequency::Month)),
            Just(BatchSize::Window(Frequency::Year { anchor: 1 })),
        ],
        most in prop::option::of(1usize..60),
        units_before in 0i64..5,
        inside in 0i64..60,
        from_inside in any::<bool>(),
        span in 0i64..90,
        latest in any::<bool>(),
        refill in prop::sample::select(vec![0u64, 30, 40_000]),
        only in prop::sample::select(vec![None, Some(Only::Missing)]),
    ) -> (Vec<(Period, Status)>, RegularTime, Request<'static>, DateTime<Utc>) {
        let origin = Period::containing(Utc.with_ymd_and_hms(2001, 5, 5, 0, 0, 0).unwrap(), step);
        let axis: Vec<_> = (0..).map(|i| origin.plus(i)).zip(statuses).collect();
        let start = if from_inside { origin.plus(inside) } else {
            origin.plus(-units_before * i64::try_from(unit).unwrap())
        };
        let newest = origin.plus(100);
        let request = Request {
            start: Some(start),
            end: (!latest).then(|| start.plus(span)),
            only,
            refill: Duration::from_days(refill),
            cut: Cut { size, unit, most },
            ..request("2001", "latest", step, unit)
        };
        (axis, time(step), request, newest.end())
    }
}

/// Does one batch as a cube would: adds at either end, revises and fills in place.
fn apply(axis: &[(Period, Status)], batch: &[PeriodRange]) -> Vec<(Period, Status)> {
    let mut all: BTreeMap<Period, Status> = axis.iter().copied().collect();
    for period in batch.iter().flat_map(PeriodRange::iter) {
        all.insert(period, Status::Final);
    }
    all.into_iter().collect()
}

proptest! {
    /// Batches hold the items and nothing else, in their order, and cut where chunks end.
    #[test]
    fn batches_are_the_items_cut_on_boundaries((axis, time, request, now) in any_case()) {
        let decision = decide(&axis, &time, &request, now).unwrap();
        let listed: Vec<Period> = decision.items.iter().flat_map(|i| i.range.iter()).collect();
        let cut: Vec<Period> = decision.batches.iter().flatten().flat_map(PeriodRange::iter).collect();
        prop_assert_eq!(&listed, &cut);
        let first = axis.first().map_or(request.start.unwrap(), |(p, _)| *p);
        let unit = i64::try_from(request.cut.unit).unwrap();
        let place = |p: &Period| (p.ordinal() - first.ordinal()).div_euclid(unit);
        for pair in decision.batches.windows(2) {
            let (before, after) = (pair[0].last().unwrap().last, pair[1].first().unwrap().first);
            prop_assert_ne!(place(&before), place(&after));
        }
        for (batch, later) in decision.batches.iter().zip(1..) {
            let count: usize = batch.iter().map(PeriodRange::len).sum();
            prop_assert!(batch.windows(2).all(|pair| pair[0].last < pair[1].first));
            let whole = usize::try_from(unit).unwrap();
            prop_assert!(request.cut.most.is_none_or(|most| count <= most.max(whole)));
            let last_of_its_kind = decision.batches.get(later).is_none_or(|b| b[0].first < batch[0].first);
            if let (BatchSize::Count(least), None, false) = (request.cut.size, request.cut.most, last_of_its_kind) {
                prop_assert!(count >= least);
            }
        }
    }

    /// The slow way: every period of the range by its status, one after the other.
    #[test]
    fn every_period_is_judged_by_itself((axis, time, request, now) in any_case()) {
        let decision = decide(&axis, &time, &request, now).unwrap();
        let stored: BTreeMap<Period, Status> = axis.iter().copied().collect();
        let start = request.start.unwrap();
        let end = match request.end {
            Some(end) if time.available.is_none() => end,
            Some(end) => end.min(time.latest(now)),
            None => time.latest(now),
        };
        let mut expected = BTreeMap::new();
        for ordinal in -80..220 {
            let period = Period::containing(Utc.with_ymd_and_hms(2001, 5, 5, 0, 0, 0).unwrap(), time.step).plus(ordinal);
            let asked = start <= period && period <= end;
            let between = match (axis.first(), axis.last()) {
                (Some((first, _)), Some((last, _))) => {
                    (*last < period && period <= end || start <= period && period < *first) && start <= end
                }
                _ => false,
            };
            let fresh = request.refill.after(period.end()) > now;
            let action = match stored.get(&period) {
                None => (asked || between).then_some(Action::Add),
                Some(Status::Provisional) => (asked && request.only.is_none()).then_some(Action::Revise),
                Some(Status::Gap | Status::Incomplete) =>
                    (asked && (fresh || request.only.is_some())).then_some(Action::Fill),
                Some(Status::Final | Status::Withdrawn) => None,
            };
            expected.extend(action.map(|a| (period, a)));
        }
        let got: BTreeMap<Period, Action> =
            decision.items.iter().flat_map(|i| i.range.iter().map(|p| (p, i.action))).collect();
        prop_assert_eq!(got, expected);
    }

    /// Done is done, and a run that was killed goes on to the same end.
    #[test]
    fn doing_it_leaves_nothing_and_a_killed_run_goes_on((axis, time, request, now) in any_case(), kill in 0usize..8) {
        let decision = decide(&axis, &time, &request, now).unwrap();
        let whole = decision.batches.iter().fold(axis.clone(), |a, b| apply(&a, b));
        let after = decide(&whole, &time, &request, now).unwrap();
        prop_assert!(after.items.is_empty() && after.batches.is_empty());
        let part = decision.batches.iter().take(kill).fold(axis.clone(), |a, b| apply(&a, b));
        let rest = decide(&part, &time, &request, now).unwrap();
        let resumed = rest.batches.iter().fold(part, |a, b| apply(&a, b));
        prop_assert_eq!(resumed, whole);
    }
}

#[test]
fn of_a_source_dataset_only_what_changed_is_asked_for_again() {
    let step = Frequency::Day;
    let all = [Status::Final, Status::Provisional, Status::Gap, Status::Withdrawn, Status::Final];
    let stored = axis("2024-01-01", &all, step);
    let range = |text: &str| PeriodRange::parse(text, step).unwrap();
    let noon = Utc.with_ymd_and_hms(2024, 1, 9, 12, 0, 0).unwrap();
    let decided = |changed: &[PeriodRange], only: Option<Only>| -> Vec<String> {
        let upstream = Some(range("2024-01-01/2024-01-06"));
        let request =
            Request { upstream, changed: Some(changed), only, ..request("2024-01-01", "latest", step, 1) };
        let decision = decide(&stored, &time(step), &request, noon).unwrap();
        decision.items.iter().map(|item| format!("{:?} {}", item.action, item.range)).collect()
    };
    assert_eq!(decided(&[], None), ["Add 2024-01-06"], "what is preliminary there is so here");
    assert_eq!(
        decided(&[range("2024-01-02/2024-01-04")], None),
        ["Revise 2024-01-02", "Fill 2024-01-03", "Add 2024-01-06"]
    );
    assert_eq!(decided(&[range("2024-01-05")], None), ["Revise 2024-01-05", "Add 2024-01-06"]);
    assert_eq!(decided(&[range("2024-01-05")], Some(Only::Missing)), ["Fill 2024-01-03", "Add 2024-01-06"]);
}
