//! What `main` will be once it has moved to a release.

use std::collections::BTreeMap;

use frazil_engine::{
    data::{Action, Item, Period, PeriodRange, Status},
    plan::Foretold,
};

use super::{Standing, marks};
use crate::cube::Cube;

impl Standing {
    /// What `main` will have changed by when it moves to its release, once that holds `items` of these
    /// statuses too: all of it; and what of that will not be final.
    #[must_use]
    pub fn moved(&self, items: &[Item], statuses: &[Foretold]) -> (Vec<Item>, Vec<Foretold>) {
        let mut all: BTreeMap<Period, Status> =
            self.cube().map(|cube| cube.axis().iter().collect()).unwrap_or_default();
        all.extend(items.iter().flat_map(|item| item.range.iter()).map(|period| (period, Status::Final)));
        for foretold in statuses {
            all.extend(foretold.range.iter().map(|period| (period, foretold.status)));
        }
        let main = self.main.as_deref().map(Cube::axis);
        let ends = all.keys().next().copied().zip(all.keys().next_back().copied());
        if let (Some(main), Some((first, last))) = (main, ends) {
            // A person took it out: only a person brings it back.
            let held = marks::reach(PeriodRange { first, last }, main);
            let withdrawn = main.iter().filter(|(_, status)| *status == Status::Withdrawn);
            all.extend(withdrawn.filter(|(period, _)| held.contains(*period)));
        }
        let known = |period: &Period| main.is_some_and(|axis| axis.position(*period).is_some());
        let (again, new): (Vec<Period>, Vec<Period>) = all.keys().copied().partition(known);
        let items = |periods: Vec<Period>, action| {
            PeriodRange::collect(periods).into_iter().map(move |range| Item { range, action })
        };
        let told = all.into_iter().filter(|(_, status)| *status != Status::Final);
        (items(again, Action::Revise).chain(items(new, Action::Add)).collect(), foretold(told))
    }
}

/// Statuses of ascending periods as the fewest ranges.
pub(crate) fn foretold(statuses: impl Iterator<Item = (Period, Status)>) -> Vec<Foretold> {
    let mut told: Vec<Foretold> = Vec::new();
    for (period, status) in statuses {
        match told.last_mut() {
            Some(last) if last.status == status && last.range.last.plus(1) == period => {
                last.range.last = period;
            }
            _ => told.push(Foretold { range: PeriodRange::one(period), status }),
        }
    }
    told
}
