use std::{num::NonZeroU64, sync::Arc};

use frazil_engine::data::DType;
use serde_json::Value;
use zarrs::{
    array::{
        Array, ArrayBytes, ArrayMetadata, ArrayToBytesCodecTraits, CodecChain, CodecOptions, DataType,
        FillValue,
    },
    storage::store::MemoryStore,
};

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
            dtype,
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
        let bad = |error: &dyn std::fmt::Display| CodecError::Decode(error.to_string());
        self.chain
            .decode(bytes.into(), &self.shape, &self.data_type, &self.fill_value, &options())
            .map_err(|e| bad(&e))?
            .into_fixed()
            .map(|bytes| bytes.into_owned())
            .map_err(|e| bad(&e))
    }
}

/// One thread for each chunk: whoever calls has many chunks and bounds the threads.
fn options() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}
