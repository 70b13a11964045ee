//! What is to be made, decided over plain data: the same for a plan and for a run.

use frazil_engine::{
    data::{Action, Frequency, Item, Period, PeriodRange, Status},
    plan::Foretold,
};

use super::{
    pieces::Pieces,
    ready::{Parts, Ready},
};
use crate::cube::foretold;

/// The axis of a dataset: ascending periods with what is known of them.
pub(super) type Axis = [(Period, Status)];

/// Which periods of the source changed since some state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changed {
    /// That cannot be told: all may have.
    All,
    /// Those of these ascending ranges.
    Ranges(Vec<PeriodRange>),
}

impl Changed {
    /// Whether a period of `range` changed.
    pub(super) fn touches(&self, range: PeriodRange) -> bool {
        match self {
            Self::All => true,
            Self::Ranges(ranges) => ranges.iter().any(|r| r.first <= range.last && range.first <= r.last),
        }
    }
}

/// One of the datasets that windows are made from.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    /// What it is called.
    pub(super) name: &'a str,
    /// It, as it is or as it will be.
    pub(super) axis: &'a Axis,
    /// Its periods as pieces of windows.
    pub(super) from: Pieces,
    /// What changed since its recorded snapshot.
    pub(super) changed: &'a Changed,
    /// What changed since the state of it that an earlier run worked on, which did not finish.
    pub(super) since: Option<&'a Changed>,
}

/// All that the decision looks at.
#[derive(Debug)]
pub(super) struct Inputs<'a> {
    /// What windows are made from: each waits for all of them.
    pub(super) sources: Vec<Source<'a>>,
    /// The derived dataset as it is.
    pub(super) target: &'a Axis,
    /// Its step.
    pub(super) to: Frequency,
    /// When a window is made.
    pub(super) ready: Ready,
    /// Windows that an earlier run did for newer sources than those that are recorded.
    pub(super) done: &'a [PeriodRange],
    /// Everything is made again: the definition is another one.
    pub(super) remake: bool,
    /// Periods that the derived dataset writes together: what comes before its axis must be a
    /// multiple of it.
    pub(super) unit: usize,
    /// The first and the last window of `main`, where all of it is made anew beside it: none of them
    /// may be lost.
    pub(super) anew: Option<(Period, Period)>,
}

/// One window that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// The window, a period of the derived dataset.
    pub(super) period: Period,
    /// What is done with it.
    pub(super) action: Action,
    /// What it will be; `incomplete` holds fill.
    pub(super) status: Status,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// Windows on the axis and after it, ascending.
    pub(super) windows: Vec<Window>,
    /// Windows that come before the axis, ascending, a whole number of write units.
    pub(super) earlier: Vec<Window>,
    /// Windows before the axis that do not fill a write unit: they cannot be written.
    pub(super) unaligned: Option<PeriodRange>,
    /// Why, a sentence each.
    pub(super) reasons: Vec<String>,
}

impl Decision {
    /// The work as items, in the order in which it is written.
    pub(super) fn items(&self) -> Vec<Item> {
        items(self.windows.iter().chain(&self.earlier))
    }

    /// What the windows will be that will not be final.
    pub(super) fn statuses(&self) -> Vec<Foretold> {
        let other = self.earlier.iter().chain(&self.windows).filter(|w| w.status != Status::Final);
        foretold(other.map(|window| (window.period, window.status)))
    }
}

/// Windows as the fewest items.
pub(super) fn items<'a>(windows: impl IntoIterator<Item = &'a Window>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for window in windows {
        match items.last_mut() {
            Some(item) if item.action == window.action && item.range.last.plus(1) == window.period => {
                item.range.last = window.period;
            }
            _ => items.push(Item { range: PeriodRange::one(window.period), action: window.action }),
        }
    }
    items
}

/// The source as it will stand after `items`, and what that changes.
pub(super) fn forward(
    source: &Axis,
    items: &[Item],
    statuses: &[Foretold],
) -> (Vec<(Period, Status)>, Vec<PeriodRange>) {
    let mut axis: std::collections::BTreeMap<Period, Status> = source.iter().copied().collect();
    for item in items {
        axis.extend(item.range.iter().map(|period| (period, Status::Final)));
    }
    for foretold in statuses {
        axis.extend(foretold.range.iter().map(|period| (period, foretold.status)));
    }
    (axis.into_iter().collect(), items.iter().map(|item| item.range).collect())
}

impl Source<'_> {
    /// What the periods of `window` are on its axis.
    pub(super) fn parts(&self, window: Period) -> Parts {
        let range = self.from.of(window);
        let held = held(self.axis, range);
        Parts {
            total: range.len(),
            have: held.iter().filter(|(_, status)| status.has_values()).count(),
            provisional: held.iter().any(|(_, status)| *status == Status::Provisional),
            refused: held.iter().any(|(_, status)| !status.has_values()),
        }
    }

    /// The windows that its axis lies in; none while it holds nothing.
    fn windows(&self, to: Frequency) -> Option<PeriodRange> {
        let ((first, _), (last, _)) = self.axis.first().zip(self.axis.last())?;
        Some(PeriodRange {
            first: self.from.windows(*first, to).first,
            last: self.from.windows(*last, to).last,
        })
    }

    /// What changed in it since `window` was made.
    pub(super) fn since(&self, window: Period, done: &[PeriodRange]) -> &Changed {
        let done = done.iter().any(|range| range.contains(window));
        self.since.filter(|_| done).unwrap_or(self.changed)
    }
}

impl Inputs<'_> {
    /// What `window` is made of in all sources together, and whether that is enough in each.
    fn parts(&self, window: Period) -> (Parts, bool) {
        let mut all = Parts { total: 0, have: 0, provisional: false, refused: false };
        let mut ready = true;
        for source in &self.sources {
            let parts = source.parts(window);
            ready &= self.ready.passes(parts.have, parts.total);
            all.total += parts.total;
            all.have += parts.have;
            all.provisional |= parts.provisional;
            all.refused |= parts.refused;
        }
        (all, ready)
    }

    /// Whether an input of `window` changed since it was made.
    fn is_dirty(&self, window: Period) -> bool {
        let changed = |source: &Source<'_>| source.since(window, self.done).touches(source.from.of(window));
        self.sources.iter().any(changed)
    }
}

fn held(source: &Axis, range: PeriodRange) -> &Axis {
    let start = source.partition_point(|(p, _)| *p < range.first);
    let end = source.partition_point(|(p, _)| *p <= range.last);
    &source[start..end.max(start)]
}

fn status_of(target: &Axis, window: Period) -> Option<Status> {
    target.binary_search_by_key(&window, |(p, _)| *p).ok().map(|at| target[at].1)
}

/// Decides what is to be made.
pub(super) fn decide(inputs: &Inputs<'_>) -> Decision {
    let mut decision = Decision::default();
    let mut windows: Vec<PeriodRange> = Vec::new();
    for source in &inputs.sources {
        match source.windows(inputs.to) {
            Some(range) => windows.push(range),
            None => decision.reasons.push(super::reasons::empty(inputs, source)),
        }
    }
    // Before the source that begins last nothing can be made, and nothing is missed.
    let ends =
        windows.iter().map(|range| range.first).max().zip(windows.iter().map(|range| range.last).max());
    let Some((first, last)) = ends.filter(|_| decision.reasons.is_empty()) else { return decision };
    let held = inputs.target.first().zip(inputs.target.last()).map(|((a, _), (b, _))| (*a, *b));
    let ends = || held.into_iter().chain(inputs.anew);
    let first = ends().map(|(a, _)| a).min().map_or(first, |a| a.min(first));
    let last = ends().map(|(_, b)| b).max().map_or(last, |b| b.max(last));
    // A window that cannot be made is passed when a later one can, or stands already.
    let passed = newest(inputs, PeriodRange { first, last })
        .max(held.map(|(_, b)| b))
        .max(inputs.anew.map(|(_, b)| b.plus(1)));
    let mut found = Found { decision, waits: Vec::new() };
    for window in (PeriodRange { first, last }).iter() {
        found.look(inputs, window, passed);
    }
    found.settle(inputs, held)
}

/// The newest window that can be made.
fn newest(inputs: &Inputs<'_>, windows: PeriodRange) -> Option<Period> {
    windows.iter().rev().find(|window| inputs.parts(*window).1)
}

/// What was found so far.
struct Found {
    decision: Decision,
    waits: Vec<Period>,
}

impl Found {
    fn look(&mut self, inputs: &Inputs<'_>, window: Period, passed: Option<Period>) {
        let (parts, ready) = inputs.parts(window);
        let stored = status_of(inputs.target, window);
        let dirty = inputs.is_dirty(window);
        let (action, status) = match (stored, ready) {
            (None, true) => (Action::Add, parts.status()),
            (None, false) if passed.is_some_and(|p| window < p) => {
                self.waits.push(window);
                (Action::Add, Status::Incomplete)
            }
            (None, false) => return self.waits.push(window),
            // A person took it out: only a person brings it back.
            (Some(Status::Withdrawn), _) => return,
            (Some(Status::Gap | Status::Incomplete), true) => (Action::Fill, parts.status()),
            (Some(Status::Gap | Status::Incomplete), false) => return self.waits.push(window),
            (Some(status), true) if dirty || inputs.remake || status != parts.status() => {
                (Action::Revise, parts.status())
            }
            (Some(_), true) => return,
            // What the source took back is no longer vouched for. What it merely no longer holds
            // is kept: a source that was begun anew must not empty what hangs from it.
            (Some(_), false) if dirty && parts.refused => {
                self.waits.push(window);
                (Action::Revise, Status::Incomplete)
            }
            (Some(_), false) => return,
        };
        let list = match inputs.target.first() {
            Some((first, _)) if window < *first => &mut self.decision.earlier,
            _ => &mut self.decision.windows,
        };
        list.push(Window { period: window, action, status });
    }

    fn settle(mut self, inputs: &Inputs<'_>, held: Option<(Period, Period)>) -> Decision {
        // What comes before the axis is counted back from it in whole write units.
        let rest = self.decision.earlier.len() % inputs.unit.max(1);
        let rest: Vec<Window> = self.decision.earlier.drain(..rest).collect();
        if let (Some(from), Some(last)) = (rest.iter().find(|w| w.status != Status::Incomplete), rest.last())
        {
            self.decision.unaligned = Some(PeriodRange { first: from.period, last: last.period });
        }
        self.decision.reasons = super::reasons::reasons(inputs, &self.decision, &self.waits, held);
        self.decision
    }
}

#[cfg(test)]
mod tests;
