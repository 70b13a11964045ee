//! `plan -o` and `run plan.json`.

use frazil_tests::rainfall::Rainfall;
use serde_json::{Value, json};

const PLAN: [&str; 6] = ["plan", "rainfall", "-o", "plan.json", "-p", "end=2024-01-05"];

#[test]
fn a_plan_is_run_once_and_stale_afterwards() {
    let rainfall = Rainfall::of_days(8);
    rainfall.sandbox.succeed(&PLAN);
    // The frozen parameters hold, not those of the file.
    rainfall.sandbox.succeed(&["run", "plan.json"]);
    if let Some(found) = rainfall.judge() {
        assert_eq!(found["days"], json!(5), "{found}");
    }
    let requests = rainfall.server.requests().len();
    let (_, errors) = rainfall.sandbox.fail(4, &["run", "plan.json"]);
    assert!(errors.contains("stale") && errors.contains("`rain_daily`"), "{errors}");
    assert!(errors.contains("nothing was planned") || errors.contains("where nothing"), "{errors}");
    assert!(errors.contains("help:"), "{errors}");
    assert_eq!(rainfall.server.requests().len(), requests);
    // What was refused is no run.
    assert_eq!(rainfall.sandbox.succeed(&["runs", "--format", "json"]).lines().count(), 1);
}

#[test]
fn a_plan_of_another_file_is_stale() {
    let rainfall = Rainfall::of_days(5);
    rainfall.sandbox.succeed(&PLAN);
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("method: sum", "method: max")).unwrap();
    let (_, errors) = rainfall.sandbox.fail(4, &["run", "plan.json"]);
    assert!(errors.contains("stale") && errors.contains("rainfall") && errors.contains("digest"), "{errors}");
    let renamed = text
        .replace("  daily:\n", "  dailies:\n")
        .replace("[daily,", "[dailies,")
        .replace("needs: daily", "needs: dailies");
    std::fs::write(&path, renamed).unwrap();
    let (_, errors) = rainfall.sandbox.fail(4, &["run", "plan.json"]);
    assert!(errors.contains("stale"), "{errors}");
    assert!(!rainfall.cube("rain_daily").exists());
    assert_eq!(rainfall.server.requests().len(), 0);
}

#[test]
fn a_run_as_of_an_instant_does_what_was_due_then() {
    let rainfall = Rainfall::of_days(5);
    let run = |instant: &str| {
        rainfall.server.forget();
        rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=latest", "--as-of", instant]);
        rainfall.server.requests().iter().map(|request| request.path.clone()).max()
    };
    assert_eq!(run("2024-01-03T00:00:00Z").as_deref(), Some("/2024/rain.2024.01.02.tif"));
    assert_eq!(run("2024-01-03T00:00:00Z"), None, "late or again, it is the same work");
    assert_eq!(run("2024-01-04T23:59:59Z").as_deref(), Some("/2024/rain.2024.01.03.tif"));
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "plan.json", "--as-of", "2024-01-03T00:00:00Z"]);
    assert!(errors.contains("the instant is frozen in plan.json"), "{errors}");
}

#[test]
fn what_is_no_plan_is_64_and_says_why() {
    let rainfall = Rainfall::of_days(1);
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "plan.json"]);
    assert!(errors.contains("plan.json"), "{errors}");
    rainfall.sandbox.write("plan.json", "{}");
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "plan.json"]);
    assert!(errors.contains("plan.json is no plan"), "{errors}");
    rainfall.sandbox.succeed(&PLAN);
    let mut plan: Value =
        serde_json::from_str(&std::fs::read_to_string(rainfall.sandbox.path("plan.json")).unwrap()).unwrap();
    plan["frazil_plan"] = json!(2);
    rainfall.sandbox.write("plan.json", &plan.to_string());
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "plan.json"]);
    assert!(errors.contains("version 2"), "{errors}");
    rainfall.sandbox.succeed(&PLAN);
    let (_, errors) = rainfall.sandbox.fail(64, &["run", "plan.json", "-p", "end=2024-01-02"]);
    assert!(errors.contains("plan.json") && errors.contains("parameters"), "{errors}");
}

#[test]
fn a_plan_says_why_and_ends_with_2_while_there_is_work() {
    let rainfall = Rainfall::of_days(5);
    let plan = ["plan", "rainfall", "--exit-code", "-p", "end=2024-01-05"];
    let (planned, errors) = rainfall.sandbox.fail(2, &plan);
    assert!(planned.contains("5: 2024-01-01/2024-01-05"), "{planned}");
    assert_eq!(errors, "");
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-05"]);
    let planned = rainfall.sandbox.succeed(&plan);
    assert!(planned.contains("rainfall: nothing to do"), "{planned}");
}
