//! The main job from end to end, judged by readers we did not write.

use frazil_tests::rainfall::Rainfall;
use serde_json::json;

#[test]
fn ninety_days_become_a_daily_and_a_monthly_cube() {
    let rainfall = Rainfall::of_days(90);
    rainfall.sandbox.succeed(&["run", "rainfall"]);
    // March waits for its last day.
    rainfall.assert_right(90, &["2024-01", "2024-02"], "one run");
    let Some(found) = rainfall.judge() else { return };
    assert_eq!(found["last"], json!("2024-03-30"));
    assert_eq!(found["statuses"], json!([0]));
    assert_eq!(found["units"], json!("mm"));
    assert_eq!(found["grid_mapping"], json!("spatial_ref"));
    assert_eq!(found["north_west"], json!([-13.475, 10.075]));
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let rainfall = Rainfall::of_days(40);
    let until = ["run", "rainfall", "-p", "end=2024-02-09"];
    rainfall.sandbox.succeed(&until);
    let requests = rainfall.server.requests().len();
    assert!(requests >= 40, "{requests} requests for 40 files");
    rainfall.sandbox.succeed(&until);
    assert_eq!(rainfall.server.requests().len(), requests, "a second run asked the source again");
}

#[test]
fn a_run_extends_what_an_earlier_one_left() {
    let rainfall = Rainfall::of_days(60);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-20"]);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "start=2024-02-10", "-p", "end=2024-02-29"]);
    // The days between were listed too: nothing is appended out of order, no hole is left.
    rainfall.assert_right(60, &["2024-01", "2024-02"], "two runs");
}

#[test]
fn a_source_that_ends_keeps_nobody_from_days_before_the_first() {
    let rainfall = Rainfall::of_days(60);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "start=2024-02-10", "-p", "end=2024-02-20"]);
    // Nothing is to be had from March on, and January is asked for too.
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-03-20"]);
    rainfall.assert_right(60, &["2024-01", "2024-02"], "one run more");
}

#[test]
fn a_source_that_ends_is_a_frontier_and_a_hole_is_an_error_that_names_it() {
    let rainfall = Rainfall::of_days(45);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-03-10"]);
    assert_eq!(rainfall.judge().map(|found| found["days"].clone()).unwrap_or(json!(45)), json!(45));

    rainfall.forget();
    std::fs::remove_file(rainfall.sandbox.path("input/2024/rain.2024.01.31.tif")).unwrap();
    let (_, errors) = rainfall.sandbox.fail(1, &["run", "rainfall", "-p", "end=2024-02-14"]);
    assert!(errors.contains("2024-01-31"), "{errors}");
    let monthly = rainfall.cube("rain_monthly");
    assert!(!monthly.exists() || rainfall.judge().is_none_or(|found| found["months"] == json!([])));
    if let Some(found) = rainfall.judge() {
        assert_eq!(found["last"], json!("2024-01-30"), "what came before the hole is readable: {found}");
    }
}

#[test]
fn plan_lists_what_run_does() {
    let rainfall = Rainfall::of_days(35);
    let plan = ["plan", "rainfall", "--exit-code", "-p", "end=2024-02-04"];
    let (planned, _) = rainfall.sandbox.fail(2, &plan);
    assert!(planned.contains("35"), "{planned}");
    assert!(planned.contains("2024-01"), "the month that the days complete is foreseen: {planned}");
    assert!(!rainfall.cube("rain_daily").exists(), "looking created a repository");
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-04"]);
    rainfall.sandbox.succeed(&plan);
}
