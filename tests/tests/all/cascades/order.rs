//! What `name+` runs, in which order, and what `plan` says of it.

use serde_json::{Value, json};

use super::stand::{DEKADS, SEASONS, lines, project, windows};

/// Pipelines of the run history, oldest first.
fn runs(rainfall: &frazil_tests::rainfall::Rainfall) -> Vec<String> {
    let mut found = lines(&rainfall.sandbox.succeed(&["runs", "--format", "json"]));
    found.sort_by_key(|run| run["accepted"].as_str().unwrap().to_owned());
    found.iter().map(|run| run["pipeline"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dataset_with_a_plus_runs_all_that_hangs_from_it_once_and_in_order() {
    let rainfall = project(45, &[("dekads", DEKADS), ("a_catalog", SEASONS)]);
    rainfall.sandbox.succeed(&["check"]);
    // What is made by a run that failed or was never woken is made by the next: nothing here was
    // told of anything.
    rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", "end=2024-02-09"]);
    assert_eq!(
        runs(&rainfall),
        ["rainfall", "dekads", "a_catalog"],
        "the end of the diamond comes last, once"
    );
    assert!(rainfall.sandbox.path("stac/collections/rain_wettest/collection.json").exists());
    let Some(found) = windows(&rainfall, "rain_daily", "rain_dekads", "sum", "nested") else { return };
    assert_eq!(found["wrong"], json!([]), "{found}");
    assert_eq!(found["windows"], json!(["2024-01-01", "2024-01-11", "2024-01-21"]), "{found}");
    let found = windows(&rainfall, "rain_monthly", "rain_wettest", "max", "nested").unwrap();
    assert_eq!((&found["wrong"], &found["statuses"]), (&json!([]), &json!([1])), "{found}");
}

#[test]
fn a_plan_over_several_files_simulates_forward() {
    let rainfall = project(40, &[("dekads", DEKADS)]);
    let plan = ["plan", "rain_daily+", "--format", "json", "-p", "end=2024-02-09"];
    let planned = &lines(&rainfall.sandbox.succeed(&plan))[0];
    let pipelines: Vec<&str> =
        planned["pipelines"].as_array().unwrap().iter().map(|p| p["pipeline"].as_str().unwrap()).collect();
    assert_eq!(pipelines, ["rainfall", "dekads"]);
    let node = |plan: &Value, name: &str| -> Value {
        let nodes = plan["pipelines"].as_array().unwrap().iter().flat_map(|p| p["nodes"].as_array().unwrap());
        nodes.into_iter().find(|node| node["node"] == name).unwrap().clone()
    };
    // Nothing is there yet, and still the three dekads of January that will be are listed. What a
    // cube that does not exist will be like is not known, so the windows are counted alone.
    assert_eq!(node(planned, "dekads")["planned"]["work"]["periods"], json!(3), "{planned}");
    assert!(!rainfall.cube("rain_dekads").exists(), "looking created a repository");
    let human = rainfall.sandbox.succeed(&["plan", "rain_daily+", "-p", "end=2024-02-09"]);
    assert!(
        human.contains("rain_daily will have changed by then: 2024-01-01/2024-02-09 (40 periods)"),
        "{human}"
    );
    // The year has begun and is not over: what hangs from it in a third file would know.
    let years = &node(planned, "years")["planned"]["document"]["snapshot"];
    assert_eq!(
        (&years["changes"][0]["range"], &years["statuses"]),
        (&json!("P1Y:2024"), &json!([{ "range": "P1Y:2024", "status": "provisional" }])),
        "{planned}"
    );
    rainfall.sandbox.succeed(&["plan", "rain_daily+", "-o", "plan.json", "-p", "end=2024-02-09"]);
    rainfall.sandbox.succeed(&["run", "plan.json"]);
    let Some(found) = windows(&rainfall, "rain_daily", "rain_dekads", "sum", "nested") else { return };
    assert_eq!(found["windows"].as_array().unwrap().len(), 3, "{found}");
    let after = rainfall.sandbox.succeed(&["plan", "rain_daily+", "--exit-code", "-p", "end=2024-02-09"]);
    assert!(after.contains("dekads: nothing to do"), "{after}");
}

#[test]
fn a_file_alone_is_decided_from_the_stores_and_catches_up() {
    let rainfall = project(40, &[("dekads", DEKADS)]);
    // What hangs from a dataset that is not there waits, and is no failure.
    rainfall.sandbox.succeed(&["run", "dekads"]);
    assert!(!rainfall.cube("rain_daily").exists(), "opening created a repository");
    // Only the source is run; nothing tells the other file.
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-15"]);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-31"]);
    rainfall.sandbox.succeed(&["run", "dekads"]);
    let commits = |name: &str| std::fs::read_dir(rainfall.cube(name).join("snapshots")).unwrap().count();
    let before = commits("rain_dekads");
    rainfall.sandbox.succeed(&["run", "+rain_years", "-p", "rainfall.end=2024-01-31"]);
    assert_eq!(commits("rain_dekads"), before, "with nothing new there is no commit");
    let Some(found) = windows(&rainfall, "rain_daily", "rain_dekads", "sum", "nested") else { return };
    assert_eq!((&found["wrong"], found["windows"].as_array().unwrap().len()), (&json!([]), 3), "{found}");
    // The year is not over, so it is provisional.
    let found = windows(&rainfall, "rain_dekads", "rain_years", "max", "nested").unwrap();
    assert_eq!((&found["wrong"], &found["statuses"]), (&json!([]), &json!([1])), "{found}");
}

#[test]
fn a_dataset_of_another_project_is_read_where_it_lies_and_never_written() {
    let theirs = project(31, &[]);
    theirs.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-01-31"]);
    let ours = project(1, &[]);
    let file = "frazil: 1
id: ours
datasets:
  their_rain:
    title: Daily rainfall of others
    external: PLACE
    time: { step: P1D }
    variables: { precip: { units: mm, cell: total, dtype: float32 } }
  our_months: { title: Months, time: { step: P1M } }
steps:
  open: { uses: open-dataset, with: { dataset: their_rain } }
  months: { uses: derived-resample, needs: open, with: { dataset: our_months, method: sum } }
";
    ours.sandbox.write("pipelines/ours.yaml", &file.replace("PLACE", "./nowhere"));
    let (_, errors) = ours.sandbox.fail(5, &["run", "ours"]);
    assert!(errors.contains("there is no dataset at") && errors.contains("nowhere"), "{errors}");
    assert!(!ours.sandbox.path("nowhere").exists(), "looking created a repository");
    let place = theirs.cube("rain_daily");
    ours.sandbox.write("pipelines/ours.yaml", &file.replace("PLACE", &place.to_string_lossy()));
    ours.sandbox.succeed(&["run", "their_rain+"]);
    let (_, errors) = ours.sandbox.fail(64, &["run", "their_rain"]);
    assert!(errors.contains("`their_rain+` is all that hangs from it"), "{errors}");
    let (source, derived) = (place.to_string_lossy(), ours.cube("our_months"));
    let args = [&*source, &derived.to_string_lossy(), "sum", "nested"];
    let Some(found) = frazil_tests::programs::ask_python("check_windows.py", &args) else { return };
    assert_eq!((&found["wrong"], &found["windows"]), (&json!([]), &json!(["2024-01-01"])), "{found}");
}

#[test]
fn a_parent_that_fails_part_way_does_not_freeze_what_hangs_from_it() {
    let rainfall = project(45, &[("dekads", DEKADS), ("a_catalog", SEASONS)]);
    let hole = rainfall.sandbox.path("input/2024/rain.2024.01.25.tif");
    let day = std::fs::read(&hole).unwrap();
    std::fs::remove_file(&hole).unwrap();
    let until = ["run", "rain_daily+", "-p", "end=2024-02-14"];
    let (_, errors) = rainfall.sandbox.fail(1, &until);
    assert!(errors.contains("2024-01-25"), "{errors}");
    if let Some(found) = windows(&rainfall, "rain_daily", "rain_dekads", "sum", "nested") {
        assert_eq!(
            (&found["wrong"], &found["windows"]),
            (&json!([]), &json!(["2024-01-01", "2024-01-11"])),
            "{found}"
        );
    }
    std::fs::write(&hole, day).unwrap();
    rainfall.sandbox.succeed(&until);
    let Some(found) = windows(&rainfall, "rain_daily", "rain_dekads", "sum", "nested") else { return };
    assert_eq!((&found["wrong"], found["windows"].as_array().unwrap().len()), (&json!([]), 4), "{found}");
    let found = windows(&rainfall, "rain_dekads", "rain_years", "max", "nested").unwrap();
    assert_eq!(found["wrong"], json!([]), "{found}");
}
