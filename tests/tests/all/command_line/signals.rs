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
fn waiting() -> (Rainfall, Child) {
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
