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

#[test]
fn a_set_of_periods_is_done_and_its_plan_says_so_before() {
    let rainfall = Rainfall::of_days(10);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-08"]);
    let set = ["--period", "2024-01-02,2024-01-05..2024-01-06", "--only", "all"];
    rainfall.server.forget();
    let plan = [&["backfill", "rainfall", "--plan"][..], &set].concat();
    let planned = rainfall.sandbox.succeed(&plan);
    assert!(planned.contains("missing: 2024-01-02, 2024-01-05/2024-01-06 (3 stored periods)"), "{planned}");
    let json = versioned(&rainfall.sandbox.succeed(&[&plan[..], &["--format", "json"]].concat()));
    assert_eq!(
        json[0]["pipelines"][0]["nodes"][0]["planned"]["document"]["periods"]["items"][1]["range"],
        "P1D:2024-01-05/2024-01-06"
    );
    assert_eq!(rainfall.server.requests().len(), 0, "a plan asks for nothing");
    assert_eq!(backfill(&rainfall, &set), [2, 5, 6]);
    assert_eq!(
        backfill(&rainfall, &["--period", "2024-01-08", "--period", "2024-01-03", "--only", "all"]),
        [3, 8]
    );
    // Nothing is left out between the axis and what comes behind it.
    assert_eq!(backfill(&rainfall, &["--period", "2024-01-04,2024-01-10"]), [9, 10]);
    let both = ["backfill", "rainfall", "--period", "2024-01-02", "--from", "2024-01-01"];
    let (_, errors) = rainfall.sandbox.fail(64, &both);
    assert!(errors.contains("cannot be used with"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["backfill", "rainfall", "--period", "2024-02..2024-01"]);
    assert!(errors.contains("`2024-02..2024-01` ends before it begins"), "{errors}");
}

#[test]
fn what_is_stored_may_be_done_newest_first() {
    let rainfall = Rainfall::of_days(75);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-03-14"]);
    let months = |args: &[&str]| {
        backfill(&rainfall, args);
        let requests = rainfall.server.requests();
        let mut months: Vec<String> =
            requests.iter().map(|request| request.path[11..18].to_owned()).collect();
        months.dedup();
        months
    };
    let all = ["--from", "2024-01-01", "--to", "2024-03-14", "--only", "all"];
    let newest = months(&[&all[..], &["--order", "newest"]].concat());
    assert_eq!(newest.first().map(String::as_str), Some("2024.03"), "{newest:?}");
    assert_eq!(newest.last().map(String::as_str), Some("2024.02"), "{newest:?}");
    assert_eq!(months(&all).first().map(String::as_str), Some("2024.01"));
    // What comes behind the axis comes last, in order of time.
    let further = ["--from", "2024-01-01", "--to", "2024-03-15", "--only", "all", "--order", "newest"];
    assert_eq!(months(&further).last().map(String::as_str), Some("2024.03"));
    rainfall.assert_right(75, &["2024-01", "2024-02"], "newest first");
}

#[test]
fn what_failed_and_is_missing_still_is_done_alone() {
    let rainfall = Rainfall::of_days(10);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-05"]);
    let path = |day: u32| format!("/2024/rain.2024.01.{day:02}.tif");
    let fails = |day: u32, args: &[&str]| {
        rainfall.server.always(&path(day), Fault::Status(403, None));
        assert!(!rainfall.sandbox.run(args).status.success());
        rainfall.server.always(&path(day), Fault::None);
    };
    // A day that holds numbers is there, whatever failed at it since.
    fails(3, &["backfill", "rainfall", "--from", "2024-01-03", "--to", "2024-01-03", "--only", "all"]);
    fails(6, &["run", "rainfall", "-p", "end=2024-01-10"]);
    assert_eq!(backfill(&rainfall, &["--only", "failed", "--from", "2024-01-07"]), Vec::<u32>::new());
    assert_eq!(backfill(&rainfall, &["--only", "failed"]), [6]);
    let (_, noted) = rainfall.sandbox.fail(0, &["backfill", "rainfall", "--only", "failed"]);
    assert!(noted.contains("no period at which a run failed is missing still"), "{noted}");
    assert_eq!(backfill(&rainfall, &["--to", "2024-01-10"]), [7, 8, 9, 10]);
}
