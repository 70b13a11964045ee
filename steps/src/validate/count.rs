//! Reads numbers, chunk by chunk, and counts what the checks ask for: each stored chunk once for all.

use std::{collections::BTreeMap, ops::Range};

use frazil_engine::{
    data::{Period, Values},
    step::{ErrorKind, StepError},
};
use futures::{StreamExt, TryStreamExt, stream};

use super::settings::{Check, EqualTo};
use crate::{
    compute::compute,
    cube::{Cube, Spares, Template, TemplateVariable, Window, parts},
};

/// Blocks that are read or counted at a time: one on each of two cores.
const AT_A_TIME: usize = 2;

/// What was counted of the numbers of a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tally {
    pub(super) cells: u64,
    pub(super) missing: u64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { cells: 0, missing: 0, least: f64::INFINITY, most: f64::NEG_INFINITY }
    }
}

impl Tally {
    fn value(&mut self, value: Option<f64>) {
        self.cells += 1;
        match value {
            Some(value) => {
                self.least = self.least.min(value);
                self.most = self.most.max(value);
            }
            None => self.missing += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.cells += other.cells;
        self.missing += other.missing;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }
}

/// How far the numbers of a period lie from those of another dataset.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Apart {
    /// Cells whose numbers lie further apart than is allowed, or of which only one is missing.
    pub(super) cells: u64,
    /// The largest distance.
    pub(super) furthest: f64,
    /// Cells that only one of them has.
    pub(super) lacking: u64,
}

impl Apart {
    fn values(&mut self, pair: (Option<f64>, Option<f64>), tolerance: f64) {
        match pair {
            (Some(one), Some(other)) => {
                let distance = (one - other).abs();
                self.furthest = self.furthest.max(distance);
                self.cells += u64::from(distance.is_nan() || distance > tolerance);
            }
            (None, None) => {}
            _ => {
                self.lacking += 1;
                self.cells += 1;
            }
        }
    }
}

/// What was counted, by variable and period.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) tallies: BTreeMap<String, BTreeMap<Period, Tally>>,
    /// By the place of the check.
    pub(super) apart: BTreeMap<usize, BTreeMap<Period, Apart>>,
}

/// What numbers are compared with.
pub(super) struct Other {
    /// The place of the check.
    pub(super) at: usize,
    pub(super) cube: Cube,
    pub(super) variable: String,
    pub(super) tolerance: f64,
}

impl Other {
    pub(super) const fn of(at: usize, check: &EqualTo, cube: Cube, variable: String) -> Self {
        Self { at, cube, variable, tolerance: check.tolerance }
    }
}

/// Counts the numbers at `positions` (by variable, ascending) of `cube`.
pub(super) async fn count(
    cube: &Cube,
    positions: &BTreeMap<String, Vec<usize>>,
    others: &[Other],
) -> Result<Counted, StepError> {
    let mut counted = Counted::default();
    let spares = Spares::default();
    for (name, wanted) in positions {
        let variable = cube.template().variable(name).ok_or_else(|| lacking(name, cube))?;
        let tiles = parts::tiles(variable, &cube.template().grid);
        let span = parts::span_of(variable, &tiles);
        let ranges = ranges(wanted);
        let blocks: Vec<(Range<usize>, &Window)> = parts::units(ranges.into_iter(), span)
            .into_iter()
            .flat_map(|unit| tiles.iter().map(move |tile| (unit.clone(), tile)))
            .collect();
        let others: Vec<&Other> = others.iter().filter(|other| other.variable == *name).collect();
        let block = |(unit, tile): (Range<usize>, &Window)| {
            one(cube, variable, (unit, tile.clone()), &others, spares.clone())
        };
        let mut found = stream::iter(blocks).map(block).buffer_unordered(AT_A_TIME);
        let wanted: std::collections::BTreeSet<usize> = wanted.iter().copied().collect();
        while let Some((tallies, apart)) = found.try_next().await? {
            let of = counted.tallies.entry(name.clone()).or_default();
            for (position, tally) in tallies {
                let Some((period, _)) = cube.axis().get(position).filter(|_| wanted.contains(&position))
                else {
                    continue;
                };
                of.entry(period).or_default().add(tally);
            }
            for (at, position, more) in apart {
                let Some((period, _)) = cube.axis().get(position).filter(|_| wanted.contains(&position))
                else {
                    continue;
                };
                let of = counted.apart.entry(at).or_default().entry(period).or_default();
                of.cells += more.cells;
                of.lacking += more.lacking;
                of.furthest = of.furthest.max(more.furthest);
            }
        }
    }
    Ok(counted)
}

type Block = (Vec<(usize, Tally)>, Vec<(usize, usize, Apart)>);

/// Reads and counts one block of whole chunks.
async fn one(
    cube: &Cube,
    variable: &TemplateVariable,
    (unit, tile): (Range<usize>, Window),
    others: &[&Other],
    spares: Spares,
) -> Result<Block, StepError> {
    let values = cube.read_into(&variable.name, unit.clone(), Some(&tile), &spares).await?;
    let mut compared = Vec::new();
    for other in others {
        for (own, theirs) in shared(cube, &other.cube, unit.clone()) {
            let values = other.cube.read_into(&other.variable, theirs, Some(&tile), &spares).await?;
            let template = other.cube.template().variable(&other.variable).cloned();
            let template = template.ok_or_else(|| lacking(&other.variable, &other.cube))?;
            compared.push((other.at, other.tolerance, own, values, template));
        }
    }
    let variable = variable.clone();
    let cells = parts::cells(&tile);
    let (block, used) = compute("counting what checks ask for", move || {
        let tallies = unit.clone().enumerate();
        let tallies = tallies.map(|(n, at)| (at, tally(&variable, &values, n * cells..(n + 1) * cells)));
        let tallies = tallies.collect();
        let mut apart = Vec::new();
        for (check, tolerance, own, theirs, template) in &compared {
            for (n, at) in own.clone().enumerate() {
                let mut sum = Apart::default();
                let (begin, other) = ((at - unit.start) * cells, n * cells);
                for cell in 0..cells {
                    let one = variable.value(values.get(begin + cell));
                    let two = template.value(theirs.get(other + cell));
                    sum.values((one, two), *tolerance);
                }
                apart.push((*check, at, sum));
            }
        }
        let used = compared.into_iter().map(|(_, _, _, values, _)| values).chain([values]);
        ((tallies, apart), used.collect::<Vec<_>>())
    })
    .await?;
    used.into_iter().for_each(|values| spares.give(values));
    Ok(block)
}

fn tally(variable: &TemplateVariable, values: &Values, range: Range<usize>) -> Tally {
    let mut tally = Tally::default();
    match values {
        // By far the most common: not worth a look at the type for each number.
        Values::Float32(numbers) if !variable.is_packed() && variable.fill.is_none() => {
            for number in &numbers[range] {
                tally.value((!number.is_nan()).then_some(f64::from(*number)));
            }
        }
        _ => range.for_each(|at| tally.value(variable.value(values.get(at)))),
    }
    tally
}

/// Stretches of `unit` that the other one has too, with its own positions.
fn shared(cube: &Cube, other: &Cube, unit: Range<usize>) -> Vec<(Range<usize>, Range<usize>)> {
    let mut runs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for at in unit {
        let Some((period, status)) = cube.axis().get(at).filter(|(_, status)| status.has_values()) else {
            continue;
        };
        let theirs = other.axis().position(period);
        let holds = other.axis().status(period).is_some_and(|status| status.has_values());
        let Some(theirs) = theirs.filter(|_| status.has_values() && holds) else { continue };
        match runs.last_mut() {
            Some((own, last)) if own.end == at && last.end == theirs => {
                own.end = at + 1;
                last.end = theirs + 1;
            }
            _ => runs.push((at..at + 1, theirs..theirs + 1)),
        }
    }
    runs
}

fn ranges(positions: &[usize]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for &at in positions {
        match ranges.last_mut() {
            Some(last) if last.end == at => last.end = at + 1,
            _ => ranges.push(at..at + 1),
        }
    }
    ranges
}

fn lacking(name: &str, cube: &Cube) -> StepError {
    let message = format!("{} has no variable `{name}`", cube.snapshot().dataset);
    StepError::permanent(ErrorKind::Data, message).help("a check names a variable of the dataset")
}

/// Bytes held at the peak: the blocks that are read or counted, each with the chunks that it is put
/// together from, and those that they are compared with.
pub(super) fn memory(template: &Template, checks: &[Check]) -> u64 {
    let block = |variable: &TemplateVariable| {
        let tiles = parts::tiles(variable, &template.grid);
        let cells = tiles.iter().map(parts::cells).max().unwrap_or(0);
        parts::span_of(variable, &tiles) * cells * variable.dtype.size()
    };
    let bytes = |check: &Check| {
        let variable = template.variable(check.variable()?)?;
        let blocks = if matches!(check, Check::EqualTo(_)) { 4 } else { 2 };
        Some((blocks * AT_A_TIME * block(variable)) as u64)
    };
    checks.iter().filter_map(bytes).max().unwrap_or(0)
}
