//! The command line as people and scripts meet it: exit codes, refusals and what they say.

#[path = "command_line/backfill.rs"]
mod backfill;
#[path = "command_line/figures.rs"]
mod figures;
#[path = "command_line/layouts.rs"]
mod layouts;
#[path = "command_line/logs.rs"]
mod logs;
#[path = "command_line/mark.rs"]
mod mark;
#[path = "command_line/next.rs"]
mod next;
#[path = "command_line/plans.rs"]
mod plans;
#[path = "command_line/retry.rs"]
mod retry;
#[path = "command_line/signals.rs"]
mod signals;
#[path = "command_line/state.rs"]
mod state;
#[path = "command_line/status.rs"]
mod status;
#[path = "command_line/stores.rs"]
mod stores;
#[path = "command_line/templates.rs"]
mod templates;

use frazil_tests::rainfall::Rainfall;
use serde_json::Value;

/// The rainfall example whose runs end with `end`.
fn until(end: &str) -> [String; 2] {
    ["-p".to_owned(), format!("end={end}")]
}

/// Whether every line is an object that says its version and what it is.
fn versioned(text: &str) -> Vec<Value> {
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        assert!(line["frazil"] == 1 || line["frazil_plan"] == 1, "no version: {line}");
    }
    lines
}

#[test]
fn what_makes_no_sense_is_64_and_says_what_was_meant() {
    let rainfall = Rainfall::of_days(1);
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "rainfall", "--nope"]);
    assert!(errors.contains("--nope") && errors.contains("Usage: frazil run"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "rainfal"]);
    assert!(errors.contains("no pipeline or dataset `rainfal`"), "{errors}");
    assert!(errors.contains("did you mean `rainfall`?"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["plan", "rain_dayly"]);
    assert!(errors.contains("did you mean `rain_daily`?"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "rainfall", "-p", "ende=2024-01-02"]);
    assert!(errors.contains("ende") && errors.contains("`end`"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "rainfall", "-p", "end=tomorrow"]);
    assert!(errors.contains("tomorrow") && errors.contains("end"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "rainfall", "-p", "other.end=2024-01-02"]);
    assert!(errors.contains("other"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "rainfall", "-p", "end"]);
    assert!(errors.contains("KEY=VALUE"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["show", "nothing like it!"]);
    assert!(errors.contains("not the name of a run"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["runs", "rainfal"]);
    assert!(errors.contains("did you mean `rainfall`?"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["show", "r20200101-000000000-000000"]);
    assert!(errors.contains("r20200101-000000000-000000") && errors.contains("frazil runs"), "{errors}");
    assert!(!rainfall.sandbox.path(".frazil").exists(), "looking made a state folder");
}

#[test]
fn json_is_an_object_a_line_with_a_version() {
    let rainfall = Rainfall::of_days(3);
    let json = |args: &[&str]| {
        let args = [args, &["--format", "json"]].concat();
        versioned(&rainfall.sandbox.succeed(&args))
    };
    let planned = json(&["plan", "rainfall"]);
    assert_eq!(planned.len(), 1);
    assert_eq!(json(&["runs"]).len(), 0);
    let events = json(&["run", "rainfall", "-p", "end=2024-01-03"]);
    let types: std::collections::BTreeSet<_> =
        events.iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect();
    for expected in ["event", "dataset", "result"] {
        assert!(types.contains(expected), "{types:?}");
    }
    let runs = json(&["runs"]);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["status"], "successful");
    let run = runs[0]["run"].as_str().unwrap();
    let units = json(&["show", run]);
    let states: Vec<_> = units.iter().map(|unit| unit["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done"; 4], "{units:?}");
    let shown = rainfall.sandbox.succeed(&["show", run]);
    assert!(shown.contains("slices → daily") && shown.contains("2024-01-01/2024-01-03"), "{shown}");
}

#[test]
fn a_dataset_runs_the_steps_that_it_needs() {
    let rainfall = Rainfall::of_days(2);
    let [flag, end] = until("2024-01-02");
    rainfall.sandbox.succeed(&["run", "rain_daily", &flag, &end]);
    assert!(rainfall.cube("rain_daily").exists());
    assert!(!rainfall.cube("rain_monthly").exists());
    assert!(!rainfall.sandbox.path("stac").exists());
}
