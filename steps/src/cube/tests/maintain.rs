//! What is let go, and that nothing else is.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{Action, Duration, Period, RunId, Slice, Status, Values},
    event::{Accepted, Event, Origin, RunEvent},
    store::{RunStore, SqliteStore},
};
use serde_json::json;

use super::support::{Bench, bench, day, field, slice};
use crate::cube::{
    Changes, CommitNotes, Cube, Objects, Retention, SourceState, Sweep, commit, foresee, sweep,
};

/// Everything goes that may.
const NOTHING: Retention =
    Retention { age: Duration::from_millis(0), count: 1, unreferenced: Duration::from_millis(0) };

/// Files of a repository by their folder.
fn files(bench: &Bench) -> BTreeMap<String, Objects> {
    let mut found: BTreeMap<String, Objects> = BTreeMap::new();
    let root = Path::new(&bench.info.location.url);
    for folder in ["chunks", "manifests", "overwritten", "snapshots", "transactions"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for entry in entries {
            let objects = found.entry(folder.to_owned()).or_default();
            objects.count += 1;
            objects.bytes += entry.unwrap().metadata().unwrap().len();
        }
    }
    found
}

/// An instant after all that was made so far.
fn later() -> DateTime<Utc> {
    Utc::now() + chrono::Duration::seconds(2)
}

async fn swept(bench: &Bench, retention: Retention) -> Sweep {
    let now = later();
    let foreseen = foresee(&bench.info, retention, now, &bench.cx.scope).await.unwrap().unwrap();
    let before = files(bench);
    let swept = sweep(&bench.info, retention, now, &bench.cx).await.unwrap().unwrap();
    assert_eq!(swept, foreseen, "what was foreseen is what was done");
    let after = files(bench);
    for folder in ["chunks", "manifests", "snapshots", "transactions"] {
        let count = |found: &BTreeMap<String, Objects>| found.get(folder).copied().unwrap_or_default();
        let gone = swept.deleted.get(folder).copied().unwrap_or_default();
        assert_eq!(count(&before).count - count(&after).count, gone.count, "{folder}: {swept:?}");
        assert_eq!(count(&before).bytes - count(&after).bytes, gone.bytes, "{folder}: {swept:?}");
    }
    swept
}

/// A day of numbers that no codec makes smaller: a chunk of them is an object of its own.
fn noise(n: i64) -> Slice {
    let mut state = u64::try_from(n).unwrap();
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 1024.0
    };
    let values: Vec<f32> = (0..48).map(|_| next()).collect();
    Slice { fields: vec![field("rain", values)], ..slice(day(n), Status::Final, 0.0) }
}

/// A commit that changes one day.
async fn mark_one(bench: &Bench) {
    let changed = Slice { fields: noise(40).fields, ..noise(1) };
    let written = bench.write(0, Action::Revise, vec![changed]).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
}

async fn add(bench: &Bench, n: i64) {
    let written = bench.write(0, Action::Add, vec![noise(n)]).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
}

/// Days with a commit each, on chunks of four.
async fn daily(days: i64) -> Bench {
    let bench = bench(json!({ "chunks": { "time": 4, "y": 6, "x": 8 } }));
    for n in 1..=days {
        add(&bench, n).await;
    }
    bench
}

fn is_noise(contents: &[(Period, Status, Vec<Option<f32>>)], days: i64) -> bool {
    let expected = (1..=days).map(|n| match &noise(n).fields[0].values {
        Values::Float32(values) => values.iter().copied().map(Some).collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    contents.iter().map(|(_, _, values)| values.clone()).eq(expected)
}

#[tokio::test]
async fn what_nothing_refers_to_goes_and_every_number_stays() {
    let bench = daily(18).await;
    let head = bench.head().await;
    // Chunks of one or two days are small enough to stand in manifests.
    assert_eq!(files(&bench)["chunks"].count, 8, "{:?}", files(&bench));
    let swept = swept(&bench, NOTHING).await;
    assert_eq!(swept.snapshots.len(), 17, "{swept:?}");
    assert!(swept.snapshots[0].message.contains("2024-01-01"), "{swept:?}");
    let left = files(&bench);
    assert_eq!(left["snapshots"].count, 2, "the head, and the first that holds nothing: {left:?}");
    assert_eq!(left["chunks"].count, 4, "sixteen of eighteen days in chunks of four: {left:?}");
    assert!(left["overwritten"].count <= 2, "only what the maintenance itself left: {left:?}");
    assert_eq!(bench.head().await, head);
    assert!(is_noise(&bench.contents().await, 18));
    // It goes on from there.
    add(&bench, 19).await;
    assert!(is_noise(&bench.contents().await, 19));
    // Looking after itself leaves nothing to look after for ever.
    for _ in 0..3 {
        sweep(&bench.info, NOTHING, later(), &bench.cx).await.unwrap();
    }
    let left = foresee(&bench.info, NOTHING, later(), &bench.cx.scope).await.unwrap().unwrap();
    assert!(left.is_nothing(), "{left:?}");
}

#[tokio::test]
async fn young_objects_and_the_newest_snapshots_stay() {
    let bench = daily(6).await;
    let young = Retention { unreferenced: Duration::from_days(1), ..NOTHING };
    let found = swept(&bench, young).await;
    assert_eq!((found.snapshots.len(), found.objects()), (5, 0), "released, and too young to be deleted");
    let bench = daily(6).await;
    let found = swept(&bench, Retention { count: 4, ..NOTHING }).await;
    assert_eq!(found.snapshots.len(), 2, "{found:?}");
    assert!(found.reasons.iter().any(|reason| reason.contains("the newest 4 are kept")), "{found:?}");
}

#[tokio::test]
async fn what_a_running_run_has_written_is_there_when_it_commits() {
    let bench = daily(5).await;
    let store = SqliteStore::open(&bench.cx.scope.project.state).await.unwrap();
    let accepted = Accepted {
        pipeline: "p".parse().unwrap(),
        digest: String::new(),
        instant: Utc::now(),
        params: Default::default(),
        backfill: None,
        origin: Origin::default(),
        units: Vec::new(),
    };
    let run: RunId = "r9".parse().unwrap();
    let events = [Event::Accepted(accepted), Event::Opened { process: 1 }];
    store.create(&run, &events.map(|event| RunEvent::new(Utc::now(), event))).await.unwrap();
    let found = bench.cube().await.unwrap().id();
    let written = bench.write(0, Action::Add, vec![noise(6)]).await.unwrap();
    let other = bench.write(0, Action::Revise, vec![noise(5)]).await.unwrap();
    bench.commit(vec![other]).await.unwrap();
    mark_one(&bench).await;
    let swept = swept(&bench, NOTHING).await;
    assert!(swept.reasons.iter().any(|reason| reason.contains("a run is not over since")), "{swept:?}");
    assert!(
        Cube::open_at(&bench.info, &bench.cx.scope, &found).await.is_ok(),
        "the run may read what it found"
    );
    bench.commit(vec![written]).await.unwrap();
    let Values::Float32(expected) = noise(6).fields.remove(0).values else { panic!() };
    let stored = bench.contents().await.pop().unwrap().2;
    assert_eq!(stored, expected.into_iter().map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_another_dataset_was_made_from_is_an_ancestor_still() {
    let mut bench = daily(4).await;
    let recorded = bench.cube().await.unwrap().id();
    for n in 5..=8 {
        add(&bench, n).await;
    }
    let folder = bench.folder.path().to_owned();
    let monthly = json!({ "title": "M", "time": { "step": "P1D" },
        "variables": { "rain": { "units": "mm", "cell": "total", "dtype": "float32" } } });
    let mut datasets = crate::testing::datasets(&folder, json!({ "monthly": monthly }));
    let other = std::sync::Arc::clone(&datasets["monthly"]);
    datasets.extend([(bench.info.id.clone(), std::sync::Arc::new(bench.info.clone()))]);
    bench.cx.scope.datasets = std::sync::Arc::new(datasets);
    // The other dataset as a bench of its own.
    let derived =
        Bench { folder: tempfile::tempdir().unwrap(), info: (*other).clone(), cx: bench.cx.clone() };
    let written = derived.write(0, Action::Add, vec![slice(day(1), Status::Final, 0.0)]).await.unwrap();
    let state = SourceState { repository: bench.info.location.url.clone(), snapshot: recorded.clone() };
    let notes = CommitNotes { sources: [(bench.info.id.clone(), state)].into(), ..CommitNotes::default() };
    commit(&derived.info, &derived.cx, vec![written], notes).await.unwrap();
    let found = swept(&bench, NOTHING).await;
    assert_eq!(found.snapshots.len(), 3, "{found:?}");
    let cube = bench.cube().await.unwrap();
    let Changes::Periods(changed) = cube.changes_since(&recorded).await.unwrap() else { panic!() };
    assert_eq!(changed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2024-01-05/2024-01-08"]);
    assert!(Cube::open_at(&bench.info, &bench.cx.scope, &recorded).await.is_ok());
}
