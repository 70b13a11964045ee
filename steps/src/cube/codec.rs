use std::{cell::RefCell, num::NonZeroU64, sync::Arc};

use frazil_engine::data::{DType, Values};
use serde_json::Value;
use zarrs::{
    array::{
        Array, ArrayBytes, ArrayMetadata, ArrayToBytesCodecTraits, CodecChain, CodecOptions, DataType,
        FillValue,
    },
    storage::store::MemoryStore,
};

use super::{foreign::packed_fill, spares::Spares};

thread_local! {
    /// A decompressor asks for more memory than a small chunk holds: each thread keeps one.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Encodes and decodes the chunks of one array, by its stored metadata.
#[derive(Debug, Clone)]
pub(super) struct ChunkCodec {
    chain: Arc<CodecChain>,
    data_type: DataType,
    fill_value: FillValue,
    /// Lengths of a chunk as it is stored: of a shard where there are shards.
    pub(super) shape: Vec<NonZeroU64>,
    /// The number type.
    pub(super) dtype: DType,
    /// The number, other than NaN, that marks missing ones among floats that others wrote.
    missing: Option<f64>,
    /// Whether chunks are little-endian numbers through zstd and nothing else.
    zstd: bool,
}

/// A chunk that cannot be encoded or decoded, or metadata that say not how.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodecError {
    #[error("its metadata cannot be read: {0}")]
    Metadata(String),
    #[error("a chunk cannot be encoded: {0}")]
    Encode(String),
    #[error("a chunk cannot be decoded: {0}")]
    Decode(String),
}

impl ChunkCodec {
    /// The codec of an array with this `zarr.json`.
    pub(super) fn new(document: &Value) -> Result<Self, CodecError> {
        let bad = |error: &dyn std::fmt::Display| CodecError::Metadata(error.to_string());
        let metadata: ArrayMetadata = serde_json::from_value(document.clone()).map_err(|e| bad(&e))?;
        // zarrs makes codecs out of metadata for an array in a store; the store is never used.
        let array = Array::new_with_metadata(Arc::new(MemoryStore::new()), "/array", metadata)
            .map_err(|e| bad(&e))?;
        let name = document["data_type"].as_str().unwrap_or_default();
        let dtype = DType::ALL
            .iter()
            .copied()
            .find(|d| d.name() == name)
            .ok_or_else(|| bad(&format!("`{name}` is no number type that frazil reads")))?;
        let origin = vec![0; array.shape().len()];
        Ok(Self {
            shape: array.chunk_shape(&origin).map_err(|e| bad(&e))?.to_vec(),
            chain: array.codecs(),
            data_type: array.data_type().clone(),
            fill_value: array.fill_value().clone(),
            missing: missing(&document["attributes"], dtype),
            dtype,
            zstd: is_zstd(&document["codecs"]),
        })
    }

    /// Numbers of a whole chunk.
    pub(super) fn numbers(&self) -> usize {
        self.shape.iter().map(|n| usize::try_from(n.get()).unwrap_or(usize::MAX)).product()
    }

    /// Lengths of a chunk.
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.shape.iter().map(|n| usize::try_from(n.get()).unwrap_or(usize::MAX)).collect()
    }

    /// Little-endian bytes of one fill value.
    pub(super) fn fill(&self) -> &[u8] {
        self.fill_value.as_ne_bytes()
    }

    /// `numbers` fill values.
    pub(super) fn filled(&self, numbers: usize) -> Vec<u8> {
        let fill = self.fill();
        if fill.iter().all(|b| *b == 0) { vec![0; numbers * fill.len()] } else { fill.repeat(numbers) }
    }

    /// Makes `bytes` so many fill values; its memory is used again.
    pub(super) fn fill_up(&self, bytes: &mut Vec<u8>, numbers: usize) {
        let (fill, length) = (self.fill(), numbers * self.fill().len());
        bytes.clear();
        bytes.reserve_exact(length);
        if numbers > 0 {
            bytes.extend_from_slice(fill);
        }
        while bytes.len() < length {
            bytes.extend_from_within(..bytes.len().min(length - bytes.len()));
        }
    }

    /// Whether all numbers are the fill value, bit by bit. Such a chunk is not stored.
    pub(super) fn is_fill(&self, bytes: &[u8]) -> bool {
        self.fill_value.equals_all(bytes)
    }

    /// Encodes a whole chunk. Blocks.
    pub(super) fn encode(&self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        self.chain
            .encode(ArrayBytes::new_flen(bytes), &self.shape, &self.data_type, &self.fill_value, &options())
            .map(|bytes| bytes.into_owned())
            .map_err(|error| CodecError::Encode(error.to_string()))
    }

    /// Decodes a whole chunk. Blocks.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        if self.zstd {
            let mut out = vec![0; self.numbers() * self.dtype.size()];
            self.unzstd(bytes, &mut out)?;
            return Ok(out);
        }
        let bad = |error: &dyn std::fmt::Display| CodecError::Decode(error.to_string());
        self.chain
            .decode(bytes.into(), &self.shape, &self.data_type, &self.fill_value, &options())
            .map_err(|e| bad(&e))?
            .into_fixed()
            .map(|bytes| bytes.into_owned())
            .map_err(|e| bad(&e))
    }

    /// The numbers of a whole chunk, or fill where it is not stored, in a spare block if there is one.
    /// Blocks.
    pub(super) fn values(&self, stored: Option<&[u8]>, spares: &Spares) -> Result<Values, CodecError> {
        let mut values = spares.take(self.dtype, self.numbers());
        match stored {
            None => values.bytes_mut().copy_from_slice(&self.filled(self.numbers())),
            Some(bytes) if self.zstd => self.unzstd(bytes, values.bytes_mut())?,
            Some(bytes) => {
                let decoded = self.decode(bytes)?;
                if decoded.len() != values.bytes().len() {
                    return Err(CodecError::Decode("it is cut short".to_owned()));
                }
                values.bytes_mut().copy_from_slice(&decoded);
            }
        }
        Ok(self.unmarked(values))
    }

    /// NaN in the place of a number that marks missing ones among floats.
    pub(super) fn unmarked(&self, mut values: Values) -> Values {
        match (&mut values, self.missing) {
            #[expect(clippy::cast_possible_truncation, reason = "as the array of singles holds it")]
            (Values::Float32(values), Some(missing)) => {
                let missing = missing as f32;
                values.iter_mut().filter(|value| **value == missing).for_each(|value| *value = f32::NAN);
            }
            (Values::Float64(values), Some(missing)) => {
                values.iter_mut().filter(|value| **value == missing).for_each(|value| *value = f64::NAN);
            }
            _ => {}
        }
        values
    }

    /// Decompresses into its place: through zarrs it would be written, and its memory asked for, three times.
    fn unzstd(&self, bytes: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
        let length = DECOMPRESSOR.with_borrow_mut(|kept| {
            let decompressor = match kept {
                Some(decompressor) => decompressor,
                none => none.insert(zstd::bulk::Decompressor::new()?),
            };
            decompressor.decompress_to_buffer(bytes, out)
        });
        match length {
            Ok(length) if length == out.len() => Ok(()),
            Ok(length) => Err(CodecError::Decode(format!("it holds {length} bytes, not {}", out.len()))),
            Err(error) => Err(CodecError::Decode(error.to_string())),
        }
    }
}

/// What attributes say marks missing numbers among floats, where it is no NaN: cubes of ours have none such.
fn missing(attributes: &Value, dtype: DType) -> Option<f64> {
    let said = ["_FillValue", "missing_value"].into_iter().filter_map(|key| attributes.get(key));
    let number = |said: &Value| said.as_f64().or_else(|| packed_fill(said, Some(dtype))?.as_f64());
    said.filter(|_| dtype.is_float()).find_map(number).filter(|number| number.is_finite())
}

/// One thread for each chunk: whoever calls has many chunks and bounds the threads.
fn options() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}

/// Whether these are the codecs that frazil writes.
fn is_zstd(codecs: &Value) -> bool {
    let Some([bytes, zstd]) = codecs.as_array().map(Vec::as_slice) else { return false };
    let big = bytes["configuration"]["endian"] == "big";
    bytes["name"] == "bytes" && !big && zstd["name"] == "zstd"
}
