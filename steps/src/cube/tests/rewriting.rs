//! Other layouts of a dataset: the same numbers in other chunks, whatever happens meanwhile.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use frazil_engine::{
    data::{Action, SnapshotId, Status},
    step::{ErrorKind, StepError},
};
use futures::future::BoxFuture;
use serde_json::json;

use super::support::{Bench, bench, day, expected, finals, slice};
use crate::cube::{
    Changes, Cube, Layout, rechunk,
    rewrite::{Casts, Recast, Reference, Rewrite, Stretch, Target, run},
};

pub(super) fn layout(chunks: &[(&str, u64)], shards: &[(&str, u64)], level: i32) -> Layout {
    let map = |all: &[(&str, u64)]| -> BTreeMap<String, u64> {
        all.iter().map(|(name, length)| ((*name).to_owned(), *length)).collect()
    };
    Layout { chunks: map(chunks), shards: map(shards), level }
}

/// A rechunk that has something done before some of its stretches are written.
struct Disturbed<'a> {
    inner: Recast,
    stretches: AtomicUsize,
    before: &'a (dyn Fn(usize) -> BoxFuture<'a, Result<(), StepError>> + Sync),
}

impl Rewrite for Disturbed<'_> {
    const KIND: &'static str = Recast::KIND;
    type Plan = Casts;

    fn target(&self, main: &Cube) -> Result<Option<Target<Casts>>, StepError> {
        self.inner.target(main)
    }

    async fn fill(
        &mut self,
        main: &Arc<Cube>,
        target: &Target<Casts>,
        stretch: &Stretch,
        what: &Arc<str>,
    ) -> Result<Vec<Reference>, StepError> {
        let number = self.stretches.fetch_add(1, Ordering::Relaxed) + 1;
        (self.before)(number).await?;
        self.inner.fill(main, target, stretch, what).await
    }

    fn batch(&self) -> u64 {
        self.inner.batch
    }

    fn message(&self, main: &Cube, target: &Target<Casts>) -> String {
        self.inner.message(main, target)
    }
}

/// Rechunks window by window of so many bytes, with a commit on the branch after so many.
pub(super) async fn in_steps(bench: &Bench, layout: Layout, window: usize, batch: u64) {
    let mut recast = Recast::new(layout);
    (recast.batch, recast.window) = (batch, window);
    run(&mut recast, &bench.info, &bench.cx).await.unwrap();
}

/// Rechunks with a commit on the branch after every window; gives the head and how many stretches were
/// written.
async fn disturbed<'a>(
    bench: &'a Bench,
    layout: Layout,
    before: &'a (dyn Fn(usize) -> BoxFuture<'a, Result<(), StepError>> + Sync),
) -> (Result<Option<SnapshotId>, StepError>, usize) {
    let mut inner = Recast::new(layout);
    inner.batch = 1;
    inner.window = 1;
    let mut rewrite = Disturbed { inner, stretches: AtomicUsize::new(0), before };
    let done = run(&mut rewrite, &bench.info, &bench.cx).await;
    (done, rewrite.stretches.into_inner())
}

fn nothing<'a>(_: usize) -> BoxFuture<'a, Result<(), StepError>> {
    Box::pin(async { Ok(()) })
}

async fn branches(bench: &Bench) -> Vec<String> {
    let mut names = bench.cube().await.unwrap().repository.list_branches().await.unwrap();
    names.retain(|name| name != "main");
    names.into_iter().collect()
}

async fn chunks(bench: &Bench) -> Vec<u64> {
    bench.cube().await.unwrap().template().variables[0].chunks.clone()
}

#[tokio::test]
async fn values_labels_and_attributes_stay_as_they_are() {
    let bench = bench(json!({ "chunks": { "time": 1 }, "attributes": { "institution": "here" } }));
    bench.add(1, 9).await;
    let gap = vec![slice(day(10), Status::Gap, 0.0)];
    let written = bench.write(0, Action::Add, gap).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    let before = bench.cube().await.unwrap();
    let contents = bench.contents().await;
    let wanted = layout(&[("time", 4), ("y", 5)], &[], 7);
    let id = rechunk(&bench.info, wanted.clone(), &bench.cx).await.unwrap();
    let after = bench.cube().await.unwrap();
    assert_eq!(id, Some(after.id()));
    assert_eq!(bench.contents().await, contents);
    assert_eq!(after.template().variables[0].chunks, [4, 5, 8]);
    assert_eq!(after.provenance(), before.provenance());
    // Nothing but chunks and codecs is another.
    let mut nodes = after.nodes.clone();
    let rain = nodes.get_mut("/rain").unwrap();
    assert_eq!(rain["codecs"][1]["configuration"]["level"], 7);
    rain["chunk_grid"] = before.nodes["/rain"]["chunk_grid"].clone();
    rain["codecs"] = before.nodes["/rain"]["codecs"].clone();
    assert_eq!(nodes, before.nodes);
    // Who hangs from it sees no change, and the history goes on.
    assert_eq!(after.changes_since(&before.id()).await.unwrap(), Changes::Periods(Vec::new()));
    assert_eq!(branches(&bench).await, Vec::<String>::new());
    // In shape is no commit.
    assert_eq!(rechunk(&bench.info, wanted, &bench.cx).await.unwrap(), id);
    assert_eq!(bench.head().await, id.map(|id| id.0));
}

#[tokio::test]
async fn appends_and_revisions_go_on_in_the_new_layout() {
    let bench = bench(json!({ "chunks": { "time": 4 } }));
    bench.add(1, 6).await;
    let wanted = layout(&[("time", 3), ("y", 2)], &[("time", 6), ("y", 4)], 3);
    rechunk(&bench.info, wanted, &bench.cx).await.unwrap();
    bench.add(7, 9).await;
    let written = bench.write(0, Action::Revise, vec![slice(day(5), Status::Final, 7.0)]).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    let mut all: Vec<_> = (1..=9).map(|n| (n, Status::Final, 0.0)).collect();
    all[4].2 = 7.0;
    assert_eq!(bench.contents().await, expected(&all));
}

#[tokio::test]
async fn a_batch_of_the_layout_before_is_listed_anew() {
    let bench = bench(json!({ "chunks": { "time": 1 } }));
    bench.add(1, 5).await;
    let written = bench.write(0, Action::Add, vec![slice(day(6), Status::Final, 0.0)]).await.unwrap();
    let id = rechunk(&bench.info, layout(&[("time", 4)], &[], 3), &bench.cx).await.unwrap();
    let refused = bench.commit(vec![written]).await.unwrap_err();
    assert_eq!(refused.failure().unwrap().kind, ErrorKind::Moved);
    assert_eq!(bench.head().await, id.map(|id| id.0));
    bench.add(6, 6).await;
    assert_eq!(bench.contents().await, finals(1..=6));
}

#[tokio::test]
async fn what_arrives_meanwhile_is_brought_in() {
    let bench = bench(json!({ "chunks": { "time": 1 } }));
    bench.add(1, 10).await;
    let before = bench.cube().await.unwrap();
    let arrive = |number: usize| -> BoxFuture<'_, Result<(), StepError>> {
        let bench = &bench;
        Box::pin(async move {
            // New periods, and other values of some that are rewritten already.
            if number == 3 {
                bench.add(11, 13).await;
                let revised = vec![slice(day(2), Status::Final, 5.0)];
                let written = bench.write(0, Action::Revise, revised).await.unwrap();
                bench.commit(vec![written]).await.unwrap();
            }
            Ok(())
        })
    };
    let (id, _) = disturbed(&bench, layout(&[("time", 2)], &[], 3), &arrive).await;
    assert_eq!(Some(id.unwrap().unwrap().0), bench.head().await);
    let mut all: Vec<_> = (1..=13).map(|n| (n, Status::Final, 0.0)).collect();
    all[1].2 = 5.0;
    assert_eq!(bench.contents().await, expected(&all));
    assert_eq!(chunks(&bench).await, [2, 6, 8]);
    // Every commit of `main` is an ancestor of its head.
    let after = bench.cube().await.unwrap();
    assert_eq!(after.commits(|_| true).await.unwrap().len(), 4);
    assert!(matches!(after.changes_since(&before.id()).await.unwrap(), Changes::Periods(p) if p.len() == 2));
    assert_eq!(branches(&bench).await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_is_stopped_leaves_main_alone_and_the_next_goes_on() {
    let bench = bench(json!({ "chunks": { "time": 1 } }));
    bench.add(1, 10).await;
    let head = bench.head().await;
    let stop = |number: usize| -> BoxFuture<'_, Result<(), StepError>> {
        Box::pin(async move { if number == 4 { Err(StepError::Cancelled) } else { Ok(()) } })
    };
    let wanted = layout(&[("time", 2)], &[], 3);
    let (stopped, _) = disturbed(&bench, wanted.clone(), &stop).await;
    assert!(stopped.is_err());
    assert_eq!(bench.head().await, head);
    assert_eq!(bench.contents().await, finals(1..=10));
    assert_eq!(branches(&bench).await.len(), 1);
    bench.add(11, 11).await;
    let (done, stretches) = disturbed(&bench, wanted, &nothing).await;
    // Three of five stretches were done, and a sixth arrived.
    assert_eq!((done.is_ok(), stretches), (true, 3));
    assert_eq!(bench.contents().await, finals(1..=11));
    assert_eq!(branches(&bench).await, Vec::<String>::new());
}

#[tokio::test]
async fn two_at_a_time_end_in_one_layout() {
    let bench = bench(json!({ "chunks": { "time": 1 } }));
    bench.add(1, 10).await;
    let wanted = layout(&[("time", 2)], &[], 3);
    let (one, other) = tokio::join!(
        disturbed(&bench, wanted.clone(), &nothing),
        disturbed(&bench, wanted.clone(), &nothing)
    );
    assert_eq!(one.0.unwrap(), other.0.unwrap());
    assert_eq!(bench.contents().await, finals(1..=10));
    let after = bench.cube().await.unwrap();
    assert_eq!(after.commits(|_| true).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_unknown_dimension_is_refused() {
    let bench = bench(json!({}));
    bench.add(1, 3).await;
    let head = bench.head().await;
    let refused = rechunk(&bench.info, layout(&[("tme", 2)], &[], 3), &bench.cx).await;
    bench.refused(refused, &head, "`tme` is no dimension of `rain`").await;
}

#[tokio::test]
async fn earlier_periods_that_fill_no_unit_are_inserted_by_a_rewrite() {
    for block in [
        json!({ "chunks": { "time": 4, "y": 4, "x": 3 } }),
        json!({ "chunks": { "time": 2, "y": 3, "x": 4 }, "shards": { "time": 4, "y": 6, "x": 8 } }),
    ] {
        let bench = bench(block);
        bench.add(1, 9).await;
        let before = bench.cube().await.unwrap();
        let days = |from: i64, to: i64| (from..=to).map(|n| slice(day(n), Status::Final, 0.0)).collect();
        // As they are listed: whole units first, written ahead of each other.
        let whole = bench.write(0, Action::Add, days(-3, 0)).await.unwrap();
        let rest = bench.write(1, Action::Add, days(-6, -4)).await.unwrap();
        let snapshot = bench.commit(vec![whole, rest.clone()]).await.unwrap();
        assert_eq!(snapshot.base, Some(before.id()));
        assert_eq!(bench.contents().await, finals(-6..=9));
        let after = bench.cube().await.unwrap();
        let added = |range: &frazil_engine::data::PeriodRange| (range.first, range.last);
        let commits = after.commits(|_| true).await.unwrap();
        assert_eq!(commits.len(), 3);
        assert_eq!(commits[0].added.iter().map(added).collect::<Vec<_>>(), [(day(-6), day(-4))]);
        assert_eq!(after.nodes["/"]["attributes"]["time_coverage_start"], "2023-12-25T00:00:00Z");
        assert_eq!(branches(&bench).await, Vec::<String>::new());
        // Who held the state before still reads it.
        let held = before.read("rain", 0..9, None).await.unwrap();
        let now = after.read("rain", 7..16, None).await.unwrap();
        assert_eq!(held.bytes(), now.bytes());
        // Committing twice is committing once, and it goes on behind.
        bench.commit(vec![rest]).await.unwrap();
        assert_eq!(bench.head().await, snapshot.id.map(|id| id.0));
        bench.add(10, 11).await;
        assert_eq!(bench.contents().await, finals(-6..=11));
    }
}
