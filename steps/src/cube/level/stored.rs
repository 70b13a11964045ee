//! Levels as a store has them: its `multiscales` attribute, and the arrays that it names.

use frazil_engine::data::{Axis, Grid};
use serde_json::Value;

use super::{
    super::{
        document::{self, Nodes},
        grid_difference,
        template::{Template, TemplateVariable},
    },
    Level, METHOD, halved, inside,
};
use crate::downsample::Method;

/// The horizontal coordinates of a level: its group, y and x.
pub(in crate::cube) struct Places {
    pub(in crate::cube) group: String,
    pub(in crate::cube) y: Vec<f64>,
    pub(in crate::cube) x: Vec<f64>,
}

fn layout(nodes: &Nodes) -> &[Value] {
    let multiscales = nodes.get("/").map(|root| &root["attributes"]["multiscales"]);
    multiscales.and_then(|m| m["layout"].as_array()).map_or(&[], Vec::as_slice)
}

/// The groups of the levels, the finest first, without the one of the data.
pub(in crate::cube) fn groups(nodes: &Nodes) -> Vec<String> {
    let named = layout(nodes).iter().skip(1);
    named.map(|entry| entry["asset"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The levels of `template`, whose coordinates are `places`.
///
/// # Errors
/// In words what they are made of that frazil does not make: such levels are read and never written.
pub(in crate::cube) fn stored(
    nodes: &Nodes,
    template: &Template,
    places: Vec<Places>,
) -> Result<Vec<Level>, String> {
    let mut levels = Vec::new();
    let mut above = template.grid.clone();
    for (at, place) in places.into_iter().enumerate() {
        let group = &place.group;
        let entry = layout(nodes).get(at + 1).unwrap_or(&Value::Null);
        let wanted = halved(&above);
        let axis = |axis: &Axis, centres| Axis { centres, ..axis.clone() };
        let grid = Grid {
            crs: wanted.crs.clone(),
            y: axis(&wanted.y, place.y),
            x: axis(&wanted.x, place.x),
            extra: wanted.extra.clone(),
        };
        if let Some(difference) = grid_difference(&wanted, &grid) {
            return Err(format!("level `{group}` does not halve the one above it: {difference}"));
        }
        let mut variables = Vec::new();
        let mut methods = Vec::new();
        for variable in &template.variables {
            let own = array(nodes, template, group, variable)?;
            methods.push(method(nodes, &own, entry).ok_or_else(|| {
                format!(
                    "nothing says how `{}` of level `{group}` is made, or frazil does not know it",
                    own.name
                )
            })?);
            variables.push(own);
        }
        above = grid.clone();
        levels.push(Level { group: place.group, grid, variables, methods });
    }
    Ok(levels)
}

/// The array of a variable in a level.
fn array(
    nodes: &Nodes,
    template: &Template,
    group: &str,
    variable: &TemplateVariable,
) -> Result<TemplateVariable, String> {
    let (name, path) = (&variable.name, inside(group, &variable.name));
    let document = nodes.get(&path).ok_or_else(|| format!("level `{group}` lacks `{name}`"))?;
    let own = document::variable(&path, document).map_err(|error| error.to_string())?;
    let encoded = |v: &TemplateVariable| (v.dtype, v.fill, v.scale_factor, v.add_offset);
    if encoded(&own) != encoded(variable) {
        return Err(format!("`{name}` of level `{group}` has another type, fill or packing than the data"));
    }
    let (unit, length) = (template.write_unit(), own.unit()[0]);
    if own.unit().len() != variable.unit().len() || !unit.is_multiple_of(length.max(1)) {
        return Err(format!(
            "`{name}` of level `{group}` is stored in steps of {length}, the data in steps of {unit}"
        ));
    }
    Ok(own)
}

/// How an array of a level is made: what it says itself, then its level, then the root.
fn method(nodes: &Nodes, own: &TemplateVariable, entry: &Value) -> Option<Method> {
    let root = nodes.get("/").map(|root| &root["attributes"]["multiscales"][METHOD]);
    let said = own.attributes.get(METHOD).or_else(|| entry.get(METHOD)).or(root)?;
    match said.as_str()? {
        "average" => Some(Method::Mean),
        name => Method::named(name),
    }
}
