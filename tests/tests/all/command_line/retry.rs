//! `frazil retry`: a new run of what failed in another one.

use frazil_tests::{rainfall::Rainfall, server::Fault};
use serde_json::{Value, json};

use super::{signals::waiting, versioned};

const THIRD: &str = "/2024/rain.2024.01.03.tif";

fn runs(rainfall: &Rainfall) -> Vec<Value> {
    versioned(&rainfall.sandbox.succeed(&["runs", "--format", "json"]))
}

/// A run that failed at the third of five days; the name of the run.
fn failed() -> (Rainfall, String) {
    let rainfall = Rainfall::of_days(5);
    rainfall.server.always(THIRD, Fault::Status(403, None));
    let run = ["run", "rainfall", "-p", "end=2024-01-05", "--as-of", "2024-01-20T00:00:00Z"];
    let output = rainfall.sandbox.run(&run);
    assert!(!output.status.success());
    let id = runs(&rainfall)[0]["run"].as_str().unwrap().to_owned();
    rainfall.server.forget();
    (rainfall, id)
}

#[test]
fn what_failed_is_done_with_the_parameters_and_the_instant_of_then() {
    let (rainfall, run) = failed();
    rainfall.server.always(THIRD, Fault::None);
    rainfall.sandbox.succeed(&["retry", &run]);
    assert_eq!(rainfall.server.count("/2024/rain.2024.01.02.tif"), 0, "what is there is not asked for");
    assert_eq!(rainfall.server.count(THIRD), 1);
    if let Some(found) = rainfall.judge() {
        assert_eq!((&found["days"], &found["wrong_days"]), (&json!(5), &json!([])), "{found}");
    }
    let runs = runs(&rainfall);
    assert_eq!(runs.len(), 2);
    // What hangs from what failed was made without it.
    let units = rainfall.sandbox.succeed(&["show", runs[0]["run"].as_str().unwrap()]);
    assert!(
        units.contains("slices → daily") && units.contains("monthly") && units.contains("catalog"),
        "{units}"
    );
    assert_eq!((&runs[0]["status"], &runs[1]["status"]), (&json!("successful"), &json!("failed")));
    assert_eq!(runs[0]["instant"], runs[1]["instant"]);
    let (_, notes) = rainfall.sandbox.fail(0, &["retry", runs[0]["run"].as_str().unwrap()]);
    assert!(notes.contains("nothing failed in run"), "{notes}");
}

#[test]
fn a_step_of_it_is_done_alone() {
    let (rainfall, run) = failed();
    rainfall.server.always(THIRD, Fault::None);
    let (_, errors) = rainfall.sandbox.fail(64, &["retry", &run, "--step", "missing"]);
    assert!(errors.contains("`missing` did not fail") && errors.contains("`daily`"), "{errors}");
    // A step within a segment means the segment.
    rainfall.sandbox.succeed(&["retry", &run, "--step", "slices"]);
    let run = runs(&rainfall)[0]["run"].as_str().unwrap().to_owned();
    let units = versioned(&rainfall.sandbox.succeed(&["show", &run, "--format", "json"]));
    let names: Vec<_> = units.iter().map(|unit| unit["unit"].as_str().unwrap()).collect();
    assert_eq!(names, ["missing", "daily"]);
}

#[test]
fn a_run_at_work_is_not_retried_and_one_that_is_gone_cannot_be() {
    let (rainfall, mut at_work) = waiting();
    let id = runs(&rainfall)[0]["run"].as_str().unwrap().to_owned();
    let (_, errors) = rainfall.sandbox.fail(4, &["retry", &id]);
    assert!(errors.contains("is at work") && errors.contains("frazil cancel"), "{errors}");
    at_work.kill().unwrap();
    at_work.wait().unwrap();
    let (_, errors) = rainfall.sandbox.fail(64, &["retry", "r20200101-000000000-000000"]);
    assert!(errors.contains("no run"), "{errors}");

    let (rainfall, run) = failed();
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let renamed = text.replace("  daily:\n", "  dailies:\n").replace("[daily,", "[dailies,");
    std::fs::write(&path, renamed.replace("needs: daily", "needs: dailies")).unwrap();
    let (_, errors) = rainfall.sandbox.fail(4, &["retry", &run]);
    assert!(errors.contains("`daily` is not in the files any more"), "{errors}");
    assert_eq!(rainfall.server.requests().len(), 0);
}
