//! Whether a slice is one of the dataset, and its numbers as they are stored.

use frazil_engine::{
    data::{Field, Slice, Status},
    dataset::DatasetInfo,
    step::StepError,
};

use super::{
    grid,
    template::{Template, TemplateVariable},
    unit::{Plan, Unit},
    values,
    write::refused,
};
use crate::compute::compute;

/// The bytes of each variable, as they are stored; checked against the template.
pub(super) async fn fields(
    template: &Template,
    slice: Slice,
    info: &DatasetInfo,
) -> Result<Vec<Vec<u8>>, StepError> {
    let cells = template.grid.cells();
    if !slice.status.has_values() || slice.fields.is_empty() {
        if slice.status.has_values() {
            return Err(refused("the slice holds no variable", "check the `variables` of `fetch`"));
        }
        return missing(template, cells);
    }
    grid::same(&template.grid, &slice.grid)?;
    let names = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    if let Some(extra) = slice.fields.iter().find(|f| template.variable(&f.name).is_none()) {
        let known = names(&mut template.variables.iter().map(|v| v.name.as_str()));
        return Err(refused(
            format!("the slice holds `{}`, which {} does not ({known})", extra.name, info.id),
            "leave it out in `fetch`, or write to a dataset that has it",
        ));
    }
    let mut jobs = Vec::new();
    let mut fields: Vec<Option<Field>> = slice.fields.into_iter().map(Some).collect();
    for variable in &template.variables {
        let mut own = fields.iter_mut().filter(|f| f.as_ref().is_some_and(|f| f.name == variable.name));
        let (first, second) = (own.next().and_then(Option::take), own.next());
        let field = match (first, second) {
            (Some(field), None) => field,
            (None, _) => {
                return Err(refused(
                    format!("`{}` is missing from the slice", variable.name),
                    "a dataset is written with all its variables at once",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(refused(format!("`{}` is in the slice twice", variable.name), "rename one"));
            }
        };
        fits(variable, &field, cells)?;
        jobs.push((field, variable.clone()));
    }
    // Where nothing is converted it still copies a whole field.
    compute("converting a slice", move || {
        jobs.iter().map(|(field, variable)| values::stored(field, variable)).collect::<Result<Vec<_>, _>>()
    })
    .await?
}

/// Nothing but missing data, as it is stored.
fn missing(template: &Template, cells: usize) -> Result<Vec<Vec<u8>>, StepError> {
    let mut missing = Vec::new();
    for variable in &template.variables {
        let mut one = Vec::new();
        values::put_missing(variable, &mut one)?;
        missing.push(one.repeat(cells));
    }
    Ok(missing)
}

/// Whether a field is as long as the grid and in the unit of the variable.
fn fits(variable: &TemplateVariable, field: &Field, cells: usize) -> Result<(), StepError> {
    if field.values.len() != cells {
        return Err(refused(
            format!("`{}` has {} numbers, the grid {cells} cells", variable.name, field.values.len()),
            "the source does not fit its own grid",
        ));
    }
    if let (Some(declared), Some(given)) = (&variable.units, &field.units)
        && !frazil_engine::cf::units::same(declared, given)
    {
        return Err(refused(
            format!("`{}` is in `{given}`, the dataset in `{declared}`", variable.name),
            format!(
                "convert it on the way: `transform: {{ do: [ {{ convert: {{ {}: {declared} }} }} ] }}`",
                variable.name
            ),
        ));
    }
    Ok(())
}

/// Refuses to put nothing but missing data over numbers.
pub(super) fn overwrites(
    plan: &Plan,
    unit: &mut Unit,
    fields: &[Vec<u8>],
    step: usize,
    status: Status,
) -> Result<(), StepError> {
    // A derived window whose inputs were taken back is no longer vouched for either.
    if matches!(status, Status::Withdrawn | Status::Incomplete) {
        return Ok(());
    }
    for (at, new) in fields.iter().enumerate() {
        let variable = &plan.template.variables[at];
        if !values::any_valid(new, variable) && values::any_valid(unit.period(plan, at, step), variable) {
            return Err(refused(
                format!("`{}` holds nothing but missing data, but numbers are stored", variable.name),
                "what is stored stays; to take a period out, mark it as withdrawn",
            ));
        }
    }
    Ok(())
}
