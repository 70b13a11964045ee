//! Why a dataset and its periods are as they are.

use frazil_tests::rainfall::Rainfall;
use serde_json::{Value, json};

use super::stand::{DEKADS, lines, project};

fn explain(rainfall: &Rainfall, args: &[&str]) -> Vec<Value> {
    lines(&rainfall.sandbox.succeed(&[&["explain", "--format", "json"][..], args].concat()))
}

/// The newest run of a pipeline.
fn run_of(rainfall: &Rainfall, pipeline: &str) -> String {
    let runs = lines(&rainfall.sandbox.succeed(&["runs", pipeline, "--format", "json"]));
    runs[0]["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_window_says_by_which_run_from_what_and_what_it_waits_for() {
    let rainfall = project(45, &[("dekads", DEKADS)]);
    rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", "end=2024-02-05"]);
    let run = run_of(&rainfall, "dekads");
    let source = &explain(&rainfall, &["rain_daily"])[0];
    let made = &explain(&rainfall, &["rain_dekads", "--period", "2024-01-D1"])[0];
    assert_eq!((&made["status"], &made["stale"], &made["waits"]), (&json!("final"), &json!([]), &json!([])));
    assert_eq!((&made["history"][0]["run"], &made["history"][0]["action"]), (&json!(run), &json!("add")));
    assert_eq!(made["history"][0]["sources"]["rain_daily"]["snapshot"], source["commit"]["id"], "{made}");
    assert_eq!(source["below"], json!(["rain_monthly", "rain_dekads", "rain_years"]), "{source}");

    // What is not there yet: by the calendar on the 8th, by the source today.
    let late = &explain(&rainfall, &["rain_dekads", "--period", "2024-02-D1"])[0];
    assert_eq!(
        (&late["status"], &late["inputs"][0]["have"], &late["inputs"][0]["ready"]),
        (&Value::Null, &json!(5), &json!(false))
    );
    assert_eq!(
        late["waits"],
        json!(["rain_daily 2024-02-06/2024-02-10: behind its newest period"]),
        "{late}"
    );
    let args = ["rain_dekads", "--period", "2024-02-D1", "--as-of", "2024-02-08T12:00:00Z"];
    let early = &explain(&rainfall, &args)[0];
    assert_eq!(
        early["waits"],
        json!([
            "rain_daily 2024-02-06/2024-02-07: behind its newest period",
            "rain_daily 2024-02-08/2024-02-10: cannot be had yet, from 2024-02-11T00:00:00Z"
        ]),
        "{early}"
    );
    let human = rainfall.sandbox.succeed(&["explain", "rain_dekads", "--period", "2024-02-D1"]);
    assert!(
        human.contains("rain_dekads 2024-02-D1: not there")
            && human.contains("5 of 10 are there, not enough"),
        "{human}"
    );
    let day = rainfall.sandbox.succeed(&["explain", "rain_daily", "--period", "2024-02-07"]);
    assert!(day.contains("it could be had since 2024-02-08T00:00:00Z"), "{day}");
    // A month means the dekads that lie in it.
    assert_eq!(explain(&rainfall, &["rain_dekads", "--period", "2024-01"]).len(), 3);

    // Dekads that follow make the year stale, and its run makes it again.
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-12"]);
    rainfall.sandbox.succeed(&["run", "rain_dekads"]);
    let year = &explain(&rainfall, &["rain_years", "--period", "2024"])[0];
    assert_eq!(year["stale"], json!(["2024-02-D1 of rain_dekads changed since it was made"]), "{year}");
    let dataset = rainfall.sandbox.succeed(&["explain", "rain_years"]);
    assert!(dataset.contains("changed since: 2024-02-D1"), "{dataset}");
    rainfall.sandbox.succeed(&["run", "rain_years"]);
    let year = &explain(&rainfall, &["rain_years", "--period", "2024"])[0];
    assert_eq!((&year["status"], &year["stale"]), (&json!("provisional"), &json!([])), "{year}");
    let actions: Vec<&Value> = year["history"].as_array().unwrap().iter().map(|h| &h["action"]).collect();
    assert_eq!(actions, [&json!("revise"), &json!("add")], "newest first: {year}");

    // Another definition makes all of them stale.
    rainfall.sandbox.write("pipelines/dekads.yaml", &DEKADS.replace("method: sum", "method: max"));
    let window = &explain(&rainfall, &["rain_dekads", "--period", "2024-01-D3"])[0];
    assert_eq!(
        window["stale"],
        json!(["its definition differs from the one of the last commit"]),
        "{window}"
    );
    let human = rainfall.sandbox.succeed(&["explain", "rain_dekads"]);
    assert!(
        human.contains("stale") && human.contains("everything is made again (2024-01-D1/2024-02-D1)"),
        "{human}"
    );
}

#[test]
fn a_period_at_which_a_run_failed_says_which_and_why() {
    let rainfall = project(20, &[]);
    std::fs::remove_file(rainfall.sandbox.path("input/2024/rain.2024.01.07.tif")).unwrap();
    let (_, errors) = rainfall.sandbox.fail(1, &["run", "rain_daily", "-p", "end=2024-01-20"]);
    assert!(errors.contains("2024-01-07"), "{errors}");
    let run = run_of(&rainfall, "rainfall");
    for day in ["2024-01-07", "2024-01-09"] {
        let told = rainfall.sandbox.succeed(&["explain", "rain_daily", "--period", day]);
        assert!(told.contains(&format!("run {run} failed at it: the source does not have")), "{told}");
    }
    let told = rainfall.sandbox.succeed(&["explain", "rain_daily", "--period", "2024-01-06"]);
    assert!(told.contains("2024-01-06: final") && !told.contains("failed"), "{told}");
}

#[test]
fn what_is_not_there_is_explained_too_and_a_wrong_name_refused() {
    let rainfall = project(1, &[("dekads", DEKADS)]);
    let told = rainfall.sandbox.succeed(&["explain", "rain_dekads"]);
    assert!(told.contains("nothing yet") && told.contains("rain_daily holds nothing yet"), "{told}");
    assert!(!rainfall.cube("rain_dekads").exists() && !rainfall.cube("rain_daily").exists());
    let window = &explain(&rainfall, &["rain_dekads", "--period", "2024-01-D1"])[0];
    assert_eq!((&window["status"], &window["inputs"][0]["have"]), (&Value::Null, &json!(0)), "{window}");
    let (_, errors) = rainfall.sandbox.fail(64, &["explain", "rain_dekad"]);
    assert!(errors.contains("did you mean `rain_dekads`?"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["explain", "rain_dekads", "--period", "2024-14"]);
    assert!(errors.contains("`2024-14` is not a period"), "{errors}");
}
