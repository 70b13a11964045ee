//! What a derived dataset takes from its sources.

use std::collections::BTreeMap;

use frazil_engine::{
    data::{DType, DatasetId},
    dataset::{Dataset, DatasetInfo, Variable},
    step::{ErrorKind, StepError},
};
use serde_json::Value;

use super::{
    DerivedResample, check,
    from::{self, Known, Wrong},
    pieces::Windows,
};
use crate::{
    cube::{self, Template, TemplateVariable},
    resample::Method,
};

/// Attributes that say how the numbers are stored, or that the writer makes itself.
const OWN: &[&str] = &[
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "units",
    "standard_name",
    "long_name",
    "short_name",
    "cell_methods",
    "valid_range",
    "valid_min",
    "valid_max",
    "flag_values",
    "flag_meanings",
    "grid_mapping",
    "coordinates",
];

/// One variable of the derived dataset: by which method it comes from which source variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) name: String,
    /// Its source, by its place among them.
    pub(super) source: usize,
    pub(super) from: String,
    pub(super) method: Method,
}

/// What is made of which variable.
///
/// # Errors
/// When no source or several have such a variable, or the method makes no sense for it.
pub(super) fn recipes(
    step: &DerivedResample,
    sources: &[(&DatasetId, &Template)],
) -> Result<Vec<Recipe>, StepError> {
    let names =
        |template: &'_ Template| template.variables.iter().map(|v| v.name.clone()).collect::<Vec<_>>();
    let names: Vec<Vec<String>> = sources.iter().map(|(_, template)| names(template)).collect();
    let known = sources.iter().zip(&names).map(|((id, _), names)| {
        let variables = Some(names.iter().map(String::as_str).collect());
        Known { id, variables }
    });
    let known: Vec<Known<'_>> = known.collect();
    let unclear = |wrong: Wrong| refused(format!("{}: {}", step.dataset, wrong.message)).help(wrong.help);
    let mut recipes = Vec::new();
    match step.method {
        Some(method) => {
            from::twice(&known).map_or(Ok(()), |wrong| Err(unclear(wrong)))?;
            for (source, names) in names.iter().enumerate() {
                let recipe =
                    |name: &String| Recipe { name: name.clone(), source, from: name.clone(), method };
                recipes.extend(names.iter().map(recipe));
            }
        }
        None => {
            for (name, choice) in &step.variables {
                let Some((source, from)) = from::find(&choice.from, &known).map_err(unclear)? else {
                    continue;
                };
                recipes.push(Recipe {
                    name: name.clone(),
                    source,
                    from: from.to_owned(),
                    method: choice.method,
                });
            }
        }
    }
    for recipe in &recipes {
        let Some(variable) = sources[recipe.source].1.variable(&recipe.from) else { continue };
        let units = variable.units.as_deref();
        if let Some(wrong) = check::nonsense(&recipe.from, recipe.method, variable.cell, units) {
            return Err(refused(wrong.message).help(wrong.help));
        }
    }
    Ok(recipes)
}

/// Refuses sources whose cells are not the same.
pub(super) fn one_grid(sources: &[(&DatasetId, &Template)]) -> Result<(), StepError> {
    let Some(((first, template), others)) = sources.split_first() else { return Ok(()) };
    for (other, theirs) in others {
        if let Some(difference) = cube::grid_difference(&template.grid, &theirs.grid) {
            let message = format!("{other} does not lie where {first} lies: {difference}");
            return Err(refused(message)
                .help("fetch one on the grid of the other (its `bbox`), or derive each on its own"));
        }
    }
    Ok(())
}

fn refused(message: String) -> StepError {
    StepError::permanent(ErrorKind::Data, message)
}

/// The dataset as it is to be written: its block, filled with what it takes from its sources. Chunks
/// and how it is drawn are those of the first.
pub(super) fn inherited(
    own: &DatasetInfo,
    sources: &[(&DatasetInfo, &Template)],
    recipes: &[Recipe],
    windows: Option<Windows>,
) -> DatasetInfo {
    let mut info = own.clone();
    let mut variables = BTreeMap::new();
    for recipe in recipes {
        let Some(from) = sources[recipe.source].1.variable(&recipe.from) else { continue };
        let mut result = recipe.method.result(&recipe.from, &variable(from), from.dtype);
        if windows == Some(Windows::Weighted) && recipe.method == Method::Sum && !from.dtype.is_float() {
            // A share of a whole number is none: as for a mean, a float is needed.
            let mean = Method::Mean.result(&recipe.from, &variable(from), from.dtype);
            result = Variable { cell: result.cell, valid: None, ..mean };
        }
        if let Some(said) = own.block.variables.get(&recipe.name) {
            result = over(result, said);
        }
        variables.insert(recipe.name.clone(), result);
    }
    info.block.variables = variables;
    if let Some((source, stored)) = sources.first() {
        space(&mut info.block, stored);
        if info.block.dimensions.is_empty() {
            info.block.dimensions = stored.grid.extra.clone();
        }
        if info.block.display.is_none() {
            info.block.display.clone_from(&source.block.display);
        }
    }
    info
}

/// Chunks along all dimensions but time are those of the source.
fn space(block: &mut Dataset, stored: &Template) {
    let Some(first) = stored.variables.first() else { return };
    let mut short: Vec<&str> = stored.grid.names().collect();
    let horizontal = short.len() - 2;
    short.splice(horizontal.., ["y", "x"]);
    for ((name, short), length) in stored.grid.names().zip(short).zip(first.chunks.iter().skip(1).copied()) {
        if !block.chunks.contains_key(name) && !block.chunks.contains_key(short) {
            block.chunks.insert(name.to_owned(), length);
        }
    }
}

/// A stored variable as a block would say it.
fn variable(stored: &TemplateVariable) -> Variable {
    let text = |key: &str| stored.attributes.get(key).and_then(Value::as_str).map(str::to_owned);
    let numbers = |key: &str| -> Vec<f64> {
        let list = stored.attributes.get(key).and_then(Value::as_array);
        list.map(|l| l.iter().filter_map(Value::as_f64).collect()).unwrap_or_default()
    };
    let meanings = text("flag_meanings").unwrap_or_default();
    let meanings = meanings.split_whitespace().map(str::to_owned);
    Variable {
        units: stored.units.clone(),
        standard_name: text("standard_name"),
        long_name: text("long_name"),
        short_name: text("short_name"),
        cell: stored.cell,
        dtype: Some(stored.dtype),
        nodata: None,
        fill: stored.fill,
        scale_factor: stored.scale_factor,
        add_offset: stored.add_offset,
        valid: <[f64; 2]>::try_from(numbers("valid_range")).ok(),
        categories: numbers("flag_values").iter().map(ToString::to_string).zip(meanings).collect(),
        mantissa_bits: None,
        attributes: stored
            .attributes
            .iter()
            .filter(|(key, _)| !OWN.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    }
}

/// What the block says comes before what is taken from the source.
fn over(base: Variable, said: &Variable) -> Variable {
    let dtype = said.dtype.or(base.dtype);
    let packed = said.scale_factor.is_some() || said.add_offset.is_some();
    // A float needs no packing, and another type has other numbers for what is missing.
    let keeps = said.dtype.is_none_or(|dtype| Some(dtype) == base.dtype) && !packed;
    let kept = |value: Option<f64>| value.filter(|_| keeps);
    let mut attributes = base.attributes;
    attributes.extend(said.attributes.clone());
    Variable {
        units: said.units.clone().or(base.units),
        standard_name: said.standard_name.clone().or(base.standard_name),
        long_name: said.long_name.clone().or(base.long_name),
        short_name: said.short_name.clone().or(base.short_name),
        cell: said.cell.or(base.cell),
        dtype,
        nodata: None,
        fill: said.fill.or(if keeps { base.fill } else { None }),
        scale_factor: said.scale_factor.or(kept(base.scale_factor)),
        add_offset: said.add_offset.or(kept(base.add_offset)),
        valid: said.valid.or(base.valid),
        categories: if said.categories.is_empty() { base.categories } else { said.categories.clone() },
        mantissa_bits: said.mantissa_bits,
        attributes,
    }
}

/// How a variable of the derived dataset is handed to the writer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) fill: Option<f64>,
    pub(super) units: Option<String>,
}

/// The variables as they are stored, or where nothing is stored yet as they are declared. What
/// the writer packs is handed to it as a float.
pub(super) fn outputs(info: &DatasetInfo, stored: Option<&Template>) -> Vec<Output> {
    let output = |name: &str, packed: bool, dtype: DType, fill: Option<f64>, units: &Option<String>| Output {
        name: name.to_owned(),
        dtype: if packed { DType::Float64 } else { dtype },
        fill: fill.filter(|_| !packed && !dtype.is_float()),
        units: units.clone(),
    };
    match stored {
        Some(template) => template
            .variables
            .iter()
            .map(|v| output(&v.name, v.is_packed(), v.dtype, v.fill, &v.units))
            .collect(),
        None => info
            .block
            .variables
            .iter()
            .map(|(name, v)| {
                let packed = v.scale_factor.is_some() || v.add_offset.is_some();
                output(name, packed, v.dtype.unwrap_or(DType::Float32), v.fill, &v.units)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
