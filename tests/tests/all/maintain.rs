//! Lets go of the past: what stays opens everywhere, and what hangs from it sees no change.

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::{Value, json};

/// Everything goes that may.
const ALL: [&str; 6] = ["--age", "0s", "--count", "1", "--unreferenced", "0s"];

/// The rainfall example, day after day: a commit of each.
fn of_days(days: u32) -> Rainfall {
    let rainfall = Rainfall::of_days(days);
    for day in [10, 20, 31] {
        let end = format!("end=2024-01-{day}");
        rainfall.sandbox.succeed(&["run", "rainfall", "-p", &end]);
    }
    rainfall
}

fn gc(rainfall: &Rainfall, more: &[&str]) -> Vec<Value> {
    let args = [&["gc", "--format", "json"][..], &ALL[..], more].concat();
    let text = rainfall.sandbox.succeed(&args);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_dry_run_names_what_goes_and_python_reads_every_chunk_of_the_rest() {
    let rainfall = of_days(60);
    let foreseen = gc(&rainfall, &["--dry-run"]);
    rainfall.assert_right(31, &["2024-01"], "a dry run changes nothing");
    let done = gc(&rainfall, &[]);
    for (foreseen, done) in foreseen.iter().zip(&done) {
        let of = |line: &Value| line["sweep"]["snapshots"].clone();
        assert_eq!((&foreseen["dataset"], of(foreseen)), (&done["dataset"], of(done)));
        assert_eq!((&foreseen["dry-run"], &done["dry-run"]), (&json!(true), &json!(false)));
    }
    let daily = done.iter().find(|line| line["dataset"] == "rain_daily").unwrap();
    assert!(daily["bytes"].as_u64().unwrap() > 0, "{daily}");
    rainfall.assert_right(31, &["2024-01"], "every chunk is there");
    // What stays of the history is a line that Python walks, and so is the log of the repository.
    let Some(seen) = ask_python("check_kept.py", &[&rainfall.cube("rain_daily").to_string_lossy()]) else {
        return;
    };
    assert!(seen["commits"].as_u64().unwrap() < 5 && seen["updates"].as_u64().unwrap() > 3, "{seen}");
    assert_eq!(seen["unreadable"], json!([]), "{seen}");
    // Nothing to do is nothing, and the next days are appended.
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-29"]);
    rainfall.assert_right(60, &["2024-01", "2024-02"], "it goes on");
}

#[test]
fn what_hangs_from_a_maintained_dataset_sees_no_change() {
    let rainfall = of_days(31);
    let head = |dataset: &str| {
        let text = rainfall.sandbox.succeed(&["explain", dataset, "--format", "json"]);
        serde_json::from_str::<Value>(&text).unwrap()["commit"]["id"].clone()
    };
    let before = head("rain_monthly");
    gc(&rainfall, &[]);
    let planned = rainfall.sandbox.succeed(&["plan", "rainfall", "-p", "end=2024-01-31"]);
    assert!(planned.contains("nothing to do"), "{planned}");
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-31"]);
    assert_eq!(head("rain_monthly"), before);
}

#[test]
fn a_release_under_way_goes_on_from_its_branch() {
    let rainfall = Rainfall::of_days(40);
    let path = "pipelines/rainfall.yaml";
    let file = std::fs::read_to_string(rainfall.sandbox.path(path)).unwrap();
    let title = "    title: Daily rainfall\n";
    let version = |n: &str| file.replace(title, &format!("{title}    version: \"{n}\"\n"));
    rainfall.sandbox.write(path, &version("1"));
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-09"]);
    rainfall.sandbox.write(path, &version("2"));
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-02-02"]);
    gc(&rainfall, &["rain_daily"]);
    rainfall.server.forget();
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-09"]);
    assert_eq!(
        rainfall.server.count("/2024/rain.2024.01.30.tif"),
        0,
        "what is on the branch is not asked for"
    );
    rainfall.assert_right(40, &["2024-01"], "the release is whole");
}

#[test]
fn the_step_does_it_in_a_pipeline_and_a_plan_names_what_would_go() {
    let rainfall = of_days(31);
    let path = "pipelines/rainfall.yaml";
    let file = std::fs::read_to_string(rainfall.sandbox.path(path)).unwrap();
    let step = "  tidy: { uses: maintain, needs: daily, after: [monthly], with: { dataset: rain_daily, keep: { age: 0s, count: 1 }, unreferenced: 0s } }\n";
    rainfall.sandbox.write(path, &format!("{file}\n{step}"));
    let planned = rainfall.sandbox.succeed(&["plan", "rainfall", "-p", "end=2024-01-31"]);
    assert!(planned.contains("tidy: lets go of 2 snapshots"), "{planned}");
    // The second lets go of what the first left of its own.
    for _ in 0..2 {
        rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-31"]);
    }
    let planned = rainfall.sandbox.succeed(&["plan", "rainfall", "-p", "end=2024-01-31"]);
    assert!(!planned.contains("lets go of"), "{planned}");
    rainfall.assert_right(31, &["2024-01"], "after the step");
}
