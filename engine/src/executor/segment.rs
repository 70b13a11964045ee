use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::{TryStreamExt, future::Either, pin_mut};
use tokio::sync::{mpsc, watch};

use super::{
    Journal, TaskEnd,
    batches::{beyond, part},
    cut::Cut,
    join::join,
    local::{timed, wait},
};
use crate::{
    context::Context,
    data::{NodeId, Period, Periods, Slices, Snapshot},
    event::{Event, Stopped},
    plan::PlannedSlices,
    registry::{AnyFilter, AnySink, AnySource},
    step::{Batch, Document, Ended, ErrorKind, Outcome, StepError, Written},
};

/// Batches that are written and wait for their commit. Commits are short beside writes, so one
/// that waits suffices to keep both at work.
const AHEAD: usize = 1;

/// Why a batch that ends at the frontier is the last one.
const NO_MORE: &str = "the source has no more yet";

/// A step of a segment with its context.
pub(super) struct Stage<T: ?Sized> {
    pub(super) step: Arc<T>,
    pub(super) node: NodeId,
    pub(super) cx: Context,
}

/// One stream of a segment.
pub(super) struct Branch {
    pub(super) source: Stage<dyn AnySource>,
    pub(super) filters: Vec<Stage<dyn AnyFilter>>,
}

/// A segment at work.
pub(super) struct Segment<'a> {
    pub(super) unit: NodeId,
    pub(super) branches: Vec<Branch>,
    pub(super) sink: Stage<dyn AnySink>,
    pub(super) periods: Arc<Periods>,
    pub(super) journal: &'a Journal,
    pub(super) attempt: u32,
}

/// Why nothing more is settled: the first batch that is not, and the error where there is one.
struct Stop {
    first: usize,
    why: String,
    error: Option<StepError>,
    at: Option<NodeId>,
    /// Whether the source has no more yet.
    is_frontier: bool,
}

impl Stop {
    fn failed(first: usize, error: StepError, at: Option<NodeId>) -> Self {
        Self { first, why: error.to_string(), error: Some(error), at, is_frontier: false }
    }

    /// The batch before `first` ended where the source does.
    fn frontier(first: usize) -> Self {
        Self { first, why: NO_MORE.to_owned(), error: None, at: None, is_frontier: true }
    }
}

impl Segment<'_> {
    /// Settles what is pending, then writes and commits the batches from `next` on.
    pub(super) async fn run(self, pending: Vec<Written>, next: usize, stopped: Option<Stopped>) -> TaskEnd {
        let head = Mutex::new(None);
        let mut stop = None;
        for written in pending {
            let first = written.index;
            if let Err(error) = self.commit(written, &head).await {
                stop = Some(Stop::failed(first, error, Some(self.sink.node.clone())));
                break;
            }
        }
        if stop.is_none() {
            stop = match stopped {
                None => self.go_on(next, &head).await,
                Some(Stopped::Frontier) => self.before(Stop::frontier(next), &head).await,
                Some(Stopped::Broken) => Some(Stop::failed(next, self.broken(), None)),
            };
        }
        self.end(stop, head.into_inner().unwrap_or_else(PoisonError::into_inner)).await
    }

    /// Settles the batches from `next` on.
    async fn go_on(&self, next: usize, head: &Mutex<Option<Snapshot>>) -> Option<Stop> {
        if next >= self.periods.batches.len() {
            return None;
        }
        match self.stream(next, head).await {
            Some(stop) if stop.is_frontier => self.before(stop, head).await,
            stop => stop,
        }
    }

    /// Settles the batches that a frontier says nothing of: those of periods before all that is stored.
    async fn before(&self, frontier: Stop, head: &Mutex<Option<Snapshot>>) -> Option<Stop> {
        let stop = match beyond(&self.periods.batches, frontier.first) {
            // What ends there in its turn ends it all: there is nothing stored between.
            Some(next) => self.stream(next, head).await,
            None => None,
        };
        stop.or(Some(frontier))
    }

    /// A process before this one stopped and died before it noted why. What it left undone does not
    /// begin where a batch does, so that it is listed anew.
    fn broken(&self) -> StepError {
        if self.cx().cancel.is_cancelled() {
            return StepError::Cancelled;
        }
        StepError::permanent(ErrorKind::Moved, "the process died before it noted what had stopped it")
            .help("run again: the work is listed anew")
    }

    /// Notes what is not settled and passes on the head.
    async fn end(self, stop: Option<Stop>, head: Option<Snapshot>) -> TaskEnd {
        let (mut error, at) = match stop {
            None => (None, None),
            Some(Stop { first, why, error, at, .. }) => {
                let event = Event::Discarded { unit: self.unit.clone(), first, why };
                if first < self.periods.batches.len()
                    && let Err(error) = self.journal.record(event).await
                {
                    return TaskEnd::failed(error);
                }
                (error, at)
            }
        };
        let head = match head {
            Some(head) => Some(head),
            None => {
                let (sink, cx) = (&self.sink.step, &self.sink.cx);
                let found = cx.retrying("reading the head", |_| sink.head(cx)).await;
                found.map_err(|failed| error.get_or_insert(failed)).ok()
            }
        };
        let output = head.map(|mut head| {
            head.base = head.base.or_else(|| self.periods.base.clone());
            Document::Snapshot(head)
        });
        TaskEnd { outcome: Outcome { output, error }, at }
    }

    /// Commits one batch. Committing it twice is committing it once.
    async fn commit(&self, written: Written, head: &Mutex<Option<Snapshot>>) -> Result<(), StepError> {
        let index = written.index;
        let keep = |snapshot: Snapshot| {
            *head.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
        };
        let mut snapshot = None;
        if written.settles() {
            let (sink, cx) = (&self.sink.step, &self.sink.cx);
            let (written, keep) = (&written, &keep);
            let work = move |_| async move {
                let outcome = timed(cx.timeout, sink.commit(vec![written.clone()], cx)).await;
                match (outcome.output, outcome.error) {
                    (Some(output), None) => Ok(output),
                    (output, error) => {
                        output.into_iter().for_each(keep);
                        Err(error.unwrap_or_else(|| nothing("a commit")))
                    }
                }
            };
            let committed = cx.retrying("committing", work).await?;
            keep(committed.clone());
            snapshot = Some(committed);
        }
        self.journal.record(Event::Committed { unit: self.unit.clone(), index, snapshot }).await
    }

    /// Writes and commits side by side. Gives why it stopped before the last batch.
    async fn stream(&self, next: usize, head: &Mutex<Option<Snapshot>>) -> Option<Stop> {
        if self.cx().cancel.is_cancelled() {
            return Some(Stop::failed(next, StepError::Cancelled, None));
        }
        if let Err(error) = self.admit(next).await {
            return Some(Stop::failed(next, error, Some(self.sink.node.clone())));
        }
        let (written, to_commit) = mpsc::channel(AHEAD);
        // A new dataset gets its template from its first commit.
        let (settled, is_settled) = watch::channel(self.periods.base.is_some() || next > 0);
        let writes = self.write_all(next, written, is_settled);
        let commits = self.commit_all(to_commit, settled, head);
        pin_mut!(writes, commits);
        match futures::future::select(writes, commits).await {
            Either::Left((wrote, commits)) => commits.await.or(wrote),
            Either::Right((None, writes)) => writes.await,
            // What is being written is let go: nothing refers to it.
            Either::Right((failed, _)) => failed,
        }
    }

    /// Refuses, before the first request, what does not fit in memory.
    async fn admit(&self, next: usize) -> Result<(), StepError> {
        let scope = &self.sink.cx.scope;
        let rest = part(&self.periods, next..self.periods.batches.len());
        let mut streams = Vec::new();
        for branch in &self.branches {
            let slices = branch.source.step.plan(&rest, branch.halo(), scope).await?;
            let filters = &mut branch.filters.iter();
            streams.push(filters.try_fold(slices, |slices, filter| filter.step.plan(slices, scope))?);
        }
        let slices = together(rest, &streams);
        let planned = self.sink.step.plan(&slices, scope).await?;
        crate::plan::fits(&self.sink.node, &planned.work, scope)
    }

    async fn commit_all(
        &self,
        mut written: mpsc::Receiver<Written>,
        settled: watch::Sender<bool>,
        head: &Mutex<Option<Snapshot>>,
    ) -> Option<Stop> {
        while let Some(batch) = written.recv().await {
            let first = batch.index;
            if let Err(error) = self.commit(batch, head).await {
                return Some(Stop::failed(first, error, Some(self.sink.node.clone())));
            }
            settled.send_replace(true);
        }
        None
    }

    async fn write_all(
        &self,
        mut index: usize,
        to_commit: mpsc::Sender<Written>,
        mut settled: watch::Receiver<bool>,
    ) -> Option<Stop> {
        let first = index;
        let mut tried = 0;
        let mut open = None;
        while index < self.periods.batches.len() {
            if self.cx().cancel.is_cancelled() {
                return Some(Stop::failed(index, StepError::Cancelled, None));
            }
            if index > first && settled.wait_for(|settled| *settled).await.is_err() {
                return None;
            }
            let (cut, fault) = open.get_or_insert_with(|| self.open(index));
            let outcome = self.write(index, cut).await;
            tried += 1;
            if let Some(error) = outcome.error.as_ref().filter(|error| error.is_transient())
                && tried < self.sink.cx.retry.attempts.max(1)
            {
                // The stream is spent: this batch is read again from its beginning.
                open = None;
                let attempt = self.attempt + tried - 1;
                match wait(&self.unit, attempt, tried, error.clone(), self.cx(), self.journal).await {
                    Ok(()) => continue,
                    Err(error) => return Some(Stop::failed(index, error, None)),
                }
            }
            let at = fault.get().cloned();
            if let Some(stop) = self.hand_on(index, outcome, at, &to_commit).await {
                return Some(stop);
            }
            (index, tried) = (index + 1, 0);
        }
        None
    }

    /// Notes what was written and hands it on. Gives why no further batch may start.
    async fn hand_on(
        &self,
        index: usize,
        outcome: Outcome<Written>,
        at: Option<NodeId>,
        to_commit: &mpsc::Sender<Written>,
    ) -> Option<Stop> {
        let error = outcome.error.map(StepError::exhausted);
        let at = at.or_else(|| error.as_ref().map(|_| self.sink.node.clone()));
        let Some(written) = outcome.output else {
            let error = error.unwrap_or_else(|| nothing("a write"));
            return Some(Stop::failed(index, error, at));
        };
        let ended = written.ended;
        let event = Event::Written { unit: self.unit.clone(), written: written.clone() };
        if let Err(error) = self.journal.record(event).await {
            return Some(Stop::failed(index, error, None));
        }
        if to_commit.send(written).await.is_err() {
            // The commit before it failed and says why.
            return Some(Stop {
                first: index,
                why: String::new(),
                error: None,
                at: None,
                is_frontier: false,
            });
        }
        let why = match (&error, ended) {
            (Some(error), _) => error.to_string(),
            (None, Ended::Whole) => return None,
            (None, Ended::Frontier) => return Some(Stop::frontier(index + 1)),
            (None, Ended::Failed | Ended::Cancelled) => "a batch before it did not end whole".to_owned(),
        };
        let error = error.or_else(|| (ended == Ended::Cancelled).then_some(StepError::Cancelled));
        Some(Stop { first: index + 1, why, error, at, is_frontier: false })
    }

    async fn write(&self, index: usize, cut: &Cut) -> Outcome<Written> {
        let batch = Batch { index, periods: part(&self.periods, index..index + 1) };
        let due: Vec<Period> = self.periods.batches[index].iter().flat_map(|range| range.iter()).collect();
        let wanted = due.len();
        let (slices, tally) = cut.batch(due);
        let mut outcome = self.sink.step.write(batch, slices, &self.sink.cx).await;
        let whole = outcome.output.as_ref().is_some_and(|written| written.ended == Ended::Whole);
        if whole && tally.get() < wanted {
            let error = format!("`{}` calls a batch whole that it did not read to its end", self.sink.node);
            outcome = Err(StepError::permanent(ErrorKind::Internal, error)).into();
        }
        outcome
    }

    /// The context of its first source: told to stop when the run is.
    fn cx(&self) -> &Context {
        // A sink that reads no stream is not made; its own context would be told only at the end.
        self.branches.first().map_or(&self.sink.cx, |branch| &branch.source.cx)
    }

    /// One stream for all batches that are left, so that the source reads on over their borders.
    /// Beside it, the node at which an error arose.
    fn open(&self, next: usize) -> (Cut, Arc<OnceLock<NodeId>>) {
        let fault = Arc::new(OnceLock::new());
        let blame = |slices: Slices, node: &NodeId| {
            let (fault, node) = (Arc::clone(&fault), node.clone());
            let stream = slices.0.inspect_err(move |_| {
                fault.get_or_init(|| node.clone());
            });
            Slices(Box::pin(stream))
        };
        let rest = part(&self.periods, next..self.periods.batches.len());
        let stream = |Branch { source, filters }: &Branch, halo| {
            let slices = source.step.slices(rest.clone(), halo, &source.cx);
            filters.iter().fold(blame(slices, &source.node), |stream, filter| {
                blame(filter.step.apply(stream, &filter.cx), &filter.node)
            })
        };
        let streams = self.branches.iter().map(|branch| stream(branch, branch.halo())).collect();
        (Cut::new(join(streams), self.cx().cancel.clone()), fault)
    }
}

impl Branch {
    fn halo(&self) -> u32 {
        self.filters.iter().map(|filter| filter.step.halo()).max().unwrap_or(0)
    }
}

/// Streams of the same work as the one that they are joined to. Each holds its own variables, so
/// that together they hold no more whole periods than the one that holds most.
pub(crate) fn together(periods: Periods, streams: &[PlannedSlices]) -> PlannedSlices {
    PlannedSlices {
        periods,
        requests: streams.iter().map(|stream| stream.requests).sum(),
        bytes: streams.iter().map(|stream| stream.bytes).sum(),
        in_flight: streams.iter().map(|stream| stream.in_flight).max().unwrap_or(1),
        memory: streams.iter().map(|stream| stream.memory).sum(),
        reasons: streams.iter().flat_map(|stream| stream.reasons.clone()).collect(),
    }
}

fn nothing(what: &str) -> StepError {
    StepError::permanent(ErrorKind::Internal, format!("{what} gave neither an output nor an error"))
}
