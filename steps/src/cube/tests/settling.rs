//! What is written stands where it belongs, once.

use frazil_engine::{
    data::{Action, PeriodRange, Status},
    step::StepError,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::support::{bench, day, expected, finals, slice};
use crate::cube::{BatchWriter, Changes, CommitNotes, Cube, Spares, Window, commit};

#[tokio::test]
async fn looking_creates_nothing_and_an_empty_repository_is_empty() {
    let bench = bench(json!({}));
    assert!(bench.cube().await.is_none());
    assert!(!bench.folder.path().join("rain").exists());
    // The write half creates the repository, but nothing refers to anything yet.
    let written = bench.write(0, Action::Add, vec![slice(day(1), Status::Final, 0.0)]).await.unwrap();
    assert!(bench.folder.path().join("rain/repo").exists());
    assert!(bench.cube().await.is_none());
    assert_eq!(written.base, None);
}

#[tokio::test]
async fn what_cannot_be_read_is_never_empty() {
    let bench = bench(json!({}));
    bench.add(1, 3).await;
    let entry = bench.folder.path().join("rain/repo");
    let bytes = std::fs::read(&entry).unwrap();
    std::fs::write(&entry, &bytes[..bytes.len() / 2]).unwrap();
    assert!(Cube::open(&bench.info, &bench.cx.scope).await.is_err());
    std::fs::remove_file(&entry).unwrap();
    let error = Cube::open(&bench.info, &bench.cx.scope).await.unwrap_err();
    assert!(error.to_string().contains("holds files but no repository"), "{error}");
    let begun = BatchWriter::begin(&bench.info, &bench.cx.scope, bench.batch_of_nothing()).await;
    assert!(begun.is_err());
    assert!(!entry.exists());
    std::fs::write(&entry, &bytes).unwrap();
    assert_eq!(bench.contents().await, finals(1..=3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_while_another_creates_finds_nothing_or_a_repository() {
    for _ in 0..40 {
        let bench = bench(json!({}));
        let (done, info, scope) = (CancellationToken::new(), bench.info.clone(), bench.cx.scope.clone());
        let looks = (0..3).map(|_| {
            let (done, info, scope) = (done.clone(), info.clone(), scope.clone());
            tokio::spawn(async move {
                while !done.is_cancelled() {
                    Cube::open(&info, &scope).await.map(|_| ())?;
                }
                Ok::<(), StepError>(())
            })
        });
        let looks: Vec<_> = looks.collect();
        bench.write(0, Action::Add, vec![slice(day(1), Status::Final, 0.0)]).await.unwrap();
        done.cancel();
        for look in looks {
            look.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn an_interrupted_creation_is_begun_again() {
    let bench = bench(json!({}));
    bench.write(0, Action::Add, vec![slice(day(1), Status::Final, 0.0)]).await.unwrap();
    let folder = bench.folder.path().join("rain");
    std::fs::remove_file(folder.join("repo")).unwrap();
    std::fs::remove_dir_all(folder.join("chunks")).ok();
    bench.add(1, 2).await;
    assert_eq!(bench.contents().await, finals(1..=2));
}

#[tokio::test]
async fn appends_go_on_in_a_chunk_that_is_filled_in_part() {
    let bench = bench(json!({}));
    bench.add(1, 5).await;
    bench.add(6, 7).await;
    let snapshot = bench.add(8, 13).await;
    assert_eq!(bench.contents().await, finals(1..=13));
    assert_eq!(snapshot.id.map(|id| id.0), bench.head().await);
    assert!(snapshot.base.is_some());
}

#[tokio::test]
async fn shards_and_single_chunks_hold_the_same() {
    for chunks in [
        json!({ "chunks": { "time": 2, "y": 3, "x": 4 }, "shards": { "time": 4, "y": 6, "x": 8 } }),
        json!({ "chunks": { "time": 1 } }),
    ] {
        let bench = bench(chunks);
        bench.add(1, 5).await;
        bench.add(6, 9).await;
        assert_eq!(bench.contents().await, finals(1..=9));
    }
}

#[tokio::test]
async fn windows_and_ranges_are_cut_out() {
    let bench = bench(json!({}));
    bench.add(1, 9).await;
    let cube = bench.cube().await.unwrap();
    let whole = cube.read("rain", 0..9, None).await.unwrap();
    let part = cube.read("rain", 3..6, Some(&Window { y: 2..5, x: 1..4, extra: Vec::new() })).await.unwrap();
    let mut at = 0;
    for t in 3..6 {
        for y in 2..5 {
            for x in 1..4 {
                let (a, b) = (part.get(at), whole.get(t * 48 + y * 8 + x));
                assert!(a == b || (a.is_nan() && b.is_nan()), "{t} {y} {x}: {a} {b}");
                at += 1;
            }
        }
    }
    assert_eq!(at, part.len());
}

#[tokio::test]
async fn blocks_that_are_used_again_hold_what_is_read_and_nothing_else() {
    for chunks in [json!({ "time": 4 }), json!({ "time": 1 }), json!({ "time": 4, "y": 4, "x": 3 })] {
        let bench = bench(json!({ "chunks": chunks }));
        bench.add(1, 9).await;
        let cube = bench.cube().await.unwrap();
        // Put together from several chunks, each copied to its place.
        let whole = cube.read("rain", 0..9, None).await.unwrap();
        let spares = Spares::default();
        for (from, to) in [(0, 4), (5, 7), (0, 9), (8, 9), (4, 8), (6, 7)] {
            let again = cube.read_into("rain", from..to, None, &spares).await.unwrap();
            assert_eq!(again.bytes(), &whole.bytes()[from * 48 * 4..to * 48 * 4], "{chunks}: {from}..{to}");
            spares.give(again);
        }
    }
}

#[tokio::test]
async fn batches_written_ahead_are_one_commit() {
    let bench = bench(json!({}));
    bench.add(1, 3).await;
    let first = (4..=8).map(|n| slice(day(n), Status::Final, 0.0)).collect();
    let second = (9..=12).map(|n| slice(day(n), Status::Final, 0.0)).collect();
    let first = bench.write(0, Action::Add, first).await.unwrap();
    let second = bench.write(1, Action::Add, second).await.unwrap();
    // A run log keeps them as text.
    let text = serde_json::to_string(&vec![first, second]).unwrap();
    let written: Vec<_> = serde_json::from_str(&text).unwrap();
    bench.commit(written).await.unwrap();
    assert_eq!(bench.contents().await, finals(1..=12));
    let cube = bench.cube().await.unwrap();
    assert_eq!(ancestors(&bench.info, &bench.cx.scope, &cube).await, 3);
}

#[tokio::test]
async fn the_second_batch_of_a_new_dataset_may_be_written_before_the_first_is_committed() {
    let bench = bench(json!({}));
    let days = |from: i64, to: i64| (from..=to).map(|n| slice(day(n), Status::Final, 0.0)).collect();
    let first = bench.write(0, Action::Add, days(1, 8)).await.unwrap();
    let second = bench.write(1, Action::Add, days(9, 14)).await.unwrap();
    bench.commit(vec![first]).await.unwrap();
    bench.commit(vec![second]).await.unwrap();
    assert_eq!(bench.contents().await, finals(1..=14));
}

#[tokio::test]
async fn committing_twice_is_committing_once() {
    let bench = bench(json!({}));
    let days = |from: i64, to: i64| (from..=to).map(|n| slice(day(n), Status::Provisional, 0.0)).collect();
    let first = bench.write(0, Action::Add, days(1, 4)).await.unwrap();
    bench.commit(vec![first.clone()]).await.unwrap();
    let head = bench.head().await;
    bench.commit(vec![first.clone()]).await.unwrap();
    assert_eq!(bench.head().await, head);
    let revised = vec![slice(day(2), Status::Final, 0.5)];
    let revised = bench.write(0, Action::Revise, revised).await.unwrap();
    bench.commit(vec![revised.clone()]).await.unwrap();
    let head = bench.head().await;
    bench.commit(vec![first, revised]).await.unwrap();
    assert_eq!(bench.head().await, head);
}

#[tokio::test]
async fn revisions_and_gaps_change_in_place() {
    let bench = bench(json!({}));
    let statuses = [Status::Final, Status::Gap, Status::Provisional, Status::Final, Status::Provisional];
    let slices = (1..).zip(statuses).map(|(n, status)| slice(day(n), status, 0.0)).collect();
    let written = bench.write(0, Action::Add, slices).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    let base = bench.cube().await.unwrap();
    assert_eq!(base.axis().status(day(2)), Some(Status::Gap));
    let fill = bench.write(0, Action::Fill, vec![slice(day(2), Status::Final, 0.0)]).await.unwrap();
    bench.commit(vec![fill]).await.unwrap();
    let revise = vec![slice(day(3), Status::Final, 0.0), slice(day(5), Status::Provisional, 7.0)];
    let revise = bench.write(0, Action::Revise, revise).await.unwrap();
    bench.commit(vec![revise]).await.unwrap();
    let (f, p) = (Status::Final, Status::Provisional);
    let all = expected(&[(1, f, 0.0), (2, f, 0.0), (3, f, 0.0), (4, f, 0.0), (5, p, 7.0)]);
    assert_eq!(bench.contents().await, all);
    let cube = bench.cube().await.unwrap();
    let changes = cube.changes_since(&base.id()).await.unwrap();
    let ranges = vec![PeriodRange { first: day(2), last: day(3) }, PeriodRange::one(day(5))];
    assert_eq!(changes, Changes::Periods(ranges));
    assert_eq!(cube.changes_since(&cube.id()).await.unwrap(), Changes::Periods(Vec::new()));
    assert_eq!(base.changes_since(&cube.id()).await.unwrap(), Changes::NotAncestor);
    // The older state still reads as it was.
    let old = Cube::open_at(&bench.info, &bench.cx.scope, &base.id()).await.unwrap();
    assert_eq!(old.axis().status(day(2)), Some(Status::Gap));
}

#[tokio::test]
async fn equal_values_and_status_are_no_commit() {
    let bench = bench(json!({}));
    bench.add(1, 6).await;
    let head = bench.head().await;
    let same = bench.write(0, Action::Revise, vec![slice(day(3), Status::Final, 0.0)]).await.unwrap();
    bench.commit(vec![same.clone()]).await.unwrap();
    assert_eq!(bench.head().await, head);
    // Unless newer sources are to be recorded: then the commit says that nothing changed.
    let notes = CommitNotes { always: true, ..CommitNotes::default() };
    let old = bench.cube().await.unwrap().id();
    commit(&bench.info, &bench.cx, vec![same], notes).await.unwrap();
    assert_ne!(bench.head().await, head);
    let cube = bench.cube().await.unwrap();
    assert_eq!(cube.changes_since(&old).await.unwrap(), Changes::Periods(Vec::new()));
}

#[tokio::test]
async fn earlier_periods_are_inserted_by_a_shift() {
    let bench = bench(json!({}));
    bench.add(1, 6).await;
    let days = |from: i64, to: i64| (from..=to).map(|n| slice(day(n), Status::Final, 0.0)).collect();
    let newer = bench.write(0, Action::Add, days(-3, 0)).await.unwrap();
    let older = bench.write(1, Action::Add, days(-11, -4)).await.unwrap();
    bench.commit(vec![newer, older]).await.unwrap();
    assert_eq!(bench.contents().await, finals(-11..=6));
    bench.add(7, 9).await;
    assert_eq!(bench.contents().await, finals(-11..=9));
}

#[tokio::test]
async fn a_batch_of_earlier_periods_that_ends_early_inserts_nothing() {
    let bench = bench(json!({}));
    bench.add(1, 6).await;
    let head = bench.head().await;
    let periods: Vec<_> = (-3..=0).map(day).collect();
    let batch = bench.batch(0, &periods, Action::Add).await;
    let mut writer = BatchWriter::begin(&bench.info, &bench.cx.scope, batch).await.unwrap();
    writer.put(slice(day(-3), Status::Final, 0.0)).await.unwrap();
    let written = writer.finish(frazil_engine::step::Ended::Frontier).await.unwrap();
    bench.refused(bench.commit(vec![written]).await, &head, "do not reach up to 2024-01-01").await;
}

#[tokio::test]
async fn what_the_head_carries_is_carried_forward() {
    let bench = bench(json!({ "version": "3.0" }));
    let written = bench.write(0, Action::Add, vec![slice(day(1), Status::Final, 0.0)]).await.unwrap();
    let source = crate::cube::SourceState {
        repository: "/cubes/source".to_owned(),
        snapshot: frazil_engine::data::SnapshotId("ABC".to_owned()),
    };
    let sources = [("source".parse().unwrap(), source)].into();
    let notes = CommitNotes { sources, ..CommitNotes::default() };
    commit(&bench.info, &bench.cx, vec![written], notes.clone()).await.unwrap();
    bench.add(2, 3).await;
    let cube = bench.cube().await.unwrap();
    let provenance = cube.provenance();
    assert_eq!(provenance.sources, notes.sources);
    assert_eq!((provenance.definition.as_deref(), provenance.version.as_deref()), (Some("d1"), Some("3.0")));
}

async fn ancestors(
    info: &frazil_engine::dataset::DatasetInfo,
    scope: &frazil_engine::context::Scope,
    cube: &Cube,
) -> usize {
    use futures::TryStreamExt;
    let repository = crate::cube::repo::open(info, scope).await.unwrap().unwrap();
    let version = icechunk::repository::VersionInfo::SnapshotId(cube.id.clone());
    repository.ancestry(&version).await.unwrap().try_fold(0, |n, _| async move { Ok(n + 1) }).await.unwrap()
}
