use std::collections::BTreeMap;

use serde_json::Value;

use super::{Foretold, NodePlan, Planned, PlannedDocument};
use crate::data::{DatasetId, Item, PeriodRange, Status};

/// What the pipelines before would do to datasets: a plan over several pipelines simulates
/// forward, so one that opens a dataset of another is planned over what that one will hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Foreseen {
    changes: BTreeMap<DatasetId, (Vec<Item>, Vec<Foretold>)>,
    /// Of the datasets that were written.
    levels: BTreeMap<DatasetId, u32>,
    /// Of datasets that nothing is stored of yet.
    layouts: BTreeMap<DatasetId, Value>,
}

impl Foreseen {
    /// Notes what a pipeline would do.
    pub fn note(&mut self, plans: &[NodePlan]) {
        let written = plans.iter().filter_map(|plan| Some((plan.writes.clone()?, plan.level)));
        self.levels.extend(written);
        for planned in plans.iter().filter_map(|plan| plan.planned.as_ref()) {
            // What was foreseen when it was opened is foreseen still.
            if let PlannedDocument::Snapshot(planned) = &planned.document
                && !planned.changes.is_empty()
            {
                let changes = (planned.changes.clone(), planned.statuses.clone());
                self.changes.insert(planned.snapshot.dataset.clone(), changes);
                let layout = planned.layout.clone().map(|layout| (planned.snapshot.dataset.clone(), layout));
                self.layouts.extend(layout);
            }
        }
    }

    /// The level of a dataset that was written.
    pub(super) fn level(&self, dataset: &DatasetId) -> Option<u32> {
        self.levels.get(dataset).copied()
    }

    /// Lays what is foreseen over a dataset that was opened.
    pub(super) fn lay_over(&self, planned: &mut Planned) {
        let PlannedDocument::Snapshot(opened) = &mut planned.document else { return };
        let Some((changes, statuses)) = self.changes.get(&opened.snapshot.dataset) else { return };
        opened.changes.clone_from(changes);
        opened.statuses.clone_from(statuses);
        opened.layout = self.layouts.get(&opened.snapshot.dataset).cloned();
        let ranges: Vec<String> = merged(changes).iter().take(3).map(ToString::to_string).collect();
        let count: usize = changes.iter().map(|item| item.range.len()).sum();
        let plural = if count == 1 { "" } else { "s" };
        let reason = format!(
            "{} will have changed by then: {} ({count} period{plural}{})",
            opened.snapshot.dataset,
            ranges.join(", "),
            told(statuses)
        );
        planned.reasons = vec![reason];
        opened.reasons.clone_from(&planned.reasons);
    }
}

/// How many of them will not be final, in words.
fn told(statuses: &[Foretold]) -> String {
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    for foretold in statuses {
        *counts.entry(foretold.status).or_default() += foretold.range.len();
    }
    counts.iter().map(|(status, count)| format!(", {count} {}", status.name())).collect()
}

fn merged(items: &[Item]) -> Vec<PeriodRange> {
    let mut ranges: Vec<PeriodRange> = items.iter().map(|item| item.range).collect();
    ranges.sort_unstable();
    PeriodRange::collect(ranges.iter().flat_map(PeriodRange::iter))
}
