//! Cubes that hold one number everywhere: what a test of a pipeline begins with.

use std::{collections::BTreeMap, sync::Arc};

use frazil_engine::{
    context::Context,
    data::{
        Action, Arrival, Axis, DType, DatasetId, Dimensions, Field, Grid, Item, Period, PeriodRange, Periods,
        Slice, Slices, Status, Values,
    },
    dataset::{DatasetInfo, GridBlock, TimeAxis, Variable},
    step::{Batch, ErrorKind, Outcome, Sink, StepError},
};
use futures::{StreamExt, stream};

use crate::{
    append_commit::AppendCommit,
    crs,
    cube::{Cube, promote},
};

/// Periods that are put in place, and what stands in them.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The dataset.
    pub dataset: &'a DatasetId,
    /// Ascending ranges of its periods.
    pub ranges: &'a [PeriodRange],
    /// What is known of them.
    pub status: Status,
    /// Where the cells lie.
    pub grid: &'a GridBlock,
    /// The EPSG code of a dataset whose block says no CRS.
    pub crs: u32,
}

/// Appends periods to a dataset in one commit, by the same code as `append-commit`; every cell of a
/// variable holds the number that `value` gives for its name.
///
/// # Errors
/// When a variable has no number, a CRS is not known, or as `append-commit`.
pub async fn give(
    given: Given<'_>,
    value: impl Fn(&str) -> Option<f64> + Send,
    cx: &Context,
) -> Result<(), StepError> {
    let info = Arc::clone(cx.scope.dataset(given.dataset)?);
    let TimeAxis::Regular(time) = &info.block.time else { return Ok(()) };
    let action = |cube: Option<&Cube>, period: Period| match cube.and_then(|c| c.axis().status(period)) {
        None => Action::Add,
        Some(Status::Gap | Status::Incomplete) => Action::Fill,
        Some(_) => Action::Revise,
    };
    let cube = Cube::open_to_write(&info, &cx.scope).await?;
    let first = given.ranges.first().map(|range| range.first);
    let action = first.map_or(Action::Add, |first| action(cube.as_ref(), first));
    let periods = Periods {
        dataset: info.id.clone(),
        step: time.frequency(),
        base: cube.as_ref().map(Cube::id),
        items: given.ranges.iter().map(|range| Item { range: *range, action }).collect(),
        batches: vec![given.ranges.to_vec()],
        source: None,
        release: None,
    };
    let grid = Arc::new(grid(given.grid, given.crs, &info, cx)?);
    let fields = if given.status.has_values() { fields(&info, cx, &grid, value)? } else { Vec::new() };
    let slices = given.ranges.iter().flat_map(PeriodRange::iter).map(|period| {
        let (grid, fields) = (Arc::clone(&grid), fields.clone());
        Ok(Arrival::Slice(Slice { period, status: given.status, context: false, grid, fields }))
    });
    let slices = Slices(stream::iter(slices.collect::<Vec<_>>()).boxed());
    let sink = AppendCommit { dataset: info.id.clone() };
    let written = whole(sink.write(Batch { index: 0, periods }, slices, cx).await)?;
    let snapshot = whole(sink.commit(vec![written], cx).await)?;
    // What is given is what everyone reads.
    if let Some(id) = snapshot.id.filter(|_| info.block.audit) {
        promote(&info, &id, cx).await?;
    }
    Ok(())
}

fn whole<T>(outcome: Outcome<T>) -> Result<T, StepError> {
    match outcome {
        Outcome { output: Some(output), error: None } => Ok(output),
        Outcome { error: Some(error), .. } => Err(error),
        Outcome { .. } => Err(StepError::permanent(ErrorKind::Internal, "a step gave nothing")),
    }
}

fn grid(block: &GridBlock, code: u32, info: &DatasetInfo, cx: &Context) -> Result<Grid, StepError> {
    let declared = info.block.grid.as_ref().and_then(|grid| grid.names.clone());
    let [y, x] = block.names.clone().or(declared).unwrap_or_else(|| ["y".to_owned(), "x".to_owned()]);
    let [rows, columns] = block.shape.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let said = said_crs(info, cx).unwrap_or_else(|| format!("EPSG:{code}"));
    let crs = crs::named(&said).ok_or_else(|| {
        StepError::permanent(ErrorKind::Data, format!("{said} is none of the CRS that tests can make up"))
            .help("write EPSG:4326, or a zone of UTM (EPSG:32601 to 32660, 32701 to 32760)")
    })?;
    Ok(Grid {
        crs,
        y: Axis::regular(&y, block.origin[1], block.cell[1], rows),
        x: Axis::regular(&x, block.origin[0], block.cell[0], columns),
        extra: dimensions(info, cx),
    })
}

/// The CRS that the block of a dataset says, or of one that it is derived from.
fn said_crs(info: &DatasetInfo, cx: &Context) -> Option<String> {
    // A checked graph has no circles.
    let sources = || info.sources.iter().filter_map(|id| cx.scope.datasets.get(id));
    info.block.crs.clone().or_else(|| sources().find_map(|source| said_crs(source, cx)))
}

/// The dimensions of a dataset between time and y, or of one that it is derived from.
fn dimensions(info: &DatasetInfo, cx: &Context) -> Dimensions {
    // A checked graph has no circles.
    let mut sources = info.sources.iter().filter_map(|id| cx.scope.datasets.get(id));
    let own = Some(info.block.dimensions.clone()).filter(|own| !own.is_empty());
    own.or_else(|| sources.next().map(|source| dimensions(source, cx))).unwrap_or_default()
}

/// The variables of a dataset, or of those that it is derived from.
fn variables(info: &DatasetInfo, cx: &Context) -> BTreeMap<String, Variable> {
    if !info.block.variables.is_empty() {
        return info.block.variables.clone();
    }
    // A checked graph has no circles.
    let sources = info.sources.iter().filter_map(|id| cx.scope.datasets.get(id));
    sources.flat_map(|source| variables(source, cx)).collect()
}

fn fields(
    info: &DatasetInfo,
    cx: &Context,
    grid: &Grid,
    value: impl Fn(&str) -> Option<f64>,
) -> Result<Vec<Field>, StepError> {
    let field = |(name, variable): (String, Variable)| {
        let number = value(&name).ok_or_else(|| {
            let message = format!("nothing is given for `{name}` of `{}`", info.id);
            StepError::permanent(ErrorKind::Data, message)
                .help(format!("write `value: {{ {name}: … }}`, or one number for all variables"))
        })?;
        let packed = variable.scale_factor.is_some() || variable.add_offset.is_some();
        let dtype = if packed { DType::Float64 } else { variable.dtype.unwrap_or(DType::Float32) };
        let bytes = dtype.le_bytes(number).repeat(grid.cells());
        let values = Values::from_le_bytes(dtype, &bytes).unwrap_or_else(|| Values::zeros(dtype, 0));
        Ok(Field { name, values, fill: variable.fill, units: variable.units })
    };
    variables(info, cx).into_iter().map(field).collect()
}
