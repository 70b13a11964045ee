//! Stored chunks on their way to numbers.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use frazil_engine::step::{ErrorKind, StepError};
use icechunk::{
    format::{
        ByteRange, ChunkIndices,
        manifest::{ChunkPayload, ChunkRef},
    },
    session::Session,
};

use super::{Cube, codec::CodecError, document::not_a_cube, fault, path};
use crate::compute::compute;

thread_local! {
    /// Bytes of the file that was read last on this thread: the next is about as long.
    static FILE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A chunk as it is stored.
pub(super) enum Stored {
    /// It is not: it holds nothing but fill.
    Nothing,
    /// It came.
    Here(Bytes),
    /// A part of a file of this machine, not read yet.
    File(PathBuf, Range<u64>),
}

impl Stored {
    /// What `then` makes of its bytes. Blocks.
    pub(super) fn with<T>(self, then: impl FnOnce(Option<&[u8]>) -> T) -> io::Result<T> {
        let (path, range) = match self {
            Self::Nothing => return Ok(then(None)),
            Self::Here(bytes) => return Ok(then(Some(&bytes))),
            Self::File(path, range) => (path, range),
        };
        FILE.with_borrow_mut(|bytes| {
            bytes.clear();
            read_part(&path, &range, bytes)?;
            Ok(then(Some(bytes)))
        })
    }
}

/// A part of a file. Blocks.
pub(super) fn part(path: &Path, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_part(path, range, &mut bytes)?;
    Ok(bytes)
}

fn read_part(path: &Path, range: &Range<u64>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start))?;
    }
    let length = range.end.saturating_sub(range.start);
    bytes.reserve_exact(usize::try_from(length).unwrap_or_default());
    file.take(length).read_to_end(bytes)?;
    if bytes.len() as u64 == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

impl Cube {
    /// What the store refers to for a chunk; none where it is not stored.
    pub(super) async fn reference(
        &self,
        name: &str,
        at: &[usize],
        what: &str,
    ) -> Result<Option<ChunkPayload>, StepError> {
        self.session
            .get_chunk_ref(&path(name)?, &self.template.stored_place(indices(at)))
            .await
            .map_err(fault::icechunk(what))
    }

    /// What `then` makes of the bytes of a chunk, which it gets on a thread for such work; of none
    /// where there is no `reference` to it.
    ///
    /// # Errors
    /// When the store cannot be read, or `then` fails.
    pub(super) async fn chunk<T: Send + 'static>(
        &self,
        (name, at): (&str, &[usize]),
        reference: Option<&ChunkPayload>,
        what: &str,
        then: impl FnOnce(Option<&[u8]>) -> Result<T, CodecError> + Send + 'static,
    ) -> Result<T, StepError> {
        // Chunks of a local repository are read as the files that they are (`chunks/ID`, Icechunk
        // specification): through the store every 8 KiB of them would change threads.
        let stored = match (reference, &self.folder) {
            (None, _) => Stored::Nothing,
            (Some(ChunkPayload::Ref(ChunkRef { id, offset, length })), Some(folder)) => {
                let path = folder.join("chunks").join(id.to_string());
                Stored::File(path, *offset..offset.saturating_add(*length))
            }
            (Some(_), _) => {
                let bare = at.get(usize::from(self.template.step.is_static())..).unwrap_or_default();
                fetched(&self.session, name, bare, what).await?.map_or(Stored::Nothing, Stored::Here)
            }
        };
        let made = compute("reading a chunk", move || stored.with(then));
        let made = made.await?.map_err(|error| {
            StepError::permanent(ErrorKind::Store, format!("{what}: chunk {at:?} of {name}: {error}"))
        })?;
        made.map_err(|error| not_a_cube(format!("{what}: {error}")))
    }
}

/// The bytes of a chunk as they are stored; none where it is not stored.
pub(super) async fn fetched(
    session: &Session,
    name: &str,
    at: &[usize],
    what: &str,
) -> Result<Option<Bytes>, StepError> {
    let reader = session.get_chunk_reader(&path(name)?, &indices(at), &ByteRange::ALL).await;
    match reader.map_err(fault::icechunk(what))? {
        None => Ok(None),
        Some(read) => read.await.map(Some).map_err(fault::icechunk(what)),
    }
}

fn indices(at: &[usize]) -> ChunkIndices {
    ChunkIndices(at.iter().map(|i| u32::try_from(*i).unwrap_or(u32::MAX)).collect())
}
