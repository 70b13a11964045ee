//! Runs of a server that is killed, stopped and started again: what waits begins, what had begun goes
//! on under the same id, and comes to its end once.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
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

/// Asks for a run as a client does that may be cut off; none where it was not told of one.
fn triggered(url: &str, key: &str) -> Option<RunId> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).ok()?;
    let body = r#"{"inputs":{"end":"2024-01-03"}}"#;
    let head = format!(
        "POST /processes/rainfall/execution HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 201 "), "{answer}");
    let location = head.lines().find_map(|line| line.strip_prefix("location: "))?;
    // A body that was cut off is no answer.
    serde_json::from_str::<serde_json::Value>(body).ok()?;
    location.rsplit('/').next()?.parse().ok()
}

/// Whoever was answered has a run, under the same key the same one after any number of kills, and each
/// comes to one end.
#[test]
fn a_server_that_is_killed_under_requests_keeps_what_it_answered_for() {
    const LIVES: usize = 5;
    const CLIENTS: usize = 3;
    let rainfall = Rainfall::of_days(3);
    let history = History::of(&rainfall.sandbox);
    let answered: Mutex<BTreeMap<String, BTreeSet<RunId>>> = Mutex::default();
    let note = |key: String, run: RunId| answered.lock().unwrap().entry(key).or_default().insert(run);
    for life in 0..LIVES {
        let serving = Serving::start(&rainfall.sandbox);
        let (before, stop) = (answered.lock().unwrap().len(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (url, stop, note) = (serving.url.clone(), &stop, &note);
                scope.spawn(move || {
                    // The first is asked for again in each life.
                    let keys = (0..)
                        .map(|n| if n == 0 { "first".to_owned() } else { format!("{life}-{client}-{n}") });
                    for key in keys.take_while(|_| !stop.load(Ordering::Relaxed)) {
                        let Some(run) = triggered(&url, &key) else { return };
                        note(key, run);
                    }
                });
            }
            // In the middle of requests, at another one in each life.
            let began = Instant::now();
            while answered.lock().unwrap().len() < before + 2 + life && began.elapsed() < PATIENCE {
                std::thread::yield_now();
            }
            serving.kill();
            stop.store(true, Ordering::Relaxed);
        });
    }
    let serving = Serving::start(&rainfall.sandbox);
    let known: Vec<String> = answered.lock().unwrap().keys().cloned().collect();
    for key in known {
        note(key.clone(), triggered(&serving.url, &key).unwrap());
    }
    let runs = history.until("all runs are over", over);
    drop(serving);
    let answered = answered.into_inner().unwrap();
    assert!(answered.values().all(|runs| runs.len() == 1), "a key has two runs: {answered:?}");
    let named: BTreeSet<&RunId> = answered.values().flatten().collect();
    assert_eq!(named.len(), answered.len(), "two keys have one run");
    assert!(answered.len() > LIVES * 2, "{}", answered.len());
    let kept: BTreeMap<&RunId, &RunState> = runs.iter().map(|(run, state)| (run, state)).collect();
    for run in &named {
        // A log takes nothing after its end, so that this is the only one.
        let state = kept.get(run).unwrap_or_else(|| panic!("{run} is lost"));
        let status = state.finished.unwrap().0;
        assert!(status == RunStatus::Successful || state.opened == 3, "{run}: {state:#?}");
    }
    // Those that nobody was told of are at most one for each client and life.
    assert!(runs.len() <= named.len() + LIVES * CLIENTS, "{} of {}", named.len(), runs.len());
    rainfall.assert_right(3, &[], "after kills under requests");
}
