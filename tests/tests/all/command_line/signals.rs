//! Runs that are told to stop, and runs that find another at work.

use std::{
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use frazil_tests::{rainfall::Rainfall, server::Fault};
use serde_json::json;

const SLOW: &str = "/2024/rain.2024.01.20.tif";
const RUN: [&str; 4] = ["run", "rainfall", "-p", "end=2024-01-31"];

/// A run that waits for the twentieth day.
pub(super) fn waiting() -> (Rainfall, Child) {
    let rainfall = Rainfall::of_days(31);
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("in-flight: 4"));
    std::fs::write(&path, text.replace("in-flight: 4", "in-flight: 1")).unwrap();
    rainfall.server.always(SLOW, Fault::Hang);
    let mut command = rainfall.sandbox.command(&RUN);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("frazil starts");
    while rainfall.server.count(SLOW) == 0 {
        assert!(run.try_wait().unwrap().is_none(), "it ended without that file");
        std::thread::sleep(Duration::from_millis(5));
    }
    (rainfall, run)
}

fn signal(run: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &run.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn settles(name: &str, said: &str, code: i32) {
    let (rainfall, run) = waiting();
    signal(&run, name);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    assert!(text(&output).contains(said), "{}", text(&output));
    let runs = rainfall.sandbox.succeed(&["runs"]);
    assert!(runs.contains("cancelled"), "{runs}");
    if let Some(found) = rainfall.judge() {
        // One file at a time: all before the one that it waits for were whole.
        assert_eq!(found["last"], json!("2024-01-19"), "{found}");
        assert_eq!(found["wrong_days"], json!([]));
    }
    rainfall.server.always(SLOW, Fault::None);
    rainfall.server.forget();
    rainfall.sandbox.succeed(&RUN);
    assert_eq!(rainfall.server.count("/2024/rain.2024.01.19.tif"), 0, "what was kept is not asked for");
    if let Some(found) = rainfall.judge() {
        assert_eq!(found["days"], json!(31), "{found}");
        assert_eq!(found["wrong_days"], json!([]));
        assert_eq!(found["months"], json!(["2024-01"]));
    }
}

#[test]
fn ctrl_c_keeps_whole_periods_and_is_130() {
    settles("INT", "Ctrl-C", 130);
}

#[test]
fn sigterm_keeps_whole_periods_and_is_143() {
    settles("TERM", "SIGTERM", 143);
}

#[test]
fn one_run_of_a_pipeline_at_a_time() {
    let (rainfall, run) = waiting();
    let runs = rainfall.sandbox.succeed(&["runs"]);
    assert!(runs.contains("running"), "{runs}");
    let refused = [&RUN[..], &["--no-wait"]].concat();
    let (_, errors) = rainfall.sandbox.fail(4, &refused);
    assert!(errors.contains("another run of `rainfall` is at work"), "{errors}");
    // Who waits goes on when the other is gone, even when that was killed, and lists anew.
    let mut command = rainfall.sandbox.command(&RUN);
    let waits = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("frazil starts");
    rainfall.server.always(SLOW, Fault::None);
    signal(&run, "KILL");
    run.wait_with_output().unwrap();
    let output = waits.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let runs = rainfall.sandbox.succeed(&["runs"]);
    assert!(runs.contains("interrupted") && runs.contains("successful"), "{runs}");
    if let Some(found) = rainfall.judge() {
        assert_eq!(found["days"], json!(31), "{found}");
    }
}

fn statuses(rainfall: &Rainfall) -> Vec<(String, String)> {
    let runs = rainfall.sandbox.succeed(&["runs", "--format", "json"]);
    let of = |line: &str| {
        let run: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| run[key].as_str().unwrap().to_owned();
        (text("run"), text("status"))
    };
    runs.lines().map(of).collect()
}

#[test]
fn another_process_asks_a_run_to_stop_and_what_is_whole_is_kept() {
    let (rainfall, run) = waiting();
    let (id, status) = statuses(&rainfall).remove(0);
    assert_eq!(status, "running");
    let said = rainfall.sandbox.succeed(&["cancel", &id, "--reason", "enough for today"]);
    assert_eq!(said, format!("{id}: cancelled\n"));
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("enough for today: keeping what is whole"), "{}", text(&output));
    if let Some(found) = rainfall.judge() {
        assert_eq!(found["last"], json!("2024-01-19"), "{found}");
    }
    let (_, errors) = rainfall.sandbox.fail(4, &["cancel", &id]);
    assert!(errors.contains(&format!("run {id} is cancelled already")), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["cancel", "r20200101-000000000-000000"]);
    assert!(errors.contains("no run `r20200101-000000000-000000` here"), "{errors}");
    let left = std::fs::read_dir(rainfall.sandbox.path(".frazil/runs")).unwrap().count();
    assert_eq!(left, 0, "locks and files that asked are left behind");
}

#[test]
fn a_run_whose_process_is_gone_cannot_be_asked() {
    let (rainfall, run) = waiting();
    signal(&run, "KILL");
    run.wait_with_output().unwrap();
    let (id, status) = statuses(&rainfall).remove(0);
    assert_eq!(status, "dead");
    let (_, errors) = rainfall.sandbox.fail(4, &["cancel", &id]);
    assert!(errors.contains("is gone") && errors.contains("help: the next run"), "{errors}");
}

#[test]
fn a_run_may_be_left_out_or_take_the_place_of_another_but_not_of_its_twin() {
    let (rainfall, run) = waiting();
    let before = rainfall.server.requests().len();
    let skipped = rainfall.sandbox.run(&[&RUN[..], &["--overlap", "skip"]].concat());
    assert!(skipped.status.success(), "{}", text(&skipped));
    assert!(text(&skipped).contains("left out"), "{}", text(&skipped));
    assert_eq!(rainfall.server.requests().len(), before);
    assert_eq!(statuses(&rainfall).len(), 1);

    rainfall.server.always(SLOW, Fault::None);
    let twins = [(); 2].map(|()| {
        let mut command = rainfall.sandbox.command(&[&RUN[..], &["--overlap", "replace"]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    for twin in twins {
        let output = twin.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let ended: Vec<_> = statuses(&rainfall).into_iter().map(|(_, status)| status).collect();
    assert_eq!(ended, ["successful", "successful", "cancelled"]);
    if let Some(found) = rainfall.judge() {
        assert_eq!(found["days"], json!(31), "{found}");
    }
}
