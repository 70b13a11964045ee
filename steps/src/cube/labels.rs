//! Coordinates of the dimensions between time and y: whole numbers, or texts.

use std::{num::NonZeroU64, sync::Arc};

use frazil_engine::{
    data::{DType, Dimension, LEAD_TIME, Label, Values},
    step::StepError,
};
use icechunk::{format::ChunkIndices, session::Session};
use serde_json::{Value, json};
use zarrs::{
    array::{Array, ArrayToBytesCodecTraits, CodecOptions},
    storage::store::MemoryStore,
};

use super::{
    change, chunk,
    document::{Nodes, not_a_cube},
    fault,
    layout::ArrayDocument,
    path, read,
};

/// Names under which data come with the members of an ensemble.
const MEMBERS: &[&str] = &["member", "number", "realization", "ensemble"];

/// The most labels that a dimension made elsewhere may have.
const MOST: usize = 1 << 20;

/// The `zarr.json` of the coordinate of a dimension: all labels in one chunk.
pub(super) fn document(dimension: &Dimension) -> Value {
    let length = dimension.labels.len() as u64;
    let mut attributes = json!({ "long_name": dimension.name });
    if MEMBERS.contains(&dimension.name.as_str()) {
        attributes["standard_name"] = json!("realization");
    }
    if dimension.name == LEAD_TIME && matches!(dimension.labels.first(), Some(Label::Number(_))) {
        attributes["standard_name"] = json!("forecast_period");
        attributes["units"] = json!("hours");
    }
    let mut document = ArrayDocument::coordinate(&dimension.name, length, length, DType::Int64, attributes);
    if matches!(dimension.labels.first(), Some(Label::Text(_))) {
        document["data_type"] = json!("string");
        document["fill_value"] = json!("");
        document["codecs"] = json!([{ "name": "vlen-utf8" }]);
    }
    document
}

/// Writes the labels of a dimension whose array is there.
pub(super) async fn write(
    session: &mut Session,
    nodes: &Nodes,
    name: &str,
    labels: &[Label],
    what: &str,
) -> Result<(), StepError> {
    let number = |label: &Label| match label {
        Label::Number(number) => Some(*number),
        Label::Text(_) => None,
    };
    if let Some(numbers) = labels.iter().map(number).collect::<Option<Vec<i64>>>() {
        return change::vector(session, nodes, name, &Values::Int64(numbers), 0, what).await;
    }
    let at = ChunkIndices(vec![0]);
    let write = session.get_chunk_writer(&path(name)?, &at).map_err(fault::icechunk(what))?;
    let payload = write(texts(labels).into()).await.map_err(fault::icechunk(what))?;
    session.set_chunk_ref(path(name)?, at, Some(payload)).await.map_err(fault::icechunk(what))
}

/// Texts as the codec `vlen-utf8` has them: their number, then length and bytes of each.
fn texts(labels: &[Label]) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = length(labels.len()).to_vec();
    for label in labels {
        let text = label.to_string();
        bytes.extend(length(text.len()));
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The labels of a dimension of `length` as they are stored; places from 0 where there is no
/// coordinate.
pub(super) async fn read(
    session: &Session,
    nodes: &Nodes,
    name: &str,
    length: usize,
    what: &str,
) -> Result<Vec<Label>, StepError> {
    if length > MOST {
        return Err(not_a_cube(format!("{what}: {name} has {length} labels")));
    }
    let labels = match nodes.get(name) {
        None => Ok((0..).take(length).map(Label::Number).collect::<Vec<_>>()),
        Some(document) if document["data_type"] == "string" => {
            stored_texts(session, name, document, what).await
        }
        Some(_) => match read::vector(session, nodes, name, 0, what).await? {
            Some((_, values)) => numbers(&values).ok_or_else(|| {
                not_a_cube(format!("{what}: the labels of {name} are neither whole numbers nor texts"))
            }),
            None => Ok(Vec::new()),
        },
    }?;
    if labels.len() == length {
        return Ok(labels);
    }
    Err(not_a_cube(format!("{what}: {name} has {} labels, its dimension {length} places", labels.len())))
}

fn numbers(values: &Values) -> Option<Vec<Label>> {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
    let whole = |n: f64| (n.fract() == 0.0 && n.abs() < 9e15).then_some(Label::Number(n as i64));
    (0..values.len()).map(|at| whole(values.get(at))).collect()
}

async fn stored_texts(
    session: &Session,
    name: &str,
    document: &Value,
    what: &str,
) -> Result<Vec<Label>, StepError> {
    let bad = |error: &dyn std::fmt::Display| not_a_cube(format!("{what}: {name}: {error}"));
    let metadata = serde_json::from_value(document.clone()).map_err(|e| bad(&e))?;
    let array =
        Array::new_with_metadata(Arc::new(MemoryStore::new()), "/array", metadata).map_err(|e| bad(&e))?;
    let shape: Vec<NonZeroU64> = array.chunk_shape(&[0]).map_err(|e| bad(&e))?.to_vec();
    let long = shape.first().map_or(1, |n| n.get());
    let length = array.shape().first().copied().unwrap_or_default();
    let mut labels = Vec::new();
    for at in 0..length.div_ceil(long) {
        let place = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(bytes) = chunk::fetched(session, name, &[place], what).await? else {
            labels.extend((0..long).map(|_| Label::Text(String::new())));
            continue;
        };
        let decoded = array
            .codecs()
            .decode(
                bytes.to_vec().into(),
                &shape,
                array.data_type(),
                array.fill_value(),
                &CodecOptions::default().with_concurrent_target(1),
            )
            .map_err(|e| bad(&e))?
            .into_variable()
            .map_err(|e| bad(&e))?;
        let (bytes, offsets) = (decoded.bytes(), decoded.offsets());
        for pair in offsets.windows(2) {
            let text = bytes.get(pair[0]..pair[1]).and_then(|text| std::str::from_utf8(text).ok());
            labels.push(Label::Text(text.ok_or_else(|| bad(&"a label is no text"))?.to_owned()));
        }
    }
    labels.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    Ok(labels)
}
