//! What is written for another version of the dataset than that of `main`.

use frazil_engine::{
    data::{Item, PeriodRange, Periods},
    plan::Foretold,
    step::{ErrorKind, StepError, Written},
};

use crate::cube::Standing;

/// What `main` will have changed by and what of that will not be final, and a sentence where it moves to
/// a release: all of it where the release is whole by then, nothing where it is not.
pub(super) fn foreseen(standing: &Standing, periods: &Periods) -> (Vec<Item>, Vec<Foretold>, Option<String>) {
    // What sources will answer nobody knows before they are asked.
    let Some(under_way) = &standing.release else { return (periods.items.clone(), Vec::new(), None) };
    let recorded = standing.cube().and_then(|cube| cube.provenance().release.as_ref());
    let range = periods.release.as_ref().map(|release| release.range).or(recorded.map(|state| state.range));
    let added: Vec<PeriodRange> = periods.items.iter().map(|item| item.range).collect();
    if !range.is_some_and(|range| standing.is_whole_with(&added, range)) {
        return (Vec::new(), Vec::new(), None);
    }
    let (items, statuses) = standing.moved(&periods.items, &[]);
    (items, statuses, Some(format!("main moves to version {}", under_way.version)))
}

/// Refuses what was written for another version than the one that is due.
pub(super) fn same(standing: &Standing, written: &[Written]) -> Result<(), StepError> {
    let due = standing.release.as_ref().map(|release| release.version.as_str());
    let of = |written: &Written| written.release.as_ref().map(|release| release.version.clone());
    let Some(other) = written.iter().map(of).find(|version| version.as_deref() != due) else { return Ok(()) };
    let name =
        |version: Option<&str>| version.map_or("main".to_owned(), |version| format!("version {version}"));
    let message =
        format!("it was written for {} of the dataset, and {} is due", name(other.as_deref()), name(due));
    Err(StepError::permanent(ErrorKind::Moved, message).help("run again: the work is listed anew"))
}
