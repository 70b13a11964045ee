//! How a task is carried out. Here it runs in this process; a task and what it gives are documents,
//! so that another executor only has to carry them elsewhere.

mod batches;
mod cut;
mod join;
mod local;
mod said;
mod segment;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use local::LocalExecutor;
pub(crate) use local::{bind, wrong_role};
use said::Said;
pub(crate) use segment::together;

use crate::{
    context::{Clock, Context, Pools, Progress, Scope, Tick},
    data::{Checked, Duration, NodeId, Periods, RunId, Spent},
    event::{Event, RunEvent, RunState, Stopped},
    pipeline::PipelineNode,
    project::Retry,
    scheduler::{Run, Services},
    step::{Document, Outcome, StepError, Written},
};

/// How often work is listed anew in one run as others write to the dataset meanwhile: after that,
/// whoever else is at work should be seen to first.
pub const RELISTINGS: u32 = 8;

/// Carries out tasks. Dropping the future stops the work.
#[async_trait]
pub trait Executor: Debug + Send + Sync {
    /// Does the work of a unit, noting in the journal what must outlive the process.
    async fn execute(&self, task: Task, cx: &RunContext, journal: &Journal) -> TaskEnd;
}

/// The work of one unit. Expressions are not evaluated yet, and secrets stand in it by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// The unit.
    pub unit: NodeId,
    /// The try, from 1.
    pub attempt: u32,
    /// What is done.
    pub work: TaskWork,
}

/// What a task does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskWork {
    /// A node between documents.
    Node {
        /// The node.
        node: Box<TaskNode>,
        /// What its edges carry.
        input: Vec<Document>,
    },
    /// Nodes joined by streams.
    Segment(Box<SegmentWork>),
}

/// The work of a segment: all batches that are left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SegmentWork {
    /// The streams that are joined by period.
    pub branches: Vec<BranchWork>,
    /// Settles slices.
    pub sink: TaskNode,
    /// The work, all batches of it: one document, however many look at it.
    #[serde(with = "crate::data::shared")]
    pub periods: Arc<Periods>,
    /// Written by an earlier try and not settled, in order.
    pub pending: Vec<Written>,
    /// The first batch of which nothing is known.
    pub next: usize,
    /// Why no further batch may start, where none may.
    pub stopped: Option<Stopped>,
}

/// One stream of a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BranchWork {
    /// Reads slices.
    pub source: TaskNode,
    /// Change slices, in order.
    pub filters: Vec<TaskNode>,
}

/// A node of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskNode {
    /// Its name.
    pub id: NodeId,
    /// Its step type.
    pub uses: String,
    /// Its settings as they are written.
    pub with: Value,
    /// The pool that it counts against.
    pub pool: Option<String>,
    /// How it is tried again.
    pub retry: Retry,
    /// The longest time of one source file, or of the task.
    pub timeout: Option<Duration>,
}

impl From<&PipelineNode> for TaskNode {
    fn from(node: &PipelineNode) -> Self {
        Self {
            id: node.id.clone(),
            uses: node.uses.clone(),
            with: node.with.clone(),
            pool: node.pool.clone(),
            retry: node.retry,
            timeout: node.timeout,
        }
    }
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskEnd {
    /// What it gave, what stopped it, or both.
    pub outcome: Outcome<Document>,
    /// The node at which it stopped, where that is known.
    pub at: Option<NodeId>,
}

impl TaskEnd {
    pub(crate) fn failed(error: StepError) -> Self {
        Self { outcome: Outcome { output: None, error: Some(error) }, at: None }
    }
}

/// What the tasks of one run share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// The project, the instant and the parameters.
    pub scope: Scope,
    /// The run.
    pub run: RunId,
    /// Told when the run is to stop: what is whole so far is kept.
    pub cancel: CancellationToken,
    /// Told when the time to settle is over too.
    pub kill: CancellationToken,
    /// The time on the wall.
    pub clock: Arc<dyn Clock>,
    /// A folder of this run alone.
    pub scratch: PathBuf,
    /// Limits shared by all pipelines.
    pub pools: Pools,
    /// Who is told of progress.
    pub watch: Arc<dyn Watch>,
    /// What each node did so far, until it is taken for the run log.
    spent: Arc<Mutex<BTreeMap<NodeId, Spent>>>,
    /// What programs of each node printed, until it is taken for the run log.
    said: Arc<Said>,
    /// What each node found of data that it looked at, as above.
    checked: Arc<Mutex<BTreeMap<NodeId, Vec<Checked>>>>,
}

/// Whoever watches a run.
pub trait Watch: Debug + Send + Sync {
    /// Something happened, and it is durable.
    fn event(&self, _event: &RunEvent, _state: &RunState) {}
    /// A node got further.
    fn tick(&self, _node: &NodeId, _tick: &Tick) {}
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {}

impl RunContext {
    /// What the tasks of `run` share.
    pub(crate) fn of(run: &Run, services: &Services) -> Self {
        Self {
            scope: run.scope.clone(),
            run: run.id.clone(),
            cancel: run.cancel.token.clone(),
            kill: CancellationToken::new(),
            clock: Arc::clone(&services.clock),
            scratch: run.scratch.clone(),
            pools: services.pools.clone(),
            watch: Arc::clone(&services.watch),
            spent: Arc::default(),
            said: Arc::default(),
            checked: Arc::default(),
        }
    }

    /// The context of one node; `cancel` is what tells it to stop.
    pub(crate) fn node(&self, node: &TaskNode, attempt: u32, cancel: CancellationToken) -> Context {
        let (watch, id, spent) = (Arc::clone(&self.watch), node.id.clone(), Arc::clone(&self.spent));
        let said = Arc::clone(&self.said);
        let checked = Arc::clone(&self.checked);
        Context {
            scope: self.scope.clone(),
            run: self.run.clone(),
            node: node.id.clone(),
            attempt,
            cancel,
            clock: Arc::clone(&self.clock),
            scratch: self.scratch.clone(),
            retry: node.retry,
            timeout: node.timeout,
            pools: self.pools.clone(),
            pool: node.pool.clone(),
            progress: Progress::new(move |tick| {
                match &tick {
                    Tick::Spent(more) => {
                        let mut spent = spent.lock().unwrap_or_else(PoisonError::into_inner);
                        *spent.entry(id.clone()).or_default() += *more;
                    }
                    // A later try looks again.
                    Tick::Checked(checks) => {
                        let mut checked = checked.lock().unwrap_or_else(PoisonError::into_inner);
                        checked.insert(id.clone(), checks.clone());
                    }
                    Tick::Said(line) => said.keep(&id, line),
                    Tick::Periods { .. } | Tick::Note(_) => {}
                }
                watch.tick(&id, &tick);
            }),
        }
    }

    /// What programs of these nodes printed since they were asked last.
    pub(crate) fn take_said(&self, nodes: &[NodeId]) -> Vec<(NodeId, Vec<String>, u64)> {
        self.said.take(nodes)
    }

    /// What these nodes did since they were asked last.
    pub(crate) fn take_spent(&self, nodes: &[NodeId]) -> BTreeMap<NodeId, Spent> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.iter().filter_map(|node| spent.remove_entry(node)).collect()
    }
}

impl RunContext {
    /// What a node found of data since it was asked last.
    pub(crate) fn take_checked(&self, node: &NodeId) -> Option<Vec<Checked>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).remove(node)
    }
}

/// Notes events of a task in the run log, which the scheduler alone writes.
#[derive(Debug, Clone)]
pub struct Journal(mpsc::Sender<Entry>);

/// An event that waits to be noted.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event: Event,
    pub(crate) durable: oneshot::Sender<()>,
}

impl Journal {
    /// Events that wait at a time: each task waits for its own, so this is more than there are.
    const WAITING: usize = 64;

    pub(crate) fn new() -> (Self, mpsc::Receiver<Entry>) {
        let (entries, waiting) = mpsc::channel(Self::WAITING);
        (Self(entries), waiting)
    }

    /// Notes an event; durable on return.
    ///
    /// # Errors
    /// [`StepError::Cancelled`] when the run log cannot be written: the run is about to end.
    pub async fn record(&self, event: Event) -> Result<(), StepError> {
        let (durable, noted) = oneshot::channel();
        self.0.send(Entry { event, durable }).await.map_err(|_| StepError::Cancelled)?;
        noted.await.map_err(|_| StepError::Cancelled)
    }
}
