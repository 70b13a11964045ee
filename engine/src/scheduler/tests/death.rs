use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::{fake::*, stage::*};
use crate::{
    data::RunId,
    event::{RunEvent, RunStatus},
    pipeline::Pipeline,
    scheduler::{RunError, resume, settle_dead, start},
    store::{MemoryStore, RunQuery, RunStore, RunStoreError, RunSummary},
};

/// A store whose process dies at an append, before it is durable or right after.
#[derive(Debug)]
struct Dying {
    store: Arc<MemoryStore>,
    left: AtomicUsize,
    after: bool,
}

fn dead() -> RunStoreError {
    RunStoreError::Unusable { place: "here".to_owned(), doing: "write", why: "the process died".to_owned() }
}

#[async_trait]
impl RunStore for Dying {
    async fn create(&self, run: &RunId, events: &[RunEvent]) -> Result<(), RunStoreError> {
        self.store.create(run, events).await
    }
    async fn append(&self, run: &RunId, after: usize, events: &[RunEvent]) -> Result<(), RunStoreError> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left > 0 {
            return self.store.append(run, after, events).await;
        }
        if self.after {
            self.store.append(run, after, events).await?;
        }
        Err(dead())
    }
    async fn load(&self, run: &RunId) -> Result<Vec<RunEvent>, RunStoreError> {
        self.store.load(run).await
    }
    async fn list(&self, query: &RunQuery) -> Result<Vec<RunSummary>, RunStoreError> {
        self.store.list(query).await
    }
    async fn remove(&self, run: &RunId) -> Result<(), RunStoreError> {
        self.store.remove(run).await
    }
}

/// A cube of 11 days in batches of 4, killed at append `at`. None when the run ended before it.
async fn killed(name: &str, at: usize, after: bool) -> Option<Arc<MemoryStore>> {
    killed_in(&chirps(name, 11, 4, 1), at, after).await
}

/// A run that is killed at append `at`. None when it ended before it.
pub(super) async fn killed_in(pipeline: &Arc<Pipeline>, at: usize, after: bool) -> Option<Arc<MemoryStore>> {
    let store = Arc::new(MemoryStore::new());
    let dying = Dying { store: Arc::clone(&store), left: AtomicUsize::new(at), after };
    match start(&run(pipeline, "r1"), &services(Arc::new(dying))).await {
        Ok(_) => None,
        Err(RunError::Store(_)) => Some(store),
        Err(other) => panic!("{other}"),
    }
}

/// How often periods may have been read: what was written durably, once; what was in flight, again.
fn check(name: &str, written: &[crate::data::Period], context: &str) {
    let world = world(name);
    let world = lock(&world);
    assert_eq!(world.cube.len(), 11, "{context}");
    let committed: Vec<_> = world.commits.iter().flatten().copied().collect();
    assert_eq!(committed, (0..11).map(day).collect::<Vec<_>>(), "{context}: each period once and in order");
    for period in written {
        assert_eq!(world.read[period], 1, "{context}: {period} was written and is not read again");
    }
}

fn written(events: &[RunEvent]) -> Vec<crate::data::Period> {
    let written = events.iter().filter_map(|event| match &event.event {
        crate::event::Event::Written { written, .. } => Some(written),
        _ => None,
    });
    written.flat_map(|written| written.labels.iter().map(|label| label.period.first)).collect()
}

/// The run is taken up under its own name, from every prefix of its log.
#[tokio::test]
async fn a_run_that_died_anywhere_is_taken_up_and_does_nothing_twice() {
    for after in [false, true] {
        let mut deaths = 0;
        for at in 0.. {
            let name = format!("resume-{after}-{at}");
            let Some(store) = killed(&name, at, after).await else { break };
            deaths += 1;
            let id: RunId = "r1".parse().unwrap();
            let before = written(&store.load(&id).await.unwrap());
            let pipeline = chirps(&name, 11, 4, 1);
            let state =
                resume(&run(&pipeline, "r1"), &services(Arc::<MemoryStore>::clone(&store))).await.unwrap();
            assert_eq!(state.finished.unwrap().0, RunStatus::Successful, "{name}");
            check(&name, &before, &name);
        }
        assert!(deaths >= 12, "{deaths}");
    }
}

/// Somebody else commits meanwhile, and the run that lists its work anew dies anywhere.
#[tokio::test]
async fn a_run_that_died_as_it_listed_anew_is_taken_up() {
    for after in [false, true] {
        let mut relisted = 0;
        for at in 0.. {
            let name = format!("relist-{after}-{at}");
            lock(&world(&name)).moved = 2;
            let Some(store) = killed(&name, at, after).await else { break };
            let pipeline = chirps(&name, 11, 4, 1);
            let state =
                resume(&run(&pipeline, "r1"), &services(Arc::<MemoryStore>::clone(&store))).await.unwrap();
            assert_eq!(state.finished.unwrap().0, RunStatus::Successful, "{name}");
            relisted += state.units.values().map(|unit| unit.segment.relisted).max().unwrap_or(0);
            check(&name, &[], &name);
        }
        assert!(relisted >= 12, "{relisted}");
    }
}

/// What stopped a run is not forgotten by dying: it failed, or did the work after all.
#[tokio::test]
async fn a_run_that_died_as_it_failed_is_not_called_successful() {
    for after in [false, true] {
        for at in 0.. {
            let name = format!("failing-{after}-{at}");
            lock(&world(&name)).broken = Some((day(9), 1, false));
            let Some(store) = killed(&name, at, after).await else { break };
            let pipeline = chirps(&name, 11, 4, 1);
            let state =
                resume(&run(&pipeline, "r1"), &services(Arc::<MemoryStore>::clone(&store))).await.unwrap();
            match state.finished.unwrap().0 {
                RunStatus::Successful => check(&name, &[], &name),
                status => {
                    assert_eq!(status, RunStatus::Failed, "{name}");
                    assert!(lock(&world(&name)).cube.len() >= 9, "{name}: what was whole is kept");
                }
            }
        }
    }
}

/// Another run settles the dead one and does the rest.
#[tokio::test]
async fn a_dead_run_is_settled_and_the_next_does_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    for after in [false, true] {
        for at in 0.. {
            let name = format!("settle-{after}-{at}");
            let Some(store) = killed(&name, at, after).await else { break };
            let dead: RunId = "r1".parse().unwrap();
            let before = written(&store.load(&dead).await.unwrap());
            let pipeline = chirps(&name, 11, 4, 1);
            let services = services(Arc::<MemoryStore>::clone(&store));
            let next = run(&pipeline, "r2");
            let settled =
                settle_dead(folder.path(), &pipeline, &next.scope, &services, &next.cancel).await.unwrap();
            let finished = store.list(&RunQuery::default()).await.unwrap()[0].finished;
            if settled.is_empty() {
                assert_eq!(finished.unwrap().0, RunStatus::Successful, "{name}: it had finished");
            } else {
                assert_eq!(finished.unwrap().0, RunStatus::Interrupted, "{name}");
                assert!(settled[0].discarded.is_empty(), "{name}");
            }
            assert!(before.iter().all(|period| lock(&world(&name)).cube.contains_key(period)), "{name}");
            let state = start(&next, &services).await.unwrap();
            assert_eq!(state.finished.unwrap().0, RunStatus::Successful, "{name}");
            check(&name, &before, &name);
        }
    }
}

/// A run whose lock is held is alive: nobody settles it.
#[tokio::test]
async fn a_living_run_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = killed("alive", 5, true).await.unwrap();
    let pipeline = chirps("alive", 11, 4, 1);
    let next = run(&pipeline, "r2");
    let services = services(Arc::<MemoryStore>::clone(&store));
    let path = crate::lock::run_lock(folder.path(), &"r1".parse().unwrap());
    let held = crate::lock::FileLock::try_take(&path).unwrap().unwrap();
    let settled = settle_dead(folder.path(), &pipeline, &next.scope, &services, &next.cancel).await.unwrap();
    assert!(settled.is_empty());
    drop(held);
    let settled = settle_dead(folder.path(), &pipeline, &next.scope, &services, &next.cancel).await.unwrap();
    assert_eq!(settled.len(), 1);
}
