//! The numbers: chunks of the source stream through, windows come out in order of time.
//!
//! Each chunk is read once. What is held is, of each source, the chunks on their way (two) and the
//! windows that are open, and what the writer gathers: none of it grows with the length of a source.

pub(super) mod walk;

use std::{collections::VecDeque, ops::Range, sync::Arc};

use super::{
    decide::Window,
    inherit::{Output, Recipe},
    mosaic::Mosaic,
    pieces::{Pieces, Windows},
};
use crate::{
    compute::compute,
    cube::{Cube, Template, TemplateVariable, Window as Tile},
    resample::{Accumulator, Encoding, Method, Share},
};
use frazil_engine::{
    data::{Field, Frequency, Grid, Period, Status, Values},
    step::{ErrorKind, StepError},
};

/// Reads on their way at a time: one is decoded while another is added up.
const AHEAD: usize = 2;

/// Bytes that one read gives where chunks are smaller: enough that no time goes into the reading
/// itself, and so few that the numbers are still in the cache when they are added up.
const READ: usize = 1 << 20;

/// One source variable with all that is made of it.
#[derive(Debug)]
struct Input {
    name: String,
    encoding: Encoding,
    tiles: Vec<Tile>,
    /// Places in the recipes, with their methods.
    outputs: Vec<(usize, Method)>,
}

/// A window while its periods pass by.
struct Open {
    window: Window,
    /// Positions on the source's axis that hold values.
    steps: Vec<Range<usize>>,
    /// By place among the reads of a unit: the sums of each output.
    sums: Vec<Option<Vec<Accumulator>>>,
}

/// How a source becomes a part of a derived dataset, or the whole of it.
#[derive(Debug)]
pub(super) struct Resampling<'a> {
    source: &'a Cube,
    from: Pieces,
    grid: Arc<Grid>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    /// Steps of the source that are read together.
    span: usize,
}

impl<'a> Resampling<'a> {
    /// `stored` tells types and units of the derived dataset's variables.
    pub(super) fn new(
        source: &'a Cube,
        from: Pieces,
        recipes: impl IntoIterator<Item = &'a Recipe>,
        stored: &[Output],
    ) -> Result<Self, StepError> {
        let template = source.template();
        let mut inputs: Vec<Input> = Vec::new();
        let mut outputs = Vec::new();
        for (at, recipe) in recipes.into_iter().enumerate() {
            let output =
                stored.iter().find(|v| v.name == recipe.name).ok_or_else(|| lacking(&recipe.name))?;
            outputs.push(output.clone());
            if let Some(input) = inputs.iter_mut().find(|i| i.name == recipe.from) {
                input.outputs.push((at, recipe.method));
                continue;
            }
            let from = template.variable(&recipe.from).ok_or_else(|| lacking(&recipe.from))?;
            inputs.push(Input {
                name: recipe.from.clone(),
                encoding: encoding(from),
                tiles: tiles(from, &template.grid),
                outputs: vec![(at, recipe.method)],
            });
        }
        let span = inputs.iter().filter_map(|i| Some((i, template.variable(&i.name)?)));
        let span = span.map(|(input, variable)| span_of(variable, &input.tiles)).max().unwrap_or(1);
        Ok(Self { source, from, grid: Arc::new(template.grid.clone()), inputs, outputs, span })
    }

    async fn read(
        &self,
        unit: Range<usize>,
        at: usize,
        (input, tile): (usize, usize),
    ) -> Result<walk::Read, StepError> {
        let input = &self.inputs[input];
        let values = self.source.read(&input.name, unit.clone(), Some(&input.tiles[tile])).await?;
        Ok((unit, at, values))
    }

    fn open(&self, window: Window, slots: usize) -> Open {
        let axis = self.source.axis();
        let mut steps: Vec<Range<usize>> = Vec::new();
        if window.status != Status::Incomplete {
            for at in axis.positions(self.from.of(window.period)) {
                if !axis.get(at).is_some_and(|(_, status)| status.has_values()) {
                    continue;
                }
                match steps.last_mut() {
                    Some(last) if last.end == at => last.end += 1,
                    _ => steps.push(at..at + 1),
                }
            }
        }
        Open { window, steps, sums: (0..slots).map(|_| None).collect() }
    }

    /// Adds what was read to the windows that it belongs to.
    async fn add(
        &self,
        open: &mut VecDeque<Open>,
        unit: &Range<usize>,
        slot: usize,
        (input, tile): (usize, usize),
        values: Values,
    ) -> Result<(), StepError> {
        let input = &self.inputs[input];
        let cells = cells(&input.tiles[tile]);
        let mut work = Vec::new();
        for (at, window) in open.iter_mut().enumerate() {
            let Some(first) = window.steps.first() else { continue };
            if first.start >= unit.end {
                break;
            }
            let inside = |s: &Range<usize>| s.start.max(unit.start)..s.end.min(unit.end);
            let steps: Vec<Range<usize>> = window
                .steps
                .iter()
                .map(inside)
                .filter(|s| !s.is_empty())
                .map(|s| s.start - unit.start..s.end - unit.start)
                .collect();
            if steps.is_empty() {
                continue;
            }
            let new = || -> Vec<Accumulator> {
                input.outputs.iter().map(|(_, m)| Accumulator::new(*m, input.encoding, cells)).collect()
            };
            let sums: Vec<Accumulator> = window.sums[slot].take().unwrap_or_else(new);
            let shares = self.shares(window.window.period, unit.start, &steps);
            work.push((at, steps, shares, sums));
        }
        let worked = compute("resampling", move || {
            for (_, steps, shares, sums) in &mut work {
                for sum in sums.iter_mut() {
                    if shares.is_empty() {
                        steps.iter().for_each(|s| sum.add(&values, s.clone()));
                    }
                    shares.iter().for_each(|(step, share)| sum.add_share(&values, *step, *share));
                }
            }
            work
        });
        for (at, .., sums) in worked.await? {
            if let Some(window) = open.get_mut(at) {
                window.sums[slot] = Some(sums);
            }
        }
        Ok(())
    }

    /// How much of each step lies in a window, by its place in what was read from `start` on; none
    /// where all of them belong to it as they are.
    fn shares(&self, window: Period, start: usize, steps: &[Range<usize>]) -> Vec<(usize, Share)> {
        let share = |step: usize| {
            let (piece, _) = self.source.axis().get(start + step)?;
            Some((step, self.from.share(window, piece)?))
        };
        steps.iter().cloned().flatten().filter_map(share).collect()
    }

    /// The variables of a window all of whose periods have passed.
    async fn finish(&self, open: Open, slots: &[(usize, usize)]) -> Result<Vec<Field>, StepError> {
        let Window { period, status, .. } = open.window;
        if status == Status::Incomplete || self.outputs.is_empty() {
            return Ok(Vec::new());
        }
        let mut parts: Vec<Vec<(Tile, Accumulator)>> = self.outputs.iter().map(|_| Vec::new()).collect();
        for (sums, &(input, tile)) in open.sums.into_iter().zip(slots) {
            let input = &self.inputs[input];
            for (sum, (output, _)) in sums.into_iter().flatten().zip(&input.outputs) {
                parts[*output].push((input.tiles[tile].clone(), sum));
            }
        }
        let (outputs, shape) = (self.outputs.clone(), self.grid.lengths());
        let made = compute("resampling", move || -> Result<Vec<Field>, StepError> {
            outputs.into_iter().zip(parts).map(|(output, parts)| field(output, parts, &shape)).collect()
        });
        made.await?.map_err(|error| error.at(period))
    }
}

fn field(output: Output, parts: Vec<(Tile, Accumulator)>, shape: &[usize]) -> Result<Field, StepError> {
    let Output { name, dtype, fill, units } = output;
    let mut mosaic = Mosaic::new(shape);
    for (tile, sum) in parts {
        let values = sum.finish(dtype, fill).map_err(|unfit| {
            StepError::permanent(ErrorKind::Data, format!("`{name}`: {unfit}"))
                .help(format!("declare `variables: {{ {name}: {{ dtype: … }} }}` of the dataset: a wider integer, or a float"))
        })?;
        mosaic.put(&tile, values);
    }
    let values = mosaic.finish().ok_or_else(|| {
        StepError::permanent(
            ErrorKind::Internal,
            format!("`{name}`: a window was finished without its periods"),
        )
    })?;
    Ok(Field { name, values, fill, units })
}

fn lacking(name: &str) -> StepError {
    StepError::permanent(ErrorKind::Data, format!("the dataset has no variable `{name}`"))
        .help("its variables are those of its first commit: a dataset of another id can have others")
}

fn encoding(variable: &TemplateVariable) -> Encoding {
    Encoding {
        dtype: variable.dtype,
        fill: variable.fill,
        scale: variable.scale_factor.unwrap_or(1.0),
        offset: variable.add_offset.unwrap_or(0.0),
    }
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX).max(1)
}

/// Parts of the grid that are read at a time: whole chunks, as many as fit one read.
fn tiles(variable: &TemplateVariable, grid: &Grid) -> Vec<Tile> {
    let [steps, between @ .., y, x] = variable.unit() else { return Vec::new() };
    let ((rows, columns), steps) = (grid.shape(), size(*steps));
    let (y, x) = (size(*y).min(rows.max(1)), size(*x).min(columns.max(1)));
    let mut planes = vec![Vec::new()];
    let mut together = 1;
    for (n, length) in grid.extra.lengths().zip(between.iter().copied().map(size)) {
        together *= length.min(n);
        let cut = (0..n).step_by(length).map(|at| at..n.min(at + length));
        let with = |plane: &Vec<Range<usize>>, next| plane.iter().cloned().chain([next]).collect();
        planes = planes.iter().flat_map(|plane| cut.clone().map(move |next| with(plane, next))).collect();
    }
    let fits = (READ / steps.saturating_mul(together).saturating_mul(variable.dtype.size())).max(1);
    // First along rows, as they lie.
    let x = (fits / (x * y).max(1)).clamp(1, columns.div_ceil(x)) * x;
    let y = if x >= columns { (fits / (x * y).max(1)).clamp(1, rows.div_ceil(y)) * y } else { y };
    let cut = |length: usize, by: usize| (0..length).step_by(by).map(move |i| i..length.min(i + by));
    let flat: Vec<_> = cut(rows, y).flat_map(|y| cut(columns, x).map(move |x| (y.clone(), x))).collect();
    let tile = |extra: Vec<Range<usize>>| {
        flat.iter().cloned().map(move |(y, x)| Tile { extra: extra.clone(), y, x })
    };
    planes.into_iter().flat_map(tile).collect()
}

/// Cells of a part.
fn cells(tile: &Tile) -> usize {
    tile.extra.iter().map(ExactSizeIterator::len).product::<usize>() * tile.y.len() * tile.x.len()
}

/// Steps that are read at a time: whole chunks, as many as fit one read.
fn span_of(variable: &TemplateVariable, tiles: &[Tile]) -> usize {
    let steps = size(variable.unit()[0]);
    let cells = tiles.iter().map(cells).max().unwrap_or(1).max(1);
    let chunks = READ / steps.saturating_mul(cells).saturating_mul(variable.dtype.size()).max(1);
    steps * chunks.max(1)
}

/// The stretches that are read: what is needed of each span of chunks.
fn units(steps: impl Iterator<Item = Range<usize>>, span: usize) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    for range in steps {
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min((start / span + 1) * span);
            match units.last_mut() {
                Some(last) if last.start / span == start / span => last.end = end,
                _ => units.push(start..end),
            }
            start = end;
        }
    }
    units
}

/// Bytes held at the peak, but for what the writer holds.
pub(super) fn memory<'a>(
    source: &Template,
    recipes: impl IntoIterator<Item = &'a Recipe>,
    from: Pieces,
    to: Frequency,
) -> u64 {
    let weighs = from.rule == Some(Windows::Weighted);
    let cells = source.grid.cells();
    let mut bytes = 0;
    for recipe in recipes {
        let Some(variable) = source.variable(&recipe.from) else { continue };
        let tiles = tiles(variable, &source.grid);
        let span = span_of(variable, &tiles);
        let largest = tiles.iter().map(self::cells).max().unwrap_or(0);
        // On their way, each as bytes and as numbers, and one that is added up.
        bytes += (2 * AHEAD + 1) * span * largest * variable.dtype.size();
        let length = (to.nominal_minutes() / from.step.nominal_minutes().max(1)).max(1);
        let windows = span / usize::try_from(length).unwrap_or(1) + 2;
        bytes += windows * cells * Accumulator::bytes_per_cell(recipe.method, variable.dtype, weighs);
    }
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_is_read_once() {
        assert_eq!(units([3..30, 30..61, 70..75].into_iter(), 30), vec![3..30, 30..60, 60..75]);
        assert_eq!(units([0..31, 31..59].into_iter(), 100), vec![0..59]);
        assert_eq!(units(std::iter::empty(), 7), Vec::<Range<usize>>::new());
    }
}
