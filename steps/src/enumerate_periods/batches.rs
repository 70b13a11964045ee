//! Where commits end: on boundaries of what is written together, so that no append rewrites
//! what an earlier one of the same run wrote.

use frazil_engine::data::Period;

use super::settings::BatchSize;

/// How the work is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The least that a batch holds.
    pub(crate) size: BatchSize,
    /// Periods that are written together: of a shard, else of a chunk.
    pub(crate) unit: u64,
    /// The most periods that a batch holds, but always one unit.
    pub(crate) most: Option<usize>,
}

/// Batches of periods in ascending order, each with its position on the axis.
pub(super) fn forward(items: &[(u64, Period)], cut: Cut) -> Vec<Vec<Period>> {
    let mut units: Vec<(u64, Vec<Period>)> = Vec::new();
    for &(position, period) in items {
        let unit = position / cut.unit;
        match units.last_mut() {
            Some((last, periods)) if *last == unit => periods.push(period),
            _ => units.push((unit, vec![period])),
        }
    }
    gather(units.into_iter().map(|(_, periods)| periods), cut)
}

/// Batches of the `count` periods before `first`, newest batch first, ascending inside. Every batch
/// is whole units counted back from `first`; `count` must be a multiple of the unit.
pub(super) fn backward(first: Period, count: u64, cut: Cut) -> Vec<Vec<Period>> {
    let unit = signed(cut.unit);
    let units = (1..=signed(count / cut.unit))
        .map(|n| (0..unit).map(|i| first.plus(i - n * unit)).collect::<Vec<_>>());
    let mut batches = gather(units, cut);
    for batch in &mut batches {
        batch.sort_unstable();
    }
    batches
}

fn gather(units: impl Iterator<Item = Vec<Period>>, cut: Cut) -> Vec<Vec<Period>> {
    let mut batches: Vec<Vec<Period>> = Vec::new();
    for unit in units {
        match batches.last_mut() {
            Some(batch) if !is_full(batch, &unit, cut) => batch.extend(unit),
            _ => batches.push(unit),
        }
    }
    batches
}

/// Whether a batch is to end before the periods `next`.
fn is_full(batch: &[Period], next: &[Period], cut: Cut) -> bool {
    let (Some(first), Some(next_first)) = (batch.first(), next.first()) else { return false };
    let enough = match cut.size {
        BatchSize::Count(least) => batch.len() >= least,
        BatchSize::Window(window) => {
            Period::containing(first.start(), window) != Period::containing(next_first.start(), window)
        }
    };
    enough || cut.most.is_some_and(|most| batch.len() + next.len() > most)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
