//! Runs of one request: one after the other, and stopped together.

use std::collections::BTreeSet;

use super::*;

/// Runs of `p`, `q` and `r`, as one request asks for them.
async fn three(runner: &Runner) -> [RunId; 3] {
    let runs = runner.submit_in_order(["p", "q", "r"].map(asked).into()).await.unwrap();
    runs.try_into().unwrap()
}

#[tokio::test]
async fn runs_of_one_request_come_one_after_the_other_whatever_dies() {
    let stage = Stage { runs: 8, ..Stage::new("order") };
    let server = stage.server().await;
    let runs = three(&server.runner).await;
    let beside = server.runner.submit(asked("r")).await.unwrap();
    // Who need not wait passes those who must.
    until("two are at work", || lock(&stage.world()).began.len() == 2).await;
    assert_eq!(BTreeSet::from_iter(lock(&stage.world()).began.clone()), [runs[0].clone(), beside].into());
    server.die().await;

    let server = stage.server().await;
    until("they are gone on with", || lock(&stage.world()).began.len() == 4).await;
    stage.let_go(2);
    until("the next begins", || lock(&stage.world()).began.len() == 5).await;
    assert_eq!(lock(&stage.world()).began[4], runs[1]);
    assert_eq!(status(&over(&server.runner, &runs[0]).await), RunStatus::Successful);
    server.die().await;

    stage.let_go(2);
    let server = stage.server().await;
    for run in &runs {
        assert_eq!(status(&over(&server.runner, run).await), RunStatus::Successful);
    }
    let ends = {
        let mut ends = Vec::new();
        for run in &runs {
            ends.push(server.runner.summary(run).await.unwrap());
        }
        ends
    };
    for pair in ends.windows(2) {
        assert!(pair[0].finished.unwrap().1 <= pair[1].started.unwrap(), "{ends:#?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_failed_is_followed_and_what_was_cancelled_is_not() {
    let mut stage = Stage { runs: 8, ..Stage::new("order-ends") };
    let server = stage.server().await;
    let runs = three(&server.runner).await;
    until("the first is at work", || lock(&stage.world()).began.len() == 1).await;
    server.runner.cancel(&runs[0], "not wanted").await.unwrap();
    for (run, why) in [
        (&runs[0], "not wanted".to_owned()),
        (&runs[1], format!("run {}, which it comes after, was cancelled", runs[0])),
        (&runs[2], format!("run {}, which it comes after, was cancelled", runs[1])),
    ] {
        let state = over(&server.runner, run).await;
        assert_eq!((status(&state), state.cancelling), (RunStatus::Cancelled, Some(why)));
    }
    assert_eq!(lock(&stage.world()).began.len(), 1);

    let runs = three(&server.runner).await;
    until("the first is at work", || lock(&stage.world()).began.len() == 2).await;
    server.die().await;
    // The first is not gone on with, as its file is another: what follows does what can be done.
    stage.digest = "d2".to_owned();
    let runner = stage.runner().await;
    assert_eq!(runner.load(), (3, 0));
    drop(runner);
    let server = stage.server().await;
    for run in &runs {
        assert_eq!(status(&over(&server.runner, run).await), RunStatus::Interrupted);
    }
    server.stop().await;
}

#[tokio::test]
async fn to_cancel_the_last_run_of_a_request_cancels_those_before_it() {
    let stage = Stage { runs: 8, ..Stage::new("order-cancel") };
    let server = stage.server().await;
    let other = server.runner.submit(asked("r")).await.unwrap();
    let runs = three(&server.runner).await;
    until("two are at work", || lock(&stage.world()).began.len() == 2).await;
    server.runner.cancel(&runs[2], "not wanted").await.unwrap();
    for run in &runs {
        let state = over(&server.runner, run).await;
        assert_eq!((status(&state), state.cancelling.as_deref()), (RunStatus::Cancelled, Some("not wanted")));
    }
    assert!(server.runner.summary(&other).await.unwrap().finished.is_none(), "it is another request's");
    assert!(matches!(
        server.runner.cancel(&runs[2], "again").await,
        Err(Uncancelled::Finished(RunStatus::Cancelled))
    ));
    stage.let_go(1);
    over(&server.runner, &other).await;
    server.stop().await;
}

#[tokio::test]
async fn of_what_is_asked_for_as_one_nothing_is_taken_on_where_not_all_of_it_is() {
    let stage = Stage { queue: 2, ..Stage::new("order-full") };
    let runner = stage.runner().await;
    let three = ["p", "q", "r"].map(asked);
    assert!(matches!(runner.submit_in_order(three.into()).await, Err(Refusal::Full { limit: 2 })));
    assert_eq!(runner.store().list(&RunQuery::default()).await.unwrap(), []);
    // Nor are places kept.
    let two = ["p", "q"].map(asked);
    assert_eq!(runner.submit_in_order(two.into()).await.unwrap().len(), 2);
    drop(runner);

    let stage = Stage::new("order-skip");
    let runner = stage.runner().await;
    let with = |pipeline| Submission { overlap: Overlap::Skip, ..asked(pipeline) };
    // Two parts of one pipeline do not meet each other.
    let parts = ["p", "q", "p"].map(with);
    assert_eq!(runner.submit_in_order(parts.into()).await.unwrap().len(), 3);
    // As on the command line: those that are to be left out are, and the others come.
    let some = runner.submit_in_order(["p", "q", "r"].map(with).into()).await.unwrap();
    assert_eq!(runner.summary(&some[0]).await.unwrap().pipeline.as_str(), "r");
    assert_eq!(some.len(), 1);
    assert!(matches!(
        runner.submit_in_order(["p", "q"].map(with).into()).await,
        Err(Refusal::Overlaps(pipeline)) if pipeline.as_str() == "q"
    ));
}

#[tokio::test]
async fn what_another_process_ends_is_told_before_its_turn() {
    let stage = Stage::new("heed");
    let server = stage.server().await;
    let works = server.runner.submit(asked("p")).await.unwrap();
    let waits = server.runner.submit(asked("p")).await.unwrap();
    until("the first is at work", || lock(&stage.world()).began.len() == 1).await;
    let mut changes = server.runner.changes();
    // As `frazil cancel` does it, with a store of its own.
    let elsewhere = SqliteStore::open(&stage.state()).await.unwrap();
    let told = scheduler::stop(&stage.state(), &elsewhere, &SystemClock, &waits, "not wanted").await.unwrap();
    assert_eq!(told, [(waits.clone(), Stop::Dropped)]);
    let change = tokio::time::timeout(PATIENCE, changes.recv()).await.expect("it is told").unwrap();
    assert_eq!(*change, Change { run: waits, events: 3 });
    assert_eq!(server.runner.load(), (0, 1));
    stage.let_go(1);
    over(&server.runner, &works).await;
    server.stop().await;
}
