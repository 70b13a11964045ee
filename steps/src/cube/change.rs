//! What a commit changes in a session: arrays, references, labels, attributes.

use std::collections::HashSet;

use frazil_engine::{
    data::{Axis, DType, Values},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use futures::TryStreamExt;
use icechunk::{
    format::{
        ChunkIndices, Path,
        manifest::ChunkInfo,
        snapshot::{ArrayShape, DimensionName},
    },
    session::Session,
};
use serde_json::{Value, json};

use super::{
    Cube, attributes,
    codec::ChunkCodec,
    document::{Nodes, not_a_cube},
    fault, labels,
    layout::ArrayDocument,
    path,
    reference::{ChunkRecord, Object, UnitRecord},
    settle::{self, Settlement, Taken},
    template::Template,
    time::{TIME_CHUNK, TimeIndex},
};

/// All that a commit needs to know.
pub(super) struct Change<'a> {
    pub(super) info: &'a DatasetInfo,
    pub(super) cube: Option<&'a Cube>,
    pub(super) template: &'a Template,
    /// The axis as it will stand.
    pub(super) axis: &'a TimeIndex,
    pub(super) settlement: &'a Settlement,
    pub(super) batches: &'a [Taken],
    pub(super) what: &'a str,
}

/// Makes the changes in `session`. Nothing is published until it is committed.
pub(super) async fn apply(change: &Change<'_>, session: &mut Session) -> Result<(), StepError> {
    let created;
    let nodes = match change.cube {
        Some(cube) => &cube.nodes,
        None => {
            created = create(change, session).await?;
            &created
        }
    };
    let length = change.axis.len() as u64;
    let unit = usize::try_from(change.template.write_unit()).unwrap_or(usize::MAX);
    let grows = change.cube.is_none_or(|cube| cube.axis.len() != change.axis.len());
    for variable in &change.template.variables {
        let name = change.template.path(&variable.name);
        if grows {
            resize(session, nodes, &name, length, change.what).await?;
        }
        if change.settlement.shift > 0 {
            shift(session, &path(&name)?, change.settlement.shift / unit, change.what).await?;
        }
    }
    refer(change, session, unit).await?;
    if let Some(from) = change.settlement.from {
        for (name, values) in [
            ("time", Values::Int64(change.axis.labels_from(0))),
            ("period_status", Values::UInt8(change.axis.codes_from(0))),
        ] {
            let name = change.template.path(name);
            if !nodes.contains_key(&name) {
                continue;
            }
            if grows {
                resize(session, nodes, &name, length, change.what).await?;
            }
            vector(session, nodes, &name, &values, from, change.what).await?;
        }
    }
    if change.cube.is_some() && grows {
        let mut root = nodes.get("/").cloned().unwrap_or_else(|| json!({}));
        let mut map = root["attributes"].as_object().cloned().unwrap_or_default();
        attributes::coverage(change.axis, &mut map);
        root["attributes"] = Value::Object(map);
        session.update_group(&path("/")?, bytes(&root)).await.map_err(fault::icechunk(change.what))?;
    }
    Ok(())
}

/// Moves the references of an array by whole units of time; no chunk is touched. Icechunk's own
/// `shift_array` does the same in a future that cannot move between threads.
async fn shift(session: &mut Session, name: &Path, by: usize, what: &str) -> Result<(), StepError> {
    let by = u32::try_from(by).unwrap_or(u32::MAX);
    let chunks: Vec<ChunkInfo> =
        session.array_chunk_iterator(name).await.try_collect().await.map_err(fault::icechunk(what))?;
    let places: HashSet<ChunkIndices> = chunks.iter().map(|chunk| chunk.coord.clone()).collect();
    let moved = |at: &ChunkIndices| {
        let mut at = at.clone();
        at.0[0] = at.0[0].saturating_add(by);
        at
    };
    let targets: HashSet<ChunkIndices> = places.iter().map(moved).collect();
    for left in places.difference(&targets) {
        session.set_chunk_ref(name.clone(), left.clone(), None).await.map_err(fault::icechunk(what))?;
    }
    for chunk in chunks {
        let at = moved(&chunk.coord);
        session.set_chunk_ref(name.clone(), at, Some(chunk.payload)).await.map_err(fault::icechunk(what))?;
    }
    Ok(())
}

fn bytes(document: &Value) -> bytes::Bytes {
    document.to_string().into_bytes().into()
}

/// Takes out all that stands there: the version before, in the first commit of another one.
pub(super) async fn clear(session: &mut Session, what: &str) -> Result<(), StepError> {
    session.delete_group(path("/")?).await.map_err(fault::icechunk(what))
}

/// The documents of a new cube: its group, coordinates and empty variables.
pub(super) fn documents(info: &DatasetInfo, template: &Template, axis: &TimeIndex) -> Nodes {
    let grid = &template.grid;
    let root = json!({
        "zarr_format": 3,
        "node_type": "group",
        "attributes": attributes::root(info, template, axis),
    });
    let extra = grid.extra.0.iter().map(|dimension| (dimension.name.as_str(), labels::document(dimension)));
    let beside = coordinates(template).into_iter().chain(extra);
    let beside = beside.map(|(name, document)| (template.path(name), document));
    let variables =
        template.variables.iter().map(|v| (template.path(&v.name), ArrayDocument::variable(v, grid)));
    beside.chain(variables).chain([("/".to_owned(), root)]).collect()
}

/// Makes a new cube without periods.
async fn create(change: &Change<'_>, session: &mut Session) -> Result<Nodes, StepError> {
    let (template, grid) = (change.template, &change.template.grid);
    let nodes = documents(change.info, template, change.axis);
    clear(session, change.what).await?;
    for (name, document) in &nodes {
        if name == "/" {
            session.add_group(path(name)?, bytes(document)).await.map_err(fault::icechunk(change.what))?;
            continue;
        }
        let (shape, names) = shape(document)?;
        session
            .add_array(path(name)?, shape, Some(names), bytes(document))
            .await
            .map_err(fault::icechunk(change.what))?;
    }
    for axis in [&grid.y, &grid.x] {
        let values = Values::Float64(axis.centres.clone());
        vector(session, &nodes, &template.path(&axis.name), &values, 0, change.what).await?;
    }
    for dimension in &grid.extra.0 {
        let name = template.path(&dimension.name);
        labels::write(session, &nodes, &name, &dimension.labels, change.what).await?;
    }
    Ok(nodes)
}

/// The documents of what stands beside the variables; the time axis is still empty.
fn coordinates(template: &Template) -> [(&str, Value); 5] {
    let grid = &template.grid;
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
        ("time", time(DType::Int64, attributes::time(template.step))),
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

/// Gives an array another length along `time`.
async fn resize(
    session: &mut Session,
    nodes: &Nodes,
    name: &str,
    length: u64,
    what: &str,
) -> Result<(), StepError> {
    let mut document =
        nodes.get(name).cloned().ok_or_else(|| not_a_cube(format!("{what}: there is no array {name}")))?;
    document["shape"][0] = json!(length);
    let (shape, names) = shape(&document)?;
    session
        .update_array(&path(name)?, shape, Some(names), bytes(&document))
        .await
        .map_err(fault::icechunk(what))
}

/// Writes the chunks of a one-dimensional array from position `from` on.
pub(super) async fn vector(
    session: &mut Session,
    nodes: &Nodes,
    name: &str,
    values: &Values,
    from: usize,
    what: &str,
) -> Result<(), StepError> {
    let codec = super::read::codec(nodes, name, what)?;
    let (length, size) = (codec.numbers().max(1), codec.dtype.size());
    let all = values.bytes();
    for chunk in from / length..values.len().div_ceil(length) {
        let part = &all[chunk * length * size..all.len().min((chunk + 1) * length * size)];
        let mut block = part.to_vec();
        block.extend(codec.filled(length - part.len() / size));
        let at = ChunkIndices(vec![u32::try_from(chunk).unwrap_or(u32::MAX)]);
        let payload = encoded(&codec, block)?;
        let payload = match payload {
            None => None,
            Some(bytes) => {
                let write = session.get_chunk_writer(&path(name)?, &at).map_err(fault::icechunk(what))?;
                Some(write(bytes.into()).await.map_err(fault::icechunk(what))?)
            }
        };
        session.set_chunk_ref(path(name)?, at, payload).await.map_err(fault::icechunk(what))?;
    }
    Ok(())
}

/// A chunk of a coordinate: at most 64 KiB, not worth a thread.
fn encoded(codec: &ChunkCodec, block: Vec<u8>) -> Result<Option<Vec<u8>>, StepError> {
    if codec.is_fill(&block) {
        return Ok(None);
    }
    codec.encode(&block).map(Some).map_err(|error| not_a_cube(error.to_string()))
}

/// Refers to the chunks of the batches. Each must stand on what it was written over.
async fn refer(change: &Change<'_>, session: &mut Session, unit: usize) -> Result<(), StepError> {
    for &(batch, number) in &change.settlement.units {
        let record = &change.batches[batch].body.units[number];
        let place = settle::position(change.axis, record)? / unit;
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        for (variable, chunks) in &record.chunks {
            let name = path(&change.template.path(variable))?;
            for chunk in chunks {
                let at = chunk.indices(place);
                one(change, session, &name, at, chunk).await?;
            }
        }
    }
    Ok(())
}

/// Whether the head refers to every object of a unit already.
pub(super) async fn stands(cube: &Cube, record: &UnitRecord, place: usize) -> Result<bool, StepError> {
    let what = format!("cannot read {}", cube.snapshot.repository);
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    for (variable, chunks) in &record.chunks {
        let name = path(&cube.template.path(variable))?;
        for chunk in chunks {
            let at = chunk.indices(place);
            let current = cube.session.get_chunk_ref(&name, &at).await.map_err(fault::icechunk(&what))?;
            if current.as_ref().map(Object::of) != chunk.object {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

async fn one(
    change: &Change<'_>,
    session: &mut Session,
    name: &Path,
    at: ChunkIndices,
    chunk: &ChunkRecord,
) -> Result<(), StepError> {
    let current = session.get_chunk_ref(name, &at).await.map_err(fault::icechunk(change.what))?;
    let current = current.as_ref().map(Object::of);
    if current == chunk.object {
        return Ok(());
    }
    if current != chunk.replaces {
        return Err(settle::moved(format!(
            "chunk {:?} of {name} is not the one that the batch was written over",
            at.0
        )));
    }
    let payload = match &chunk.object {
        None => None,
        Some(object) => Some(object.payload().ok_or_else(|| {
            StepError::permanent(ErrorKind::Internal, "a chunk reference of the written batch cannot be read")
        })?),
    };
    session.set_chunk_ref(name.clone(), at, payload).await.map_err(fault::icechunk(change.what))
}
