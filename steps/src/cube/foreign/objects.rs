//! Where the objects of a store come from.

use std::{
    fmt::Debug,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::PathBuf,
};

use async_trait::async_trait;
use bytes::Bytes;
use frazil_engine::step::StepError;

use crate::net::Extent;

/// The objects of a store, below its root. Missing is an answer; not to be had is an error.
#[async_trait]
pub(crate) trait Objects: Debug + Send + Sync {
    /// A document of metadata.
    async fn document(&self, key: &str) -> Result<Option<Bytes>, StepError>;

    /// Names of what lies in the root, where that can be listed.
    async fn members(&self) -> Result<Option<Vec<String>>, StepError>;

    /// A chunk or a shard of the array `name`, at the place `at`, which
    /// `key` names behind it. Asked for again, it
    /// need not be brought again.
    async fn chunk(&self, name: &str, key: &str, at: &[usize]) -> Result<Option<Encoded>, StepError>;

    /// A part of the shard of the array `name` that `key` names. Who has it here, or cannot have less than all of
    /// it, says so; then it is asked for whole.
    async fn part(&self, _name: &str, _key: &str, _part: &Extent) -> Result<Parted, StepError> {
        Ok(Parted::Whole)
    }
}

/// What came of a part.
#[derive(Debug)]
pub(crate) enum Parted {
    /// All of the shard is to be asked for.
    Whole,
    /// There is no such shard.
    Missing,
    /// These bytes of a shard of so many.
    Here(u64, Encoded),
}

/// An object that is here.
#[derive(Debug, Clone)]
pub(crate) enum Encoded {
    /// In memory.
    Here(Bytes),
    /// A file of this machine.
    File(PathBuf),
    /// Parts of an object of so many bytes, by where they begin.
    Parts(u64, Vec<(u64, Encoded)>),
}

impl Encoded {
    /// How many bytes it has. Blocks.
    pub(super) fn size(&self) -> io::Result<u64> {
        match self {
            Self::Here(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => path.metadata().map(|about| about.len()),
            Self::Parts(size, _) => Ok(*size),
        }
    }

    /// A part of it. Blocks.
    pub(super) fn part(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        match self {
            Self::Here(bytes) => {
                let start = usize::try_from(range.start).map_err(io::Error::other)?;
                let part = bytes.get(start..start.saturating_add(length));
                part.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
            Self::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(range.start))?;
                let mut bytes = Vec::with_capacity(length);
                file.take(length as u64).read_to_end(&mut bytes)?;
                if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            }
            Self::Parts(_, parts) => {
                let holds = |(start, part): &&(u64, Self)| {
                    *start <= range.start && part.size().is_ok_and(|size| range.end <= start + size)
                };
                let (start, part) = parts.iter().find(holds).ok_or(io::ErrorKind::UnexpectedEof)?;
                part.part(range.start - start..range.end - start)
            }
        }
    }
}

/// A store in a folder of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    fn failed(&self, error: &io::Error) -> StepError {
        let message = format!("cannot read {}: {error}", self.0.display());
        StepError::permanent(frazil_engine::step::ErrorKind::Store, message)
    }
}

#[async_trait]
impl Objects for Folder {
    async fn document(&self, key: &str) -> Result<Option<Bytes>, StepError> {
        match tokio::fs::read(self.0.join(key)).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn members(&self) -> Result<Option<Vec<String>>, StepError> {
        let failed = |error: io::Error| self.failed(&error);
        let mut entries = tokio::fs::read_dir(&self.0).await.map_err(failed)?;
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            if let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.'))
                && entry.file_type().await.map_err(failed)?.is_dir()
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(Some(names))
    }

    async fn chunk(&self, name: &str, key: &str, _: &[usize]) -> Result<Option<Encoded>, StepError> {
        let path = self.0.join(name).join(key);
        match tokio::fs::metadata(&path).await {
            Ok(about) if about.is_file() => Ok(Some(Encoded::File(path))),
            Ok(_) => Ok(None),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
