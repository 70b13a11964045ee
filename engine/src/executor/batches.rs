//! Batches of work: parts of it, and what of it a frontier says nothing of.

use std::ops::Range;

use crate::data::{Item, PeriodRange, Periods};

/// The part of the work that these batches are.
pub(super) fn part(periods: &Periods, batches: Range<usize>) -> Periods {
    let batches = periods.batches.get(batches).unwrap_or_default().to_vec();
    let items = batches.iter().flatten().flat_map(|range| {
        periods.items.iter().filter_map(move |item| {
            let first = range.first.max(item.range.first);
            let last = range.last.min(item.range.last);
            (first <= last).then_some(Item { range: PeriodRange { first, last }, action: item.action })
        })
    });
    Periods { items: items.collect(), batches: batches.clone(), ..periods.clone() }
}

/// Where work goes on whose batch before `first` ended where the source does: at a batch of periods before
/// all that is stored. Those after it in time wait for the source, and those that adjoin it for it.
pub(super) fn beyond(batches: &[Vec<PeriodRange>], first: usize) -> Option<usize> {
    let ended = batches.get(first.checked_sub(1)?)?.first()?.first;
    let is_before = |batch: &Vec<PeriodRange>| batch.last().is_some_and(|range| range.last < ended);
    let next = (first..batches.len()).find(|&at| is_before(&batches[at]))?;
    let adjoins = batches[next].last().is_some_and(|range| range.last.plus(1) == ended);
    (!adjoins).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Frequency, Period};

    fn batches(days: &[(i64, i64)]) -> Vec<Vec<PeriodRange>> {
        let day = |n| Period::parse("2024-01-01", Frequency::Day).unwrap().plus(n);
        days.iter().map(|&(first, last)| vec![PeriodRange { first: day(first), last: day(last) }]).collect()
    }

    #[test]
    fn what_lies_before_the_cube_is_beyond_a_frontier_behind_it() {
        // Days 8 to 11 are stored.
        let work = batches(&[(12, 14), (15, 17), (5, 7), (2, 4)]);
        assert_eq!(beyond(&work, 1), Some(2));
        assert_eq!(beyond(&work, 2), Some(2));
        assert_eq!(beyond(&work[..2], 1), None);
        assert_eq!(beyond(&work, 3), None, "further back would leave a hole");
        assert_eq!(beyond(&work, 4), None);
        assert_eq!(beyond(&work, 0), None);
    }

    #[test]
    fn stored_batches_in_whatever_order_are_not_beyond() {
        let newest_first = batches(&[(10, 11), (8, 9), (12, 14), (5, 7)]);
        assert_eq!(beyond(&newest_first, 3), Some(3));
        assert_eq!(beyond(&newest_first[..3], 3), None);
    }
}
