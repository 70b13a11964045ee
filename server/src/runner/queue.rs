//! Who waits for a turn: the oldest first, one of each pipeline at a time, and nobody before those that it
//! comes after. Plain data.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use frazil_engine::data::{PipelineId, RunId};

use crate::live::Current;

/// A run that waits for its turn.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) run: RunId,
    pub(super) pipeline: PipelineId,
    /// The runs that it comes after.
    pub(super) after: Vec<RunId>,
    /// The files that it was accepted by, where this process accepted it.
    pub(super) version: Option<Current>,
}

/// All who wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: BTreeMap<PipelineId, Line>,
    /// Runs that are not over: those that wait, and those that were taken and are not done.
    open: HashSet<RunId>,
    /// Numbers those who come.
    next: u64,
    waiting: usize,
    reserved: usize,
}

/// Those who wait for one pipeline.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(u64, Waiting)>,
    /// Places that are about to be filled.
    reserved: usize,
    /// The run that is at work here.
    at_work: Option<RunId>,
    /// Another process is at work on the pipeline, as it seemed when it was looked at last.
    held: bool,
}

impl Line {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.reserved == 0 && self.at_work.is_none()
    }
}

impl Queue {
    /// How many wait.
    pub(super) const fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody else may come.
    pub(super) const fn is_full(&self, limit: usize) -> bool {
        self.waiting + self.reserved >= limit
    }

    /// Whether a run of the pipeline waits, is about to, or is at work.
    pub(super) fn knows(&self, pipeline: &PipelineId) -> bool {
        self.lines.get(pipeline).is_some_and(|line| !line.is_idle())
    }

    /// Those that wait.
    pub(super) fn all_waiting(&self) -> Vec<RunId> {
        self.lines.values().flat_map(|line| &line.waiting).map(|(_, waiting)| waiting.run.clone()).collect()
    }

    /// Somebody is about to come.
    pub(super) fn reserve(&mut self, pipeline: &PipelineId) {
        self.reserved += 1;
        self.lines.entry(pipeline.clone()).or_default().reserved += 1;
    }

    fn unreserve(&mut self, pipeline: &PipelineId) {
        self.reserved = self.reserved.saturating_sub(1);
        if let Some(line) = self.lines.get_mut(pipeline) {
            line.reserved = line.reserved.saturating_sub(1);
        }
        self.tidy(pipeline);
    }

    /// Somebody comes.
    pub(super) fn put(&mut self, waiting: Waiting) {
        self.open.insert(waiting.run.clone());
        let line = self.lines.entry(waiting.pipeline.clone()).or_default();
        line.waiting.push_back((self.next, waiting));
        self.next += 1;
        self.waiting += 1;
    }

    /// Whose turn it is, now at work; none while nobody may begin. Who waits for others is passed by those
    /// of its pipeline that need not: else two could wait for each other.
    pub(super) fn take(&mut self) -> Option<(u64, Waiting)> {
        let Self { lines, open, waiting, .. } = self;
        let may = |(_, waiting): &(u64, Waiting)| !waiting.after.iter().any(|run| open.contains(run));
        let first = |line: &Line| line.waiting.iter().position(may);
        let free = lines.values_mut().filter(|line| line.at_work.is_none() && !line.held);
        let ready = free.filter_map(|line| Some((first(line)?, line)));
        let (at, line) = ready.min_by_key(|(at, line)| line.waiting[*at].0)?;
        let taken = line.waiting.remove(at)?;
        line.at_work = Some(taken.1.run.clone());
        *waiting -= 1;
        Some(taken)
    }

    /// A run that was at work is not any more.
    pub(super) fn done(&mut self, waiting: &Waiting) {
        self.open.remove(&waiting.run);
        if let Some(line) = self.lines.get_mut(&waiting.pipeline) {
            line.at_work = None;
        }
        self.tidy(&waiting.pipeline);
    }

    /// Who was taken could not begin, as another process is at work on its pipeline: it waits in its
    /// old place until that is looked at again.
    pub(super) fn put_back(&mut self, place: u64, waiting: Waiting) {
        let line = self.lines.entry(waiting.pipeline.clone()).or_default();
        line.at_work = None;
        line.held = true;
        let at = line.waiting.partition_point(|(other, _)| *other < place);
        line.waiting.insert(at, (place, waiting));
        self.waiting += 1;
    }

    /// Whether other processes are in anybody's way.
    pub(super) fn has_held(&self) -> bool {
        self.lines.values().any(|line| line.held)
    }

    /// Those who were held may try again.
    pub(super) fn look_again(&mut self) {
        self.lines.values_mut().for_each(|line| line.held = false);
    }

    /// Takes a run out.
    pub(super) fn forget(&mut self, run: &RunId) {
        let mut found = None;
        for (pipeline, line) in &mut self.lines {
            let before = line.waiting.len();
            line.waiting.retain(|(_, waiting)| waiting.run != *run);
            if line.waiting.len() < before {
                self.waiting -= 1;
                found = Some(pipeline.clone());
            }
        }
        if let Some(pipeline) = found {
            self.open.remove(run);
            self.tidy(&pipeline);
        }
    }

    /// Runs of a pipeline that wait or are at work.
    fn of(&self, pipeline: &PipelineId) -> Vec<RunId> {
        let Some(line) = self.lines.get(pipeline) else { return Vec::new() };
        line.at_work.iter().chain(line.waiting.iter().map(|(_, waiting)| &waiting.run)).cloned().collect()
    }

    fn tidy(&mut self, pipeline: &PipelineId) {
        if self.lines.get(pipeline).is_some_and(Line::is_idle) {
            self.lines.remove(pipeline);
        }
    }
}

/// A place in the queue that is about to be filled; given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    queue: &'a Mutex<Queue>,
    pipeline: PipelineId,
}

impl<'a> Place<'a> {
    /// A place that was reserved.
    pub(super) const fn new(queue: &'a Mutex<Queue>, pipeline: PipelineId) -> Self {
        Self { queue, pipeline }
    }

    /// Other runs of the pipeline.
    pub(super) fn others(&self) -> Vec<RunId> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).of(&self.pipeline)
    }

    /// The run is there.
    pub(super) fn fill(self, waiting: Waiting) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).put(waiting);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).unreserve(&self.pipeline);
    }
}

#[cfg(test)]
mod tests;
