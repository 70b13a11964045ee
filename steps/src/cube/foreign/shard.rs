//! Chunks in a shard, by its index (Zarr version 3, `sharding_indexed`).

use std::ops::Range;

use super::{
    member::{Index, Stored},
    objects::Encoded,
    unpack::checked,
};
use crate::net::Extent;

/// Where the chunks of a shard lie in it, in C order; none for one that is not stored.
#[derive(Debug)]
pub(super) struct Places(Vec<Option<Range<u64>>>);

/// Where the index of a shard lies.
///
/// # Errors
/// When the shard would have more chunks than can be counted.
pub(super) fn index_of(stored: &Stored, index: Index) -> Result<Extent, String> {
    let count = stored
        .unit
        .iter()
        .zip(&stored.chunk)
        .try_fold(1usize, |n, (unit, chunk)| n.checked_mul(unit / chunk));
    let bytes = count.and_then(|count| count.checked_mul(16)).ok_or("it has too many chunks")? as u64;
    let length = bytes + if index.checked { 4 } else { 0 };
    Ok(if index.at_end { Extent::Tail(length) } else { Extent::Range(0..length) })
}

impl Places {
    /// Reads the index. Blocks.
    ///
    /// # Errors
    /// When it cannot be read, or points outside; the text fits after the name of the shard.
    pub(super) fn read(stored: &Stored, index: Index, shard: &Encoded) -> Result<Self, String> {
        let extent = index_of(stored, index)?;
        let size = shard.size().map_err(|error| error.to_string())?;
        let range = extent.of(size);
        let length = match extent {
            Extent::Tail(length) | Extent::Range(Range { end: length, .. }) => length,
        };
        if range.end - range.start < length {
            return Err("it is shorter than its index".to_owned());
        }
        let raw = shard.part(range).map_err(|error| error.to_string())?;
        let raw = if index.checked { checked(&raw)? } else { &raw };
        let number = |bytes: &[u8]| bytes.try_into().map_or(u64::MAX, u64::from_le_bytes);
        let place = |entry: &[u8]| match (number(&entry[..8]), number(&entry[8..])) {
            (u64::MAX, u64::MAX) => Ok(None),
            (start, length) => match start.checked_add(length) {
                Some(end) if end <= size => Ok(Some(start..end)),
                _ => Err("its index points outside".to_owned()),
            },
        };
        raw.chunks_exact(16).map(place).collect::<Result<_, _>>().map(Self)
    }

    /// Where the chunk is that stands at `at` in its shard.
    pub(super) fn of(&self, stored: &Stored, at: &[usize]) -> Option<Range<u64>> {
        let each = stored.unit.iter().zip(&stored.chunk).map(|(unit, chunk)| unit / chunk);
        let flat = each.zip(at).fold(0, |flat, (length, at)| flat * length + at);
        self.0.get(flat).cloned().flatten()
    }
}
