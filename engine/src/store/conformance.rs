//! What every [`RunStore`] must do, as functions that tests run on each of them.

use chrono::{DateTime, Utc};
use serde_json::Map;

use super::{Retention, RunQuery, RunStore, RunStoreError, prune};
use crate::{
    data::{Duration, NodeId, RunId, Spent},
    event::{Accepted, Event, Key, Origin, RunEvent, RunStatus, UnitHead},
    step::StepError,
};

macro_rules! ensure {
    ($condition:expr) => {
        if !$condition {
            return Err(format!("line {}: not so: {}", line!(), stringify!($condition)));
        }
    };
}

/// Runs the whole suite on a store that holds nothing.
///
/// # Errors
/// What the store does otherwise.
pub async fn check(store: &dyn RunStore) -> Result<(), String> {
    logs_keep_their_order(store).await?;
    refusals_change_nothing(store).await?;
    lists_are_newest_first(store).await?;
    what_waits_and_what_was_asked_for_with_a_key_is_found(store).await?;
    what_was_spent_is_newest_first(store).await?;
    retention_forgets_finished_runs_alone(store).await
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 1_000).unwrap_or_default()
}

fn id(name: &str) -> Result<RunId, String> {
    name.parse().map_err(text)
}

fn unit() -> Result<NodeId, String> {
    "step".parse().map_err(text)
}

/// An acceptance at an instant.
fn accepted(pipeline: &str, seconds: i64) -> Result<RunEvent, String> {
    let accepted = Accepted {
        pipeline: pipeline.parse().map_err(text)?,
        digest: "digest".to_owned(),
        instant: at(seconds),
        params: Map::new(),
        backfill: None,
        origin: Origin::default(),
        units: vec![UnitHead { unit: unit()?, nodes: vec![(unit()?, "fake".to_owned())] }],
    };
    Ok(RunEvent::new(at(seconds), Event::Accepted(accepted)))
}

fn finished(seconds: i64) -> RunEvent {
    RunEvent::new(at(seconds), Event::Finished { status: RunStatus::Successful })
}

async fn logs_keep_their_order(store: &dyn RunStore) -> Result<(), String> {
    let run = id("order")?;
    let mut all = vec![accepted("p", 10)?];
    store.create(&run, &all).await.map_err(text)?;
    for round in 0..20u32 {
        let events: Vec<_> = (0..round % 4)
            .map(|n| Ok(RunEvent::new(at(11), Event::Started { unit: unit()?, attempt: n + round })))
            .collect::<Result<_, String>>()?;
        store.append(&run, all.len(), &events).await.map_err(text)?;
        all.extend(events);
        ensure!(store.load(&run).await.map_err(text)? == all);
        for after in [0, 1, all.len() / 2, all.len(), all.len() + 3] {
            let part = store.load_part(&run, after, 1).await.map_err(text)?;
            ensure!(
                part.len() <= 1 && part.first() == store.load_after(&run, after).await.map_err(text)?.first()
            );
            let rest = store.load_after(&run, after).await.map_err(text)?;
            ensure!(rest == all[after.min(all.len())..]);
        }
    }
    ensure!(matches!(store.load_after(&id("none")?, 3).await, Err(RunStoreError::NoRun(_))));
    Ok(())
}

async fn refusals_change_nothing(store: &dyn RunStore) -> Result<(), String> {
    let (run, none) = (id("refused")?, id("none")?);
    let first = accepted("p", 20)?;
    ensure!(matches!(store.create(&run, &[finished(20)]).await, Err(RunStoreError::NotAccepted)));
    ensure!(matches!(store.load(&run).await, Err(RunStoreError::NoRun(_))));
    store.create(&run, std::slice::from_ref(&first)).await.map_err(text)?;
    ensure!(matches!(store.create(&run, std::slice::from_ref(&first)).await, Err(RunStoreError::Exists(_))));
    for after in [0, 2] {
        ensure!(matches!(
            store.append(&run, after, &[finished(21)]).await,
            Err(RunStoreError::Moved { found: 1, .. })
        ));
    }
    ensure!(matches!(store.append(&none, 0, &[finished(21)]).await, Err(RunStoreError::NoRun(_))));
    ensure!(matches!(store.remove(&none).await, Err(RunStoreError::NoRun(_))));
    ensure!(store.load(&run).await.map_err(text)? == [first]);
    Ok(())
}

async fn lists_are_newest_first(store: &dyn RunStore) -> Result<(), String> {
    for (name, pipeline, seconds) in [("b", "q", 40), ("a", "r", 50), ("c", "q", 30)] {
        store.create(&id(name)?, &[accepted(pipeline, seconds)?]).await.map_err(text)?;
    }
    store.append(&id("a")?, 1, &[finished(51)]).await.map_err(text)?;
    let all = store.list(&RunQuery::default()).await.map_err(text)?;
    let names: Vec<_> = all.iter().map(|run| run.run.as_str()).collect();
    ensure!(names == ["a", "b", "c", "refused", "order"]);
    ensure!(all[0].finished == Some((RunStatus::Successful, at(51))));
    ensure!(all[0].instant == at(50) && all[0].accepted == at(50) && all[0].pipeline.as_str() == "r");
    let some = RunQuery { limit: Some(2), ..RunQuery::default() };
    ensure!(store.list(&some).await.map_err(text)? == all[..2]);
    let of = RunQuery { pipeline: Some("q".parse().map_err(text)?), ..RunQuery::default() };
    ensure!(store.list(&of).await.map_err(text)? == all[1..3]);
    let unfinished = RunQuery { unfinished: true, ..RunQuery::default() };
    ensure!(store.list(&unfinished).await.map_err(text)? == all[1..]);
    Ok(())
}

async fn what_waits_and_what_was_asked_for_with_a_key_is_found(store: &dyn RunStore) -> Result<(), String> {
    let keyed = |seconds| -> Result<RunEvent, String> {
        let mut event = accepted("keyed", seconds)?;
        if let Event::Accepted(accepted) = &mut event.event {
            let key = Key { name: "me/1".to_owned(), digest: "1".to_owned() };
            accepted.origin.key = Some(key);
        }
        Ok(event)
    };
    ensure!(store.keyed("me/1").await.map_err(text)?.is_none());
    let (first, second) = (id("first")?, id("second")?);
    store.create(&first, &[keyed(55)?]).await.map_err(text)?;
    ensure!(store.keyed("me/1").await.map_err(text)?.as_ref() == Some(&first));
    ensure!(store.keyed("me/2").await.map_err(text)?.is_none());
    ensure!(
        matches!(store.create(&second, &[keyed(56)?]).await, Err(RunStoreError::Asked(run)) if run == first)
    );
    ensure!(matches!(store.summary(&second).await, Err(RunStoreError::NoRun(_))));
    let queued = store.summary(&first).await.map_err(text)?;
    ensure!(queued.is_queued() && queued.started.is_none());
    let opened =
        RunQuery { opened: true, pipeline: Some("keyed".parse().map_err(text)?), ..RunQuery::default() };
    ensure!(store.list(&opened).await.map_err(text)?.is_empty());
    store.append(&first, 1, &[RunEvent::new(at(57), Event::Opened { process: 1 })]).await.map_err(text)?;
    let listed = store.list(&opened).await.map_err(text)?;
    ensure!(listed == [store.summary(&first).await.map_err(text)?]);
    ensure!(listed[0].events == 2 && !listed[0].is_queued());
    // When it first began; a process that goes on with it later changes nothing.
    ensure!(listed[0].started == Some(at(57)));
    store.append(&first, 2, &[RunEvent::new(at(59), Event::Opened { process: 2 })]).await.map_err(text)?;
    ensure!(store.summary(&first).await.map_err(text)?.started == Some(at(57)));
    // Who is forgotten gives the key back.
    store.remove(&first).await.map_err(text)?;
    ensure!(store.keyed("me/1").await.map_err(text)?.is_none());
    store.create(&second, &[keyed(58)?]).await.map_err(text)?;
    store.remove(&second).await.map_err(text)
}

async fn what_was_spent_is_newest_first(store: &dyn RunStore) -> Result<(), String> {
    let (node, other) = (unit()?, "other".parse::<NodeId>().map_err(text)?);
    let of = |n: u64| Spent { periods: n, requests: n + 1, bytes: u64::from(u32::MAX) * n, millis: n + 2 };
    let ended = |n: u64, error: Option<StepError>| -> Result<RunEvent, String> {
        let spent = [(unit()?, of(n)), (other.clone(), of(n + 10))].into();
        let (output, stopped) = (None, None);
        Ok(RunEvent::new(at(60), Event::Ended { unit: unit()?, output, error, at: stopped, spent }))
    };
    // One that did nothing is passed over, one that failed too, and those of other pipelines.
    let runs =
        [("s1", "spends", Some(1)), ("s2", "spends", Some(2)), ("s3", "spends", None), ("s4", "t", Some(4))];
    for ((name, pipeline, n), seconds) in runs.into_iter().zip(60..) {
        store.create(&id(name)?, &[accepted(pipeline, seconds)?]).await.map_err(text)?;
        let events = match n {
            Some(n) => vec![ended(n, None)?],
            None => vec![ended(9, Some(StepError::Cancelled))?],
        };
        store.append(&id(name)?, 1, &events).await.map_err(text)?;
    }
    let pipeline = "spends".parse().map_err(text)?;
    let found = store.spent(&pipeline, 10).await.map_err(text)?;
    let sorted = |run: [(NodeId, Spent); 2]| {
        let mut run = run.to_vec();
        run.sort_by(|a, b| a.0.cmp(&b.0));
        run
    };
    let one = |n: u64| sorted([(node.clone(), of(n)), (other.clone(), of(n + 10))]);
    ensure!(found == [one(2), one(1)].concat());
    ensure!(store.spent(&pipeline, 1).await.map_err(text)? == one(2));
    for name in ["s1", "s2", "s3", "s4"] {
        store.remove(&id(name)?).await.map_err(text)?;
    }
    ensure!(store.spent(&pipeline, 10).await.map_err(text)?.is_empty());
    Ok(())
}

async fn retention_forgets_finished_runs_alone(store: &dyn RunStore) -> Result<(), String> {
    for n in 0..6 {
        let name = id(&format!("old{n}"))?;
        store.create(&name, &[accepted("old", 1_000 + n)?, finished(1_000 + n)]).await.map_err(text)?;
    }
    let keep = Retention { runs: 4, age: Duration::from_secs(3) };
    let gone = prune(store, keep, at(1_006)).await.map_err(text)?;
    let mut names: Vec<_> = gone.iter().map(RunId::as_str).collect();
    names.sort_unstable();
    // Two are too many, one more is too old, and the one from long before is both.
    ensure!(names == ["a", "old0", "old1", "old2"]);
    ensure!(store.load(&gone[0]).await.is_err());
    ensure!(store.load(&id("b")?).await.is_ok());
    Ok(())
}
