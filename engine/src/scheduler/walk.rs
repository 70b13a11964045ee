use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinError, JoinSet},
};
use tracing::Instrument;

use super::{
    Run, RunError, Services,
    graph::{Graph, Turn},
    log::Log,
};
use crate::{
    data::{NodeId, Spent},
    event::{Event, Phase, RunState, RunStatus, UnitState},
    executor::{Entry, Journal, RELISTINGS, RunContext, Task, TaskEnd},
    step::{ErrorKind, StepError},
};

/// Tasks of one run side by side: enough to keep waits for the network apart from each other, few
/// enough that a wide graph does not hold the memory of all its steps at once.
const SIDE_BY_SIDE: usize = 32;

/// One run on its way through its graph.
pub(super) struct Walk<'a> {
    run: &'a Run,
    services: &'a Services,
    graph: Graph,
    log: Log,
    cx: RunContext,
    /// Units that wait for nothing any more.
    ready: VecDeque<usize>,
    /// How many units each unit still waits for.
    open: Vec<usize>,
    /// Segments that wait for their work to be listed again, by who lists it.
    relisting: BTreeMap<usize, usize>,
    tasks: JoinSet<TaskEnd>,
    /// Units at work, and since when.
    running: HashMap<Id, (usize, DateTime<Utc>)>,
    journal: Journal,
    entries: mpsc::Receiver<Entry>,
    /// Who waits for what was noted to be durable.
    noted: Vec<oneshot::Sender<()>>,
}

/// What the loop waits for.
enum Wake {
    Entry(Entry),
    Task(Result<(Id, TaskEnd), JoinError>),
    Cancel,
    Grace,
}

impl<'a> Walk<'a> {
    pub(super) fn new(run: &'a Run, services: &'a Services, log: Log) -> Result<Self, RunError> {
        std::fs::create_dir_all(&run.scratch).map_err(|error| RunError::Scratch {
            place: run.scratch.display().to_string(),
            why: error.to_string(),
        })?;
        let graph = Graph::of(run, &services.registry);
        let (journal, entries) = Journal::new();
        let cx = RunContext::of(run, services);
        let open = (0..graph.len()).map(|at| graph.waits_for(at)).collect();
        let (tasks, running) = (JoinSet::new(), HashMap::new());
        let (ready, relisting, noted) = (VecDeque::new(), BTreeMap::new(), Vec::new());
        let mut walk = Self {
            run,
            services,
            graph,
            log,
            cx,
            ready,
            open,
            relisting,
            tasks,
            running,
            journal,
            entries,
            noted,
        };
        walk.catch_up();
        Ok(walk)
    }

    /// Finds what is ready, those going on who wait for what the log says is over.
    fn catch_up(&mut self) {
        let roots: Vec<usize> = (0..self.graph.len()).filter(|at| self.open[*at] == 0).collect();
        self.ready.extend(roots);
        let over: Vec<usize> = (0..self.graph.len()).filter(|at| self.is_over(*at)).collect();
        over.into_iter().for_each(|at| self.release(at));
        let ready: VecDeque<usize> = self.ready.drain(..).collect();
        self.ready = ready.into_iter().filter(|at| !self.is_over(*at)).collect();
    }

    fn is_over(&self, at: usize) -> bool {
        self.log.state().units.get(self.graph.id(at)).is_some_and(UnitState::is_over)
    }

    /// Whether a unit may start. Once the run is told to stop, only what an earlier process had
    /// written still goes on to its commit.
    fn may_start(&self, at: usize) -> bool {
        let unit = self.log.state().units.get(self.graph.id(at));
        !self.run.cancel.token.is_cancelled()
            || unit
                .is_some_and(|unit| unit.phase == Phase::Running && unit.segment.pending().next().is_some())
    }

    /// A unit is over: those who wait for it wait for one less.
    fn release(&mut self, at: usize) {
        if let Some(segment) = self.relisting.remove(&at) {
            // Whoever else waited for it was released the first time.
            self.ready.push_back(segment);
            return;
        }
        for &follower in self.graph.followers(at) {
            self.open[follower] -= 1;
            // A process before this one may have brought it to its end, and what it waits for was
            // listed again since.
            if self.open[follower] == 0 && !self.is_over(follower) {
                self.ready.push_back(follower);
            }
        }
    }

    /// Walks to the end. What it returns is durable.
    pub(super) async fn go(mut self) -> Result<RunState, RunError> {
        let result = self.walk().await;
        // Tasks end before the folder that they use.
        self.tasks.shutdown().await;
        if let Err(error) = std::fs::remove_dir_all(&self.run.scratch)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.run.scratch.display(), %error, "the scratch folder is left behind");
        }
        result.map(|()| self.log.into_state())
    }

    async fn walk(&mut self) -> Result<(), RunError> {
        let mut grace: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        if let Some(reason) = &self.log.state().cancelling {
            self.run.cancel.cancel(reason);
        }
        loop {
            let starts = self.decide()?;
            self.log.flush().await?;
            for noted in self.noted.drain(..) {
                // A task that was dropped meanwhile does not wait any more.
                noted.send(()).unwrap_or_default();
            }
            starts.into_iter().for_each(|(at, task)| self.spawn(at, task));
            if self.tasks.is_empty() {
                return self.finish().await;
            }
            match self.wake(&mut grace).await {
                Wake::Cancel => {
                    let clock = Arc::clone(&self.services.clock);
                    let time = self.run.grace;
                    grace = Some(Box::pin(async move { clock.sleep(time).await }));
                    if self.log.state().cancelling.is_none() && !self.run.cancel.is_left() {
                        self.log.note(Event::Cancelling { reason: self.run.cancel.reason().to_owned() })?;
                    }
                }
                Wake::Grace => {
                    self.kill().await?;
                    return self.finish().await;
                }
                Wake::Entry(entry) => self.entry(entry)?,
                Wake::Task(ended) => self.ended(ended)?,
            }
            while let Ok(entry) = self.entries.try_recv() {
                self.entry(entry)?;
            }
            while let Some(ended) = self.tasks.try_join_next_with_id() {
                self.ended(ended)?;
            }
        }
    }

    async fn wake(&mut self, grace: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) -> Wake {
        let settling = grace.is_some();
        let over = async {
            match grace {
                Some(grace) => grace.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.run.cancel.token.cancelled(), if !settling => Wake::Cancel,
            Some(entry) = self.entries.recv() => Wake::Entry(entry),
            Some(ended) = self.tasks.join_next_with_id() => Wake::Task(ended),
            () = over => Wake::Grace,
        }
    }

    /// Notes what starts and what is skipped now, and gives what starts.
    fn decide(&mut self) -> Result<Vec<(usize, Task)>, RunError> {
        let mut starts = Vec::new();
        while self.tasks.len() + starts.len() < SIDE_BY_SIDE
            && let Some(at) = self.ready.iter().position(|at| self.may_start(*at))
            && let Some(at) = self.ready.remove(at)
        {
            let unit = self.graph.id(at).clone();
            match self.graph.turn(at, self.log.state()) {
                Turn::Skip(because) => {
                    self.log.note(Event::Skipped { unit, because })?;
                    self.release(at);
                }
                Turn::Run(input) => {
                    let attempt = self.log.state().units.get(&unit).map_or(0, |unit| unit.attempts) + 1;
                    self.log.note(Event::Started { unit: unit.clone(), attempt })?;
                    let state = self.log.state().units.get(&unit).cloned().unwrap_or_default();
                    starts.push((at, self.graph.task(at, input, &state, &self.run.pipeline)));
                }
            }
        }
        Ok(starts)
    }

    fn spawn(&mut self, at: usize, task: Task) {
        let (executor, cx, journal) =
            (Arc::clone(&self.services.executor), self.cx.clone(), self.journal.clone());
        let span = tracing::info_span!("task", run = %self.run.id, unit = %task.unit, attempt = task.attempt);
        let work = async move { executor.execute(task, &cx, &journal).await }.instrument(span);
        let handle = self.tasks.spawn(work);
        self.running.insert(handle.id(), (at, self.services.clock.now()));
    }

    /// Notes what programs of units at work printed.
    fn hear(&mut self) -> Result<(), RunError> {
        for (at, _) in self.running.values() {
            for (node, lines, more) in self.cx.take_said(&self.nodes(*at)) {
                let unit = self.graph.id(*at).clone();
                self.log.note(Event::Said { unit, node, lines, more })?;
            }
        }
        Ok(())
    }

    /// The nodes of a unit, by name.
    fn nodes(&self, at: usize) -> Vec<NodeId> {
        self.graph.nodes(at).into_iter().map(|node| self.run.pipeline.nodes[node].id.clone()).collect()
    }

    fn entry(&mut self, entry: Entry) -> Result<(), RunError> {
        self.hear()?;
        self.log.note(entry.event)?;
        self.noted.push(entry.durable);
        Ok(())
    }

    fn ended(&mut self, ended: Result<(Id, TaskEnd), JoinError>) -> Result<(), RunError> {
        let (id, end) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let why = format!("the task came to an unexpected end: {error}");
                (error.id(), TaskEnd::failed(StepError::permanent(ErrorKind::Internal, why)))
            }
        };
        self.hear()?;
        let Some((at, since)) = self.running.remove(&id) else { return Ok(()) };
        let unit = self.graph.id(at).clone();
        let error = end.outcome.error.map(StepError::exhausted);
        // Whoever goes on with the run finds the unit as after a death: at work.
        let unfinished = error.as_ref().is_some_and(|e| *e == StepError::Cancelled || e.is_moved());
        if unfinished && self.run.cancel.is_left() {
            return Ok(());
        }
        if let Some(error) = error.as_ref().filter(|error| error.is_moved())
            && self.relist(at, error)?
        {
            return Ok(());
        }
        let spent = self.spent(at, since);
        if let Some(checks) = self.cx.take_checked(&unit) {
            self.log.note(Event::Checked { unit: unit.clone(), checks })?;
        }
        self.log.note(Event::Ended { unit, output: end.outcome.output, error, at: end.at, spent })?;
        self.release(at);
        Ok(())
    }

    /// What the nodes of a unit that is at work `since` did, in how much time.
    fn spent(&self, at: usize, since: DateTime<Utc>) -> BTreeMap<NodeId, Spent> {
        let mut spent = self.cx.take_spent(&self.nodes(at));
        let took = (self.services.clock.now() - since).num_milliseconds();
        if let Some(own) = spent.get_mut(self.graph.id(at)) {
            own.millis = u64::try_from(took).unwrap_or_default();
        }
        spent
    }

    /// Has the work of a segment listed again, as somebody else wrote meanwhile. Whether it may be.
    fn relist(&mut self, at: usize, error: &StepError) -> Result<bool, RunError> {
        let Some(lists) = self.graph.lists(at) else { return Ok(false) };
        let unit = self.graph.id(at).clone();
        let before = self.log.state().units.get(&unit).map_or(0, |unit| unit.segment.relisted);
        // What another process left undone is listed anew as well, and is nobody's fault.
        if before >= RELISTINGS + self.log.state().opened.saturating_sub(1)
            || self.run.cancel.token.is_cancelled()
        {
            return Ok(false);
        }
        let (lists_id, error) = (self.graph.id(lists).clone(), error.clone());
        self.log.note(Event::Relisted { unit, lists: lists_id, error })?;
        self.relisting.insert(lists, at);
        self.ready.push_back(lists);
        Ok(true)
    }

    /// The time to settle is over.
    async fn kill(&mut self) -> Result<(), RunError> {
        self.cx.kill.cancel();
        self.tasks.shutdown().await;
        self.hear()?;
        if self.run.cancel.is_left() {
            return Ok(());
        }
        let units: Vec<NodeId> = self.running.drain().map(|(_, (at, _))| self.graph.id(at).clone()).collect();
        for unit in units {
            let error = Some(StepError::Cancelled);
            let (output, spent) = (None, BTreeMap::new());
            self.log.note(Event::Ended { unit, output, error, at: None, spent })?;
        }
        Ok(())
    }

    /// Success is read from the state, not from there being nothing left to do.
    async fn finish(&mut self) -> Result<(), RunError> {
        let state = self.log.state();
        let cancelled = state.units.values().any(|unit| unit.error == Some(StepError::Cancelled));
        let told = self.run.cancel.token.is_cancelled();
        let left: Vec<NodeId> =
            state.units.iter().filter(|(_, unit)| !unit.is_over()).map(|(id, _)| id.clone()).collect();
        if self.run.cancel.is_left() && !left.is_empty() {
            self.log.note(Event::Left { process: std::process::id() })?;
            return self.log.flush().await;
        }
        let status = if told && (cancelled || !left.is_empty()) {
            RunStatus::Cancelled
        } else if state.failed() || cancelled || !left.is_empty() {
            RunStatus::Failed
        } else {
            RunStatus::Successful
        };
        // Told before anything was at work that could hear it.
        if status == RunStatus::Cancelled && self.log.state().cancelling.is_none() {
            self.log.note(Event::Cancelling { reason: self.run.cancel.reason().to_owned() })?;
        }
        self.log.note(Event::Finished { status })?;
        self.log.flush().await?;
        if status != RunStatus::Cancelled && !left.is_empty() { Err(RunError::Stuck(left)) } else { Ok(()) }
    }
}
