//! Runs are taken on: a place in the queue first, then the log, then the turn.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{PipelineId, RunId},
    event::{Origin, Reply},
    lock::{FileLock, pipeline_lock, scratch},
    pipeline::{Overlap, Pipeline},
    scheduler::{self, Cancel, GRACE, Meets, Run, RunError, ask_to_make_room},
    step::{ErrorKind, StepError},
    store::RunStoreError,
};

use super::{
    Inner, Refusal, Submission, Uncancelled,
    queue::{Place, Waiting},
};
use crate::live::Current;

/// Where a run stands that is asked for.
enum Asked<'a> {
    /// It was asked for before, with the same key.
    Known(RunId),
    /// It is new, and the queue has a place for it.
    New(Box<Submission>, Place<'a>),
}

impl Inner {
    /// Takes on runs, each of which comes after the one before it; durable on return.
    pub(super) async fn take_on(&self, all: Vec<Submission>) -> Result<Vec<RunId>, Refusal> {
        let current = self.live.current();
        let limit = current.project.config.serve.limits.queue.get() as usize;
        // Places for all of them first, so that nothing is begun of what is refused.
        let (mut places, mut left_out, mut met) = (Vec::new(), None, BTreeSet::new());
        for mut asked in all {
            if let Some(known) = self.known(&asked).await? {
                places.push(Asked::Known(known));
                continue;
            }
            self.is_there(&asked, &current)?;
            // A later part of the same pipeline waits for the first.
            if !met.insert(asked.pipeline.clone()) {
                asked.overlap = Overlap::Queue;
            }
            match self.place(&asked, limit).await {
                Ok(place) => places.push(Asked::New(Box::new(asked), place)),
                Err(refusal @ Refusal::Overlaps(_)) => left_out = Some(refusal),
                Err(refusal) => return Err(refusal),
            }
        }
        if let (true, Some(refusal)) = (places.is_empty(), left_out) {
            return Err(refusal);
        }
        // Who asked is told of the last alone, which stands for all.
        let new = places.iter_mut().rev().filter_map(|asked| match asked {
            Asked::New(asked, _) => Some(asked),
            Asked::Known(_) => None,
        });
        new.skip(1).for_each(|asked| asked.reply = Reply::default());
        let mut runs: Vec<RunId> = Vec::new();
        for asked in places {
            runs.push(match asked {
                Asked::Known(run) => run,
                Asked::New(asked, place) => {
                    let after = runs.last().cloned().into_iter().collect();
                    self.accept(*asked, after, place, &current).await?
                }
            });
        }
        Ok(runs)
    }

    async fn accept(
        &self,
        asked: Submission,
        after: Vec<RunId>,
        place: Place<'_>,
        current: &Current,
    ) -> Result<RunId, Refusal> {
        let pipeline = self.is_there(&asked, current)?;
        let units = asked.units.unwrap_or_else(|| (0..pipeline.units.len()).collect());
        let Current { project, secrets } = current;
        let mut scope = project.scope(&pipeline.id, asked.params, asked.instant, Arc::clone(secrets));
        scope.backfill = asked.backfill.map(Arc::new);
        let began = self.clock.now();
        let id = scheduler::run_id(began);
        let run = Run {
            id: id.clone(),
            scope,
            pipeline,
            units,
            cancel: Cancel::new(),
            grace: GRACE,
            scratch: scratch(&self.state, &id),
            origin: Origin {
                cause: asked.cause,
                key: asked.key,
                traceparent: asked.traceparent,
                reply: asked.reply.kept(),
                after: after.clone(),
            },
        };
        match scheduler::accept(&run, &self.services(&run)).await {
            Ok(()) => {}
            // Asked for twice at once: the other was first.
            Err(RunError::Store(RunStoreError::Asked(other))) => return Ok(other),
            Err(error) => return Err(Refusal::Failed(error.into())),
        }
        let replaced = (asked.overlap.meets(true) == Meets::Replaces).then(|| place.others());
        place.fill(Waiting {
            run: id.clone(),
            pipeline: asked.pipeline.clone(),
            after,
            version: Some(current.clone()),
        });
        self.wake.notify_one();
        if let Some(others) = replaced {
            self.make_room(&id, &asked.pipeline, began, others).await?;
        }
        Ok(id)
    }

    /// The run that was asked for with the key of this one.
    pub(super) async fn known(&self, asked: &Submission) -> Result<Option<RunId>, Refusal> {
        let Some(key) = &asked.key else { return Ok(None) };
        let Some(run) = self.store.keyed(&key.name).await.map_err(StepError::from)? else { return Ok(None) };
        match self.accepted(&run).await?.origin.key {
            Some(known) if known.digest == key.digest => Ok(Some(run)),
            _ => Err(Refusal::OtherKey { run }),
        }
    }

    /// A place in the queue, given back where it is not filled.
    async fn place(&self, asked: &Submission, limit: usize) -> Result<Place<'_>, Refusal> {
        let overlaps = || Refusal::Overlaps(asked.pipeline.clone());
        let is_left_out = |busy| asked.overlap.meets(busy) == Meets::IsLeftOut;
        // Looked at only where it decides: elsewhere who waits finds out in its turn.
        if is_left_out(true) {
            let lock = pipeline_lock(&self.state, &asked.pipeline);
            let held = tokio::task::spawn_blocking(move || FileLock::is_held(&lock)).await;
            if is_left_out(held.map_err(|error| Refusal::fault(&error))??) {
                return Err(overlaps());
            }
        }
        let mut queue = self.queue();
        if is_left_out(queue.knows(&asked.pipeline)) {
            return Err(overlaps());
        }
        if queue.is_full(limit) {
            return Err(Refusal::Full { limit });
        }
        queue.reserve(&asked.pipeline);
        drop(queue);
        Ok(Place::new(&self.queue, asked.pipeline.clone()))
    }

    /// Has runs of the pipeline make room for one that is accepted.
    async fn make_room(
        &self,
        run: &RunId,
        pipeline: &PipelineId,
        began: DateTime<Utc>,
        others: Vec<RunId>,
    ) -> Result<(), Refusal> {
        let reason = format!("replaced by run {run}");
        for other in others {
            // Another refusal says that it came to its end meanwhile.
            if let Err(Uncancelled::Failed(error)) = self.cancel(&other, &reason).await {
                return Err(Refusal::Failed(error));
            }
        }
        ask_to_make_room(&self.state, &*self.store, pipeline, began, &reason).await?;
        Ok(())
    }

    /// The pipeline of what is asked for, which has the units that are asked for.
    fn is_there(&self, asked: &Submission, current: &Current) -> Result<Arc<Pipeline>, Refusal> {
        let pipeline = self.pipeline(current, &asked.pipeline);
        let pipeline = pipeline.ok_or_else(|| Refusal::NoPipeline(asked.pipeline.clone()))?;
        if asked.units.iter().flatten().any(|unit| *unit >= pipeline.units.len()) {
            let why = format!("the file of `{}` was changed meanwhile", asked.pipeline);
            return Err(StepError::permanent(ErrorKind::Refused, why).help("ask again").into());
        }
        Ok(pipeline)
    }
}
