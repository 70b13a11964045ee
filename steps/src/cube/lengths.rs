//! Lengths of chunks and shards, and how chunks are compressed.

use std::collections::BTreeMap;

use frazil_engine::{
    data::{DType, Frequency, Grid},
    dataset::Dataset,
    step::StepError,
};
use serde_json::{Value, json};

use super::layout::refused;

/// Lengths of space chunks where none are declared.
const SPACE_CHUNK: u64 = 512;

/// One dimension, as lengths along it are said: its name, a short name, the length of chunks where none
/// is said, and the longest.
pub(super) type Along<'a> = (&'a str, &'a str, u64, u64);

/// Lengths of chunks and shards: time, further dimensions, y, x.
pub(super) struct Lengths {
    pub(super) chunks: Vec<u64>,
    pub(super) shards: Option<Vec<u64>>,
    pub(super) level: i32,
}

impl Lengths {
    pub(super) fn of(block: &Dataset, step: Frequency, grid: &Grid) -> Result<Self, StepError> {
        // A reader mostly wants one combination, so each lies in chunks of its own.
        let defaults = std::iter::once(step.default_time_chunk())
            .chain(grid.extra.lengths().map(|_| 1))
            .chain([SPACE_CHUNK, SPACE_CHUNK]);
        let mut along = along(grid, &defaults.collect::<Vec<_>>());
        let mut shards = block.shards.clone();
        if step.is_static() {
            // Whatever is said of a dimension that it does not have.
            along[0].3 = 1;
            shards.remove("time");
        }
        Self::said(&block.chunks, &shards, block.codec.zstd, &along)
    }

    /// As they are said by dimension.
    pub(super) fn said(
        chunks: &BTreeMap<String, u64>,
        shards: &BTreeMap<String, u64>,
        level: i32,
        along: &[Along<'_>],
    ) -> Result<Self, StepError> {
        let said = |map: &BTreeMap<String, u64>, name: &str, short: &str| {
            map.get(name).or_else(|| map.get(short)).copied()
        };
        let length = |(name, short, default, limit): &Along<'_>| {
            said(chunks, name, short).unwrap_or(*default).clamp(1, (*limit).max(1))
        };
        let lengths: Vec<u64> = along.iter().map(length).collect();
        let shard = |((name, short, ..), chunk): (&Along<'_>, &u64)| {
            said(shards, name, short).unwrap_or(*chunk).max(*chunk)
        };
        let shards: Option<Vec<u64>> =
            (!shards.is_empty()).then(|| along.iter().zip(&lengths).map(shard).collect());
        if let Some(shards) = &shards
            && let Some(d) = (0..along.len()).find(|&d| shards[d] % lengths[d] != 0)
        {
            return Err(refused(
                format!(
                    "a shard of {} along `{}` is no multiple of a chunk of {}",
                    shards[d], along[d].0, lengths[d]
                ),
                "make shards whole multiples of chunks",
            ));
        }
        Ok(Self { chunks: lengths, shards, level })
    }

    pub(super) fn codecs(&self, dtype: DType) -> Vec<Value> {
        let plain = codecs(dtype, self.level);
        match &self.shards {
            None => plain,
            Some(_) => vec![json!({
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": self.chunks,
                    "codecs": plain,
                    "index_codecs": [
                        { "name": "bytes", "configuration": { "endian": "little" } },
                        { "name": "crc32c" },
                    ],
                    "index_location": "end",
                },
            })],
        }
    }
}

/// The dimensions of a variable, time first, with the length of chunks along each where none is said.
pub(super) fn along<'a>(grid: &'a Grid, defaults: &[u64]) -> Vec<Along<'a>> {
    let extra = grid.extra.0.iter().map(|d| (d.name.as_str(), d.name.as_str(), d.labels.len() as u64));
    let (rows, columns) = grid.shape();
    let space = [(grid.y.name.as_str(), "y", rows as u64), (grid.x.name.as_str(), "x", columns as u64)];
    let all = std::iter::once(("time", "time", u64::MAX)).chain(extra).chain(space);
    all.zip(defaults).map(|((name, short, limit), default)| (name, short, *default, limit)).collect()
}

pub(super) fn codecs(dtype: DType, level: i32) -> Vec<Value> {
    let bytes = if dtype.size() == 1 {
        json!({ "name": "bytes" })
    } else {
        json!({ "name": "bytes", "configuration": { "endian": "little" } })
    };
    vec![bytes, json!({ "name": "zstd", "configuration": { "level": level, "checksum": false } })]
}
