use std::{future::Future, sync::Arc};

use async_trait::async_trait;

use super::{
    BranchWork, Executor, Journal, RELISTINGS, RunContext, SegmentWork, Task, TaskEnd, TaskNode, TaskWork,
    segment::{Branch, Segment, Stage},
};
use crate::{
    context::{Context, Scope},
    data::{Duration, NodeId},
    event::Event,
    registry::{AnySink, BoundStep, Registry, Role},
    step::{Document, ErrorKind, Outcome, StepError},
    template,
};

/// Carries out tasks in this process.
#[derive(Debug)]
pub struct LocalExecutor {
    registry: Arc<Registry>,
}

impl LocalExecutor {
    /// With these step types.
    #[must_use]
    pub const fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }

    async fn node(
        &self,
        unit: &NodeId,
        node: &TaskNode,
        first: u32,
        input: Vec<Document>,
        cx: &RunContext,
        journal: &Journal,
    ) -> TaskEnd {
        let step = match bind(&self.registry, node, &cx.scope).map(|step| step.role) {
            Ok(Role::Node(step)) => step,
            Ok(_) => return TaskEnd::failed(wrong_role(node)),
            Err(error) => return TaskEnd::failed(error),
        };
        let mut attempt = first;
        loop {
            let context = cx.node(node, attempt, cx.cancel.clone());
            let permit = match context.permit().await {
                Ok(permit) => permit,
                Err(error) => return TaskEnd::failed(error),
            };
            let mut outcome = timed(node.timeout, step.run(input.clone(), &context)).await;
            drop(permit);
            let again = |error: &mut StepError| error.is_transient() || error.is_moved();
            let Some(error) = outcome.error.take_if(again) else {
                return TaskEnd { outcome, at: None };
            };
            let tried = attempt - first + 1;
            // A node lists its work itself, so that running it again is listing it anew.
            let tries = if error.is_moved() { RELISTINGS + 1 } else { node.retry.attempts.max(1) };
            outcome.error = Some(if tried >= tries {
                error.exhausted()
            } else {
                match wait(unit, attempt, tried, error, &context, journal).await {
                    Ok(()) => {
                        attempt += 1;
                        continue;
                    }
                    Err(error) => error,
                }
            });
            return TaskEnd { outcome, at: None };
        }
    }

    async fn segment(
        &self,
        unit: NodeId,
        attempt: u32,
        work: SegmentWork,
        cx: &RunContext,
        journal: &Journal,
    ) -> TaskEnd {
        let segment = match self.stages(&work, attempt, cx) {
            Ok((branches, sink)) => Segment { unit, branches, sink, periods: work.periods, journal, attempt },
            Err(error) => return TaskEnd::failed(error),
        };
        segment.run(work.pending, work.next, work.stopped).await
    }

    fn stages(&self, work: &SegmentWork, attempt: u32, cx: &RunContext) -> Result<Stages, StepError> {
        let bound = |node: &TaskNode| bind(&self.registry, node, &cx.scope).map(|step| step.role);
        let context = |node: &TaskNode| cx.node(node, attempt, cx.cancel.clone());
        let source = |node: &TaskNode| match bound(node)? {
            Role::Source(step) => Ok(Stage { step, node: node.id.clone(), cx: context(node) }),
            _ => Err(wrong_role(node)),
        };
        let filter = |node: &TaskNode| match bound(node)? {
            Role::Filter(step) => Ok(Stage { step, node: node.id.clone(), cx: context(node) }),
            _ => Err(wrong_role(node)),
        };
        let branch = |work: &BranchWork| {
            let filters = work.filters.iter().map(filter).collect::<Result<Vec<_>, StepError>>()?;
            Ok(Branch { source: source(&work.source)?, filters })
        };
        let branches = work.branches.iter().map(branch).collect::<Result<Vec<_>, StepError>>()?;
        // A sink settles what it has when the run is told to stop: only the end of the time to
        // settle stops it.
        let sink = match bound(&work.sink)? {
            Role::Sink(step) => {
                let cx = cx.node(&work.sink, attempt, cx.kill.clone());
                Stage { step, node: work.sink.id.clone(), cx }
            }
            _ => return Err(wrong_role(&work.sink)),
        };
        Ok((branches, sink))
    }
}

type Stages = (Vec<Branch>, Stage<dyn AnySink>);

#[async_trait]
impl Executor for LocalExecutor {
    async fn execute(&self, task: Task, cx: &RunContext, journal: &Journal) -> TaskEnd {
        match task.work {
            TaskWork::Node { node, input } => {
                self.node(&task.unit, &node, task.attempt, input, cx, journal).await
            }
            TaskWork::Segment(work) => self.segment(task.unit, task.attempt, *work, cx, journal).await,
        }
    }
}

/// Notes that a try failed and waits for the next.
pub(super) async fn wait(
    unit: &NodeId,
    attempt: u32,
    tried: u32,
    error: StepError,
    cx: &Context,
    journal: &Journal,
) -> Result<(), StepError> {
    cx.heed(&error).await?;
    let wait = cx.retry_wait(tried, &error);
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%unit, attempt, wait = ?wait, error = cx.scope.secrets.redact(&error.to_string()), "trying again");
    journal.record(Event::Retrying { unit: unit.clone(), attempt, error, wait: millis }).await?;
    cx.sleep(wait).await
}

/// The outcome of `work`, or a transient error when it takes longer than it may.
pub(super) async fn timed<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Outcome<T>> + Send,
) -> Outcome<T> {
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit.to_std(), work).await.unwrap_or_else(|_| {
        let error = StepError::transient(ErrorKind::Internal, format!("not done within {limit}"));
        Outcome { output: None, error: Some(error.help("raise `timeout` if it needs longer")) }
    })
}

/// A node with its expressions evaluated.
///
/// # Errors
/// When an expression cannot be evaluated, or its value does not fit the step type.
pub(crate) fn bind(registry: &Registry, node: &TaskNode, scope: &Scope) -> Result<BoundStep, StepError> {
    let step_type = registry.get(&node.uses).ok_or_else(|| {
        StepError::permanent(ErrorKind::Internal, format!("no step type `{}` in this frazil", node.uses))
    })?;
    let with = template::settings(&node.with, step_type.per_period, scope)?;
    step_type.bind(&with).map_err(|error| {
        StepError::permanent(
            ErrorKind::Data,
            format!("`with{}` of `{}`: {}", error.pointer, node.id, error.message),
        )
        .help("an expression there gives a value that does not fit: see the parameters of the run")
    })
}

pub(crate) fn wrong_role(node: &TaskNode) -> StepError {
    StepError::permanent(
        ErrorKind::Internal,
        format!("`{}` does not stand where `{}` can", node.id, node.uses),
    )
}
