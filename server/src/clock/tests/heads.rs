//! Heads of datasets that move while pipelines hang from them.

use frazil_engine::{
    context::ManualClock,
    data::{DatasetId, SnapshotId},
};

use super::{
    super::heads::{Wakes, hanging},
    *,
};

const HANGS: &str = "  - { dataset: rain_daily }\n";

/// A server that looks at the head of `rain_daily` when it is told to.
struct Looker {
    stage: Stage,
    triggers: Triggers,
    clock: Arc<ManualClock>,
    wakes: Wakes,
}

impl Looker {
    fn new(pipelines: &[(&str, &str)]) -> Self {
        let stage = Stage::new(&[&[("rain", "  - http: {}\n")], pipelines].concat());
        let clock = Arc::new(ManualClock::at(at("2026-03-01T06:00:00Z")));
        let triggers = stage.triggers(Arc::clone(&clock) as Arc<dyn Clock>);
        Self { stage, triggers, clock, wakes: Wakes::default() }
    }

    /// As another process that finds the same state.
    fn starts_anew(&mut self) {
        self.triggers = self.stage.triggers(Arc::clone(&self.clock) as Arc<dyn Clock>);
        self.wakes = Wakes::default();
    }

    async fn try_sees(&mut self, head: &str) -> Result<(), StepError> {
        self.clock.sleep(Duration::from_secs(2)).await;
        let project = self.triggers.live.project();
        let heads = [("rain_daily".parse::<DatasetId>().unwrap(), SnapshotId(head.to_owned()))];
        self.wakes.follow(&self.triggers, &heads, &hanging(&project)).await
    }

    async fn sees(&mut self, head: &str) {
        self.try_sees(head).await.unwrap();
    }

    /// The pipelines that were started with the heads that started them.
    fn started(&self) -> Vec<(String, String)> {
        let head = |run: &Submission| match &run.cause {
            Cause::Dataset { snapshot, .. } => snapshot.0.clone(),
            other => panic!("{other:?}"),
        };
        self.stage.book.runs().iter().map(|run| (run.pipeline.to_string(), head(run))).collect()
    }
}

fn of<const N: usize>(runs: [(&str, &str); N]) -> Vec<(String, String)> {
    runs.map(|(pipeline, head)| (pipeline.to_owned(), head.to_owned())).to_vec()
}

#[tokio::test]
async fn a_head_wakes_each_that_hangs_from_it_once_over_restarts() {
    let mut looker = Looker::new(&[("snow", HANGS), ("ice", HANGS)]);
    looker.sees("a").await;
    looker.sees("a").await;
    let both = of([("ice", "a"), ("snow", "a")]);
    assert_eq!(looker.started(), both);
    looker.starts_anew();
    looker.sees("a").await;
    assert_eq!(looker.started(), both);
    assert!(looker.stage.book.runs().iter().all(|run| run.overlap == Overlap::Queue && run.key.is_none()));
    // A file that comes later hangs from what is there already.
    looker.stage.book.begin();
    looker.stage.write("fog", "  - { dataset: rain_daily, overlap: replace }\n");
    assert!(looker.triggers.live.reload().await);
    looker.sees("a").await;
    assert_eq!(looker.started()[2..], of([("fog", "a")]));
    assert_eq!(looker.stage.book.runs()[2].overlap, Overlap::Replace);
}

/// Also where a parameter is made of the instant, which is another for each.
#[tokio::test]
async fn many_commits_while_a_run_is_at_work_are_one_run_after_it() {
    let mut looker = Looker::new(&[("snow", HANGS)]);
    let path = looker.stage.folder.path().join("pipelines/snow.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let param = "params: { until: { type: string, default: \"{{ now }}\" } }\ndatasets:";
    std::fs::write(path, text.replacen("datasets:", param, 1)).unwrap();
    assert!(looker.triggers.live.reload().await);
    looker.sees("a").await;
    // It is at work, and may have looked already.
    looker.stage.book.begin();
    for head in ["b", "c", "d", "e"] {
        looker.sees(head).await;
    }
    assert_eq!(looker.started(), of([("snow", "a"), ("snow", "b")]));
    let untils: BTreeSet<_> =
        looker.stage.book.runs().iter().map(|run| run.params["until"].to_string()).collect();
    assert_eq!(untils.len(), 2, "the parameter is of the instant: {untils:?}");
    looker.stage.book.begin();
    looker.sees("e").await;
    assert_eq!(looker.started().len(), 2, "what it waited for it has seen");
    looker.sees("f").await;
    assert_eq!(looker.started()[2..], of([("snow", "f")]));
}

#[tokio::test]
async fn a_run_that_waits_with_other_parameters_is_another() {
    let mut looker = Looker::new(&[("snow", "  - http: {}\n")]);
    let triggers = "triggers:\n  - { dataset: rain_daily, params: { only: a } }\n  - { dataset: rain_daily, params: { only: b } }\n";
    let path = looker.stage.folder.path().join("pipelines/snow.yaml");
    let text = std::fs::read_to_string(&path).unwrap().replace("triggers:\n  - http: {}\n", triggers);
    let param = "params: { only: { type: string } }\ndatasets:";
    std::fs::write(path, text.replacen("datasets:", param, 1)).unwrap();
    assert!(looker.triggers.live.reload().await, "{text}");
    looker.sees("a").await;
    looker.sees("b").await;
    let only: Vec<_> = looker.stage.book.runs().iter().map(|run| run.params["only"].clone()).collect();
    assert_eq!(only, ["a", "b"]);
}

#[tokio::test]
async fn a_wake_that_meets_a_full_queue_is_tried_again_and_not_lost() {
    let mut looker = Looker::new(&[("snow", HANGS)]);
    *looker.stage.book.full.lock().unwrap() = 2;
    looker.sees("a").await;
    assert!(looker.started().is_empty());
    // Over a restart, too.
    looker.starts_anew();
    looker.sees("a").await;
    assert!(looker.started().is_empty());
    looker.sees("a").await;
    looker.sees("a").await;
    assert_eq!(looker.started(), of([("snow", "a")]));
}

#[tokio::test]
async fn what_was_started_and_could_not_be_noted_is_not_started_again() {
    let mut looker = Looker::new(&[("snow", HANGS)]);
    // It dies between the two.
    looker.stage.book.dies_after(0);
    let dying = tokio::time::timeout(Duration::from_millis(50), looker.sees("a")).await;
    assert!(dying.is_err());
    *looker.stage.book.left.lock().unwrap() = None;
    looker.stage.book.begin();
    looker.starts_anew();
    looker.sees("a").await;
    assert_eq!(looker.started(), of([("snow", "a")]));
    // Neither while the state cannot be read, nor where it breaks in the middle.
    looker.stage.breaks(true);
    assert!(looker.try_sees("b").await.is_err());
    looker.stage.breaks(false);
    assert_eq!(looker.started().len(), 1);
    looker.sees("b").await;
    looker.sees("b").await;
    assert_eq!(looker.started()[1..], of([("snow", "b")]));
}

/// Somebody takes a commit back, and what is derived has to follow.
#[tokio::test]
async fn a_head_that_comes_back_wakes_again() {
    let mut looker = Looker::new(&[("snow", HANGS)]);
    looker.sees("a").await;
    // This one is seen by the run that waits.
    looker.sees("b").await;
    looker.stage.book.begin();
    looker.sees("a").await;
    assert_eq!(looker.started(), of([("snow", "a"), ("snow", "a")]));
}
