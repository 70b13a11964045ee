//! What writing would make, before anything is written: the same places as the writer's.

use std::sync::Arc;

use chrono::DateTime;
use frazil_engine::{
    data::{Axis, Crs, Grid, Period, PeriodRange, Slice, Status},
    dataset::DatasetInfo,
};

use super::{layout, template::Template, time::TimeIndex, unit::places};

/// The template of a dataset that does not exist yet, where its block alone says it.
pub(crate) fn declared(info: &DatasetInfo, project_crs: Option<&str>) -> Option<Template> {
    let block = info.block.grid.as_ref()?;
    let [y, x] = block.names.clone().unwrap_or_else(|| ["y".to_owned(), "x".to_owned()]);
    let length = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let grid = Grid {
        crs: Crs { code: None, wkt: String::new() },
        y: Axis::regular(&y, block.origin[1], block.cell[1], length(block.shape[0])),
        x: Axis::regular(&x, block.origin[0], block.cell[0], length(block.shape[1])),
        extra: info.block.dimensions.clone(),
    };
    declared_on(info, project_crs, &grid)
}

/// The same where its grid is known otherwise.
pub(crate) fn declared_on(info: &DatasetInfo, project_crs: Option<&str>, grid: &Grid) -> Option<Template> {
    let slice = Slice {
        period: Period::containing(DateTime::UNIX_EPOCH, info.block.time.frequency()),
        status: Status::Final,
        context: false,
        grid: Arc::new(grid.clone()),
        fields: Vec::new(),
    };
    // What is lacking, or wrong, is told when it is written.
    layout::declare(info, project_crs, &slice).ok()
}

/// The place of a period, counted from where the axis begins, or from `origin` where there is no
/// axis yet; negative before it. None in the middle of an axis that lacks it.
pub(super) fn place(axis: Option<&TimeIndex>, origin: Period, period: Period) -> Option<i64> {
    let Some((axis, first, last)) = axis.and_then(|axis| Some((axis, axis.first()?, axis.last()?))) else {
        return Some(period.ordinal() - origin.ordinal());
    };
    match axis.position(period) {
        Some(position) => Some(i64::try_from(position).unwrap_or(i64::MAX)),
        None if period > last => {
            Some(i64::try_from(axis.len()).unwrap_or(i64::MAX) + period.ordinal() - last.ordinal() - 1)
        }
        None if period < first => Some(period.ordinal() - first.ordinal()),
        None => None,
    }
}

/// Chunk objects of variables that these batches write at most, one after the other: those of every
/// stretch of time that a batch touches, all variables and their levels; and all there are then where a
/// batch lies before the axis and fills no whole stretches.
pub(crate) fn chunk_objects(
    template: &Template,
    axis: Option<&TimeIndex>,
    batches: &[Vec<PeriodRange>],
) -> u64 {
    let Some(origin) = batches.iter().flatten().next().map(|range| range.first) else { return 0 };
    let each: u64 = template.arrays().map(|stored| places(template, &stored).len() as u64).sum();
    let unit = i64::try_from(template.write_unit()).unwrap_or(i64::MAX);
    let mut length = axis.map_or(0, |axis| axis.len() as u64);
    let mut units = |batch: &Vec<PeriodRange>| {
        let places = batch.iter().flat_map(PeriodRange::iter).filter_map(|p| place(axis, origin, p));
        let mut touched: Vec<i64> = places.map(|place| place.div_euclid(unit)).collect();
        touched.sort_unstable();
        touched.dedup();
        length += added(axis, batch);
        let all = if moves_all(template, axis, batch) { length.div_ceil(unit.unsigned_abs()) } else { 0 };
        touched.len() as u64 + all
    };
    batches.iter().map(&mut units).sum::<u64>() * each
}

/// Periods of a batch that are new on the axis.
fn added(axis: Option<&TimeIndex>, batch: &[PeriodRange]) -> u64 {
    let stands = |period: &Period| axis.is_some_and(|axis| axis.position(*period).is_some());
    batch.iter().flat_map(PeriodRange::iter).filter(|period| !stands(period)).count() as u64
}

/// Whether a batch lies before the axis and fills no whole stretches of time: then all is written anew.
pub(crate) fn moves_all(template: &Template, axis: Option<&TimeIndex>, batch: &[PeriodRange]) -> bool {
    let Some(first) = axis.and_then(TimeIndex::first) else { return false };
    batch.iter().any(|range| range.first < first) && !added(axis, batch).is_multiple_of(template.write_unit())
}
