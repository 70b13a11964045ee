//! What starts runs in `frazil serve` by itself, files that change under it, and a second server that
//! stands by.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use frazil_engine::{
    lock::{FileLock, serve_lock},
    store::Seen,
};
use frazil_tests::{rainfall::Rainfall, sandbox::Sandbox, serving::Serving};
use serde_json::Value;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Weeks that hang from the days, in a file of another team.
const WEEKS: &str = "frazil: 1
id: weeks
datasets:
  rain_weekly: { title: Weekly rainfall, time: { step: P1W } }
triggers: [ { dataset: rain_daily } ]
steps:
  daily: { uses: open-dataset, with: { dataset: rain_daily } }
  weekly: { uses: derived-resample, needs: daily, with: { dataset: rain_weekly, method: sum } }
";

/// The runs of a pipeline, oldest first, as `frazil runs` lists them.
fn runs(sandbox: &Sandbox, pipeline: &str) -> Vec<Value> {
    let lines = sandbox.succeed(&["runs", "--format", "json"]);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut runs: Vec<_> = lines.filter(|run| run["pipeline"] == pipeline).collect();
    runs.reverse();
    runs
}

pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(LOOK);
    }
}

/// So many runs of a pipeline, all successful.
fn until_done(sandbox: &Sandbox, pipeline: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} runs of {pipeline}"), || {
        let runs = runs(sandbox, pipeline);
        (runs.len() >= count && runs.iter().all(|run| run["status"] == "successful")).then_some(runs)
    })
}

/// What all triggers have seen.
fn seen(state: &Path) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let all = runtime.block_on(Seen::in_folder(state).all()).unwrap();
    all.into_iter().map(|((pipeline, trigger), seen)| (format!("{pipeline} {trigger}"), seen)).collect()
}

/// Notes up to when a line of cron is settled, as a server does.
fn note(state: &Path, trigger: &str, until: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let seen = Seen::in_folder(state);
    runtime.block_on(seen.note(&"rainfall".parse().unwrap(), trigger, until)).unwrap();
}

/// The rainfall of some days by a line of cron that fires at midnight.
fn nightly(days: u32) -> (Rainfall, &'static str) {
    let rainfall = Rainfall::of_days(days);
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text =
        text.replace("- cron: \"30 6 * * *\"", "- { cron: \"0 0 * * *\", params: { end: \"2024-01-03\" } }");
    std::fs::write(&path, text).unwrap();
    (rainfall, "0 0 * * * with end=\"2024-01-03\"")
}

#[test]
fn what_was_missed_starts_once_and_is_not_started_again() {
    let (rainfall, trigger) = nightly(3);
    let state = rainfall.sandbox.path(".frazil");
    let serving = Serving::start(&rainfall.sandbox);
    let (name, since) = until("the trigger is known", || seen(&state).pop());
    assert_eq!(name, format!("rainfall {trigger}"));
    assert!(since.parse::<chrono::DateTime<Utc>>().unwrap() > Utc::now() - TimeDelta::minutes(1));
    assert!(runs(&rainfall.sandbox, "rainfall").is_empty(), "what is new begins now");
    drop(serving);

    // As if nothing had run for a week.
    let midnight = Utc::now().date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let before = (Utc::now() - TimeDelta::days(7)).to_rfc3339();
    note(&state, trigger, &before);
    for _ in 0..2 {
        let serving = Serving::start(&rainfall.sandbox);
        let found = until_done(&rainfall.sandbox, "rainfall", 1);
        assert_eq!(found.len(), 1, "{found:?}");
        let instant: chrono::DateTime<Utc> = found[0]["instant"].as_str().unwrap().parse().unwrap();
        assert!(instant == midnight || instant == midnight + TimeDelta::days(1), "{instant}");
        serving.kill();
    }
    rainfall.assert_right(3, &[], "after a catch-up");
}

#[test]
fn a_commit_of_any_process_wakes_what_hangs_from_it_in_files_old_and_new() {
    let rainfall = Rainfall::of_days(14);
    let to =
        |end: &str| drop(rainfall.sandbox.succeed(&["run", "rainfall", "--param", &format!("end={end}")]));
    let serving = Serving::start(&rainfall.sandbox);
    to("2024-01-07");
    assert!(runs(&rainfall.sandbox, "weeks").is_empty());
    // A file that is new, while the server runs.
    rainfall.sandbox.write("pipelines/weeks.yaml", WEEKS);
    serving.signal("HUP");
    let found = until_done(&rainfall.sandbox, "weeks", 1);
    let log = rainfall.sandbox.succeed(&["logs", found[0]["run"].as_str().unwrap(), "--format", "json"]);
    assert!(log.contains("\"dataset\":\"rain_daily\""), "{log}");
    // A commit of another process.
    to("2024-01-14");
    assert_eq!(until_done(&rainfall.sandbox, "weeks", 2).len(), 2);
    // One that is bad keeps its last good version, and says so.
    rainfall.sandbox.write("pipelines/weeks.yaml", &WEEKS.replace("uses: open-dataset", "uses: open-datset"));
    serving.signal("HUP");
    until("the log says so", || {
        let log = std::fs::read_to_string(rainfall.sandbox.path("serve.log")).unwrap();
        (log.contains("open-datset") && log.contains("pipelines/weeks.yaml")).then_some(())
    });
    rainfall.sandbox.write("pipelines/weeks.yaml", WEEKS);
    serving.kill();
    // What was seen is known by the next server, and what moved meanwhile too.
    to("2024-01-14");
    let serving = Serving::start(&rainfall.sandbox);
    rainfall.sandbox.succeed(&["mark", "rain_daily", "--period", "2024-01-13", "--reason", "stripes"]);
    assert_eq!(until_done(&rainfall.sandbox, "weeks", 3).len(), 3);
    drop(serving);
}

/// A server that has to stand by; what it says.
struct Second(Child, BufReader<std::process::ChildStdout>);

impl Second {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command(&["serve", "--format", "json", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self(child, lines)
    }

    fn says(&mut self) -> Value {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_default()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_second_server_stands_by_and_takes_over_when_the_first_is_killed() {
    let rainfall = Rainfall::of_days(1);
    let first = Serving::start(&rainfall.sandbox);
    let mut second = Second::start(&rainfall.sandbox);
    assert_eq!(second.says()["event"], "standing-by");
    // What changes while it stands by it takes when its turn comes.
    rainfall.sandbox.write("pipelines/weeks.yaml", WEEKS);
    let killed = Instant::now();
    first.kill();
    let said = second.says();
    assert_eq!(said["event"], "listening");
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    let state = rainfall.sandbox.path(".frazil");
    until("its triggers are at work", || seen(&state).pop());
    // A third that is told to stop while it stands by ends.
    let mut third = Second::start(&rainfall.sandbox);
    assert_eq!(third.says()["event"], "standing-by");
    let told = std::process::Command::new("kill").args(["-TERM", &third.0.id().to_string()]).status();
    assert!(told.unwrap().success());
    assert_eq!(third.0.wait().unwrap().code(), Some(143));
}

/// Each file of a folder with its content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .flat_map(|path| {
            if path.is_dir() { content(&path) } else { vec![(path.clone(), std::fs::read(&path).unwrap())] }
        })
        .collect();
    found.sort();
    found
}

/// With a line of cron that missed a week, a dataset that is late and runs to be forgotten, one that leads
/// would do something at once.
#[test]
fn one_that_stands_by_does_nothing_until_its_turn_comes() {
    let (rainfall, trigger) = nightly(3);
    let path = rainfall.sandbox.path("frazil.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let more = "notify: [ { when: [late, failed, recovered], webhook: \"http://127.0.0.1:9/\" } ]\nhistory: { runs: 1 }\n";
    std::fs::write(path, format!("{text}\n{more}")).unwrap();
    for _ in 0..2 {
        rainfall.sandbox.succeed(&["run", "rainfall", "--param", "end=2024-01-01"]);
    }
    let state = rainfall.sandbox.path(".frazil");
    let week = (Utc::now() - TimeDelta::days(7)).to_rfc3339();
    note(&state, trigger, &week);
    let lock = FileLock::try_take(&serve_lock(&state)).unwrap().unwrap();
    let mut standby = Second::start(&rainfall.sandbox);
    assert_eq!(standby.says()["event"], "standing-by");
    let before = content(&state);
    // Longer than it takes one that leads to begin all of it.
    for _ in 0..5 {
        rainfall.sandbox.succeed(&["check"]);
        assert!(content(&state) == before, "something was done");
    }
    drop(lock);
    assert_eq!(standby.says()["event"], "listening");
    until("it starts what was missed", || seen(&state).into_iter().find(|(_, until)| *until != week));
}
