//! What triggers ask of the runner, so that many commits become one run.

use frazil_engine::data::DatasetId;

use super::*;
use crate::clock::Starter;

/// A commit to a dataset.
fn commit(snapshot: &str) -> Cause {
    let dataset: DatasetId = "ice".parse().unwrap();
    Cause::Dataset { dataset, snapshot: frazil_engine::data::SnapshotId(snapshot.to_owned()) }
}

#[tokio::test]
async fn a_commit_starts_no_run_where_one_waits_that_will_see_it() {
    let stage = Stage::new("starter");
    let server = stage.server().await;
    let (runner, pipeline) = (&server.runner, "p".parse().unwrap());
    let waits = async |pipeline: &PipelineId| runner.waiting(pipeline).await.unwrap();
    let by = |cause| Submission { cause, ..asked("p") };
    assert!(waits(&pipeline).await.is_empty());
    let first = runner.submit(by(commit("S1"))).await.unwrap();
    until("the first is at work", || lock(&stage.world()).began.len() == 1).await;
    // One that is at work may have looked already, and what a person asked for is another matter.
    runner.submit(asked("p")).await.unwrap();
    assert!(waits(&pipeline).await.is_empty());
    assert!(!runner.started(&pipeline, &commit("S1")).await.unwrap(), "the newest is another");
    let asked = by(commit("S2"));
    let second = runner.submit(asked.clone()).await.unwrap();
    assert_eq!(waits(&pipeline).await, [(asked.instant, asked.params)], "what it does, to be compared");
    assert!(waits(&"q".parse().unwrap()).await.is_empty());
    assert!(runner.started(&pipeline, &commit("S2")).await.unwrap());
    stage.let_go(3);
    for run in [&first, &second] {
        over(runner, run).await;
        assert!(runner.is_over(run).await);
    }
    assert!(waits(&pipeline).await.is_empty());
    server.stop().await;
}
