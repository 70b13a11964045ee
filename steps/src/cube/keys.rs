//! A snapshot as the keys of a Zarr store: `zarr.json` documents and chunks, as clients ask for them.

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use bytes::Bytes;
use frazil_engine::{
    data::SnapshotId,
    step::{ErrorKind, StepError},
};
use icechunk::{
    format::{
        ByteRange, ChunkIndices,
        manifest::{ChunkPayload, ChunkRef},
    },
    session::Session,
};
use serde_json::{Map, Value, json};

use super::{
    chunk,
    document::{Nodes, not_a_cube},
    fault, path,
};

/// The keys of one snapshot. Cheap to ask for documents: they are made once.
#[derive(Debug)]
pub struct Keys {
    session: Session,
    id: SnapshotId,
    documents: BTreeMap<String, Node>,
    /// The folder of a local repository.
    folder: Option<PathBuf>,
    /// What is said where it cannot be read.
    what: String,
}

/// A group or an array.
#[derive(Debug)]
struct Node {
    /// Its `zarr.json`; of a group with the metadata of all that it holds.
    document: Bytes,
    /// How many chunks along each dimension; none for a group.
    chunks: Option<Vec<u64>>,
}

/// What lies under a key.
#[derive(Debug)]
pub enum Entry {
    /// A `zarr.json`.
    Document(Bytes),
    /// A chunk that is stored.
    Chunk(StoredChunk),
    /// A chunk that is stored elsewhere (a virtual chunk).
    Elsewhere,
    /// A group, by the names of its members.
    Group(Vec<Member>),
    /// An array without a key in it.
    Array,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in the group.
    pub name: String,
    /// Whether it holds members itself.
    pub is_group: bool,
}

/// A chunk, not read yet.
#[derive(Debug)]
pub struct StoredChunk {
    node: String,
    at: ChunkIndices,
    payload: ChunkPayload,
    /// Its length as it is stored, in bytes.
    pub length: u64,
    /// Another text for other bytes.
    pub tag: String,
}

impl Keys {
    /// The keys of an open snapshot.
    pub(super) fn new(
        session: Session,
        id: SnapshotId,
        nodes: &Nodes,
        folder: Option<PathBuf>,
        what: String,
    ) -> Self {
        Self { session, id, documents: documents(nodes), folder, what }
    }

    /// The snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> &SnapshotId {
        &self.id
    }

    /// What lies under a key, such as `0/rain/c/12/0/0` or `zarr.json`; none where there is nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(&self, key: &str) -> Result<Option<Entry>, StepError> {
        if key.starts_with('/') {
            return Ok(None);
        }
        // Groups and arrays are asked for with a slash at their end and without.
        if let Some(node) = self.documents.get(key.strip_suffix('/').unwrap_or(key)) {
            let key = key.strip_suffix('/').unwrap_or(key);
            return Ok(Some(if node.chunks.is_some() {
                Entry::Array
            } else {
                Entry::Group(self.members(key))
            }));
        }
        let (parent, name) = key.rsplit_once('/').unwrap_or(("", key));
        if name == "zarr.json" {
            return Ok(self.documents.get(parent).map(|node| Entry::Document(node.document.clone())));
        }
        let Some((node, at)) = self.place(key) else { return Ok(None) };
        let payload = self.session.get_chunk_ref(&path(&format!("/{node}"))?, &at).await;
        let payload = payload.map_err(fault::icechunk(&self.what))?;
        payload.map(|payload| self.chunk(node, at, payload)).transpose()
    }

    /// Whether a key is that of a chunk of an array, stored or not.
    #[must_use]
    pub fn has_place(&self, key: &str) -> bool {
        self.place(key).is_some()
    }

    /// The array and the place of a chunk, by the default encoding of chunk keys.
    fn place(&self, key: &str) -> Option<(String, ChunkIndices)> {
        let (node, at) = key.rsplit_once("/c/").map_or_else(
            // An array without dimensions has one chunk.
            || Some((key.strip_suffix("/c")?, Vec::new())),
            |(node, at)| Some((node, at.split('/').map(number).collect::<Option<Vec<_>>>()?)),
        )?;
        let counts = self.documents.get(node)?.chunks.as_ref()?;
        let within = counts.len() == at.len() && at.iter().zip(counts).all(|(at, n)| u64::from(*at) < *n);
        within.then(|| (node.to_owned(), ChunkIndices(at)))
    }

    fn chunk(&self, node: String, at: ChunkIndices, payload: ChunkPayload) -> Result<Entry, StepError> {
        let (length, tag) = match &payload {
            ChunkPayload::Inline(bytes) => {
                (bytes.len() as u64, blake3::hash(bytes).to_hex()[..32].to_owned())
            }
            ChunkPayload::Ref(ChunkRef { id, offset, length }) => (*length, format!("{id}.{offset}")),
            ChunkPayload::Virtual(_) => return Ok(Entry::Elsewhere),
            _ => {
                return Err(not_a_cube(format!(
                    "{}: a chunk of {node} is of a kind that is not known",
                    self.what
                )));
            }
        };
        Ok(Entry::Chunk(StoredChunk { node, at, payload, length, tag }))
    }

    /// Bytes of a chunk; `range` lies within its length.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(&self, chunk: &StoredChunk, range: Range<u64>) -> Result<Bytes, StepError> {
        let within = |bytes: &Bytes| {
            let end = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
            bytes.slice(end(range.start)..end(range.end))
        };
        match (&chunk.payload, &self.folder) {
            (ChunkPayload::Inline(bytes), _) => Ok(within(bytes)),
            (ChunkPayload::Ref(ChunkRef { id, offset, .. }), Some(folder)) => {
                let path = folder.join("chunks").join(id.to_string());
                let from = offset.saturating_add(range.start)..offset.saturating_add(range.end);
                // It waits for a disk and computes nothing: not on the threads that decode.
                let read = tokio::task::spawn_blocking(move || chunk::part(&path, &from)).await;
                let bytes = read.map_err(|_| StepError::Cancelled)?;
                bytes.map(Bytes::from).map_err(|error| {
                    let message = format!("{}: a chunk of {}: {error}", self.what, chunk.node);
                    StepError::permanent(ErrorKind::Store, message)
                })
            }
            _ => self.fetched(chunk, range).await,
        }
    }

    async fn fetched(&self, chunk: &StoredChunk, range: Range<u64>) -> Result<Bytes, StepError> {
        let node = path(&format!("/{}", chunk.node))?;
        let reader = self.session.get_chunk_reader(&node, &chunk.at, &ByteRange::Bounded(range)).await;
        match reader.map_err(fault::icechunk(&self.what))? {
            Some(read) => read.await.map_err(fault::icechunk(&self.what)),
            None => Err(not_a_cube(format!("{}: a chunk of {} is gone", self.what, chunk.node))),
        }
    }

    fn members(&self, group: &str) -> Vec<Member> {
        let prefix = if group.is_empty() { String::new() } else { format!("{group}/") };
        let below = self.documents.iter().filter_map(|(path, node)| {
            let name = path.strip_prefix(&prefix).filter(|name| !name.is_empty() && !name.contains('/'))?;
            Some(Member { name: name.to_owned(), is_group: node.chunks.is_none() })
        });
        below.collect()
    }
}

fn number(text: &str) -> Option<u32> {
    // `007` and `+7` are other keys than `7`.
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    plain.then(|| text.parse().ok())?
}

/// The documents by path without a slash in front; those of groups consolidated, since there is no
/// listing over HTTP (Zarr v3 as zarr-python writes it: `consolidated_metadata`, kind `inline`).
fn documents(nodes: &Nodes) -> BTreeMap<String, Node> {
    let of = |(path, document): (&String, &Value)| {
        let path = path.trim_start_matches('/').to_owned();
        if document["node_type"] != "group" {
            let chunks = super::creation::shape(document)
                .ok()
                .map(|(shape, _)| shape.iter().map(|dimension| u64::from(dimension.num_chunks())).collect());
            return (
                path,
                Node { document: document.to_string().into(), chunks: chunks.or(Some(Vec::new())) },
            );
        }
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let held: Map<String, Value> = nodes
            .iter()
            .filter_map(|(other, document)| {
                let name = other.trim_start_matches('/').strip_prefix(&prefix)?;
                (!name.is_empty()).then(|| (name.to_owned(), document.clone()))
            })
            .collect();
        let mut document = document.clone();
        document["consolidated_metadata"] =
            json!({ "kind": "inline", "must_understand": false, "metadata": held });
        (path, Node { document: document.to_string().into(), chunks: None })
    };
    nodes.iter().map(of).collect()
}
