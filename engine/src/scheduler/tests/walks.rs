use std::sync::Arc;

use serde_json::json;

use super::{death::killed_in, fake::*, stage::*};
use crate::{
    data::{Period, PeriodRange, Snapshot, SnapshotId},
    event::{Event, Phase, RunState, RunStatus, UnitState},
    pipeline::{Pipeline, Unit},
    scheduler::{Run, resume, start},
    step::{Document, StepError},
    store::{MemoryStore, RunStore},
};

async fn walk(run: &Run) -> (RunState, Vec<Event>) {
    let store = Arc::new(MemoryStore::new());
    let state = start(run, &services(Arc::<MemoryStore>::clone(&store))).await.unwrap();
    let events = store.load(&run.id).await.unwrap();
    assert_eq!(RunState::fold(&events).unwrap(), state, "the state is the fold of the log");
    (state, events.into_iter().map(|event| event.event).collect())
}

fn status(state: &RunState) -> RunStatus {
    state.finished.unwrap().0
}

fn unit<'a>(state: &'a RunState, name: &str) -> &'a UnitState {
    &state.units[name]
}

fn head(state: &RunState, name: &str) -> Snapshot {
    match unit(state, name).output.clone().unwrap() {
        Document::Snapshot(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

fn id(name: &str) -> Option<SnapshotId> {
    Some(SnapshotId(name.to_owned()))
}

#[tokio::test]
async fn one_stream_serves_all_batches_and_each_is_a_commit() {
    let pipeline = chirps("walk-all", 10, 4, 1);
    let (state, events) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Successful);
    let world = world("walk-all");
    let world = lock(&world);
    let commits: Vec<_> = world.commits.iter().map(Vec::len).collect();
    assert_eq!((commits, world.opened), (vec![4, 4, 2], 1));
    assert!((0..10).all(|n| world.read[&day(n)] == 1 && world.cube[&day(n)] == day(n).ordinal()));
    assert_eq!(world.context.keys().copied().collect::<Vec<_>>(), [day(-1)], "one unbroken stretch");
    assert_eq!((head(&state, "daily").id, head(&state, "daily").base), (id("c3"), None));
    assert_eq!((world.ran["monthly"], world.ran["catalog"]), (1, 1));
    // Each Written is durable before its commit, and a new dataset's second batch waits for the first.
    let places: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Written { written, .. } => Some(('w', written.index)),
            Event::Committed { index, .. } => Some(('c', *index)),
            _ => None,
        })
        .collect();
    assert_eq!(places[..3], [('w', 0), ('c', 0), ('w', 1)]);
    assert!(places.iter().all(|(kind, n)| {
        let at = |kind| places.iter().position(|place| *place == (kind, *n)).unwrap();
        *kind == 'c' || at('w') < at('c')
    }));
}

#[tokio::test]
async fn writing_overtakes_committing_by_a_bounded_number_of_batches() {
    let pipeline = chirps("walk-ahead", 40, 2, 0);
    {
        let world = world("walk-ahead");
        lock(&world).cube.insert(day(-1), 0);
        lock(&world).commits.push(vec![day(-1)]);
    }
    let (state, events) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Successful);
    let (mut ahead, mut most) = (0usize, 0);
    for event in &events {
        match event {
            Event::Written { .. } => ahead += 1,
            Event::Committed { .. } => ahead -= 1,
            _ => {}
        }
        most = most.max(ahead);
    }
    assert!((2..=3).contains(&most), "{most}");
}

#[tokio::test]
async fn nothing_to_do_still_walks_the_graph() {
    let pipeline = chirps("walk-idle", 5, 5, 0);
    walk(&run(&pipeline, "r1")).await;
    let (state, _) = walk(&run(&pipeline, "r2")).await;
    assert_eq!(status(&state), RunStatus::Successful);
    let world = world("walk-idle");
    let world = lock(&world);
    assert_eq!((world.opened, world.commits.len()), (1, 1), "no request, no commit");
    assert_eq!((head(&state, "daily").id, head(&state, "daily").base), (id("c1"), id("c1")));
    assert_eq!(world.ran["catalog"], 2);
}

#[tokio::test]
async fn a_frontier_is_a_success() {
    let pipeline = chirps("walk-frontier", 12, 4, 0);
    lock(&world("walk-frontier")).frontier = Some(day(6));
    let (state, _) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Successful);
    let segment = &unit(&state, "daily").segment;
    assert_eq!(segment.discarded.as_ref().unwrap().0, 2);
    assert_eq!((segment.settled, segment.written.len()), (2, 0));
    assert_eq!(segment.periods, [PeriodRange { first: day(0), last: day(5) }]);
    assert_eq!(lock(&world("walk-frontier")).cube.len(), 6);
}

/// Days 8 to 11 are stored, 0 to 19 are asked for, and the source has nothing from 14 on.
fn with_days_before(name: &str) -> Arc<Pipeline> {
    let world = world(name);
    let mut world = lock(&world);
    world.cube.extend((8..12).map(|n| (day(n), day(n).ordinal())));
    world.commits.push((8..12).map(day).collect());
    world.frontier = Some(day(14));
    chirps(name, 20, 3, 0)
}

#[tokio::test]
async fn a_frontier_keeps_nobody_from_what_lies_before_the_cube() {
    let pipeline = with_days_before("walk-before");
    let (state, _) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Successful);
    let world = world("walk-before");
    let world = lock(&world);
    let commits: Vec<Vec<Period>> = world.commits[1..].to_vec();
    assert_eq!(
        commits,
        [vec![12, 13], vec![5, 6, 7], vec![2, 3, 4], vec![0, 1]]
            .map(|days| { days.into_iter().map(day).collect::<Vec<_>>() })
    );
    assert!((0..14).all(|n| world.cube.contains_key(&day(n))) && world.cube.len() == 14);
    assert_eq!(world.opened, 2, "one stream to the frontier, and one for what lies before");
}

#[tokio::test]
async fn a_run_that_died_between_a_frontier_and_what_lies_before_goes_on_there() {
    for after in [false, true] {
        let mut deaths = 0;
        for at in 0.. {
            let name = format!("before-{after}-{at}");
            let pipeline = with_days_before(&name);
            let Some(store) = killed_in(&pipeline, at, after).await else { break };
            deaths += 1;
            let state = resume(&run(&pipeline, "r1"), &services(store)).await.unwrap();
            assert_eq!(status(&state), RunStatus::Successful, "{name}");
            let world = world(&name);
            let world = lock(&world);
            assert_eq!(world.cube.len(), 14, "{name}");
            assert_eq!(world.commits.iter().flatten().count(), 14, "{name}: each day once");
        }
        assert!(deaths >= 12, "{deaths}");
    }
}

#[tokio::test]
async fn what_is_whole_before_an_error_is_kept_and_its_children_run() {
    let pipeline = chirps("walk-error", 12, 4, 0);
    lock(&world("walk-error")).broken = Some((day(6), usize::MAX, false));
    let (state, _) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Failed);
    let daily = unit(&state, "daily");
    let error = daily.error.as_ref().unwrap();
    assert_eq!(error.to_string(), "2024-01-07: the source is broken");
    assert_eq!(daily.at.as_ref().unwrap().as_str(), "slices");
    assert_eq!(head(&state, "daily").id, id("c2"));
    assert_eq!(lock(&world("walk-error")).cube.len(), 6);
    assert_eq!(unit(&state, "monthly").phase, Phase::Done);

    // The next run does exactly what is missing.
    lock(&world("walk-error")).broken = None;
    let (state, _) = walk(&run(&pipeline, "r2")).await;
    assert_eq!(status(&state), RunStatus::Successful);
    let world = world("walk-error");
    assert!((0..12).all(|n| lock(&world).read[&day(n)] == 1));
}

#[tokio::test]
async fn the_head_is_given_even_before_the_first_period() {
    let pipeline = chirps("walk-first", 4, 4, 0);
    lock(&world("walk-first")).broken = Some((day(0), usize::MAX, false));
    let (state, _) = walk(&run(&pipeline, "r1")).await;
    assert_eq!((status(&state), head(&state, "daily").id), (RunStatus::Failed, None));
    assert_eq!(lock(&world("walk-first")).ran["monthly"], 1);
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let pipeline = chirps("walk-again", 8, 4, 0);
    let mut world_ = lock(&world("walk-again")).broken.replace((day(5), 2, true));
    assert!(world_.take().is_none());
    lock(&world("walk-again")).commits_fail = 2;
    let (state, events) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Successful);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Retrying { .. })).count(), 2);
    let world = world("walk-again");
    assert_eq!(lock(&world).commits.len(), 2);
    // The batch that was whole is not read again.
    assert!((0..4).all(|n| lock(&world).read[&day(n)] == 1));
}

#[tokio::test]
async fn retries_are_used_up() {
    let pipeline = chirps("walk-up", 8, 4, 0);
    lock(&world("walk-up")).commits_fail = 99;
    let (state, _) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Failed);
    assert_eq!(lock(&world("walk-up")).commits_fail, 96, "three tries, and no more above");
    assert_eq!(unit(&state, "daily").at.as_ref().unwrap().as_str(), "daily");
    let error = unit(&state, "daily").error.clone().unwrap();
    assert!(!error.is_transient(), "{error}");
    assert_eq!(unit(&state, "daily").segment.discarded.as_ref().unwrap().0, 0);
}

#[tokio::test]
async fn a_run_that_would_not_fit_is_refused_before_the_first_request() {
    let pipeline = chirps("walk-memory", 8, 4, 0);
    lock(&world("walk-memory")).memory = 2 << 30;
    let (state, _) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(lock(&world("walk-memory")).opened, 0);
    let error = unit(&state, "daily").error.clone().unwrap();
    assert_eq!(error.to_string(), "`daily` would hold 2048 MiB at once, and the run may take 1024 MiB");
}

#[tokio::test]
async fn a_cancel_keeps_what_is_whole_and_starts_nothing() {
    let pipeline = chirps("walk-cancel", 12, 4, 0);
    let mut run = run(&pipeline, "r1");
    run.grace = std::time::Duration::MAX;
    lock(&world("walk-cancel")).cancel_at = Some((day(6), run.cancel.clone()));
    let (state, events) = walk_with_time(&run).await;
    assert_eq!(status(&state), RunStatus::Cancelled);
    assert_eq!(state.cancelling.as_deref(), Some("the test says so"));
    assert_eq!(unit(&state, "daily").error, Some(StepError::Cancelled));
    assert_eq!(unit(&state, "monthly").phase, Phase::Waiting);
    let world = world("walk-cancel");
    // Periods 4 and 5 were whole, 6 may have been.
    assert!((6..=7).contains(&lock(&world).cube.len()), "{}", lock(&world).cube.len());
    assert!(!events.iter().any(|event| matches!(event, Event::Skipped { .. })));
}

/// A clock whose waits never end: the time to settle is not over before the test is.
#[derive(Debug)]
struct Patient;

#[async_trait::async_trait]
impl crate::context::Clock for Patient {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        now()
    }
    async fn sleep(&self, _: std::time::Duration) {
        std::future::pending::<()>().await;
    }
}

async fn walk_with_time(run: &Run) -> (RunState, Vec<Event>) {
    let store = Arc::new(MemoryStore::new());
    let services = crate::scheduler::Services {
        clock: Arc::new(Patient),
        ..services(Arc::<MemoryStore>::clone(&store))
    };
    let state = start(run, &services).await.unwrap();
    let events = store.load(&run.id).await.unwrap();
    (state, events.into_iter().map(|event| event.event).collect())
}

#[tokio::test]
async fn who_does_not_settle_in_time_is_stopped() {
    let pipeline = chirps("walk-grace", 12, 4, 0);
    let run = run(&pipeline, "r1");
    // The manual clock lets the time to settle pass at once.
    lock(&world("walk-grace")).cancel_at = Some((day(1), run.cancel.clone()));
    let (state, _) = walk(&run).await;
    assert_eq!(status(&state), RunStatus::Cancelled);
    assert_eq!(unit(&state, "daily").phase, Phase::Done);
}

/// Name, step type, script, needs, after.
type Line<'a> = (&'a str, &'a str, &'a [&'a str], &'a [usize], &'a [usize]);

fn small(name: &str, scripts: &[Line<'_>]) -> Arc<Pipeline> {
    let nodes: Vec<_> = scripts
        .iter()
        .map(|(id, uses, script, needs, after)| {
            node(id, uses, json!({ "world": name, "name": id, "script": script }), needs, after)
        })
        .collect();
    let units = (0..nodes.len()).map(Unit::Node).collect();
    pipeline(nodes, units)
}

#[tokio::test]
async fn siblings_go_on_and_only_what_lacks_a_snapshot_is_skipped() {
    let pipeline = small(
        "walk-siblings",
        &[
            ("bad", "fake-root", &["fail"], &[], &[]),
            ("half", "fake-root", &["partial"], &[], &[]),
            ("good", "fake-root", &[], &[], &[]),
            ("lacks", "fake-one", &[], &[0], &[]),
            ("partly", "fake-one", &[], &[1], &[]),
            ("all", "fake-many", &[], &[0, 2, 3], &[]),
            ("none", "fake-many", &[], &[0, 3], &[]),
            ("later", "fake-one", &[], &[2], &[0, 3]),
        ],
    );
    let (state, _) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Failed);
    let skipped: Vec<_> = state.units.iter().filter(|(_, unit)| unit.phase == Phase::Skipped).collect();
    let names: Vec<_> = skipped.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(names, ["lacks", "none"]);
    assert_eq!(unit(&state, "none").because.len(), 2);
    assert_eq!(lock(&world("walk-siblings")).ran.len(), 6);
}

#[tokio::test]
async fn a_task_that_panics_fails_alone() {
    let pipeline = small(
        "walk-panic",
        &[("bad", "fake-root", &["panic"], &[], &[]), ("good", "fake-root", &["transient", "ok"], &[], &[])],
    );
    let (state, _) = walk(&run(&pipeline, "r1")).await;
    assert_eq!(status(&state), RunStatus::Failed);
    assert!(unit(&state, "bad").error.as_ref().unwrap().to_string().contains("unexpected end"));
    assert_eq!((unit(&state, "good").attempts, unit(&state, "good").error.is_none()), (2, true));
}

/// Only what is selected runs.
#[tokio::test]
async fn a_part_of_a_pipeline_may_run() {
    let pipeline = chirps("walk-part", 4, 4, 0);
    let run = Run { units: vec![0, 1], ..run(&pipeline, "r1") };
    let (state, _) = walk(&run).await;
    assert_eq!((status(&state), state.units.len()), (RunStatus::Successful, 2));
    assert!(lock(&world("walk-part")).ran.is_empty());
}

#[tokio::test]
async fn work_is_listed_again_when_somebody_else_moved_the_head() {
    let world = world("moved");
    lock(&world).moved = 2;
    let (state, events) = walk(&run(&chirps("moved", 11, 4, 0), "r1")).await;
    assert_eq!(status(&state), RunStatus::Successful);
    let relisted: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Relisted { unit, lists, .. } => Some((unit.as_str(), lists.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(relisted, [("daily", "missing"); 2]);
    let world = lock(&world);
    let committed: Vec<_> = world.commits.iter().flatten().copied().collect();
    assert_eq!(committed, (0..11).map(day).collect::<Vec<_>>(), "each period once and in order");
    assert_eq!(world.ran, [("monthly".to_owned(), 1), ("catalog".to_owned(), 1)].into(), "readers wait");
    assert_eq!(unit(&state, "daily").error, None);
}

#[tokio::test]
async fn who_is_overtaken_again_and_again_gives_up_and_says_why() {
    let world = world("overtaken");
    lock(&world).moved = usize::MAX;
    let (state, events) = walk(&run(&chirps("overtaken", 11, 4, 0), "r1")).await;
    assert_eq!(status(&state), RunStatus::Failed);
    let relisted = events.iter().filter(|event| matches!(event, Event::Relisted { .. })).count();
    assert_eq!(relisted, usize::try_from(crate::executor::RELISTINGS).unwrap());
    let daily = unit(&state, "daily");
    assert!(daily.error.as_ref().is_some_and(crate::step::StepError::is_moved), "{:?}", daily.error);
    assert!(daily.output.is_some(), "the head is passed on");
}
