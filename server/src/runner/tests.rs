mod order;
mod restarts;
mod stage;
mod starter;

use std::time::Duration;

use frazil_engine::{
    event::{Origin, Phase, RunStatus},
    lock::{FileLock, ask_to_stop as ask, pipeline_lock, scratch},
    scheduler::drop_queued,
};
use stage::*;

use super::*;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_run_is_durable_when_it_is_answered_and_begins_later() {
    let stage = Stage::new("durable");
    let runner = stage.runner().await;
    let mut changes = runner.changes();
    let run = runner.submit(asked("p")).await.unwrap();
    assert_eq!(*changes.recv().await.unwrap(), Change { run: run.clone(), events: 1 });
    assert!(runner.summary(&run).await.unwrap().is_queued());
    assert_eq!(runner.load(), (1, 0));
    drop(runner);

    stage.let_go(1);
    let server = stage.server().await;
    let state = over(&server.runner, &run).await;
    assert_eq!(status(&state), RunStatus::Successful);
    assert_eq!((state.opened, lock(&stage.world()).done[&run]), (1, 1));
    assert_eq!(state.accepted.unwrap().origin.cause, Cause::Http { who: Some("tests".to_owned()) });
    server.stop().await;
}

#[tokio::test]
async fn a_run_whose_client_hung_up_is_carried_out_all_the_same() {
    let stage = Stage::new("hung-up");
    stage.let_go(1);
    let server = stage.server().await;
    let mut changes = server.runner.changes();
    let mut asking = Box::pin(server.runner.submit(asked("p")));
    assert!(futures::poll!(&mut asking).is_pending());
    drop(asking);
    let change = tokio::time::timeout(PATIENCE, changes.recv()).await.expect("it is taken on").unwrap();
    let run = change.run.clone();
    assert_eq!(status(&over(&server.runner, &run).await), RunStatus::Successful);
    server.stop().await;
}

#[tokio::test]
async fn who_comes_when_the_queue_is_full_is_told_to_come_again() {
    let stage = Stage { queue: 2, ..Stage::new("full") };
    let runner = stage.runner().await;
    let asking = (0..5).map(|_| runner.submit(asked("p")));
    let answers = futures::future::join_all(asking).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(matches!(refused, Refusal::Full { limit: 2 }), "{refused}");
        assert_eq!(refused.again(), Some(Duration::from_secs(5)));
    }
    assert_eq!(runner.store().list(&RunQuery::default()).await.unwrap().len(), 2);
    assert!(matches!(runner.submit(asked("none")).await, Err(Refusal::NoPipeline(_))));
    let gone = Submission { units: Some(vec![0, 1]), ..asked("p") };
    assert!(matches!(runner.submit(gone).await, Err(Refusal::Failed(_))));
}

#[tokio::test]
async fn runs_of_a_pipeline_come_one_after_the_other_and_pipelines_side_by_side() {
    let stage = Stage::new("turns");
    let server = stage.server().await;
    let mut runs = Vec::new();
    for pipeline in ["p", "p", "q", "p", "r", "q"] {
        runs.push(server.runner.submit(asked(pipeline)).await.unwrap());
    }
    until("two are at work", || lock(&stage.world()).most == 2).await;
    stage.let_go(runs.len());
    for run in &runs {
        assert_eq!(status(&over(&server.runner, run).await), RunStatus::Successful);
    }
    let world = stage.world();
    {
        let world = lock(&world);
        assert_eq!((world.most, world.most_of_one), (2, 1), "as many as the project says");
        let order = |pipeline: [usize; 3]| pipeline.map(|n| world.began.iter().position(|b| *b == runs[n]));
        assert!(order([0, 1, 3]).is_sorted(), "{:?}", world.began);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_asked_for_with_a_key_is_asked_for_once() {
    let stage = Stage::new("keys");
    let runner = stage.runner().await;
    let with = |name: &str, digest: &str| {
        let key = Some(Key { name: name.to_owned(), digest: digest.to_owned() });
        Submission { key, ..asked("p") }
    };
    let answers = futures::future::join_all((0..8).map(|_| runner.submit(with("k", "1")))).await;
    let run = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == run), "{answers:?}");
    assert_eq!(runner.load(), (1, 0));
    let other = runner.submit(with("k", "2")).await.unwrap_err();
    assert!(matches!(&other, Refusal::OtherKey { run: first } if first == run), "{other}");
    assert_ne!(runner.submit(with("another", "1")).await.unwrap(), *run);
    drop(runner);
    // The key outlives the process.
    let runner = stage.runner().await;
    assert_eq!(runner.submit(with("k", "1")).await.unwrap(), *run);
}

#[tokio::test]
async fn overlaps_are_left_out_or_replace_what_is_there() {
    let stage = Stage::new("overlaps");
    let server = stage.server().await;
    let runner = &server.runner;
    let with = |overlap| Submission { overlap, ..asked("p") };
    let first = runner.submit(with(Overlap::Skip)).await.unwrap();
    assert!(matches!(runner.submit(with(Overlap::Skip)).await, Err(Refusal::Overlaps(_))));
    let second = runner.submit(with(Overlap::Queue)).await.unwrap();
    until("the first is at work", || lock(&stage.world()).began.len() == 1).await;
    let third = runner.submit(with(Overlap::Replace)).await.unwrap();
    stage.let_go(1);
    for (run, ended) in [(&first, RunStatus::Cancelled), (&second, RunStatus::Cancelled)] {
        let state = over(runner, run).await;
        assert_eq!(status(&state), ended);
        assert_eq!(state.cancelling.unwrap(), format!("replaced by run {third}"));
    }
    assert_eq!(status(&over(runner, &third).await), RunStatus::Successful);
    server.stop().await;
    // Another process is at work on the pipeline.
    let runner = stage.runner().await;
    let held = FileLock::try_take(&pipeline_lock(&stage.state(), &"p".parse().unwrap())).unwrap().unwrap();
    assert!(matches!(runner.submit(with(Overlap::Skip)).await, Err(Refusal::Overlaps(_))));
    drop(held);
    runner.submit(with(Overlap::Skip)).await.unwrap();
}

#[tokio::test]
async fn a_run_waits_for_another_process_on_its_pipeline() {
    let stage = Stage::new("held");
    stage.let_go(2);
    let held = FileLock::try_take(&pipeline_lock(&stage.state(), &"p".parse().unwrap())).unwrap().unwrap();
    let server = stage.server().await;
    let first = server.runner.submit(asked("p")).await.unwrap();
    let other = server.runner.submit(asked("q")).await.unwrap();
    assert_eq!(status(&over(&server.runner, &other).await), RunStatus::Successful);
    assert!(server.runner.summary(&first).await.unwrap().is_queued());
    drop(held);
    assert_eq!(status(&over(&server.runner, &first).await), RunStatus::Successful);
    server.stop().await;
}

#[tokio::test]
async fn a_run_is_cancelled_before_it_begins_while_it_works_and_between_tries() {
    let stage = Stage::new("cancel");
    let server = stage.server().await;
    let runner = &server.runner;
    let works = runner.submit(asked("p")).await.unwrap();
    let waits = runner.submit(asked("p")).await.unwrap();
    let elsewhere = runner.submit(asked("q")).await.unwrap();
    until("two are at work", || lock(&stage.world()).began.len() == 2).await;
    runner.cancel(&waits, "not wanted").await.unwrap();
    let state = runner.state(&waits).await.unwrap();
    assert_eq!((status(&state), state.opened, runner.load().0), (RunStatus::Cancelled, 0, 0));
    assert!(matches!(runner.cancel(&waits, "again").await, Err(Uncancelled::Finished(RunStatus::Cancelled))));
    runner.cancel(&works, "not wanted").await.unwrap();
    // As another process asks for it.
    ask(&stage.state(), &elsewhere, "not wanted").unwrap();
    for run in [&works, &elsewhere] {
        let state = over(runner, run).await;
        assert_eq!((status(&state), state.cancelling.as_deref()), (RunStatus::Cancelled, Some("not wanted")));
    }
    assert!(matches!(runner.cancel(&"none".parse().unwrap(), "").await, Err(Uncancelled::NoRun(_))));
    server.stop().await;

    let stage = Stage { fails: true, ..Stage::new("cancel-retry") };
    let server = stage.server().await;
    let run = server.runner.submit(asked("p")).await.unwrap();
    until("it failed once", || lock(&stage.world()).began.len() == 1).await;
    loop {
        let state = server.runner.state(&run).await.unwrap();
        if state.units.values().any(|unit| unit.phase == Phase::Running && unit.error.is_some()) {
            break;
        }
    }
    server.runner.cancel(&run, "not wanted").await.unwrap();
    assert_eq!(status(&over(&server.runner, &run).await), RunStatus::Cancelled);
    server.stop().await;
}

#[tokio::test]
async fn how_far_a_run_is_is_told_while_it_works_and_forgotten_then() {
    let stage = Stage::new("progress");
    let server = stage.server().await;
    let run = server.runner.submit(asked("p")).await.unwrap();
    until("it works", || lock(&stage.world()).began.len() == 1).await;
    let standing = server.runner.standing(&run).unwrap();
    assert_eq!((standing.percent, standing.total), (0, 0));
    stage.let_go(1);
    over(&server.runner, &run).await;
    let runner = server.runner.clone();
    until("it is forgotten", || runner.standing(&run).is_none()).await;
    server.stop().await;
}
