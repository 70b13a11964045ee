//! Whether a layout can hold what another one says.

use serde_json::json;

use crate::cube::{
    grid, reference,
    template::{Template, TemplateVariable},
};

/// What of `wanted` does not fit into what is stored: cells, variables, their units and types. Chunks,
/// codecs and attributes are followed as they are stored.
pub(crate) fn difference(stored: &Template, wanted: &Template) -> Option<String> {
    if let Some(difference) = grid::grid_difference(&stored.grid, &wanted.grid) {
        return Some(difference);
    }
    let names = |template: &Template| template.variables.iter().map(|v| v.name.clone()).collect::<Vec<_>>();
    let (own, other) = (names(stored), names(wanted));
    if own.iter().any(|name| !other.contains(name)) || other.iter().any(|name| !own.contains(name)) {
        return Some(format!("its variables are {}, {} are stored", other.join(", "), own.join(", ")));
    }
    stored.variables.iter().find_map(|own| of_variable(own, wanted.variable(&own.name)?))
}

fn of_variable(stored: &TemplateVariable, wanted: &TemplateVariable) -> Option<String> {
    let name = &stored.name;
    if let (Some(own), Some(other)) = (&stored.units, &wanted.units)
        && !frazil_engine::cf::units::same(own, other)
    {
        return Some(format!("`{name}` is in `{other}`, `{own}` is stored"));
    }
    let kind = |v: &TemplateVariable| {
        let (scale, offset) = (v.scale_factor.unwrap_or(1.0), v.add_offset.unwrap_or(0.0));
        let packed = if v.is_packed() { format!(" (× {scale} + {offset})") } else { String::new() };
        format!("{}{packed}", v.dtype.name())
    };
    let (own, other) = (kind(stored), kind(wanted));
    (own != other).then(|| format!("`{name}` is {other}, {own} is stored"))
}

/// A digest of a layout and of what its numbers are made by.
pub(crate) fn digest(template: &Template, definition: &str, version: Option<&str>) -> String {
    let grid = &template.grid;
    let centres = |centres: &[f64]| centres.iter().map(f64::to_string).collect::<Vec<_>>();
    let units: Vec<_> = template.variables.iter().map(|v| &v.units).collect();
    let parts = json!([
        reference::digest(template),
        grid.crs,
        [&grid.y.name, &grid.x.name],
        centres(&grid.y.centres),
        centres(&grid.x.centres),
        grid.extra,
        units,
        definition,
        version,
    ]);
    blake3::hash(parts.to_string().as_bytes()).to_hex()[..12].to_owned()
}
