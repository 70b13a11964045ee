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
    cube::{
        Cube, Spares, Template, TemplateVariable, Window as Tile,
        parts::{cells, span_of, tiles},
    },
    resample::{Accumulator, Encoding, Method, Share},
};
use frazil_engine::{
    data::{Field, Frequency, Grid, Period, Status, Values},
    step::{ErrorKind, StepError},
};

/// Reads on their way at a time: one is decoded while another is added up.
const AHEAD: usize = 2;

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
    /// By place among the reads of a unit: the sums of each output, none before the first period.
    sums: Vec<Vec<Accumulator>>,
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
    /// Blocks that were added up.
    spares: Spares,
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
        Ok(Self {
            source,
            from,
            grid: Arc::new(template.grid.clone()),
            inputs,
            outputs,
            span,
            spares: Spares::default(),
        })
    }

    async fn read(
        &self,
        unit: Range<usize>,
        at: usize,
        (input, tile): (usize, usize),
    ) -> Result<walk::Read, StepError> {
        let input = &self.inputs[input];
        let values =
            self.source.read_into(&input.name, unit.clone(), Some(&input.tiles[tile]), &self.spares).await?;
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
        Open { window, steps, sums: (0..slots).map(|_| Vec::new()).collect() }
    }

    /// Adds what was read to the windows that it belongs to.
    async fn add(
        &self,
        open: &mut VecDeque<Open>,
        closed: &mut Vec<Vec<Accumulator>>,
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
            let mut sums = std::mem::take(&mut window.sums[slot]);
            if sums.is_empty() {
                sums = closed.pop().unwrap_or_else(new);
            }
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
            (work, values)
        });
        let (work, values) = worked.await?;
        self.spares.give(values);
        for (at, .., sums) in work {
            if let Some(window) = open.get_mut(at) {
                window.sums[slot] = sums;
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

    /// The variables of a window all of whose periods have passed, and its sums, which are not needed
    /// any more.
    async fn finish(
        &self,
        open: Open,
        slots: &[(usize, usize)],
    ) -> Result<(Vec<Field>, Vec<Vec<Accumulator>>), StepError> {
        let Open { window: Window { period, status, .. }, mut sums, .. } = open;
        if status == Status::Incomplete || self.outputs.is_empty() {
            return Ok((Vec::new(), sums));
        }
        // For each output, its tiles and where their sums are.
        let mut parts: Vec<Vec<(Tile, usize, usize)>> = self.outputs.iter().map(|_| Vec::new()).collect();
        for (slot, &(input, tile)) in slots.iter().enumerate() {
            let input = &self.inputs[input];
            for (at, (output, _)) in input.outputs.iter().enumerate() {
                parts[*output].push((input.tiles[tile].clone(), slot, at));
            }
        }
        let (outputs, shape) = (self.outputs.clone(), self.grid.lengths());
        let made = compute("resampling", move || {
            let fields = outputs.into_iter().zip(parts).map(|(output, parts)| {
                let sums = parts.iter().filter_map(|(tile, slot, at)| Some((tile, sums[*slot].get(*at)?)));
                field(output, sums, &shape)
            });
            let fields: Result<Vec<Field>, StepError> = fields.collect();
            sums.iter_mut().flatten().for_each(Accumulator::clear);
            (fields, sums)
        });
        let (fields, sums) = made.await?;
        Ok((fields.map_err(|error| error.at(period))?, sums))
    }
}

fn field<'a>(
    output: Output,
    parts: impl Iterator<Item = (&'a Tile, &'a Accumulator)>,
    shape: &[usize],
) -> Result<Field, StepError> {
    let Output { name, dtype, fill, units } = output;
    let mut mosaic = Mosaic::new(shape);
    for (tile, sum) in parts {
        let values = sum.finish(dtype, fill).map_err(|unfit| {
            StepError::permanent(ErrorKind::Data, format!("`{name}`: {unfit}"))
                .help(format!("declare `variables: {{ {name}: {{ dtype: … }} }}` of the dataset: a wider integer, or a float"))
        })?;
        mosaic.put(tile, values);
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
