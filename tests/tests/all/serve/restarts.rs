//! Runs of a server that is killed, stopped and started again: what waits begins, what had begun goes
//! on under the same id, and comes to its end once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{Days, NaiveDate, Utc};
use frazil_engine::{
    context::EnvSecrets,
    data::{PipelineId, RunId},
    event::{Cause, Event, Origin, RunEvent, RunState, RunStatus},
    project::{LoadOptions, Project, load},
    scheduler::{self, Cancel, GRACE, Run},
    store::{RunQuery, RunStore, SqliteStore},
};
use frazil_tests::{rainfall::Rainfall, sandbox::Sandbox, serving::Serving};
use serde_json::json;

const KILLS: u32 = 30;
const DAYS: u32 = 40;
/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The run history of a project, from beside its server.
struct History<'a> {
    sandbox: &'a Sandbox,
    project: Project,
    runtime: tokio::runtime::Runtime,
}

impl<'a> History<'a> {
    fn of(sandbox: &'a Sandbox) -> Self {
        let registry = frazil_steps::registry();
        let options = LoadOptions { paths: Vec::new(), project: Vec::new(), folder: sandbox.path("") };
        let project = load(&options, &registry).projects.remove(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { sandbox, project, runtime }
    }

    /// Has a run wait for a server, as one that was asked for over HTTP does.
    fn queue(&self, id: &str, end: NaiveDate) -> RunId {
        let id: PipelineId = id.parse().unwrap();
        let pipeline = Arc::clone(&self.project.pipelines[&id]);
        let now = Utc::now();
        let given = [("end".to_owned(), json!(end.to_string()))].into();
        let params = pipeline.accept_params(&given, &self.project.config, now).unwrap();
        let run = scheduler::run_id(now);
        let one = Run {
            id: run.clone(),
            scope: self.project.scope(&id, params, now, Arc::new(EnvSecrets::default())),
            units: (0..pipeline.units.len()).collect(),
            pipeline,
            cancel: Cancel::new(),
            grace: GRACE,
            scratch: self.sandbox.path("scratch"),
            origin: Origin::of(Cause::Http { who: None }),
        };
        let accepted = RunEvent::new(now, Event::Accepted(one.accepted()));
        self.runtime.block_on(async {
            let store = SqliteStore::open(&self.sandbox.path(".frazil")).await.unwrap();
            store.create(&run, &[accepted]).await.unwrap();
        });
        run
    }

    /// All runs, oldest first.
    fn runs(&self) -> Vec<(RunId, RunState)> {
        self.runtime.block_on(async {
            let store = SqliteStore::open_to_read(&self.sandbox.path(".frazil")).await.unwrap().unwrap();
            let mut runs = Vec::new();
            for run in store.list(&RunQuery::default()).await.unwrap() {
                let state = RunState::fold(&store.load(&run.run).await.unwrap()).unwrap();
                runs.push((run.run, state));
            }
            runs.reverse();
            runs
        })
    }

    /// Waits until something is so of all runs.
    fn until(&self, what: &str, so: impl Fn(&[(RunId, RunState)]) -> bool) -> Vec<(RunId, RunState)> {
        let began = Instant::now();
        loop {
            let runs = self.runs();
            if so(&runs) {
                return runs;
            }
            assert!(began.elapsed() < PATIENCE, "never: {what}: {runs:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn over(runs: &[(RunId, RunState)]) -> bool {
    runs.iter().all(|(_, state)| state.finished.is_some())
}

fn day(n: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + Days::new(n.into())
}

/// The word that `frazil runs` has for a run.
fn word(sandbox: &Sandbox, run: &RunId) -> String {
    let runs = sandbox.succeed(&["runs", "--format", "json"]);
    let lines = runs.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut found = lines.filter(|line| line["run"] == run.as_str());
    found.next().unwrap()["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_that_is_killed_anywhere_loses_doubles_and_sticks_nothing() {
    let rainfall = Rainfall::of_days(DAYS);
    let history = History::of(&rainfall.sandbox);
    let began = Instant::now();
    history.queue("rainfall", day(DAYS - 1));
    let serving = Serving::start(&rainfall.sandbox);
    history.until("a run is over", over);
    let whole = began.elapsed();
    serving.kill();
    rainfall.forget();

    let mut asked = Vec::new();
    for kill in 1..=KILLS {
        // Some days more for each life, in two runs that wait for each other.
        let days = |n: u32| day((n * DAYS).div_ceil(KILLS * 2) - 1);
        asked.extend([days(kill * 2 - 1), days(kill * 2)].map(|end| history.queue("rainfall", end)));
        let serving = Serving::start(&rainfall.sandbox);
        // Fractions of the golden ratio's multiples lie evenly, and no two are alike.
        std::thread::sleep(whole.mul_f64((f64::from(kill) * 0.618_033_988_75).fract()));
        serving.kill();
    }
    let serving = Serving::start(&rainfall.sandbox);
    let runs = history.until("all runs are over", over);
    drop(serving);
    assert_eq!(runs.iter().map(|(run, _)| run).collect::<Vec<_>>(), asked.iter().collect::<Vec<_>>());
    let gone_on_with = runs.iter().filter(|(_, state)| state.opened > 1).count();
    assert!(gone_on_with > 3, "{gone_on_with}: the kills come before or after all the work");
    for (run, state) in &runs {
        let status = state.finished.unwrap().0;
        // A run in which the server died three times is not tried again.
        let given_up = status == RunStatus::Failed && state.opened == 3;
        assert!(status == RunStatus::Successful || given_up, "{run}: {state:#?}");
    }
    rainfall.sandbox.succeed(&["run", "rainfall", "--param", &format!("end={}", day(DAYS - 1))]);
    rainfall.assert_right(DAYS, &["2024-01"], "after kills");
}

#[test]
fn a_server_that_stops_leaves_its_run_to_the_next() {
    let rainfall = Rainfall::of_days(DAYS);
    let history = History::of(&rainfall.sandbox);
    let run = history.queue("rainfall", day(DAYS - 1));
    let waits = history.queue("rainfall", day(DAYS - 1));
    assert_eq!(word(&rainfall.sandbox, &run), "queued");
    assert!(rainfall.sandbox.succeed(&["show", run.as_str()]).contains(": queued, accepted"));
    rainfall.server.slow(Duration::from_millis(200));
    let serving = Serving::start(&rainfall.sandbox);
    history.until("it works", |runs| runs[0].1.opened > 0);
    assert_eq!(serving.stop().code(), Some(143));
    let state = &history.runs()[0].1;
    assert_eq!((state.left, state.finished), (1, None), "{state:#?}");
    assert_eq!(state.cancelling, None, "nobody cancelled it");
    rainfall.server.slow(Duration::ZERO);

    // Another command on the pipeline leaves what is a server's alone, and so it can be cancelled.
    rainfall.sandbox.succeed(&["run", "rainfall", "--param", &format!("end={}", day(2))]);
    let cancelled = rainfall.sandbox.succeed(&["cancel", waits.as_str(), "--reason", "not wanted"]);
    assert_eq!(cancelled, format!("{waits}: cancelled\n"));
    assert!(rainfall.sandbox.succeed(&["show", waits.as_str()]).contains("not wanted"));

    let serving = Serving::start(&rainfall.sandbox);
    let runs = history.until("all runs are over", over);
    drop(serving);
    assert_eq!(runs[0].1.finished.unwrap().0, RunStatus::Successful);
    assert_eq!(runs[0].1.opened, 2);
    assert_eq!((runs[1].1.finished.unwrap().0, runs[1].1.opened), (RunStatus::Cancelled, 0));
    rainfall.assert_right(DAYS, &["2024-01"], "after a stop");
}

#[test]
fn a_run_of_a_server_that_is_down_is_cancelled_when_the_next_comes() {
    let rainfall = Rainfall::of_days(DAYS);
    rainfall.server.slow(Duration::from_millis(200));
    let history = History::of(&rainfall.sandbox);
    let run = history.queue("rainfall", day(DAYS - 1));
    let serving = Serving::start(&rainfall.sandbox);
    history.until("it works", |runs| runs[0].1.opened > 0);
    serving.kill();
    assert_eq!(word(&rainfall.sandbox, &run), "queued");
    let (_, refused) = rainfall.sandbox.fail(4, &["retry", run.as_str()]);
    assert!(refused.contains("waits for its server"), "{refused}");
    let said = rainfall.sandbox.succeed(&["cancel", run.as_str(), "--reason", "not wanted"]);
    assert_eq!(said, format!("{run}: stops when its server runs again\n"));
    let serving = Serving::start(&rainfall.sandbox);
    let runs = history.until("it is over", over);
    drop(serving);
    let state = &runs[0].1;
    assert_eq!(
        (state.finished.unwrap().0, state.cancelling.as_deref()),
        (RunStatus::Cancelled, Some("not wanted"))
    );
}

#[test]
fn a_run_of_a_server_is_cancelled_by_a_command() {
    let rainfall = Rainfall::of_days(DAYS);
    rainfall.server.slow(Duration::from_millis(200));
    let history = History::of(&rainfall.sandbox);
    let run = history.queue("rainfall", day(DAYS - 1));
    let serving = Serving::start(&rainfall.sandbox);
    history.until("it works", |runs| runs[0].1.opened > 0);
    let said = rainfall.sandbox.succeed(&["cancel", run.as_str(), "--reason", "not wanted"]);
    assert_eq!(said, format!("{run}: cancelled\n"));
    let runs = history.runs();
    assert_eq!(runs[0].1.cancelling.as_deref(), Some("not wanted"));
    drop(serving);
}
