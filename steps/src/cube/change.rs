//! What a commit changes in a session: arrays, references, labels, attributes.

use std::collections::HashSet;

use frazil_engine::{
    data::Values,
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use futures::TryStreamExt;
use icechunk::{
    format::{ChunkIndices, Path, manifest::ChunkInfo},
    session::Session,
};
use serde_json::{Value, json};

use super::{
    Cube, attributes,
    codec::ChunkCodec,
    creation,
    document::{Nodes, not_a_cube},
    fault, forecast, level, path,
    reference::{ChunkRecord, Object, UnitRecord},
    settle::{self, Settlement, Taken},
    template::Template,
    time::TimeIndex,
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
            created = creation::create(change, session).await?;
            &created
        }
    };
    let length = change.axis.len() as u64;
    let unit = usize::try_from(change.template.write_unit()).unwrap_or(usize::MAX);
    // Static arrays are as long as they are from the first commit on.
    let grows = !change.template.step.is_static()
        && change.cube.is_none_or(|cube| cube.axis.len() != change.axis.len());
    for stored in change.template.arrays() {
        let name = change.template.path(&stored.key);
        if grows {
            resize(session, nodes, &name, length, change.what).await?;
        }
        if change.settlement.shift > 0 {
            let chunks = change.settlement.shift / unit * steps(change.template.steps_of(stored.array));
            shift(session, &path(&name)?, chunks, change.what).await?;
        }
    }
    refer(change, session, unit).await?;
    if let (Some(from), template) = (change.settlement.from, change.template) {
        labels(session, (nodes, template), change.axis, (from, grows), change.what).await?;
    }
    if change.cube.is_some() && grows {
        coverage(session, nodes, change.axis, change.what).await?;
    }
    Ok(())
}

/// Writes labels and statuses from position `from` on, in every group that has them; `grows` where the
/// axis has another length than before.
pub(super) async fn labels(
    session: &mut Session,
    (nodes, template): (&Nodes, &Template),
    axis: &TimeIndex,
    (from, grows): (usize, bool),
    what: &str,
) -> Result<(), StepError> {
    for (name, values) in
        [("time", Values::Int64(axis.labels_from(0))), ("period_status", Values::UInt8(axis.codes_from(0)))]
    {
        for group in template.groups() {
            let name = level::inside(group, name);
            if !nodes.contains_key(&name) {
                continue;
            }
            if grows {
                resize(session, nodes, &name, axis.len() as u64, what).await?;
            }
            vector(session, nodes, &name, &values, from, what).await?;
        }
    }
    forecast::write(session, (nodes, template), axis, (from, grows), what).await
}

/// Says in the attributes of the root from when to when the axis goes.
pub(super) async fn coverage(
    session: &mut Session,
    nodes: &Nodes,
    axis: &TimeIndex,
    what: &str,
) -> Result<(), StepError> {
    let mut root = nodes.get("/").cloned().unwrap_or_else(|| json!({}));
    let mut map = root["attributes"].as_object().cloned().unwrap_or_default();
    attributes::coverage(axis, &mut map);
    root["attributes"] = Value::Object(map);
    session.update_group(&path("/")?, bytes(&root)).await.map_err(fault::icechunk(what))
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

fn steps(chunks: u64) -> usize {
    usize::try_from(chunks).unwrap_or(usize::MAX)
}

pub(super) fn bytes(document: &Value) -> bytes::Bytes {
    document.to_string().into_bytes().into()
}

/// Gives an array another length along `time`.
pub(super) async fn resize(
    session: &mut Session,
    nodes: &Nodes,
    name: &str,
    length: u64,
    what: &str,
) -> Result<(), StepError> {
    let mut document =
        nodes.get(name).cloned().ok_or_else(|| not_a_cube(format!("{what}: there is no array {name}")))?;
    document["shape"][0] = json!(length);
    update(session, name, &document, what).await
}

/// Gives an array another document; its chunks stay.
pub(super) async fn update(
    session: &mut Session,
    name: &str,
    document: &Value,
    what: &str,
) -> Result<(), StepError> {
    let (shape, names) = creation::shape(document)?;
    session
        .update_array(&path(name)?, shape, Some(names), bytes(document))
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
        coordinate(session, &codec, (name, &[chunk]), part, what).await?;
    }
    Ok(())
}

/// Writes a chunk of a coordinate, which may end before the chunk does.
pub(super) async fn coordinate(
    session: &mut Session,
    codec: &ChunkCodec,
    (name, at): (&str, &[usize]),
    part: &[u8],
    what: &str,
) -> Result<(), StepError> {
    let mut block = part.to_vec();
    block.extend(codec.filled(codec.numbers() - part.len() / codec.dtype.size()));
    let at = ChunkIndices(at.iter().map(|at| u32::try_from(*at).unwrap_or(u32::MAX)).collect());
    let payload = match encoded(codec, block)? {
        None => None,
        Some(bytes) => {
            let write = session.get_chunk_writer(&path(name)?, &at).map_err(fault::icechunk(what))?;
            Some(write(bytes.into()).await.map_err(fault::icechunk(what))?)
        }
    };
    session.set_chunk_ref(path(name)?, at, payload).await.map_err(fault::icechunk(what))
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
        for (key, chunks) in &record.chunks {
            let name = path(&change.template.path(key))?;
            for chunk in chunks {
                let at = chunk.indices(place, change.template.steps_in(key));
                let at = change.template.stored_place(at);
                one(change, session, &name, at, chunk).await?;
            }
        }
    }
    Ok(())
}

/// Whether the head refers to every object of a unit already.
pub(super) async fn stands(cube: &Cube, record: &UnitRecord, place: usize) -> Result<bool, StepError> {
    let what = format!("cannot read {}", cube.snapshot.repository);
    for (key, chunks) in &record.chunks {
        let name = path(&cube.template.path(key))?;
        for chunk in chunks {
            let at = cube.template.stored_place(chunk.indices(place, cube.template.steps_in(key)));
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
