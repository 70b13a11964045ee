mod world;

use super::*;

fn day(text: &str) -> Period {
    Period::parse(text, Frequency::Day).unwrap()
}

fn month(text: &str) -> Period {
    Period::parse(text, Frequency::Month).unwrap()
}

fn days(first: &str, last: &str) -> Vec<(Period, Status)> {
    PeriodRange { first: day(first), last: day(last) }.iter().map(|p| (p, Status::Final)).collect()
}

fn source<'a>(name: &'a str, axis: &'a Axis, changed: &'a Changed) -> Source<'a> {
    Source { name, axis, from: Frequency::Day.into(), changed, since: None }
}

fn inputs<'a>(axis: &'a Axis, target: &'a Axis, changed: &'a Changed) -> Inputs<'a> {
    Inputs {
        sources: vec![source("rain", axis, changed)],
        target,
        to: Frequency::Month,
        ready: Ready::Complete,
        done: &[],
        remake: false,
        anew: None,
        unit: 1,
    }
}

fn window(text: &str, action: Action, status: Status) -> Window {
    Window { period: month(text), action, status }
}

fn ranges(list: &[(&str, &str)]) -> Changed {
    Changed::Ranges(list.iter().map(|(a, b)| PeriodRange { first: day(a), last: day(b) }).collect())
}

#[test]
fn a_month_waits_for_its_last_day() {
    let source = days("2025-01-01", "2025-02-27");
    let got = decide(&inputs(&source, &[], &Changed::All));
    assert_eq!(got.windows, vec![window("2025-01", Action::Add, Status::Final)]);
    assert_eq!(got.reasons, ["2025-01: made", "2025-02: waits for 2025-02-28"]);
}

#[test]
fn a_hole_makes_its_month_incomplete_once_a_later_one_is_whole() {
    let mut source = days("2025-01-01", "2025-03-31");
    source[40].1 = Status::Gap;
    let got = decide(&inputs(&source, &[], &Changed::All));
    let want = [
        window("2025-01", Action::Add, Status::Final),
        window("2025-02", Action::Add, Status::Incomplete),
        window("2025-03", Action::Add, Status::Final),
    ];
    assert_eq!(got.windows, want);
    assert!(
        got.reasons.contains(&"2025-02: incomplete, in the source 2025-02-10 is gap".to_owned()),
        "{got:?}"
    );
    // Later the day arrives.
    source[40].1 = Status::Provisional;
    let stored: Vec<_> = want.iter().map(|w| (w.period, w.status)).collect();
    let changed = ranges(&[("2025-02-10", "2025-02-10")]);
    let got = decide(&inputs(&source, &stored, &changed));
    assert_eq!(got.windows, vec![window("2025-02", Action::Fill, Status::Provisional)]);
}

#[test]
fn one_new_day_costs_one_month() {
    let source = days("2024-01-01", "2024-12-31");
    let stored: Vec<_> = (1..=11).map(|m| (month(&format!("2024-{m:02}")), Status::Final)).collect();
    let changed = ranges(&[("2024-12-31", "2024-12-31")]);
    let got = decide(&inputs(&source, &stored, &changed));
    assert_eq!(got.windows, vec![window("2024-12", Action::Add, Status::Final)]);
    let changed = ranges(&[("2024-03-05", "2024-03-05"), ("2024-12-31", "2024-12-31")]);
    let got = decide(&inputs(&source, &stored, &changed));
    assert_eq!(got.windows.len(), 2);
    assert_eq!(got.windows[0], window("2024-03", Action::Revise, Status::Final));
}

#[test]
fn what_is_missing_is_made_although_nothing_is_new() {
    let source = days("2025-01-01", "2025-02-28");
    let stored = [(month("2025-01"), Status::Final)];
    let got = decide(&inputs(&source, &stored, &ranges(&[])));
    assert_eq!(got.windows, vec![window("2025-02", Action::Add, Status::Final)]);
}

#[test]
fn a_window_waits_for_each_of_its_sources() {
    let (rain, snow) = (days("2025-01-01", "2025-03-31"), days("2025-01-11", "2025-03-10"));
    let nothing = ranges(&[]);
    let of = |rain, snow, ready| {
        let sources = vec![source("rain", rain, &nothing), source("snow", snow, &nothing)];
        decide(&Inputs { sources, ready, ..inputs(&[], &[], &nothing) })
    };
    let got = of(&rain, &snow, Ready::Complete);
    // Snow begins later: January lacks it, and is passed by February.
    let want =
        [window("2025-01", Action::Add, Status::Incomplete), window("2025-02", Action::Add, Status::Final)];
    assert_eq!(got.windows, want);
    assert_eq!(
        got.reasons,
        [
            "2025-02: made",
            "2025-01: waits for snow 2025-01-01/2025-01-10 (10 of 31)",
            "2025-03: waits for snow 2025-03-11/2025-03-31 (21 of 31)",
        ]
    );
    // What is enough of one is not enough of both.
    let got = of(&rain, &snow, Ready::AtLeast(0.6));
    assert_eq!(got.windows[0], window("2025-01", Action::Add, Status::Provisional));
    assert_eq!(got.windows.len(), 2);
    assert_eq!(got.reasons.last().unwrap(), "2025-03: waits for snow 2025-03-11/2025-03-31 (21 of 31)");
    assert_eq!(of(&rain, &snow, Ready::Any).windows.len(), 3);
    let mut late = rain.clone();
    late[40].1 = Status::Gap;
    let got = of(&late, &snow, Ready::Complete);
    assert!(got.windows.is_empty(), "{got:?}");
    assert_eq!(got.reasons[1], "2025-02: incomplete, in rain 2025-02-10 is gap");
    // What a source never had begins no window.
    let march = days("2025-03-01", "2025-03-31");
    let months = of(&rain, &march, Ready::Complete);
    assert_eq!(months.windows, [window("2025-03", Action::Add, Status::Final)]);
    assert_eq!(of(&rain, &[], Ready::Any).reasons, ["snow holds no periods yet"]);
    // One of them changed: its window is made again.
    let stored = [(month("2025-02"), Status::Final)];
    let snowed = ranges(&[("2025-02-03", "2025-02-03")]);
    let sources = vec![source("rain", &rain, &nothing), source("snow", &snow, &snowed)];
    let got = decide(&Inputs { sources, ..inputs(&[], &stored, &nothing) });
    assert_eq!(got.windows, [window("2025-02", Action::Revise, Status::Final)]);
}

#[test]
fn another_definition_makes_everything_again() {
    let source = days("2025-01-01", "2025-02-28");
    let stored = [(month("2025-01"), Status::Final)];
    let nothing = ranges(&[]);
    let got = decide(&Inputs { remake: true, ..inputs(&source, &stored, &nothing) });
    assert_eq!(got.windows.len(), 2);
}

#[test]
fn what_was_withdrawn_stays_so() {
    let source = days("2025-01-01", "2025-01-31");
    let stored = [(month("2025-01"), Status::Withdrawn)];
    assert!(decide(&inputs(&source, &stored, &Changed::All)).items().is_empty());
}

#[test]
fn a_source_that_was_begun_anew_empties_nothing() {
    let stored = [(month("2025-01"), Status::Final), (month("2025-02"), Status::Final)];
    let source = days("2025-02-01", "2025-02-10");
    assert!(decide(&inputs(&source, &stored, &Changed::All)).items().is_empty());
    // But what it says to have no value for is no longer vouched for.
    let mut source = days("2025-01-01", "2025-02-28");
    source[3].1 = Status::Withdrawn;
    let got = decide(&inputs(&source, &stored, &ranges(&[("2025-01-04", "2025-01-04")])));
    assert_eq!(got.windows, vec![window("2025-01", Action::Revise, Status::Incomplete)]);
}

#[test]
fn earlier_months_come_in_whole_write_units() {
    let source = days("2024-08-01", "2025-01-31");
    let stored = [(month("2025-01"), Status::Final)];
    let nothing = ranges(&[]);
    let got = decide(&Inputs { unit: 2, ..inputs(&source, &stored, &nothing) });
    assert_eq!(got.earlier.len(), 4);
    assert_eq!(got.earlier[0], window("2024-09", Action::Add, Status::Final));
    assert_eq!(got.unaligned.map(|r| r.to_string()), Some("2024-08".to_owned()));
    // A remainder that could not be made anyway is no fault.
    let source = days("2024-08-02", "2025-01-31");
    let got = decide(&Inputs { unit: 2, ..inputs(&source, &stored, &nothing) });
    assert_eq!((got.earlier.len(), got.unaligned), (4, None));
}

#[test]
fn readiness_counts_what_is_there() {
    assert!(Ready::AtLeast(0.9).passes(27, 30));
    assert!(!Ready::AtLeast(0.9).passes(26, 30));
    assert!(!Ready::Any.passes(0, 30));
    assert!(Ready::Any.passes(1, 30));
    assert!(!Ready::Complete.passes(29, 30));
    let source = days("2025-01-01", "2025-01-30");
    let got = decide(&Inputs { ready: Ready::Any, ..inputs(&source, &[], &Changed::All) });
    assert_eq!(got.windows, vec![window("2025-01", Action::Add, Status::Provisional)]);
}

#[test]
fn a_status_that_is_behind_is_caught_up() {
    let source = days("2025-01-01", "2025-01-31");
    let stored = [(month("2025-01"), Status::Provisional)];
    let got = decide(&inputs(&source, &stored, &ranges(&[])));
    assert_eq!(got.windows, vec![window("2025-01", Action::Revise, Status::Final)]);
}
