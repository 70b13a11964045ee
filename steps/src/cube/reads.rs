//! What a cube is in bytes: its chunks, and what readers ask for when they want a map, a series or a
//! year of a region.

use std::ops::Range;

use frazil_engine::{
    context::Scope,
    data::Frequency,
    dataset::{CHUNK_BYTES, DatasetInfo},
    step::StepError,
};
use futures::TryStreamExt;
use icechunk::format::manifest::ChunkPayload;
use serde::Serialize;

use super::{
    Cube, fault, objects, path, repo,
    template::{Template, TemplateVariable},
};

/// The part of each side that a region is, in the middle.
const REGION: usize = 10;

/// Requests beyond which a read is slow however fast the network is.
const MANY: u64 = 1_000;

/// The chunks of a dataset and what typical reads of them cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Costs {
    /// Periods on its axis; those of a year while nothing is stored.
    pub periods: usize,
    /// Whether there is a cube. Otherwise it is what the first commit would make.
    pub stored: bool,
    /// Variable by variable.
    pub variables: Vec<VariableCosts>,
}

/// The chunks of one variable.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VariableCosts {
    /// Its name.
    pub name: String,
    /// The names of its dimensions, time first.
    pub dimensions: Vec<String>,
    /// Its lengths.
    pub shape: Vec<u64>,
    /// Lengths of a chunk.
    pub chunks: Vec<u64>,
    /// Bytes of a chunk, decoded.
    pub chunk_bytes: u64,
    /// Lengths of a shard, where chunks are gathered in shards.
    pub shards: Option<Vec<u64>>,
    /// Bytes of a shard, decoded.
    pub shard_bytes: Option<u64>,
    /// How many chunks there are, in shards or not.
    pub count: u64,
    /// Objects that are stored; chunks of nothing but fill are not. None while nothing is.
    pub objects: Option<u64>,
    /// Bytes of those.
    pub stored_bytes: Option<u64>,
    /// What typical reads cost.
    pub reads: Vec<Read>,
    /// What to do about it, a sentence each.
    pub advice: Vec<String>,
}

/// What one read costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Read {
    /// What is read.
    pub what: &'static str,
    /// Requests to the store: chunks, and the index of each shard.
    pub requests: u64,
    /// Bytes that are asked for, decoded.
    pub bytes: u64,
    /// Bytes that come, as they are stored on average. None while nothing is stored.
    pub stored_bytes: Option<u64>,
    /// Bytes that are decoded for it.
    pub decoded: u64,
}

/// The layout of a dataset as it is stored, or as its block declares it; none where nothing is stored
/// and the block does not say enough.
///
/// # Errors
/// When the store cannot be read.
pub async fn costs(info: &DatasetInfo, scope: &Scope) -> Result<Option<Costs>, StepError> {
    let Some(cube) = Cube::open(info, scope).await? else {
        let template = objects::declared(info, scope.project.crs.as_deref());
        return Ok(template.map(|template| {
            let periods = if template.step.is_static() { 1 } else { year(template.step) };
            let variables = template.variables.iter().map(|v| described(&template, v, periods, None));
            Costs { periods, stored: false, variables: variables.collect() }
        }));
    };
    let mut variables = Vec::new();
    for variable in &cube.template.variables {
        let stored = cube.stored(variable).await.map_err(|error| repo::redacted(error, scope))?;
        variables.push(described(&cube.template, variable, cube.axis.len(), Some(stored)));
    }
    Ok(Some(Costs { periods: cube.axis.len(), stored: true, variables }))
}

impl Cube {
    /// Objects and bytes of a variable.
    async fn stored(&self, variable: &TemplateVariable) -> Result<(u64, u64), StepError> {
        let what = format!("cannot read {}", self.snapshot.repository);
        let name = path(&self.template.path(&variable.name))?;
        let chunks = self.session.array_chunk_iterator(&name).await;
        let sum = |(objects, bytes): (u64, u64), length: u64| (objects + 1, bytes + length);
        chunks
            .map_ok(|chunk| match chunk.payload {
                ChunkPayload::Ref(chunk) => chunk.length,
                ChunkPayload::Virtual(chunk) => chunk.length,
                ChunkPayload::Inline(bytes) => bytes.len() as u64,
                _ => 0,
            })
            .try_fold((0, 0), |total, length| std::future::ready(Ok(sum(total, length))))
            .await
            .map_err(fault::icechunk(&what))
    }
}

/// Periods of a year.
fn year(step: Frequency) -> usize {
    let minutes = Frequency::Year { anchor: 1 }.nominal_minutes();
    usize::try_from((minutes / step.nominal_minutes().max(1)).max(1)).unwrap_or(1)
}

fn described(
    template: &Template,
    variable: &TemplateVariable,
    periods: usize,
    stored: Option<(u64, u64)>,
) -> VariableCosts {
    let shape: Vec<usize> = std::iter::once(periods).chain(template.grid.lengths()).collect();
    // Static arrays have no dimension `time` where they are stored.
    let first = usize::from(template.step.is_static());
    let bare = |lengths: &[u64]| lengths.get(first..).unwrap_or_default().to_vec();
    let size = variable.dtype.size() as u64;
    let bytes = |lengths: &[u64]| lengths.iter().product::<u64>().saturating_mul(size);
    let dimensions = std::iter::once("time").chain(template.grid.names());
    let ratio = stored.and_then(|(objects, stored)| {
        let whole = objects.checked_mul(bytes(variable.unit()))?;
        #[expect(clippy::cast_precision_loss, reason = "a share, to two digits")]
        (whole > 0).then(|| stored as f64 / whole as f64)
    });
    let reads = reads(template, variable, &shape, ratio);
    let mut costs = VariableCosts {
        name: variable.name.clone(),
        dimensions: dimensions.skip(first).map(ToOwned::to_owned).collect(),
        shape: shape.iter().skip(first).map(|n| *n as u64).collect(),
        chunk_bytes: bytes(&variable.chunks),
        shard_bytes: variable.shards.as_deref().map(bytes),
        count: along(&shape, &variable.chunks, &shape.iter().map(|n| 0..*n).collect::<Vec<_>>()),
        chunks: bare(&variable.chunks),
        shards: variable.shards.as_deref().map(bare),
        objects: stored.map(|(objects, _)| objects),
        stored_bytes: stored.map(|(_, bytes)| bytes),
        reads,
        advice: Vec::new(),
    };
    costs.advice = advice(template, &costs);
    costs
}

/// How many chunks of these lengths the ranges touch.
fn along(shape: &[usize], chunks: &[u64], ranges: &[Range<usize>]) -> u64 {
    let touched = |((length, chunk), range): ((&usize, &u64), &Range<usize>)| {
        let (chunk, end) = ((*chunk).max(1), range.end.min(*length) as u64);
        let start = range.start as u64;
        if start >= end { 0 } else { (end - 1) / chunk - start / chunk + 1 }
    };
    shape.iter().zip(chunks).zip(ranges).map(touched).product()
}

fn reads(template: &Template, variable: &TemplateVariable, shape: &[usize], ratio: Option<f64>) -> Vec<Read> {
    let size = variable.dtype.size() as u64;
    let chunk: u64 = variable.chunks.iter().product::<u64>().saturating_mul(size);
    let (time, rest) = (shape[0], &shape[1..]);
    let planes = rest.len() - 2;
    let one = |n: usize| n / 2..(n / 2 + 1).min(n);
    let middle = |n: usize| {
        let len = n.div_ceil(REGION);
        (n - len) / 2..(n - len) / 2 + len
    };
    // Of several combinations one is read.
    let cells = |cell: &dyn Fn(usize) -> Range<usize>| {
        rest.iter().enumerate().map(|(d, n)| if d < planes { one(*n) } else { cell(*n) }).collect::<Vec<_>>()
    };
    let whole = |n: usize| 0..n;
    let last_year = time.saturating_sub(year(template.step))..time;
    let wanted = [
        ("one map", time.saturating_sub(1)..time, cells(&whole)),
        ("one time series", 0..time, cells(&one)),
        ("a year of a region", last_year, cells(&middle)),
    ];
    let cost = |(what, time, cells): (&'static str, Range<usize>, Vec<Range<usize>>)| {
        let ranges: Vec<Range<usize>> = std::iter::once(time).chain(cells).collect();
        let chunks = along(shape, &variable.chunks, &ranges);
        let indices = variable.shards.as_ref().map_or(0, |shards| along(shape, shards, &ranges));
        let decoded = chunks.saturating_mul(chunk);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an estimate"
        )]
        let stored_bytes = ratio.map(|ratio| (decoded as f64 * ratio) as u64);
        Read {
            what,
            requests: chunks + indices,
            bytes: ranges.iter().map(|r| r.len() as u64).product::<u64>().saturating_mul(size),
            stored_bytes,
            decoded,
        }
    };
    let count = if template.step.is_static() { 1 } else { wanted.len() };
    wanted.into_iter().take(count).map(cost).collect()
}

/// What of a layout is worth another one.
fn advice(template: &Template, layout: &VariableCosts) -> Vec<String> {
    let mut advice = Vec::new();
    let kib = |bytes: u64| {
        if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
    };
    let steps = if template.step.is_static() { 1 } else { layout.chunks[0].max(1) };
    let layer = (layout.chunk_bytes / steps).max(1);
    let one_chunk = layout.shape.iter().zip(&layout.chunks).all(|(n, chunk)| chunk >= n);
    if layout.chunk_bytes < *CHUNK_BYTES.start() && !one_chunk {
        let fitting = CHUNK_BYTES.start().div_ceil(layer);
        let more = if template.step.is_static() {
            "longer sides".to_owned()
        } else {
            format!("`time: {fitting}` or more")
        };
        advice.push(format!(
            "a chunk decodes to {} only: {more} makes fewer and larger objects",
            kib(layout.chunk_bytes)
        ));
    }
    if layout.chunk_bytes > *CHUNK_BYTES.end() {
        let fitting = CHUNK_BYTES.end() / layer;
        advice.push(match fitting {
            0 => format!("a chunk decodes to {}: chunk it in space too", kib(layout.chunk_bytes)),
            _ => format!("a chunk decodes to {}: `time: {fitting}` or less", kib(layout.chunk_bytes)),
        });
    }
    let requests = |what: &str| layout.reads.iter().find(|r| r.what == what).map_or(0, |r| r.requests);
    let (map, series) = (requests("one map"), requests("one time series"));
    if series > MANY && series > map * 10 {
        advice.push(format!(
            "a time series asks for {series} objects, a map for {map}: longer chunks along time, smaller ones in space"
        ));
    }
    if map > MANY && map > series * 10 {
        advice.push(format!(
            "a map asks for {map} objects, a time series for {series}: larger chunks in space, shorter ones along time"
        ));
    }
    if layout.shards.is_some() && !template.group.is_empty() {
        advice.push("map clients in browsers read no shards: leave them out of what they open".to_owned());
    }
    advice
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As many chunks as are found by asking each cell which chunk it is in.
        #[test]
        fn chunks_that_are_touched_are_counted_as_the_slow_way_does(
            dims in prop::collection::vec((1..12usize, 1..6u64, 0..12usize, 0..12usize), 1..4),
        ) {
            let shape: Vec<usize> = dims.iter().map(|d| d.0).collect();
            let chunks: Vec<u64> = dims.iter().map(|d| d.1).collect();
            let ranges: Vec<Range<usize>> = dims.iter().map(|d| d.2.min(d.3).min(d.0)..d.2.max(d.3).min(d.0)).collect();
            let slow: u64 = ranges
                .iter()
                .zip(&chunks)
                .map(|(range, chunk)| {
                    let touched: std::collections::BTreeSet<u64> = range.clone().map(|at| at as u64 / chunk).collect();
                    touched.len() as u64
                })
                .product();
            prop_assert_eq!(along(&shape, &chunks, &ranges), slow);
        }
    }
}
