use chrono::TimeZone;
use frazil_engine::data::{Frequency, Severity};
use serde_json::json;

use super::*;

fn day(n: i64) -> Period {
    Period::parse("2024-01-01", Frequency::Day).unwrap().plus(n - 1)
}

fn check(text: serde_json::Value) -> Check {
    serde_json::from_value(text).unwrap()
}

/// Days with these statuses, of which those numbered are selected.
struct Stand {
    axis: Vec<(Period, Status)>,
    selection: Selection,
    counted: Counted,
    apart: Differences,
}

impl Stand {
    fn of(statuses: &[(i64, Status)]) -> Self {
        let axis: Vec<_> = statuses.iter().map(|&(n, status)| (day(n), status)).collect();
        let selection = Selection::Periods(axis.iter().map(|(period, _)| *period).collect());
        Self { axis, selection, counted: Counted::default(), apart: Differences::new() }
    }

    fn finals(days: i64) -> Self {
        Self::of(&(1..=days).map(|n| (n, Status::Final)).collect::<Vec<_>>())
    }

    /// Of each day: missing cells of ten, least, most.
    fn counted(mut self, days: &[(i64, u64, f64, f64)]) -> Self {
        let of =
            days.iter().map(|&(n, missing, least, most)| (day(n), Tally { cells: 10, missing, least, most }));
        self.counted.tallies.insert("rain".to_owned(), of.collect());
        self
    }

    fn judge(&self, one: serde_json::Value) -> Option<Checked> {
        let instant = Utc.with_ymd_and_hms(2024, 1, 31, 0, 0, 0).unwrap();
        let known = Known { axis: &self.axis, selection: &self.selection, instant, grid: "abc" };
        judge(&[check(one)], &known, &self.counted, &self.apart).pop()
    }

    fn passes(&self, one: serde_json::Value) {
        let found = self.judge(one).unwrap();
        assert!(found.passed, "{found}");
    }

    fn fails(&self, one: serde_json::Value, periods: &[&str], text: &str) {
        let found = self.judge(one).unwrap();
        assert!(!found.passed, "{found}");
        assert_eq!(found.periods.iter().map(ToString::to_string).collect::<Vec<_>>(), periods, "{found}");
        assert!(found.message.contains(text), "{found}");
    }
}

#[test]
fn gaps_and_holes_are_told_where_they_are() {
    let gap_free = json!({ "gap-free": {} });
    Stand::finals(5).passes(gap_free.clone());
    let gap = Stand::of(&[(1, Status::Final), (2, Status::Gap), (3, Status::Incomplete), (4, Status::Final)]);
    gap.fails(
        gap_free.clone(),
        &["2024-01-02/2024-01-03"],
        "2024-01-02/2024-01-03 (2 periods) gap; no gap is allowed",
    );
    let hole = Stand::of(&[(1, Status::Final), (4, Status::Final)]);
    hole.fails(gap_free.clone(), &[], "2024-01-02/2024-01-03 not on the axis");
    // What nobody touched is not looked at again; what a person took out is no gap.
    let mut old = Stand::of(&[(1, Status::Gap), (2, Status::Withdrawn), (3, Status::Final)]);
    old.selection = Selection::Periods(vec![day(2), day(3)]);
    old.passes(gap_free);
}

#[test]
fn numbers_outside_a_range_are_told_with_what_is_allowed() {
    let stand = Stand::finals(3).counted(&[(1, 0, 0.0, 4.0), (2, 0, -1.5, 3.0), (3, 0, 0.0, 99.0)]);
    let range = |min: Option<f64>, max: Option<f64>| json!({ "range": { "variable": "rain", "min": min, "max": max } });
    stand.passes(range(Some(-1.5), Some(99.0)));
    stand.fails(range(Some(0.0), Some(99.0)), &["2024-01-02"], "2024-01-02: -1.5; 0 to 99 is allowed");
    stand.fails(
        range(None, Some(3.0)),
        &["2024-01-01", "2024-01-03"],
        "2024-01-01: 4, 2024-01-03: 99; 3 or less",
    );
    let empty = Stand::of(&[(1, Status::Gap)]);
    empty.fails(range(Some(0.0), None), &["2024-01-01"], "there is nothing to check");
}

#[test]
fn shares_of_missing_cells_by_period_and_of_the_newest_together() {
    let stand =
        Stand::finals(4).counted(&[(1, 0, 0.0, 1.0), (2, 6, 0.0, 1.0), (3, 2, 0.0, 1.0), (4, 2, 0.0, 1.0)]);
    let most = |most: f64| json!({ "nan-fraction": { "variable": "rain", "most": most } });
    stand.passes(most(0.6));
    stand.fails(most(0.5), &["2024-01-02"], "2024-01-02: 60.0 % missing; 50.0 % of a period is allowed");
    let recent = |n: u32, most: f64| json!({ "nan-fraction": { "variable": "rain", "recent": { "periods": n, "most": most } } });
    stand.passes(recent(2, 0.2));
    stand.fails(recent(3, 0.2), &[], "33.3 % of the newest 3 periods missing; 20.0 % is allowed");
}

#[test]
fn freshness_of_the_newest_and_of_each_period() {
    // It is 31 January.
    let stand = Stand::of(&[(1, Status::Provisional), (20, Status::Final), (25, Status::Gap)]);
    let within = |within: &str| json!({ "freshness": { "within": within } });
    stand.passes(within("10d"));
    stand.fails(within("9d"), &[], "2024-01-20, the newest, ended 10 days ago; 9d is allowed");
    let final_within = |within: &str| json!({ "freshness": { "final-within": within } });
    stand.passes(final_within("29d"));
    stand.fails(
        final_within("28d"),
        &["2024-01-01"],
        "2024-01-01 is provisional since 29 days; 28d is allowed",
    );
    // It is looked at although nothing changed.
    let mut same = stand;
    same.selection = Selection::Unchanged;
    assert!(!same.judge(within("9d")).unwrap().passed);
    assert!(same.judge(json!({ "gap-free": {} })).is_none());
}

#[test]
fn time_ascends_and_the_grid_is_the_same() {
    Stand::finals(3).passes(json!({ "monotonic": {} }));
    let back = Stand::of(&[(3, Status::Final), (2, Status::Final)]);
    back.fails(json!({ "monotonic": {} }), &["2024-01-02"], "2024-01-02 follows 2024-01-03");
    let checksum = |value: &str| json!({ "checksum": { "value": value, "severity": "warn" } });
    Stand::finals(1).passes(checksum("abc"));
    Stand::finals(1).fails(checksum("xyz"), &[], "have the checksum abc; xyz is allowed");
    assert_eq!(Stand::finals(1).judge(checksum("xyz")).unwrap().severity, Severity::Warn);
}

#[test]
fn numbers_that_lie_apart_are_told_with_the_distance() {
    let mut stand = Stand::finals(2);
    let equal = json!({ "equal-to": { "dataset": "other", "variable": "rain", "tolerance": 0.5 } });
    stand.fails(equal.clone(), &[], "there is nothing to compare with");
    let same = Apart { cells: 0, furthest: 0.25, lacking: 0 };
    let far = Apart { cells: 7, furthest: 3.0, lacking: 2 };
    stand.counted.apart.insert(0, [(day(1), same), (day(2), same)].into());
    stand.passes(equal.clone());
    stand.counted.apart.insert(0, [(day(1), same), (day(2), far)].into());
    stand.fails(
        equal.clone(),
        &["2024-01-02"],
        "2024-01-02: 7 cells apart by up to 3, 2 of them missing in one; 0.5",
    );
    stand.apart.insert(0, "other lies on another grid: y".to_owned());
    stand.fails(equal, &[], "another grid");
}

#[test]
fn a_check_over_nothing_fails() {
    let empty = Stand::of(&[]);
    for one in [
        json!({ "gap-free": {} }),
        json!({ "monotonic": {} }),
        json!({ "range": { "variable": "rain", "min": 0.0 } }),
        json!({ "nan-fraction": { "variable": "rain", "most": 1.0 } }),
        json!({ "freshness": { "within": "9999d" } }),
    ] {
        let found = empty.judge(one.clone()).unwrap();
        assert!(!found.passed, "{one}");
    }
}

#[test]
fn numbers_are_told_with_the_digits_that_they_have() {
    assert_eq!(shown(f64::from(40.12f32)), "40.12");
    assert_eq!(
        (shown(40.12), shown(4012.0), shown(1.0 / 3.0)),
        ("40.12".to_owned(), "4012".to_owned(), (1.0f64 / 3.0).to_string())
    );
}

#[test]
fn the_newest_are_those_that_hold_numbers() {
    let statuses = [Status::Final, Status::Gap, Status::Provisional, Status::Withdrawn];
    let axis: Vec<(Period, Status)> = (1..).map(day).zip(statuses).collect();
    let recent = Recent { periods: std::num::NonZeroUsize::new(2).unwrap(), most: 0.5 };
    assert_eq!(newest(&axis, recent), [day(3), day(1)]);
}
