//! What a program may take, and what becomes of it when it takes more, or is not wanted any more.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use frazil_engine::step::StepError;
use frazil_tests::sandbox::Sandbox;
use serde_json::json;

use super::calls::stand;
use crate::fetch::stand::{Stand, days};

async fn failed(stand: &Stand) -> (String, String) {
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert!(arrived.is_empty());
    let Some(StepError::Permanent(failure)) = error else { panic!("{error:?}") };
    (failure.message, failure.help.unwrap_or_default())
}

/// Whether a process whose number a script wrote is at work; one that did not get so far is not.
fn at_work(stand: &Stand, file: &str) -> bool {
    let Ok(number) = std::fs::read_to_string(stand.folder.path().join(file)) else { return false };
    // One that ended and is not yet waited for has no command line.
    std::fs::read(format!("/proc/{}/cmdline", number.trim())).is_ok_and(|line| !line.is_empty())
}

/// Whether such a process ends: one that is killed may still be seen for a moment.
async fn gone(stand: &Stand, file: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(30);
    while at_work(stand, file) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    !at_work(stand, file)
}

#[tokio::test]
async fn time() {
    let mut stand = stand([1], "echo $$ > pid; sleep 60 & echo $! > other; wait");
    stand.cx.timeout = Some("2s".parse().unwrap());
    let (message, help) = failed(&stand).await;
    assert_eq!(
        (message.as_str(), help.as_str()),
        (
            "`sh program.sh` was not done within 2s and was ended",
            "raise `timeout` of the step if it needs longer"
        )
    );
    assert!(gone(&stand, "pid").await && gone(&stand, "other").await);
}

#[tokio::test]
async fn memory() {
    let mut stand = stand([1], "head -c 300000000 /dev/zero | tail -n 1");
    stand.with["memory"] = json!("64MiB");
    let (message, help) = failed(&stand).await;
    assert!(message.contains("ended with exit code 1") && message.contains("memory"), "{message}");
    assert_eq!(help, "it lacked memory: each of its processes may take 64 MiB; raise `memory` of the step");
}

#[tokio::test]
async fn output() {
    for (script, said, asked) in [
        (
            r#"head -c 5000000 /dev/zero > "$folder/x" || exit 1"#,
            "ended with exit code 1",
            "one file may hold 1MiB: raise `output: { bytes: … }` of the step",
        ),
        (
            r#"for n in 1 2; do head -c 700000 /dev/zero > "$folder/$n"; done"#,
            "wrote more than 1MiB",
            "raise `output: { bytes: … }` of the step if it needs more",
        ),
        (
            r#"for n in 1 2; do head -c 700000 /dev/zero > "$folder/$n"; done; sleep 60"#,
            "wrote more than 1MiB",
            "raise `output: { bytes: … }` of the step if it needs more",
        ),
        (
            r#"for n in 1 2 3 4 5 6; do : > "$folder/$n"; done"#,
            "wrote more than 5 files",
            "raise `output: { files: … }` of the step if it needs more",
        ),
    ] {
        let mut stand = stand([1], script);
        stand.with["output"] = json!({ "bytes": "1MiB", "files": 5 });
        let (message, help) = failed(&stand).await;
        assert!(message.contains(said), "{script}: {message}");
        assert_eq!(help, asked, "{script}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end() {
    let stand = stand([1], "echo $$ > pid; yes");
    let (message, _) = failed(&stand).await;
    assert!(
        message.contains("the answer of `sh program.sh` on standard output is longer than 1048576 bytes"),
        "{message}"
    );
    assert!(gone(&stand, "pid").await);
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let stand = stand([1], "sleep 60 & echo $! > other; printf '{\"frazil\": 1}'");
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert!(arrived.is_empty() && error.is_none(), "{error:?}");
    assert!(gone(&stand, "other").await);
}

const PIPELINE: &str = r#"frazil: 1
id: p
datasets:
  d:
    title: D
    time: { step: P1D, start: "2024-01-01" }
    variables: { v: { units: mm, dtype: float32 } }
steps:
  missing: { uses: enumerate-periods, with: { dataset: d, end: "2024-01-02" } }
  made: { uses: exec, needs: missing, with: { command: [sh, program.sh], version: "1" } }
  kept: { uses: append-commit, needs: made, with: { dataset: d } }
"#;

/// A run whose program holds a pipe open for as long as anything of it lives; the reading end.
fn held(sandbox: &Sandbox) -> (std::process::Child, BufReader<std::fs::File>) {
    sandbox.write("program.sh", "exec 3> pipe; echo here >&3; sleep 60; touch finished");
    assert!(Command::new("mkfifo").arg(sandbox.path("pipe")).status().unwrap().success());
    let run = sandbox.command(&["run", "p"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut pipe = BufReader::new(std::fs::File::open(sandbox.path("pipe")).unwrap());
    let mut line = String::new();
    pipe.read_line(&mut line).unwrap();
    assert_eq!(line, "here\n");
    (run, pipe)
}

fn project() -> Sandbox {
    Sandbox::new(&[
        ("frazil.yaml", "frazil: 1\nstores: { cubes: ./cubes }\n"),
        ("pipelines/p.yaml", PIPELINE),
    ])
}

#[test]
fn no_program_outlives_a_run_that_is_killed() {
    let sandbox = project();
    let (mut run, mut pipe) = held(&sandbox);
    run.kill().unwrap();
    run.wait().unwrap();
    // Nothing follows once nobody holds the pipe any more.
    assert_eq!(pipe.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert!(!sandbox.path("finished").exists(), "the program went on to its end");
}

#[test]
fn ctrl_c_ends_the_program() {
    let sandbox = project();
    let (mut run, mut pipe) = held(&sandbox);
    let told = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(pipe.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(!sandbox.path("finished").exists(), "the program went on to its end");
    let left: Vec<_> = std::fs::read_dir(sandbox.path(".frazil/scratch")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
