//! How far a rewrite is, as the commits on its branch tell it. Pure.

use std::ops::Range;

use frazil_engine::data::{Period, PeriodRange, SnapshotId};
use serde::{Deserialize, Serialize};

/// The work of a rewrite goes part by part (an array, or a stretch of its cells), in each from unit to
/// unit along `time`. What changes meanwhile in units that are done already is done again afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// The state of `main` that all that is done, and not stale, was read from.
    pub(super) source: SnapshotId,
    /// The first period of the axis, as a range of one: units are counted from it.
    pub(super) first: PeriodRange,
    /// Units of the axis of `source`.
    pub(super) units: usize,
    /// The stretches of units that this pass does, ascending.
    pub(super) pass: Vec<[usize; 2]>,
    /// The part that is next.
    pub(super) part: usize,
    /// The unit of it that is next.
    pub(super) unit: usize,
    /// Units that are to be done again in all parts.
    pub(super) stale: Vec<[usize; 2]>,
}

/// Units of one part that are to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cube) struct Stretch {
    pub(in crate::cube) part: usize,
    pub(in crate::cube) units: Range<usize>,
}

impl Progress {
    /// Nothing is done yet.
    pub(super) fn begin(source: SnapshotId, first: Period, units: usize) -> Self {
        Self {
            source,
            first: PeriodRange::one(first),
            units,
            pass: vec![[0, units]],
            part: 0,
            unit: 0,
            stale: Vec::new(),
        }
    }

    /// Another state of `main` is read from now on: these units hold other numbers there, and there are
    /// so many in all.
    pub(super) fn follow(&mut self, source: SnapshotId, changed: &[Range<usize>], units: usize) {
        let grown = (units > self.units).then_some(self.units..units);
        for units in changed.iter().cloned().chain(grown) {
            self.stale.push([units.start, units.end]);
        }
        self.stale = merged(std::mem::take(&mut self.stale));
        (self.source, self.units) = (source, units);
    }

    /// What is to be done next, where each part takes at most so many units at a time; none when all is
    /// done.
    pub(super) fn next(&mut self, strides: &[usize]) -> Option<Stretch> {
        loop {
            if self.part >= strides.len() {
                if self.stale.is_empty() {
                    return None;
                }
                self.pass = std::mem::take(&mut self.stale);
                (self.part, self.unit) = (0, 0);
            }
            let (part, unit) = (self.part, self.unit);
            if let Some([start, end]) = self.pass.iter().find(|[_, end]| *end > unit) {
                let start = unit.max(*start);
                let end = (*end).min(start.saturating_add(strides[part].max(1)));
                return Some(Stretch { part, units: start..end });
            }
            (self.part, self.unit) = (part + 1, 0);
        }
    }

    /// A stretch is done.
    pub(super) fn done(&mut self, stretch: &Stretch) {
        (self.part, self.unit) = (stretch.part, stretch.units.end);
    }
}

/// The same units as the fewest ascending stretches.
fn merged(mut stretches: Vec<[usize; 2]>) -> Vec<[usize; 2]> {
    stretches.retain(|[start, end]| start < end);
    stretches.sort_unstable();
    let mut merged: Vec<[usize; 2]> = Vec::new();
    for [start, end] in stretches {
        match merged.last_mut() {
            Some(last) if start <= last[1] => last[1] = last[1].max(end),
            _ => merged.push([start, end]),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::Frequency;
    use proptest::prelude::*;

    use super::*;

    fn begin(units: usize) -> Progress {
        let first = Period::parse("2024-01-01", Frequency::Day).unwrap();
        Progress::begin(SnapshotId("0".to_owned()), first, units)
    }

    proptest! {
        /// `main` is at generation n after n changes; a unit that is done holds the generation in which
        /// it was read, and must hold that of its last change in the end.
        #[test]
        fn in_the_end_every_unit_is_as_the_last_state_has_it(
            strides in prop::collection::vec(1usize..5, 1..4),
            units in 0usize..9,
            changes in prop::collection::vec((0usize..12, 0usize..9, 0usize..4, 0usize..3), 0..6),
        ) {
            let mut progress = begin(units);
            let mut last = vec![0; units];
            let mut held: Vec<Vec<Option<usize>>> = vec![vec![None; units]; strides.len()];
            let mut changes = changes.into_iter();
            let (mut generation, mut wait) = (0, 0);
            let mut change = changes.next();
            let mut steps = 0;
            loop {
                if let Some((when, at, length, more)) = change.filter(|(when, ..)| *when <= wait) {
                    (generation, wait) = (generation + 1, wait.saturating_sub(when));
                    last.resize(last.len() + more, generation);
                    let end = (at + length).min(last.len());
                    let at = at.min(end);
                    last[at..end].fill(generation);
                    let name = SnapshotId(generation.to_string());
                    progress.follow(name, std::slice::from_ref(&(at..end)), last.len());
                    held.iter_mut().for_each(|part| part.resize(last.len(), None));
                    // As if the process died here.
                    let text = serde_json::to_string(&progress).unwrap();
                    progress = serde_json::from_str(&text).unwrap();
                    change = changes.next();
                    continue;
                }
                let Some(stretch) = progress.next(&strides) else {
                    if change.is_none() { break };
                    wait = usize::MAX / 2;
                    continue;
                };
                prop_assert!(stretch.units.len() <= strides[stretch.part] && !stretch.units.is_empty());
                held[stretch.part][stretch.units.clone()].fill(Some(generation));
                progress.done(&stretch);
                wait += 1;
                steps += 1;
                prop_assert!(steps < 1_000);
            }
            for part in held {
                for (unit, (held, last)) in part.iter().zip(&last).enumerate() {
                    prop_assert!(held.is_some_and(|held| held >= *last), "unit {}: {:?} {}", unit, held, last);
                }
            }
        }
    }
}
