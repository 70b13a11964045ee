use std::{path::Path, sync::Arc};

use serde_json::Map;

use super::{Cancel, Run, RunError, Services, log::Log};
use crate::{
    context::{Clock, Scope},
    data::{NodeId, RunId},
    event::{Event, Origin, Phase, RunEvent, RunStatus},
    executor::{RunContext, TaskNode, Unwatched, bind},
    lock::{self, FileLock},
    pipeline::{Pipeline, Unit},
    registry::{AnySink, Role},
    step::{StepError, Written},
    store::{RunQuery, RunStore, RunStoreError, RunSummary},
};

/// A dead run that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The run.
    pub run: RunId,
    /// Batches that it had written and that are committed now.
    pub committed: usize,
    /// Why others were not, where there were any.
    pub discarded: Vec<(NodeId, String)>,
}

/// Settles the runs of a pipeline whose process died: commits what they had written, and notes
/// them as interrupted. The caller holds the pipeline's lock, and `scope` is its own run's.
///
/// # Errors
/// When a log cannot be read or written, or a lock cannot be looked at.
pub async fn settle_dead(
    state: &Path,
    pipeline: &Arc<Pipeline>,
    scope: &Scope,
    services: &Services,
    cancel: &Cancel,
) -> Result<Vec<Settled>, StepError> {
    let query = RunQuery { pipeline: Some(pipeline.id.clone()), unfinished: true, opened: true, limit: None };
    let mut dead = services.store.list(&query).await?;
    // What was written first is committed first.
    dead.reverse();
    let mut settled = Vec::new();
    // Who watches the new run does not take these events for its own.
    let services = &Services { watch: Arc::new(Unwatched), ..services.clone() };
    for RunSummary { run, instant, .. } in dead {
        let Some(lock) = FileLock::try_take(&lock::run_lock(state, &run))? else { continue };
        let first = services.store.load_after(&run, 0).await?.into_iter().next();
        if matches!(first.map(|first| first.event), Some(Event::Accepted(it)) if it.origin.cause.is_served())
        {
            continue;
        }
        let scope = Scope { instant, params: Arc::new(Map::new()), ..scope.clone() };
        let run = Run {
            id: run.clone(),
            scope,
            pipeline: Arc::clone(pipeline),
            units: Vec::new(),
            cancel: cancel.clone(),
            grace: super::GRACE,
            scratch: lock::scratch(state, &run),
            origin: Origin::default(),
        };
        let id = run.id.clone();
        let result = settle(run, services, &Ending::died()).await?;
        lock::forget_stop(state, &id);
        lock.remove();
        settled.extend(result);
    }
    Ok(settled)
}

/// How a run that nobody goes on with is noted.
#[derive(Debug)]
struct Ending<'a> {
    why: Option<&'a str>,
    status: RunStatus,
}

impl Ending<'_> {
    const fn died() -> Self {
        Self { why: None, status: RunStatus::Interrupted }
    }
}

/// Ends a run whose process died: commits what it had written, as its pipeline is now, and notes why
/// nobody goes on with it. The caller holds its lock and that of its pipeline.
///
/// # Errors
/// When its log cannot be read or written, or [`StepError::Cancelled`].
pub async fn end_dead(
    run: Run,
    services: &Services,
    status: RunStatus,
    why: &str,
) -> Result<Option<Settled>, StepError> {
    settle(run, services, &Ending { why: Some(why), status }).await
}

/// Ends a run that waits for its turn; durable on return. False where it does not wait any more.
///
/// # Errors
/// When its log cannot be written.
pub async fn drop_queued(
    run: &RunId,
    store: &dyn RunStore,
    clock: &dyn Clock,
    status: RunStatus,
    why: &str,
) -> Result<bool, StepError> {
    let events = [Event::Cancelling { reason: why.to_owned() }, Event::Finished { status }];
    // Where anything follows the acceptance, it does not wait any more.
    match store.append(run, 1, &events.map(|event| RunEvent::new(clock.now(), event))).await {
        Ok(()) => Ok(true),
        Err(RunStoreError::Moved { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn settle(
    mut run: Run,
    services: &Services,
    ending: &Ending<'_>,
) -> Result<Option<Settled>, StepError> {
    let mut log = Log::load(&run, services).await?;
    if log.state().finished.is_some() {
        return Ok(None);
    }
    let mut settled = Settled { run: run.id.clone(), committed: 0, discarded: Vec::new() };
    if let Some(accepted) = &log.state().accepted {
        run.scope.params = Arc::new(accepted.params.clone());
        run.scope.backfill = accepted.backfill.clone().map(Arc::new);
    }
    let pending: Vec<(NodeId, Vec<Written>)> = log
        .state()
        .units
        .iter()
        .filter(|(_, unit)| unit.phase == Phase::Running)
        .map(|(id, unit)| (id.clone(), unit.segment.pending().cloned().collect::<Vec<_>>()))
        .filter(|(_, written)| !written.is_empty())
        .collect();
    for (unit, written) in pending {
        let first = written.first().map_or(0, |written| written.index);
        match commit_all(&unit, written, &run, services, &mut log).await {
            Ok(committed) => settled.committed += committed,
            Err(StepError::Cancelled) => return Err(StepError::Cancelled),
            Err(error) => {
                let next = log.state().units.get(&unit).and_then(|unit| unit.segment.pending().next());
                let first = next.map_or(first, |written| written.index);
                note(&mut log, Event::Discarded { unit: unit.clone(), first, why: error.to_string() })
                    .await?;
                settled.discarded.push((unit, error.to_string()));
            }
        }
    }
    if let Some(why) = ending.why {
        note(&mut log, Event::Cancelling { reason: why.to_owned() }).await?;
    }
    note(&mut log, Event::Finished { status: ending.status }).await?;
    if let Err(error) = std::fs::remove_dir_all(&run.scratch)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %run.scratch.display(), %error, "a scratch folder is left behind");
    }
    Ok(Some(settled))
}

async fn note(log: &mut Log, event: Event) -> Result<(), StepError> {
    let noted = async {
        log.note(event)?;
        log.flush().await
    };
    noted.await.map_err(|error: RunError| error.into())
}

async fn commit_all(
    unit: &NodeId,
    written: Vec<Written>,
    run: &Run,
    services: &Services,
    log: &mut Log,
) -> Result<usize, StepError> {
    let (node, sink) = sink(unit, &written, run, services)?;
    let cx = RunContext::of(run, services).node(&node, 1, run.cancel.token.clone());
    let mut committed = 0;
    for written in written {
        let index = written.index;
        let mut snapshot = None;
        if written.settles() {
            let (sink, cx, written) = (&sink, &cx, &written);
            let work = move |_| async move {
                let outcome = sink.commit(vec![written.clone()], cx).await;
                outcome.error.map_or(Ok(outcome.output), Err)
            };
            snapshot = cx.retrying("committing", work).await?;
            committed += 1;
        }
        note(log, Event::Committed { unit: unit.clone(), index, snapshot }).await?;
    }
    Ok(committed)
}

/// The sink that wrote, as the pipeline has it now.
fn sink(
    unit: &NodeId,
    written: &[Written],
    run: &Run,
    services: &Services,
) -> Result<(TaskNode, Arc<dyn AnySink>), StepError> {
    let gone = || {
        let why = format!("`{unit}` does not write the same dataset any more");
        StepError::permanent(crate::step::ErrorKind::Refused, why)
    };
    let found = run.pipeline.units.iter().find_map(|found| match found {
        Unit::Segment(segment) if run.pipeline.nodes[segment.sink].id == *unit => Some(segment.sink),
        _ => None,
    });
    let node = TaskNode::from(&run.pipeline.nodes[found.ok_or_else(gone)?]);
    let step = bind(&services.registry, &node, &run.scope)?;
    let writes = step.writes().map(|write| write.dataset().clone());
    match step.role {
        Role::Sink(sink) if written.iter().all(|written| Some(&written.dataset) == writes.as_ref()) => {
            Ok((node, sink))
        }
        _ => Err(gone()),
    }
}
