//! Two `frazil run` on one dataset, each with a state of its own: neither knows of the other but
//! through the store.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use frazil_tests::{programs::ask_python, rainfall::Rainfall, server::Fault};
use serde_json::{Value, json};

const ROUNDS: usize = 10;
const OTHER: &str = "frazil: 1\nid: rainfall-example\nstate: ./.other\n";
/// The first run has the project's own state, the second another one.
const PROJECTS: [&[&str]; 2] = [&[], &["--project", "frazil.yaml", "--project", "other.yaml"]];

fn start(rainfall: &Rainfall, project: &[&str], end: &str) -> Child {
    let end = format!("end={end}");
    let args = [project, &["run", "rainfall", "--format", "json", "-p", &end]].concat();
    let mut command = rainfall.sandbox.command(&args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("frazil starts")
}

/// Events of a run that must have succeeded.
fn events(run: Child, context: &str) -> Vec<Value> {
    let output = run.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{context}: {}\n{stdout}\n{stderr}", output.status);
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn relisted(events: &[Value]) -> usize {
    events.iter().filter(|event| event["event"]["relisted"].is_object()).count()
}

fn forget(rainfall: &Rainfall) {
    rainfall.forget();
    let other = rainfall.sandbox.path(".other");
    if other.exists() {
        std::fs::remove_dir_all(other).unwrap();
    }
}

#[test]
fn who_was_overtaken_lists_its_work_anew_and_finishes_in_the_same_run() {
    let rainfall = Rainfall::of_days(60);
    rainfall.sandbox.write("other.yaml", OTHER);
    let pipeline = std::fs::read_to_string(rainfall.sandbox.path("pipelines/rainfall.yaml")).unwrap();
    assert!(pipeline.contains("timeout: 1m"));
    rainfall.sandbox.write("pipelines/rainfall.yaml", &pipeline.replace("timeout: 1m", "timeout: 5s"));
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-10"]);

    // The first has listed its work and waits for a file; meanwhile the second brings other days.
    let slow = "/2024/rain.2024.02.20.tif";
    rainfall.server.always(slow, Fault::Hang);
    let mut first = start(&rainfall, PROJECTS[0], "2024-02-29");
    while rainfall.server.count(slow) == 0 {
        assert!(first.try_wait().unwrap().is_none(), "it ended without that file");
        std::thread::sleep(Duration::from_millis(5));
    }
    events(start(&rainfall, PROJECTS[1], "2024-01-25"), "the second");
    rainfall.server.always(slow, Fault::None);
    let first = events(first, "the first");
    assert_eq!(relisted(&first), 1, "{first:#?}");

    rainfall.assert_right(60, &["2024-01", "2024-02"], "both");
}

#[test]
fn ten_rounds_of_two_runs_at_once_lose_and_double_nothing() {
    let rainfall = Rainfall::of_days(75);
    rainfall.sandbox.write("other.yaml", OTHER);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-03-15"]);
    let mut kept = vec![rainfall.sandbox.path("kept/reference")];
    std::fs::create_dir_all(rainfall.sandbox.path("kept")).unwrap();
    std::fs::rename(rainfall.sandbox.path("cubes"), &kept[0]).unwrap();

    for round in 0..ROUNDS {
        forget(&rainfall);
        // Every other round begins with nothing: both create the repository.
        if round % 2 == 1 {
            rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-10"]);
        }
        let ends = if round % 3 == 0 { ["2024-03-15", "2024-03-15"] } else { ["2024-02-03", "2024-03-15"] };
        let runs = [0, 1].map(|n| start(&rainfall, PROJECTS[n], ends[n]));
        for run in runs {
            events(run, &format!("round {round}"));
        }
        rainfall.assert_right(75, &["2024-01", "2024-02"], &format!("round {round}"));
        let folder = rainfall.sandbox.path(format!("kept/{round}"));
        std::fs::rename(rainfall.sandbox.path("cubes"), &folder).unwrap();
        kept.push(folder);
    }
    for dataset in ["rain_daily", "rain_monthly"] {
        let paths: Vec<String> =
            kept.iter().map(|folder| folder.join(dataset).to_string_lossy().into_owned()).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        if let Some(differences) = ask_python("compare_cubes.py", &paths) {
            assert_eq!(differences, json!([]));
        }
    }
}
