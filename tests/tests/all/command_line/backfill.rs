//! `frazil backfill`: a range of periods, and what is done with them.

use frazil_tests::{rainfall::Rainfall, server::Fault};
use serde_json::json;

use super::versioned;

/// The days of January 2024 that the source was asked for, ascending.
fn asked(rainfall: &Rainfall) -> Vec<u32> {
    let days = (1..=31).filter(|day| rainfall.server.count(&format!("/2024/rain.2024.01.{day:02}.tif")) > 0);
    days.collect()
}

fn backfill(rainfall: &Rainfall, args: &[&str]) -> Vec<u32> {
    rainfall.server.forget();
    rainfall.sandbox.succeed(&[&["backfill", "rainfall"][..], args].concat());
    asked(rainfall)
}

#[test]
fn a_range_is_filled_or_done_again() {
    let rainfall = Rainfall::of_days(10);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-05"]);
    let head = || versioned(&rainfall.sandbox.succeed(&["explain", "rain_daily", "--format", "json"]));
    let before = head();
    assert_eq!(backfill(&rainfall, &["--from", "2024-01-02", "--to", "2024-01-04"]), Vec::<u32>::new());
    let all = ["--from", "2024-01-02", "--to", "2024-01-04", "--only", "all"];
    assert_eq!(backfill(&rainfall, &all), [2, 3, 4]);
    assert_eq!(before[0]["commit"]["id"], head()[0]["commit"]["id"], "equal values are no commit");
    // A source that has other values for a day now.
    let input = |day: u32| rainfall.sandbox.path(format!("input/2024/rain.2024.01.{day:02}.tif"));
    std::fs::copy(input(5), input(3)).unwrap();
    backfill(&rainfall, &all);
    let explained = ["explain", "rain_daily", "--period", "2024-01-03", "--format", "json"];
    let third = versioned(&rainfall.sandbox.succeed(&explained));
    assert_eq!(third[0]["history"][0]["action"], "revise", "{third:?}");
    // What is not there yet, and no further; the pipeline itself asks for the whole quarter.
    assert_eq!(backfill(&rainfall, &["--from", "2024-01-06", "--to", "2024-01-08"]), [6, 7, 8]);
    let status = ["status", "rain_daily", "--format", "json"];
    assert_eq!(versioned(&rainfall.sandbox.succeed(&status))[0]["newest"], "2024-01-08");
}

#[test]
fn what_is_no_range_is_64() {
    let rainfall = Rainfall::of_days(2);
    let range = ["backfill", "rainfall", "--from", "2024-03", "--to", "2024-02"];
    let (_, errors) = rainfall.sandbox.fail(64, &range);
    assert!(errors.contains("ends before it begins"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["backfill", "rainfall", "--from", "tomorrow"]);
    assert!(errors.contains("`tomorrow` is not a period"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["backfill", "rain_dayly", "--from", "2024"]);
    assert!(errors.contains("did you mean `rain_daily`?"), "{errors}");
    assert_eq!(rainfall.server.requests().len(), 0);
}

#[test]
fn what_failed_in_a_backfill_is_retried_in_its_range_or_a_part_of_it() {
    let rainfall = Rainfall::of_days(6);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-06"]);
    rainfall.server.always("/2024/rain.2024.01.03.tif", Fault::Status(403, None));
    let range = ["backfill", "rainfall", "--from", "2024-01-02", "--to", "2024-01-04", "--only", "all"];
    assert!(!rainfall.sandbox.run(&range).status.success());
    rainfall.server.always("/2024/rain.2024.01.03.tif", Fault::None);
    let runs = versioned(&rainfall.sandbox.succeed(&["runs", "--format", "json"]));
    let run = runs[0]["run"].as_str().unwrap();
    let retry = |args: &[&str]| {
        rainfall.server.forget();
        rainfall.sandbox.succeed(&[&["retry", run][..], args].concat());
        asked(&rainfall)
    };
    assert_eq!(retry(&["--item", "2024-01-03"]), [3]);
    assert_eq!(retry(&[]), [2, 3, 4]);
    if let Some(found) = rainfall.judge() {
        assert_eq!((&found["days"], &found["wrong_days"]), (&json!(6), &json!([])), "{found}");
    }
    let (_, errors) = rainfall.sandbox.fail(64, &["retry", run, "--item", "soon"]);
    assert!(errors.contains("`soon` is not a period"), "{errors}");
}
