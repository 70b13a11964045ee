//! What written batches do to the axis of the head. Pure: no store is touched.

use frazil_engine::{
    data::{Action, Period, PeriodRange, Status},
    step::{ErrorKind, StepError, Written},
};

use super::{
    reference::{Body, UnitRecord},
    time::TimeIndex,
};

/// A batch with its document taken apart.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) written: Written,
    pub(super) body: Body,
    /// Units whose very objects the head refers to already: an earlier attempt committed them.
    pub(super) standing: Vec<PeriodRange>,
}

/// What one commit does.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    pub(super) added: Vec<Period>,
    pub(super) revised: Vec<Period>,
    pub(super) filled: Vec<Period>,
    /// Periods put before the axis: all arrays move by so many steps.
    pub(super) shift: usize,
    /// The first position whose label or status is new.
    pub(super) from: Option<usize>,
    /// Units to refer to, as batch and place in it.
    pub(super) units: Vec<(usize, usize)>,
}

impl Settlement {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.revised.is_empty() && self.filled.is_empty()
    }

    fn touches(&mut self, position: usize) {
        self.from = Some(self.from.map_or(position, |from| from.min(position)));
    }
}

/// The head is not what the work was listed for any more.
pub(super) fn moved(message: impl Into<String>) -> StepError {
    StepError::permanent(ErrorKind::Moved, message)
        .help("somebody else wrote to the dataset meanwhile: run again, the work is listed anew")
}

/// Whether a batch puts periods before the axis.
pub(super) fn inserts(taken: &Taken, axis: &TimeIndex) -> bool {
    let Some(first) = axis.first() else { return false };
    taken.written.labels.iter().any(|l| l.period.first < first)
}

/// Applies batches to `axis`. What stands there already is skipped.
pub(super) fn settle(axis: &mut TimeIndex, batches: &[Taken], unit: usize) -> Result<Settlement, StepError> {
    let mut settlement = Settlement::default();
    for (at, taken) in batches.iter().enumerate() {
        let mut new: Vec<Period> = Vec::new();
        if inserts(taken, axis) {
            insert(axis, taken, unit, &mut settlement, &mut new)?;
        } else {
            for label in &taken.written.labels {
                if one(axis, label.period.first, label.status, label.action, taken, &mut settlement)? {
                    new.push(label.period.first);
                }
            }
        }
        // What stands there already may stand at another place since: after a rewrite.
        let units = taken.body.units.iter().enumerate().filter(|_| !new.is_empty());
        for (number, record) in units {
            let position = position(axis, record)?;
            let start =
                position.checked_sub(record.phase).filter(|start| start % unit == 0).ok_or_else(|| {
                    moved(format!(
                        "{} is at another place of its chunk than when it was written",
                        record.period
                    ))
                })?;
            let within = |p: &Period| axis.position(*p).is_some_and(|at| (start..start + unit).contains(&at));
            if new.iter().any(within) {
                settlement.units.push((at, number));
            }
        }
    }
    Ok(settlement)
}

/// Where the first period of a unit stands.
pub(super) fn position(axis: &TimeIndex, record: &UnitRecord) -> Result<usize, StepError> {
    axis.position(record.period.first)
        .ok_or_else(|| moved(format!("{} is not on the axis of the dataset", record.period)))
}

/// One period on or after the axis; whether its unit is to be referred to.
fn one(
    axis: &mut TimeIndex,
    period: Period,
    status: Status,
    action: Action,
    taken: &Taken,
    settlement: &mut Settlement,
) -> Result<bool, StepError> {
    let known = axis.position(period);
    match (action, known) {
        // An earlier attempt put it there.
        (Action::Add, Some(_)) => Ok(false),
        (Action::Add, None) => {
            if let Some(last) = axis.last()
                && last.plus(1) != period
            {
                return Err(moved(format!(
                    "{period} does not follow {last}, the last period of the dataset"
                )));
            }
            settlement.touches(axis.len());
            axis.push(period, status);
            settlement.added.push(period);
            Ok(true)
        }
        (Action::Revise | Action::Fill, None) => {
            Err(moved(format!("{period} was to be changed, but is not on the axis of the dataset")))
        }
        (Action::Revise | Action::Fill, Some(position)) => {
            let listed = |ranges: &[PeriodRange]| ranges.iter().any(|range| range.contains(period));
            let values = listed(&taken.body.changed) && !listed(&taken.standing);
            let known = axis.get(position).map(|(_, status)| status);
            if known != Some(status) {
                settlement.touches(position);
                axis.set_status(position, status);
            } else if !values {
                return Ok(false);
            }
            let list = if action == Action::Fill { &mut settlement.filled } else { &mut settlement.revised };
            list.push(period);
            Ok(values)
        }
    }
}

/// Periods before the axis, which moves by as many steps.
fn insert(
    axis: &mut TimeIndex,
    taken: &Taken,
    unit: usize,
    settlement: &mut Settlement,
    new: &mut Vec<Period>,
) -> Result<(), StepError> {
    let earlier = earlier(axis, taken)?;
    if !earlier.len().is_multiple_of(unit) {
        return Err(super::write::unaligned(earlier[0].0, unit));
    }
    new.extend(earlier.iter().map(|(period, _)| *period));
    settlement.added.extend(new.iter().copied());
    settlement.shift += earlier.len();
    settlement.from = Some(0);
    axis.insert_before(earlier);
    Ok(())
}

/// The periods of a batch that come before the axis: all of them, without a hole.
pub(super) fn earlier(axis: &TimeIndex, taken: &Taken) -> Result<Vec<(Period, Status)>, StepError> {
    let Some(first) = axis.first() else { return Ok(Vec::new()) };
    let labels = &taken.written.labels;
    let earlier: Vec<(Period, Status)> = labels.iter().map(|l| (l.period.first, l.status)).collect();
    let whole = earlier.windows(2).all(|pair| pair[0].0.plus(1) == pair[1].0);
    if whole && earlier.last().is_some_and(|(last, _)| last.plus(1) == first) {
        return Ok(earlier);
    }
    // A batch that ended early inserts nothing: a hole before the axis could not be closed.
    Err(StepError::permanent(
        ErrorKind::Refused,
        format!("the earlier periods of this batch do not reach up to {first}, the first of the dataset"),
    )
    .help("nothing was inserted; run again when the source has them all"))
}

/// Whether a batch puts fewer periods before the axis than are written together along `time`, so that
/// no shift makes room for them.
pub(super) fn is_remainder(taken: &Taken, axis: &TimeIndex, unit: u64) -> bool {
    inserts(taken, axis) && (taken.written.labels.len() as u64) < unit
}

/// The fewest ranges of periods in any order.
pub(super) fn ranges(periods: &[Period]) -> Vec<PeriodRange> {
    let mut sorted = periods.to_vec();
    sorted.sort_unstable();
    PeriodRange::collect(sorted)
}
