//! `frazil logs`: what happened in a run, and following it.

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use frazil_tests::rainfall::Rainfall;

use super::{signals::waiting, versioned};

/// The newest run.
fn newest(rainfall: &Rainfall) -> String {
    let runs = versioned(&rainfall.sandbox.succeed(&["runs", "--format", "json"]));
    runs[0]["run"].as_str().unwrap().to_owned()
}

#[test]
fn logs_are_what_the_run_told_while_it_was_at_work() {
    let rainfall = Rainfall::of_days(3);
    let told = rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-03", "--format", "json"]);
    let told: Vec<_> = versioned(&told).into_iter().filter(|line| line["type"] == "event").collect();
    let run = newest(&rainfall);
    for args in [&["logs", &run, "--format", "json"][..], &["logs", "-f", &run, "--format", "json"]] {
        assert_eq!(versioned(&rainfall.sandbox.succeed(args)), told);
    }
    let human = rainfall.sandbox.succeed(&["logs", &run]);
    assert_eq!(human.lines().count(), told.len(), "every event has its line: {human}");
    for expected in [
        "rainfall is accepted as of ",
        "\"end\":\"2024-01-03\"",
        "missing: 3 periods to do",
        "daily: batch 1 is written: 2024-01-01/2024-01-03",
        "daily: batch 1 is committed as ",
        "  successful",
    ] {
        assert!(human.contains(expected), "no {expected:?} in {human}");
    }
    let (_, errors) = rainfall.sandbox.fail(64, &["logs", "r20200101-000000000-000000"]);
    assert!(errors.contains("no run `r20200101-000000000-000000` here"), "{errors}");
}

#[test]
fn a_run_at_work_is_followed_until_it_has_finished() {
    let (rainfall, run) = waiting();
    let id = newest(&rainfall);
    let mut follow = rainfall.sandbox.command(&["logs", "-f", &id]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("daily starts") {
        assert!(lines.read_line(&mut text).unwrap() > 0, "it ended before the run did: {text}");
    }
    let so_far = rainfall.sandbox.succeed(&["logs", &id]);
    assert!(!so_far.contains("is to stop"), "{so_far}");
    rainfall.sandbox.succeed(&["cancel", &id, "--reason", "seen enough"]);
    lines.read_to_string(&mut text).unwrap();
    assert!(follow.wait().unwrap().success());
    drop(run.wait_with_output().unwrap());
    assert!(text.contains("is to stop: seen enough") && text.ends_with("  cancelled\n"), "{text}");
    assert_eq!(text, rainfall.sandbox.succeed(&["logs", &id]));
}

#[test]
fn following_a_run_whose_process_died_comes_to_an_end() {
    let rainfall = Rainfall::of_days(2);
    let mut died = rainfall.sandbox.command(&["run", "rainfall", "-p", "end=2024-01-02"]);
    assert!(!died.env("FRAZIL_ABORT_AFTER", "started").output().unwrap().status.success());
    let id = newest(&rainfall);
    let (text, errors) = rainfall.sandbox.fail(0, &["logs", "-f", &id]);
    assert!(text.contains("starts"), "{text}");
    assert!(errors.contains(&format!("the process of run {id} is gone")), "{errors}");
}
