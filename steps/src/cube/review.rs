//! The metadata of a cube as a document for review: what its block says of it before it is made, and
//! what stands in it.

use std::sync::Arc;

use frazil_engine::{
    context::Scope,
    data::{Axis, Crs, DType, Field, Grid, Period, Slice, Status, Values},
    dataset::DatasetInfo,
    review,
    step::{ErrorKind, StepError},
};
use serde_json::{Map, Value, json};

use super::{Cube, creation, document::Nodes, layout, level, template::Template, time::TimeIndex};

/// What append-commit would create, as far as the block says it: what cubes over any two first slices
/// have in common. None where it could create none.
pub(crate) fn template(info: &DatasetInfo, project_crs: Option<&str>) -> Option<Value> {
    let of = |variant: u8| {
        let template = layout::declare(info, project_crs, &slice(info, variant)?).ok()?;
        let axis = TimeIndex::empty(template.step);
        Some(document(info, &template, &creation::documents(info, &template, &axis)))
    };
    review::common(&of(0)?, &of(1)?)
}

/// What stands in a cube.
fn stored(info: &DatasetInfo, cube: &Cube) -> Value {
    document(info, &cube.template, &cube.nodes)
}

fn document(info: &DatasetInfo, template: &Template, nodes: &Nodes) -> Value {
    let prefix = template.path("");
    let array = |(path, document): (&String, &Value)| {
        let name = path.strip_prefix(&prefix).filter(|name| !name.is_empty() && !name.contains('/'))?;
        let mut document = document.as_object()?.clone();
        // Every commit makes it longer.
        document.remove("shape");
        Some((name.to_owned(), Value::Object(document)))
    };
    let arrays: Map<String, Value> = nodes.iter().filter_map(array).collect();
    let mut attributes =
        nodes.get("/").and_then(|root| root["attributes"].as_object().cloned()).unwrap_or_default();
    // Levels are made later, by what `pyramid` is told: no block says them.
    level::mark(&template.with_levels(0, |_| crate::downsample::Method::Mean), &mut attributes);
    json!({
        "frazil-template": review::VERSION,
        "dataset": info.id,
        "attributes": attributes,
        "arrays": arrays,
    })
}

/// A first slice: all that the block leaves to it differs between the two variants.
fn slice(info: &DatasetInfo, variant: u8) -> Option<Slice> {
    let block = &info.block;
    let [y, x] =
        block.grid.as_ref().and_then(|g| g.names.clone()).unwrap_or_else(|| ["y".to_owned(), "x".to_owned()]);
    let n = usize::from(variant) + 1;
    let length = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let (y, x) = match &block.grid {
        Some(grid) => (
            Axis::regular(&y, grid.origin[1], grid.cell[1], length(grid.shape[0])),
            Axis::regular(&x, grid.origin[0], grid.cell[0], length(grid.shape[1])),
        ),
        // Below any length of chunks, which are never longer than the grid.
        None => (
            Axis::regular(&y, 10.0 * n as f64, -(n as f64), n),
            Axis::regular(&x, 20.0 * n as f64, n as f64, n),
        ),
    };
    let crs = match &block.crs {
        Some(_) => Crs { code: None, wkt: String::new() },
        None => crate::crs::epsg(if variant == 0 { 4326 } else { 32_633 })?,
    };
    let grid = Grid { crs, y, x, extra: block.dimensions.clone() };
    let dtype = if variant == 0 { DType::Float32 } else { DType::Int16 };
    let field = |name: &String| Field {
        name: name.clone(),
        values: Values::zeros(dtype, 0),
        fill: Some(-1.0 - f64::from(variant)),
        units: Some(format!("of variant {variant}")),
    };
    Some(Slice {
        period: Period::containing(chrono::DateTime::UNIX_EPOCH, info.block.time.frequency()),
        status: Status::Final,
        context: false,
        grid: Arc::new(grid),
        fields: block.variables.keys().map(field).collect(),
    })
}

/// Refuses a dataset whose template is kept for review and says otherwise than what stands in its cube,
/// or than its block where there is none yet. Without one nothing is refused.
///
/// # Errors
/// What differs and where; also when what is kept cannot be read.
pub(crate) async fn agrees(info: &DatasetInfo, cube: Option<&Cube>, scope: &Scope) -> Result<(), StepError> {
    let path = review::place(&scope.project.root, &info.id);
    let refused = |message: String| StepError::permanent(ErrorKind::Refused, message);
    let text = match tokio::fs::read_to_string(&path).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(format!("cannot read {}: {error}", path.display()))),
    };
    let kept: Value = serde_json::from_str(&text)
        .map_err(|error| refused(format!("{} is no JSON: {error}", path.display())))?;
    let found = match cube {
        Some(cube) => stored(info, cube),
        None => template(info, scope.project.crs.as_deref()).unwrap_or_default(),
    };
    // Both were text, so that numbers are read the same way.
    let found: Value = serde_json::from_str(&review::text(&found)).unwrap_or_default();
    let Some((at, kept, found)) = review::difference(&kept, &found, cube.is_none()) else { return Ok(()) };
    let id = &info.id;
    let (where_, help) = match cube {
        Some(_) => (
            format!("in {}", info.location.url),
            "a cube keeps the metadata that it was created with: take the change back, or make the dataset anew under another name",
        ),
        None => ("by its block".to_owned(), "`frazil template --write` keeps what the block says"),
    };
    let message = format!("`datasets/{id}.json` keeps {at} as {kept}, and it is {found} {where_}");
    Err(refused(message).help(help))
}
