//! What starts runs by itself: lines of cron, and commits to datasets that others hang from.
//!
//! Triggers only wake: what there is to do the steps find out. What a trigger has seen last is noted
//! after the run that it started is durable; one that was started and not noted is known by its key.

mod cron;
mod heads;
#[cfg(test)]
mod tests;

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use frazil_engine::{
    context::Clock,
    data::{PipelineId, RunId},
    event::{Cause, Event, Key, Reply},
    pipeline::{Overlap, Pipeline, Trigger},
    step::StepError,
    store::{RunQuery, Seen},
};
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{
    live::{Current, Live},
    metrics::Metrics,
    runner::{Change, Refusal, Runner, Submission},
};

/// A trigger: its pipeline, and what tells it from the others of that.
type Name = (PipelineId, String);

/// The instant of a run that waits, and its parameters.
type Waiting = (DateTime<Utc>, Map<String, Value>);

/// What starts runs.
#[async_trait]
pub(crate) trait Starter: Debug + Send + Sync {
    /// Takes on a run; durable on return.
    async fn start(&self, asked: Submission) -> Result<RunId, Refusal>;

    /// Runs of the whole pipeline that triggers started and that began nothing yet, by their instants and
    /// parameters: they will see all that is there by now.
    async fn waiting(&self, pipeline: &PipelineId) -> Result<Vec<Waiting>, StepError>;

    /// What happens in runs of this server.
    fn changes(&self) -> broadcast::Receiver<Arc<Change>>;

    /// Whether a run is over, so that what it committed can be seen.
    async fn is_over(&self, run: &RunId) -> bool;

    /// Whether the newest run of a pipeline was started by this.
    async fn started(&self, pipeline: &PipelineId, cause: &Cause) -> Result<bool, StepError>;
}

/// What fires triggers while the server runs.
#[derive(Debug)]
pub(crate) struct Triggers {
    pub(crate) live: Arc<Live>,
    pub(crate) starter: Arc<dyn Starter>,
    /// What each trigger has seen last.
    pub(crate) seen: Seen,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Triggers {
    /// Fires triggers until `stop`.
    pub(crate) async fn work(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            ((), ()) = async { tokio::join!(cron::work(self), heads::work(self)) } => {}
        }
    }

    /// Starts a run of a pipeline for one of its triggers.
    async fn start(
        &self,
        (pipeline, trigger): (&Pipeline, &Trigger),
        instant: DateTime<Utc>,
        overlap: Overlap,
        cause: Cause,
    ) -> Started {
        let Current { project, .. } = self.live.current();
        let params = match pipeline.accept_params(&trigger.params, &project.config, instant) {
            Ok(params) => params,
            Err(errors) => {
                let why: Vec<_> = errors.iter().map(ToString::to_string).collect();
                return Started::Not(why.join("; "));
            }
        };
        let key = match &cause {
            Cause::Cron { scheduled, .. } => {
                let name = format!("cron {} {} {}", pipeline.id, trigger.name(), scheduled.timestamp());
                Some(Key { name, digest: String::new() })
            }
            _ => None,
        };
        let asked = Submission {
            pipeline: pipeline.id.clone(),
            params,
            instant,
            units: None,
            backfill: None,
            overlap,
            cause,
            key,
            traceparent: None,
            reply: Reply::default(),
        };
        match self.starter.start(asked).await {
            Ok(run) => Started::Run(run),
            Err(refusal @ (Refusal::Full { .. } | Refusal::Failed(_))) => Started::Later(refusal.to_string()),
            Err(refusal) => Started::Not(refusal.to_string()),
        }
    }
}

/// What came of starting a run.
enum Started {
    /// It is in the history.
    Run(RunId),
    /// It is left out, for good.
    Not(String),
    /// It could not be taken on now.
    Later(String),
}

#[async_trait]
impl Starter for Runner {
    async fn start(&self, asked: Submission) -> Result<RunId, Refusal> {
        self.submit(asked).await
    }

    async fn waiting(&self, pipeline: &PipelineId) -> Result<Vec<Waiting>, StepError> {
        let query = RunQuery { pipeline: Some(pipeline.clone()), unfinished: true, ..RunQuery::default() };
        let mut found = Vec::new();
        for run in self.store().list(&query).await?.iter().filter(|run| run.is_queued()) {
            // What was begun meanwhile has another event, and does not count.
            if let [one] = &self.store().load(&run.run).await?[..]
                && let Event::Accepted(accepted) = &one.event
                && accepted.backfill.is_none()
                && matches!(accepted.origin.cause, Cause::Cron { .. } | Cause::Dataset { .. })
            {
                found.push((accepted.instant, accepted.params.clone()));
            }
        }
        Ok(found)
    }

    fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        Runner::changes(self)
    }

    async fn is_over(&self, run: &RunId) -> bool {
        self.summary(run).await.is_ok_and(|run| run.finished.is_some())
    }

    async fn started(&self, pipeline: &PipelineId, cause: &Cause) -> Result<bool, StepError> {
        let query = RunQuery { pipeline: Some(pipeline.clone()), limit: Some(1), ..RunQuery::default() };
        let Some(run) = self.store().list(&query).await?.pop() else { return Ok(false) };
        let events = self.store().load(&run.run).await?;
        let accepted = events.first().and_then(|first| match &first.event {
            Event::Accepted(accepted) => Some(accepted),
            _ => None,
        });
        Ok(accepted.is_some_and(|accepted| accepted.origin.cause == *cause))
    }
}
