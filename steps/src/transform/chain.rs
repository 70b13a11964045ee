//! Operations on one slice after the other.

use std::{collections::BTreeMap, ops::Range};

use frazil_engine::{
    cf::units,
    data::{Grid, Period, Slice},
    step::{ErrorKind, StepError},
};

use super::{
    numbers::Working,
    operation::{Deaccumulate, Operation, ScaleOffset},
};

/// The least fall of a running total that is no rounding, in the unit of the result.
const LEAST_FALL: f64 = 0.01;

/// The running totals of the period before, by operation and variable.
#[derive(Debug, Default)]
pub(super) struct Memory {
    period: Option<Period>,
    totals: BTreeMap<(usize, String), Vec<f64>>,
}

impl Memory {
    /// Nothing before: what comes next has no predecessor.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// A slice on its way through a chain.
#[derive(Debug)]
pub(super) struct Work {
    /// Without its fields, which are below.
    pub(super) slice: Slice,
    pub(super) fields: Vec<Working>,
}

impl Work {
    /// Begins with a slice. A gap has no numbers and passes through.
    pub(super) fn begin(mut slice: Slice, memory: &mut Memory) -> Self {
        let period = slice.period;
        if slice.fields.is_empty() || memory.period.is_none_or(|before| before.plus(1) != period) {
            memory.forget();
        }
        let fields = std::mem::take(&mut slice.fields).into_iter().map(Working::new).collect();
        Self { slice, fields }
    }

    /// Does the operations at these places of the chain, none of which changes the grid.
    pub(super) fn numbers(
        &mut self,
        operations: &[Operation],
        at: Range<usize>,
        memory: &mut Memory,
    ) -> Result<(), StepError> {
        let period = self.slice.period;
        if self.fields.is_empty() {
            return Ok(());
        }
        for at in at {
            let later = &operations[at + 1..];
            let step = Step { at, period, later, grid: &self.slice.grid };
            one(&operations[at], &mut self.fields, step, memory).map_err(|error| error.at(period))?;
        }
        Ok(())
    }

    /// The slice with all numbers rounded to their types.
    pub(super) fn finish(mut self, memory: &mut Memory) -> Result<Slice, StepError> {
        let period = self.slice.period;
        if !self.fields.is_empty() {
            memory.period = Some(period);
        }
        let fields = self.fields.into_iter();
        self.slice.fields = fields
            .map(|field| field.finish().map_err(|message| wrong(message).at(period)))
            .collect::<Result<_, _>>()?;
        Ok(self.slice)
    }
}

/// Where in the chain and in time an operation works.
#[derive(Clone, Copy)]
struct Step<'a> {
    at: usize,
    period: Period,
    later: &'a [Operation],
    grid: &'a Grid,
}

fn one(
    operation: &Operation,
    fields: &mut [Working],
    step: Step<'_>,
    memory: &mut Memory,
) -> Result<(), StepError> {
    match operation {
        Operation::Deaccumulate(settings) => {
            for name in &settings.variables {
                deaccumulate(settings, find(fields, name)?, step, memory)?;
            }
        }
        Operation::Convert(targets) => {
            for (name, target) in targets {
                convert(find(fields, name)?, target)?;
            }
        }
        Operation::ScaleOffset(all) => {
            for (name, settings) in all {
                scale_offset(find(fields, name)?, settings);
            }
        }
        Operation::Mask(all) => {
            for (name, mask) in all {
                for value in find(fields, name)?.numbers() {
                    if mask.takes(*value) {
                        *value = f64::NAN;
                    }
                }
            }
        }
        Operation::Rename(names) => rename(fields, names)?,
        // Done by a program of its own, between these.
        Operation::Regrid(_) | Operation::Reproject(_) => {}
    }
    Ok(())
}

fn deaccumulate(
    settings: &Deaccumulate,
    field: &mut Working,
    step: Step<'_>,
    memory: &mut Memory,
) -> Result<(), StepError> {
    let (scale, unit) = scale_to_come(&field.name, field.units.as_deref(), step.later);
    let name = field.name.clone();
    let numbers = field.numbers();
    let totals = numbers.clone();
    let before = memory.totals.insert((step.at, name.clone()), totals);
    if !settings.begins_anew(step.period) {
        match before {
            Some(before) if before.len() == numbers.len() => {
                numbers.iter_mut().zip(before).for_each(|(now, before)| *now -= before);
            }
            Some(_) => return Err(wrong(format!("the grid of `{name}` is not that of the period before"))),
            None => numbers.fill(f64::NAN),
        }
    }
    for (cell, value) in numbers.iter_mut().enumerate() {
        // NaN is not below zero.
        if *value < 0.0 {
            let fall = *value * scale;
            if fall < -LEAST_FALL {
                let place = place(step.grid, cell);
                let message = format!("the running total of `{name}` gives {fall}{unit} at {place}");
                return Err(wrong(message).help(
                    "a total falls only where a new one begins: see `reset` and `stamp` of deaccumulate",
                ));
            }
            *value = 0.0;
        }
    }
    Ok(())
}

/// A cell in words.
fn place(grid: &Grid, cell: usize) -> String {
    let (rows, columns) = grid.shape();
    let (row, column) = (cell / columns.max(1), cell % columns.max(1));
    let text = format!("row {}, column {column}", row % rows.max(1));
    match grid.extra.words(row / rows.max(1)) {
        words if words.is_empty() => text,
        words => format!("{words}, {text}"),
    }
}

/// What the differences of a variable will be multiplied by, and the unit they will have.
fn scale_to_come(name: &str, units: Option<&str>, later: &[Operation]) -> (f64, String) {
    let mut name = name.to_owned();
    let mut units = units.map(ToOwned::to_owned);
    let mut scale = 1.0;
    for operation in later {
        match operation {
            Operation::Convert(targets) => {
                if let Some(target) = targets.get(&name) {
                    let conversion = units.as_deref().map(|from| units::conversion(from, target));
                    scale *= conversion.and_then(Result::ok).map_or(1.0, units::Conversion::scale);
                    units = Some(target.clone());
                }
            }
            Operation::ScaleOffset(all) => {
                if let Some(settings) = all.get(&name) {
                    scale *= settings.scale.abs();
                    units.clone_from(&settings.units);
                }
            }
            Operation::Rename(names) => name = names.get(&name).unwrap_or(&name).clone(),
            Operation::Deaccumulate(_)
            | Operation::Mask(_)
            | Operation::Regrid(_)
            | Operation::Reproject(_) => {}
        }
    }
    (scale, units.map_or_else(String::new, |u| format!(" {u}")))
}

fn convert(field: &mut Working, target: &str) -> Result<(), StepError> {
    let name = &field.name;
    let Some(from) = &field.units else {
        return Err(wrong(format!(
            "the source says no unit of `{name}`, so it cannot be turned into `{target}`"
        ))
        .help(format!("say it before: `scale-offset: {{ {name}: {{ units: … }} }}`")));
    };
    let conversion = units::conversion(from, target).map_err(|error| {
        wrong(format!("`{name}`: {error}"))
            .help(format!("use `scale-offset: {{ {name}: {{ scale: …, units: {target} }} }}`"))
    })?;
    if !conversion.is_same() {
        field.numbers().iter_mut().for_each(|value| *value = conversion.apply(*value));
    }
    field.units = Some(target.to_owned());
    Ok(())
}

fn scale_offset(field: &mut Working, settings: &ScaleOffset) {
    let ScaleOffset { scale, offset, units } = settings;
    let changes = (*scale - 1.0).abs() > 0.0 || offset.abs() > 0.0;
    if changes {
        field.numbers().iter_mut().for_each(|value| *value = *value * scale + offset);
    }
    // What other numbers are in, nobody knows but who says it.
    if changes || units.is_some() {
        field.units.clone_from(units);
    }
}

fn rename(fields: &mut [Working], names: &BTreeMap<String, String>) -> Result<(), StepError> {
    for old in names.keys() {
        find(fields, old)?;
    }
    for field in &mut *fields {
        if let Some(new) = names.get(&field.name) {
            field.name.clone_from(new);
        }
    }
    let mut seen: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    seen.sort_unstable();
    match seen.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(wrong(format!("two variables would be called `{}`", pair[0]))),
        None => Ok(()),
    }
}

fn find<'a>(fields: &'a mut [Working], name: &str) -> Result<&'a mut Working, StepError> {
    match fields.iter().position(|field| field.name == name) {
        Some(at) => Ok(&mut fields[at]),
        None => {
            let there: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
            Err(wrong(format!("there is no variable `{name}` to transform: there is {}", there.join(", "))))
        }
    }
}

fn wrong(message: String) -> StepError {
    StepError::permanent(ErrorKind::Data, message)
}
