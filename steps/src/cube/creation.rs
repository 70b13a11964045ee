//! A new cube: its groups, coordinates and empty variables.

use frazil_engine::{
    data::{Axis, DType, Grid, Values},
    dataset::DatasetInfo,
    step::StepError,
};
use icechunk::{
    format::snapshot::{ArrayShape, DimensionName},
    session::Session,
};
use serde_json::{Map, Value, json};

use super::{
    attributes,
    change::{self, Change},
    document::{Nodes, not_a_cube},
    fault,
    forecast::{self, VALID_TIME},
    labels,
    layout::ArrayDocument,
    level::inside,
    path,
    template::Template,
    time::{TIME_CHUNK, TimeIndex},
};

/// Takes out all that stands there: the version before, in the first commit of another one.
pub(super) async fn clear(session: &mut Session, what: &str) -> Result<(), StepError> {
    session.delete_group(path("/")?).await.map_err(fault::icechunk(what))
}

/// The documents of a new cube: its groups, coordinates and empty variables.
pub(super) fn documents(info: &DatasetInfo, template: &Template, axis: &TimeIndex) -> Nodes {
    let mut nodes = Nodes::new();
    let root = attributes::root(info, template, axis);
    nodes.insert("/".to_owned(), group(root));
    if template.group.is_empty() {
        beside(&template.grid, template, "", &mut nodes);
    } else {
        // What has no place in space stands at the root too: there map clients look for it.
        let [.., time, status, reference] = coordinates(&template.grid, template);
        let extra = template.grid.extra.0.iter().map(|d| (d.name.as_str(), labels::document(d)));
        let all = [time, status, reference].into_iter().chain(extra).chain(valid(&template.grid, template));
        nodes.extend(all.map(|(name, document)| (format!("/{name}"), document)));
        scale(&template.grid, template, &template.group, &mut nodes);
        for level in &template.levels {
            scale(&level.grid, template, &level.group, &mut nodes);
        }
    }
    for stored in template.arrays() {
        nodes.insert(template.path(&stored.key), ArrayDocument::variable(stored.array, stored.grid));
    }
    template.stored_documents(nodes)
}

/// The document of a group.
pub(super) fn group(attributes: Map<String, Value>) -> Value {
    json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes })
}

/// A group of a multiscale dataset, with what stands beside its variables.
pub(super) fn scale(grid: &Grid, template: &Template, name: &str, nodes: &mut Nodes) {
    let mut attributes = Map::new();
    attributes::conventions(grid, &mut attributes);
    nodes.insert(format!("/{name}"), group(attributes));
    beside(grid, template, name, nodes);
}

/// What stands beside the variables of a group.
fn beside(grid: &Grid, template: &Template, group: &str, nodes: &mut Nodes) {
    let extra = grid.extra.0.iter().map(|dimension| (dimension.name.as_str(), labels::document(dimension)));
    let all = coordinates(grid, template).into_iter().chain(extra).chain(valid(grid, template));
    nodes.extend(all.map(|(name, document)| (inside(group, name), document)));
}

/// For which time the numbers of forecasts hold.
fn valid(grid: &Grid, template: &Template) -> Option<(&'static str, Value)> {
    forecast::document(template.step, grid).map(|document| (VALID_TIME, document))
}

/// Makes a new cube without periods.
pub(super) async fn create(change: &Change<'_>, session: &mut Session) -> Result<Nodes, StepError> {
    let nodes = documents(change.info, change.template, change.axis);
    clear(session, change.what).await?;
    fill(change.template, &nodes, session, change.what).await?;
    Ok(nodes)
}

/// Adds the nodes of a new cube to a session that holds nothing, and the coordinates of its dimensions
/// but time.
async fn fill(
    template: &Template,
    nodes: &Nodes,
    session: &mut Session,
    what: &str,
) -> Result<(), StepError> {
    add(nodes, session, what).await?;
    let scales = template.levels.iter().map(|level| (level.group.as_str(), &level.grid));
    for (group, grid) in std::iter::once((template.group.as_str(), &template.grid)).chain(scales) {
        for axis in [&grid.y, &grid.x] {
            let values = Values::Float64(axis.centres.clone());
            change::vector(session, nodes, &inside(group, &axis.name), &values, 0, what).await?;
        }
    }
    for group in template.groups() {
        for dimension in &template.grid.extra.0 {
            labels::write(session, nodes, &inside(group, &dimension.name), &dimension.labels, what).await?;
        }
    }
    Ok(())
}

/// Adds groups and empty arrays to a session that has none of them.
pub(super) async fn add(nodes: &Nodes, session: &mut Session, what: &str) -> Result<(), StepError> {
    // In the order of their paths a group comes before what lies in it.
    for (name, document) in nodes {
        let (name, bytes) = (path(name)?, change::bytes(document));
        if document["node_type"] == "group" {
            session.add_group(name, bytes).await.map_err(fault::icechunk(what))?;
            continue;
        }
        let (shape, names) = shape(document)?;
        session.add_array(name, shape, Some(names), bytes).await.map_err(fault::icechunk(what))?;
    }
    Ok(())
}

/// The documents of what stands beside the variables; the time axis is still empty.
fn coordinates<'a>(grid: &'a Grid, template: &Template) -> [(&'a str, Value); 5] {
    let (rows, columns) = grid.shape();
    let space = |axis: &Axis, length: usize, letter: &str| {
        let (length, kind) = (length as u64, DType::Float64);
        ArrayDocument::coordinate(&axis.name, length, length, kind, attributes::coordinate(grid, letter))
    };
    let time = |kind: DType, attributes| ArrayDocument::coordinate("time", 0, TIME_CHUNK, kind, attributes);
    let reference = json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": [],
        "data_type": "int64",
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": [] } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "fill_value": 0,
        "codecs": [{ "name": "bytes", "configuration": { "endian": "little" } }],
        "attributes": attributes::spatial_ref(grid),
        "dimension_names": [],
        "storage_transformers": [],
    });
    [
        (&grid.y.name, space(&grid.y, rows, "Y")),
        (&grid.x.name, space(&grid.x, columns, "X")),
        ("time", time(DType::Int64, attributes::time(template.step, grid))),
        ("period_status", time(DType::UInt8, attributes::period_status())),
        ("spatial_ref", reference),
    ]
}

/// Shape and dimension names, as Icechunk keeps them beside the document.
pub(super) fn shape(document: &Value) -> Result<(ArrayShape, Vec<DimensionName>), StepError> {
    let numbers = |value: &Value| -> Vec<u64> {
        value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    };
    let lengths = numbers(&document["shape"]);
    let chunks = numbers(&document["chunk_grid"]["configuration"]["chunk_shape"]);
    let pairs = lengths
        .iter()
        .zip(&chunks)
        .map(|(n, c)| (*n, u32::try_from(n.div_ceil((*c).max(1))).unwrap_or(u32::MAX)));
    let shape = ArrayShape::new(pairs).ok_or_else(|| not_a_cube("an array has no shape"))?;
    let names =
        document["dimension_names"].as_array().into_iter().flatten().map(|n| n.as_str().into()).collect();
    Ok((shape, names))
}
