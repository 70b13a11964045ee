//! A process that dies right after an event became durable: the next run goes on from there.
//!
//! `FRAZIL_ABORT_AFTER` (engine/src/scheduler/failpoint.rs) makes it die.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::{Value, json};

/// Two batches of the daily cube: 60 days and 15.
const DAYS: u32 = 75;
const RUN: [&str; 4] = ["run", "rainfall", "-p", "end=2024-03-15"];
const FIRST_BATCH: &[&str] = &["2024.01.01", "2024.01.31", "2024.02.29"];

/// How often each file was asked for.
fn counts(rainfall: &Rainfall) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in rainfall.server.requests() {
        *counts.entry(request.path).or_default() += 1;
    }
    counts
}

fn path_of(day: &str) -> String {
    format!("/2024/rain.{day}.tif")
}

/// Runs until the process aborts right after `event`.
fn die(rainfall: &Rainfall, event: &str) {
    let output =
        rainfall.sandbox.command(&RUN).env("FRAZIL_ABORT_AFTER", event).output().expect("frazil starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_none(), "{event}: it ended with {}: {stderr}", output.status);
}

fn runs(rainfall: &Rainfall) -> Vec<Value> {
    let text = rainfall.sandbox.succeed(&["runs", "--format", "json"]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn statuses(rainfall: &Rainfall) -> Vec<String> {
    runs(rainfall).iter().map(|run| run["status"].as_str().unwrap().to_owned()).collect()
}

/// Moves the cubes aside.
fn keep(rainfall: &Rainfall, name: &str) -> PathBuf {
    let folder = rainfall.sandbox.path(Path::new("kept").join(name));
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::rename(rainfall.sandbox.path("cubes"), &folder).unwrap();
    folder
}

fn equal(reference: &Path, kept: &[PathBuf]) {
    for dataset in ["rain_daily", "rain_monthly"] {
        let paths: Vec<String> = std::iter::once(reference)
            .chain(kept.iter().map(PathBuf::as_path))
            .map(|folder| folder.join(dataset).to_string_lossy().into_owned())
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        if let Some(differences) = ask_python("compare_cubes.py", &paths) {
            assert_eq!(differences, json!([]));
        }
    }
}

#[test]
fn who_dies_after_any_event_loses_nothing_and_what_was_written_is_not_asked_for_again() {
    let rainfall = Rainfall::of_days(DAYS);
    rainfall.sandbox.succeed(&RUN);
    let whole = counts(&rainfall);
    assert_eq!(whole.len(), DAYS as usize, "{whole:?}");
    let reference = keep(&rainfall, "reference");

    let mut kept = Vec::new();
    for event in
        ["accepted", "started", "started:2", "written", "written:2", "committed", "committed:2", "ended:2"]
    {
        rainfall.forget();
        rainfall.server.forget();
        die(&rainfall, event);
        assert_eq!(statuses(&rainfall), ["dead"], "{event}");
        rainfall.sandbox.succeed(&RUN);
        assert_eq!(statuses(&rainfall), ["successful", "interrupted"], "{event}");
        let both = counts(&rainfall);
        let once = |day: &str| assert_eq!(both[&path_of(day)], whole[&path_of(day)], "{event}: {day}");
        match event {
            "written:2" | "committed:2" | "ended:2" => assert_eq!(both, whole, "{event}"),
            "written" | "committed" => FIRST_BATCH.iter().for_each(|day| once(day)),
            // Nothing was written yet: it may have been asked for twice, by two runs.
            _ => {}
        }
        if let Some(found) = rainfall.judge() {
            assert_eq!(found["days"], json!(DAYS), "{event}: {found}");
        }
        kept.push(keep(&rainfall, &event.replace(':', "-")));
    }
    equal(&reference, &kept);
}

#[test]
fn who_dies_while_it_settles_a_dead_run_is_settled_too() {
    let rainfall = Rainfall::of_days(DAYS);
    rainfall.sandbox.succeed(&RUN);
    let whole = counts(&rainfall);
    let reference = keep(&rainfall, "reference");

    rainfall.forget();
    rainfall.server.forget();
    die(&rainfall, "written:2");
    // The commit of what the first one had written is durable, and its settler dies of that.
    die(&rainfall, "committed");
    die(&rainfall, "finished");
    die(&rainfall, "accepted");
    rainfall.sandbox.succeed(&RUN);
    assert_eq!(statuses(&rainfall), ["successful", "interrupted", "interrupted"]);
    assert_eq!(counts(&rainfall), whole);
    equal(&reference, &[keep(&rainfall, "settled")]);
}

#[test]
fn the_store_is_the_truth_when_the_state_folder_is_gone() {
    let rainfall = Rainfall::of_days(DAYS);
    rainfall.sandbox.succeed(&RUN);
    let reference = keep(&rainfall, "reference");

    let mut kept = Vec::new();
    for event in ["written", "committed"] {
        rainfall.forget();
        die(&rainfall, event);
        std::fs::remove_dir_all(rainfall.sandbox.path(".frazil")).unwrap();
        rainfall.server.forget();
        rainfall.sandbox.succeed(&RUN);
        assert_eq!(statuses(&rainfall), ["successful"], "{event}");
        let asked = counts(&rainfall).contains_key(&path_of("2024.01.01"));
        assert_eq!(asked, event == "written", "{event}: only what is committed is done");
        kept.push(keep(&rainfall, event));
    }
    equal(&reference, &kept);

    // And the other way round: history says all is done, and the cubes are gone.
    rainfall.server.forget();
    rainfall.sandbox.succeed(&RUN);
    assert_eq!(counts(&rainfall).len(), DAYS as usize);
    equal(&reference, &[keep(&rainfall, "anew")]);
}
