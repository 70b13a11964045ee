use std::ops::RangeInclusive;

/// What a decoded chunk may take, in bytes, before its layout is worth a second look. Below, opening an
/// object takes longer than reading it, and a store of many years becomes hundreds of thousands of them;
/// above, a reader of one point decodes more than a browser holds.
pub const CHUNK_BYTES: RangeInclusive<u64> = 64 << 10..=64 << 20;
