//! What becomes of runs when servers stop and die.

use chrono::Utc;
use frazil_engine::{
    event::{Event, RunEvent},
    scheduler::{Cancel, GRACE, Run, resume, settle_dead},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

#[tokio::test]
async fn a_server_that_stops_lets_go_of_runs_and_the_next_goes_on_with_them() {
    let stage = Stage::new("left");
    let server = stage.server().await;
    let works = server.runner.submit(asked("p")).await.unwrap();
    let waits = server.runner.submit(asked("p")).await.unwrap();
    until("it works", || lock(&stage.world()).began.len() == 1).await;
    let runner = server.runner.clone();
    server.stop().await;
    let state = runner.state(&works).await.unwrap();
    assert_eq!((state.finished, state.left, state.deaths()), (None, 1, 0));
    assert_eq!(state.cancelling, None);
    // What is asked for meanwhile is kept.
    let late = runner.submit(asked("q")).await.unwrap();
    // The command line leaves all of them alone.
    let next = command(&stage, "p", &runner);
    let services = runner.0.services(&next);
    let settled = settle_dead(&stage.state(), &next.pipeline, &next.scope, &services, &next.cancel).await;
    assert_eq!(settled.unwrap(), []);
    drop((runner, services));

    stage.let_go(3);
    let server = stage.server().await;
    for (run, opened) in [(&works, 2), (&waits, 1), (&late, 1)] {
        let state = over(&server.runner, run).await;
        assert_eq!((status(&state), state.opened), (RunStatus::Successful, opened));
        assert_eq!(lock(&stage.world()).done[run], 1);
    }
    server.stop().await;
}

#[tokio::test]
async fn to_be_cancelled_while_no_server_runs_is_heard_by_the_next() {
    let stage = Stage::new("cancel-left");
    let server = stage.server().await;
    let run = server.runner.submit(asked("p")).await.unwrap();
    until("it works", || lock(&stage.world()).began.len() == 1).await;
    server.die().await;
    let runner = stage.runner().await;
    runner.cancel(&run, "not wanted").await.unwrap();
    assert_eq!(runner.state(&run).await.unwrap().finished, None, "what it wrote is to be settled first");
    drop(runner);
    let server = stage.server().await;
    let state = over(&server.runner, &run).await;
    assert_eq!((status(&state), state.cancelling.as_deref()), (RunStatus::Cancelled, Some("not wanted")));
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_servers_died_of_is_not_tried_a_fourth_time() {
    let stage = Stage::new("deaths");
    let first = stage.server().await;
    let run = first.runner.submit(asked("p")).await.unwrap();
    let mut server = first;
    for life in 1..=3 {
        until("it works", || lock(&stage.world()).began.len() == life).await;
        server.die().await;
        server = stage.server().await;
    }
    let state = over(&server.runner, &run).await;
    assert_eq!((status(&state), state.opened), (RunStatus::Failed, 3));
    assert!(state.cancelling.unwrap().contains("died 3 times"));
    assert_eq!(lock(&stage.world()).began.len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn a_run_whose_file_was_changed_meanwhile_ends_and_says_so() {
    let mut stage = Stage::new("changed");
    let server = stage.server().await;
    let works = server.runner.submit(asked("p")).await.unwrap();
    let waits = server.runner.submit(asked("p")).await.unwrap();
    until("it works", || lock(&stage.world()).began.len() == 1).await;
    server.die().await;
    stage.digest = "d2".to_owned();
    let server = stage.server().await;
    for run in [&works, &waits] {
        let state = over(&server.runner, run).await;
        assert_eq!(status(&state), RunStatus::Interrupted);
        let why = state.cancelling.unwrap();
        assert!(why.contains("the file of `p` was changed"), "{why}");
    }
    server.stop().await;
}

/// A run of the command line on the pipeline.
fn command(stage: &Stage, pipeline: &str, runner: &Runner) -> Run {
    let project = stage.project();
    let pipeline = Arc::clone(&project.pipelines[pipeline]);
    let secrets = runner.0.live.current().secrets;
    let id = scheduler::run_id(Utc::now());
    Run {
        scope: project.scope(&pipeline.id, Map::new(), Utc::now(), secrets),
        units: vec![0],
        pipeline,
        cancel: Cancel::new(),
        grace: GRACE,
        scratch: scratch(&stage.state(), &id),
        origin: Origin::default(),
        id,
    }
}

#[tokio::test]
async fn a_run_of_the_command_line_that_died_is_settled_by_the_next_and_not_gone_on_with() {
    let stage = Stage::new("command-line");
    let runner = stage.runner().await;
    let dead = command(&stage, "p", &runner);
    let opened = RunEvent::new(Utc::now(), Event::Opened { process: 1 });
    let accepted = RunEvent::new(Utc::now(), Event::Accepted(dead.accepted()));
    runner.store().create(&dead.id, &[accepted, opened]).await.unwrap();
    assert!(matches!(runner.cancel(&dead.id, "not wanted").await, Err(Uncancelled::Dead)));
    drop(runner);
    stage.let_go(1);
    let server = stage.server().await;
    assert_eq!(server.runner.load(), (0, 0));
    let run = server.runner.submit(asked("p")).await.unwrap();
    assert_eq!(status(&over(&server.runner, &run).await), RunStatus::Successful);
    assert_eq!(status(&over(&server.runner, &dead.id).await), RunStatus::Interrupted);
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_was_ended_while_it_waited_is_not_begun() {
    let stage = Stage::new("ended");
    let runner = stage.runner().await;
    let run = runner.submit(asked("p")).await.unwrap();
    // As `frazil cancel` does it, unknown to the runner.
    let (store, clock) = (runner.store(), &runner.0.clock);
    assert!(drop_queued(&run, &**store, &**clock, RunStatus::Cancelled, "not wanted").await.unwrap());
    assert!(!drop_queued(&run, &**store, &**clock, RunStatus::Cancelled, "not wanted").await.unwrap());
    let stop = tokio_util::sync::CancellationToken::new();
    let (works, told) = (runner.clone(), stop.clone());
    let work = tokio::spawn(async move { works.work(told).await });
    until("it is passed over", || runner.load() == (0, 0)).await;
    assert!(lock(&stage.world()).began.is_empty());
    stop.cancel();
    work.await.unwrap();
    // Nor by one that finds it opened.
    let run = command(&stage, "p", &runner);
    assert!(resume(&run, &runner.0.services(&run)).await.is_err(), "no such run");
}

/// Servers die again and again while runs are asked for: each run that was answered comes to its end,
/// once.
#[tokio::test]
async fn whatever_dies_under_load_nothing_is_lost_doubled_or_stuck() {
    let stage = Stage::new("load");
    let mut random = StdRng::seed_from_u64(7);
    let mut answered = Vec::new();
    stage.let_go(10_000);
    for _ in 0..30 {
        let server = stage.server().await;
        let asking =
            (0..random.random_range(1..6)).map(|n| server.runner.submit(asked(["p", "q", "r"][n % 3])));
        let answers = futures::future::join_all(asking).await;
        answered.extend(answers.into_iter().map(Result::unwrap));
        for _ in 0..random.random_range(0..60) {
            tokio::task::yield_now().await;
        }
        server.die().await;
    }
    let server = stage.server().await;
    for run in &answered {
        let state = over(&server.runner, run).await;
        // One in which the server died thrice is given up.
        let (done, deaths) = (status(&state) == RunStatus::Successful, state.opened);
        assert!(done || (status(&state) == RunStatus::Failed && deaths == 3), "{state:#?}");
    }
    let runs = server.runner.store().list(&RunQuery::default()).await.unwrap();
    assert_eq!(runs.len(), answered.len(), "no run that nobody asked for");
    assert_eq!(lock(&stage.world()).most_of_one, 1);
    server.stop().await;
}
