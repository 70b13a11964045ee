use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Accepted, Event, RunEvent, RunStatus, VERSION};
use crate::{
    data::{Checked, NodeId, PeriodRange, Snapshot},
    step::{Document, Ended, StepError, Written},
};

/// A run as its log tells it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunState {
    /// What it is; none before the first event.
    pub accepted: Option<Accepted>,
    /// When it was accepted.
    pub since: Option<DateTime<Utc>>,
    /// How many processes worked on it.
    pub opened: u32,
    /// How many of those let go of it in good order.
    pub left: u32,
    /// Its units, by name.
    pub units: BTreeMap<NodeId, UnitState>,
    /// Why it was told to stop, where it was.
    pub cancelling: Option<String>,
    /// How it ended, and when.
    pub finished: Option<(RunStatus, DateTime<Utc>)>,
    /// How many events there are.
    pub len: usize,
}

/// One unit of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitState {
    /// Where it is.
    pub phase: Phase,
    /// Tries so far.
    pub attempts: u32,
    /// When its first try started.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// What it gave.
    pub output: Option<Document>,
    /// What stopped it, or the last reason to try again.
    pub error: Option<StepError>,
    /// The node at which it stopped.
    pub at: Option<NodeId>,
    /// What is missing, where it was skipped.
    pub because: Vec<NodeId>,
    /// What its checks of data found.
    pub checks: Vec<Checked>,
    /// Its batches, if it is a segment.
    pub segment: SegmentState,
}

/// Where a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Not started.
    #[default]
    Waiting,
    /// Started and not over.
    Running,
    /// Over, with an output, an error or both.
    Done,
    /// Will not run.
    Skipped,
}

/// How far a segment is. It holds what is on its way, and counts what is settled, so that it does not
/// grow with the work.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SegmentState {
    /// Batches that are written and not settled, by their place.
    pub written: BTreeMap<usize, Written>,
    /// Batches before this place are settled.
    pub settled: usize,
    /// The periods of those, as ranges in the order in which they were settled.
    pub periods: Vec<PeriodRange>,
    /// The head after the last commit.
    pub head: Option<Snapshot>,
    /// How the last batch that was settled ended, where it was not whole.
    pub ended: Option<Ended>,
    /// From this place on nothing more is settled by this run, and why.
    pub discarded: Option<(usize, String)>,
    /// How often its work was listed again.
    pub relisted: u32,
}

/// Why no further batch of a segment may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// The source has no more.
    Frontier,
    /// An error stopped it, which [`Event::Ended`] tells.
    Broken,
}

/// An event that cannot follow those before it: a log that is damaged, or a fault of frazil.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {at} of the run log cannot follow those before it: {why}")]
pub struct IllegalEvent {
    /// Its place in the log, from 0.
    pub at: usize,
    /// What is wrong with it.
    pub why: String,
}

impl RunState {
    /// The state that these events tell.
    ///
    /// # Errors
    /// At the first event that cannot follow those before it.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a RunEvent>) -> Result<Self, IllegalEvent> {
        let mut state = Self::default();
        for event in events {
            state.apply(event)?;
        }
        Ok(state)
    }

    /// The state after one more event. Nothing changes when it is refused.
    ///
    /// # Errors
    /// When it cannot follow those before it.
    pub fn apply(&mut self, event: &RunEvent) -> Result<(), IllegalEvent> {
        self.transition(event).map_err(|why| IllegalEvent { at: self.len, why })?;
        self.len += 1;
        Ok(())
    }

    fn transition(&mut self, RunEvent { v, at, event }: &RunEvent) -> Result<(), String> {
        if *v != VERSION {
            return Err(format!("it is of version {v}, and this frazil knows {VERSION}"));
        }
        if let Some((status, _)) = self.finished {
            return Err(format!("the run is {} already", status.name()));
        }
        match (event, self.accepted.is_some()) {
            (Event::Accepted(accepted), false) => self.accept(accepted, *at),
            (Event::Accepted(_), true) => return Err("the run is accepted already".to_owned()),
            (_, false) => return Err("the run is not accepted yet".to_owned()),
            (Event::Opened { .. }, true) => self.opened += 1,
            (Event::Left { .. }, true) => self.left += 1,
            (Event::Cancelling { reason }, true) => {
                self.cancelling.get_or_insert_with(|| reason.clone());
            }
            (Event::Finished { status }, true) => self.finished = Some((*status, *at)),
            (Event::Relisted { unit, lists, error }, true) => self.relist(unit, lists, error)?,
            (event, true) => self.unit_transition(event, *at)?,
        }
        Ok(())
    }

    fn accept(&mut self, accepted: &Accepted, at: DateTime<Utc>) {
        self.units = accepted.units.iter().map(|head| (head.unit.clone(), UnitState::default())).collect();
        self.since = Some(at);
        self.accepted = Some(accepted.clone());
    }

    /// A relisted segment waits again, for who lists its work; what it had written and not settled
    /// is let go.
    fn relist(&mut self, unit: &NodeId, lists: &NodeId, error: &StepError) -> Result<(), String> {
        running(&mut self.units, unit)?;
        let listing = known(&mut self.units, lists)?;
        if listing.phase != Phase::Done {
            return Err(format!("`{unit}` is listed again, and `{lists}` is not over"));
        }
        *listing = UnitState { attempts: listing.attempts, ..UnitState::default() };
        let state = running(&mut self.units, unit)?;
        state.phase = Phase::Waiting;
        state.error = Some(error.clone());
        state.segment = SegmentState { relisted: state.segment.relisted + 1, ..SegmentState::default() };
        Ok(())
    }

    fn unit_transition(&mut self, event: &Event, now: DateTime<Utc>) -> Result<(), String> {
        match event {
            Event::Started { unit, attempt } => {
                let state = known(&mut self.units, unit)?;
                if !matches!(state.phase, Phase::Waiting | Phase::Running) {
                    return Err(format!("`{unit}` is over and starts again"));
                }
                state.phase = Phase::Running;
                state.attempts = *attempt;
                state.started.get_or_insert(now);
            }
            Event::Retrying { unit, attempt, error, .. } => {
                let state = running(&mut self.units, unit)?;
                state.attempts = attempt + 1;
                state.error = Some(error.clone());
            }
            Event::Written { unit, written } => {
                running(&mut self.units, unit)?.segment.written(written)?;
            }
            Event::Committed { unit, index, snapshot } => {
                running(&mut self.units, unit)?.segment.committed(*index, snapshot.as_ref())?;
            }
            Event::Discarded { unit, first, why } => {
                running(&mut self.units, unit)?.segment.discard(*first, why);
            }
            Event::Said { unit, .. } => {
                running(&mut self.units, unit)?;
            }
            Event::Checked { unit, checks } => {
                running(&mut self.units, unit)?.checks.clone_from(checks);
            }
            Event::Ended { unit, output, error, at, spent: _ } => {
                let state = running(&mut self.units, unit)?;
                state.phase = Phase::Done;
                state.ended = Some(now);
                state.output.clone_from(output);
                state.error.clone_from(error);
                state.at.clone_from(at);
            }
            Event::Skipped { unit, because } => {
                let state = known(&mut self.units, unit)?;
                if state.phase != Phase::Waiting {
                    return Err(format!("`{unit}` is skipped although it started"));
                }
                state.phase = Phase::Skipped;
                state.ended = Some(now);
                state.because.clone_from(because);
            }
            Event::Accepted(_)
            | Event::Opened { .. }
            | Event::Left { .. }
            | Event::Relisted { .. }
            | Event::Cancelling { .. }
            | Event::Finished { .. } => return Err("it is about no unit".to_owned()),
        }
        Ok(())
    }

    /// Whether a task failed; one that was told to stop did not.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.units
            .values()
            .any(|unit| unit.phase == Phase::Done && !matches!(unit.error, None | Some(StepError::Cancelled)))
    }

    /// How often its process died while it worked on the run, one that may be at work left out.
    #[must_use]
    pub const fn deaths(&self) -> u32 {
        self.opened.saturating_sub(self.left)
    }

    /// Whether every unit is over.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.units.values().all(UnitState::is_over)
    }
}

impl UnitState {
    /// Whether nothing more becomes of it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Skipped)
    }
}

impl SegmentState {
    fn written(&mut self, written: &Written) -> Result<(), String> {
        if let Some((first, _)) = &self.discarded {
            return Err(format!("batch {} is written after {first} was discarded", written.index));
        }
        if written.index < self.settled || self.written.contains_key(&written.index) {
            return Err(format!("batch {} is written twice", written.index));
        }
        self.written.insert(written.index, written.clone());
        Ok(())
    }

    fn committed(&mut self, index: usize, snapshot: Option<&Snapshot>) -> Result<(), String> {
        if self.pending().next().is_none_or(|written| written.index != index) {
            return Err(format!("batch {index} is committed out of order"));
        }
        if let Some(written) = self.written.remove(&index) {
            for range in PeriodRange::collect(written.labels.iter().flat_map(|label| label.period.iter())) {
                self.settle(range);
            }
            self.ended = (written.ended != Ended::Whole).then_some(written.ended);
        }
        if let Some(snapshot) = snapshot {
            self.head = Some(snapshot.clone());
        }
        self.settled = index + 1;
        Ok(())
    }

    /// Notes settled periods, which mostly go on where those before them ended.
    fn settle(&mut self, range: PeriodRange) {
        match self.periods.last_mut() {
            Some(last) if last.last.plus(1) == range.first => last.last = range.last,
            Some(last) if range.last.plus(1) == last.first => last.first = range.first,
            _ => self.periods.push(range),
        }
    }

    fn discard(&mut self, first: usize, why: &str) {
        self.written.retain(|index, _| *index < first);
        self.discarded.get_or_insert_with(|| (first, why.to_owned()));
    }

    /// What was written and is not settled, in the order in which it must be.
    pub fn pending(&self) -> impl Iterator<Item = &Written> {
        self.written.values()
    }

    /// Batches of which something is known: the next one to be written has this place.
    #[must_use]
    pub fn next(&self) -> usize {
        self.written.keys().next_back().map_or(self.settled, |last| last + 1)
    }

    /// Why no further batch may start; none while one may.
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        let last = self.written.values().next_back().map(|written| written.ended).or(self.ended);
        match last {
            Some(Ended::Frontier) => Some(Stopped::Frontier),
            None | Some(Ended::Whole) if self.discarded.is_none() => None,
            _ => Some(Stopped::Broken),
        }
    }
}

fn known<'a>(units: &'a mut BTreeMap<NodeId, UnitState>, unit: &NodeId) -> Result<&'a mut UnitState, String> {
    units.get_mut(unit).ok_or_else(|| format!("`{unit}` is no unit of this run"))
}

fn running<'a>(
    units: &'a mut BTreeMap<NodeId, UnitState>,
    unit: &NodeId,
) -> Result<&'a mut UnitState, String> {
    let state = known(units, unit)?;
    if state.phase == Phase::Running { Ok(state) } else { Err(format!("`{unit}` is not running")) }
}
