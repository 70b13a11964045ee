//! `frazil mark`: a bad period is taken out, and brought back.

use std::fs::File;

use frazil_tests::{programs::ask_python, rainfall::Rainfall, server::Fault};
use serde_json::{Value, json};

use super::versioned;

const RUN: [&str; 4] = ["run", "rainfall", "-p", "end=2024-02-14"];
const TENTH: &str = "/2024/rain.2024.01.10.tif";

fn head(rainfall: &Rainfall, dataset: &str) -> Value {
    versioned(&rainfall.sandbox.succeed(&["explain", dataset, "--format", "json"]))[0]["commit"]["id"].clone()
}

fn period(rainfall: &Rainfall, dataset: &str, period: &str) -> Value {
    let args = ["explain", dataset, "--period", period, "--format", "json"];
    versioned(&rainfall.sandbox.succeed(&args)).remove(0)
}

/// How often the tenth of January was asked for by a command that succeeded.
fn asked(rainfall: &Rainfall, args: &[&str]) -> usize {
    rainfall.server.forget();
    rainfall.sandbox.succeed(args);
    rainfall.server.count(TENTH)
}

/// The numbers of a day as xarray has them: how many are missing, and its status.
fn in_xarray(rainfall: &Rainfall, dataset: &str, day: &str) -> Option<Value> {
    ask_python("read_period.py", &[&rainfall.cube(dataset).to_string_lossy(), "precip", day])
}

#[test]
fn a_bad_day_is_taken_out_and_brought_back_and_what_hangs_from_it_follows() {
    let rainfall = Rainfall::of_days(45);
    rainfall.sandbox.succeed(&RUN);
    let before = head(&rainfall, "rain_daily");
    let mark = ["mark", "rain_daily", "--period", "2024-01-10", "--reason", "stripes over the coast"];
    let would = rainfall.sandbox.succeed(&[&mark[..], &["--dry-run"]].concat());
    assert_eq!(would, "rain_daily: 2024-01-10 would be withdrawn\n");
    assert_eq!(head(&rainfall, "rain_daily"), before);
    let (said, noted) = rainfall.sandbox.fail(0, &mark);
    assert!(said.starts_with("rain_daily: 2024-01-10 withdrawn\nrain_daily: at "), "{said}");
    assert!(noted.contains("`frazil run rain_daily+`"), "{noted}");
    let withdrawn = period(&rainfall, "rain_daily", "2024-01-10");
    assert_eq!(withdrawn["status"], "withdrawn");
    let expected = json!({ "to": "withdrawn", "reason": "stripes over the coast" });
    assert_eq!(withdrawn["history"][0]["mark"], expected, "{withdrawn}");
    let text = rainfall.sandbox.succeed(&["explain", "rain_daily", "--period", "2024-01-10"]);
    assert!(text.contains("by `frazil mark`: stripes over the coast"), "{text}");
    if let Some(found) = in_xarray(&rainfall, "rain_daily", "2024-01-10") {
        assert_eq!(found, json!({ "numbers": 0, "status": 4, "periods": 45 }));
    }
    // It is withdrawn already, so there is nothing to do.
    let marked = head(&rainfall, "rain_daily");
    assert!(rainfall.sandbox.succeed(&mark).contains("nothing to do"));
    assert_eq!(head(&rainfall, "rain_daily"), marked);

    let planned = rainfall.sandbox.succeed(&["plan", RUN[1], RUN[2], RUN[3]]);
    assert!(planned.contains("2024-01: incomplete, in the source 2024-01-10 is withdrawn"), "{planned}");
    assert_eq!(asked(&rainfall, &RUN), 0, "nobody asks for what was withdrawn");
    assert_eq!(period(&rainfall, "rain_monthly", "2024-01")["status"], "incomplete");
    let range = ["backfill", "rain_daily", "--from", "2024-01-10", "--to", "2024-01-10"];
    assert_eq!(asked(&rainfall, &range), 0);

    // Two years later, long after any `refill`, one word of a person suffices.
    rainfall.sandbox.succeed(&["mark", "rain_daily", "--period", "2024-01-10", "--clear"]);
    assert_eq!(period(&rainfall, "rain_daily", "2024-01-10")["status"], "gap");
    let late = [&RUN[..], &["--as-of", "2026-06-01T00:00:00Z"]].concat();
    assert_eq!(asked(&rainfall, &late), 1);
    assert_eq!(asked(&rainfall, &late), 0, "it was asked for, and there it is");
    rainfall.assert_right(45, &["2024-01"], "what was brought back");
    assert_eq!(period(&rainfall, "rain_monthly", "2024-01")["status"], "final");
}

#[test]
fn all_of_a_range_is_all_and_a_derived_window_may_be_withdrawn() {
    let rainfall = Rainfall::of_days(45);
    rainfall.sandbox.succeed(&RUN);
    rainfall.sandbox.succeed(&["mark", "rain_daily", "--period", "2024-01-10..2024-01-11"]);
    let all = ["backfill", "rain_daily", "--from", "2024-01-10", "--to", "2024-01-10", "--only", "all"];
    assert_eq!(asked(&rainfall, &all), 1);
    assert_eq!(period(&rainfall, "rain_daily", "2024-01-10")["status"], "final");
    rainfall.sandbox.succeed(&["mark", "rain_daily", "--period", "2024-01-11", "--clear"]);
    rainfall.sandbox.succeed(&["mark", "rain_monthly", "--period", "2024-01"]);
    rainfall.sandbox.succeed(&RUN);
    assert_eq!(
        period(&rainfall, "rain_monthly", "2024-01")["status"],
        "withdrawn",
        "only a person brings it back"
    );
    rainfall.sandbox.succeed(&["mark", "rain_monthly", "--period", "2024-01", "--clear"]);
    rainfall.sandbox.succeed(&RUN);
    rainfall.assert_right(45, &["2024-01"], "both are back");
}

#[test]
fn a_hole_that_nobody_will_fill_is_passed() {
    let rainfall = Rainfall::of_days(20);
    let run = ["run", "rain_daily", "-p", "end=2024-01-20"];
    rainfall.server.always(TENTH, Fault::Status(404, None));
    let (_, errors) = rainfall.sandbox.fail(1, &run);
    assert!(errors.contains("2024-01-10"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(4, &["mark", "rain_daily", "--period", "2024-01-11"]);
    assert!(errors.contains("2024-01-10, which is next"), "{errors}");
    let mark = ["mark", "rain_daily", "--period", "2024-01-10", "--format", "json"];
    let marked = versioned(&rainfall.sandbox.succeed(&mark));
    assert_eq!((&marked[0]["added"], &marked[0]["changed"]), (&json!(["2024-01-10"]), &json!([])));
    rainfall.sandbox.succeed(&run);
    if let Some(found) = rainfall.judge() {
        assert_eq!((&found["days"], &found["wrong_days"]), (&json!(20), &json!(["2024-01-10"])), "{found}");
        assert_eq!((&found["ascending"], &found["statuses"]), (&json!(true), &json!([0, 4])), "{found}");
    }
}

#[test]
fn a_refusal_leaves_the_dataset_as_it_is_and_says_why() {
    let rainfall = Rainfall::of_days(5);
    let elsewhere = "frazil: 1
id: elsewhere
datasets:
  theirs: { title: Made elsewhere, external: ./theirs, time: { step: P1D } }
steps:
  theirs: { uses: open-dataset, with: { dataset: theirs } }
";
    rainfall.sandbox.write("pipelines/elsewhere.yaml", elsewhere);
    let refused = |code: i32, args: &[&str], why: &str| {
        let (_, errors) = rainfall.sandbox.fail(code, &[&["mark"][..], args].concat());
        assert!(errors.contains(why), "{args:?}: {errors}");
    };
    refused(4, &["rain_daily", "--period", "2024-01-01"], "rain_daily does not exist yet");
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-01-05"]);
    let before = head(&rainfall, "rain_daily");
    refused(64, &["rain_dayly", "--period", "2024-01-01"], "did you mean `rain_daily`?");
    refused(64, &["rain_daily", "--period", "soon"], "`soon` is not a period");
    refused(64, &["rain_daily", "--period", "2024-01-03..2024-01-02"], "ends before it begins");
    refused(4, &["rain_daily", "--period", "2024-01-07"], "2024-01-07 is not on the axis of rain_daily");
    refused(4, &["rain_daily", "--period", "2023-12-31"], "which goes from 2024-01-01 to 2024-01-05");
    refused(
        4,
        &["rain_daily", "--period", "2024-01-05..2024-01-07", "--clear"],
        "2024-01-06 is not on the axis",
    );
    refused(4, &["rain_daily", "--period", "2024-01-05", "--clear"], "is final, not withdrawn");
    refused(4, &["theirs", "--period", "2024-01-05"], "theirs is made elsewhere");
    let lock = File::options().write(true).open(rainfall.cube("rain_daily.lock")).unwrap();
    lock.lock().unwrap();
    refused(4, &["rain_daily", "--period", "2024-01-05"], "somebody commits to rain_daily right now");
    drop(lock);
    assert_eq!(head(&rainfall, "rain_daily"), before);
}
