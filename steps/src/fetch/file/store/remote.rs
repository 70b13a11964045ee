//! Objects of a store elsewhere: each request takes a place of the pool, keeps to the timeout and is
//! tried again by itself.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use frazil_engine::{
    context::{Context, Tick},
    data::Spent,
    step::{ErrorKind, StepError},
};

use super::kept::Kept;
use crate::{
    cube::foreign::{Encoded, Objects, Parted, Snapshot},
    fetch::stream::{label, within},
    net::{Extent, Net, Place},
};

/// The longest document of metadata.
const DOCUMENT: u64 = 64 << 20;

/// Documents that tell that a store is there.
const ROOTS: [&str; 3] = ["zarr.json", ".zmetadata", ".zgroup"];

/// A Zarr store over HTTP or in a bucket.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) net: Net,
    pub(super) root: Place,
    pub(super) kept: Arc<Kept>,
    pub(super) cx: Context,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The document by which the store was found.
    found: Option<&'static str>,
    /// Chunks that are not there. Bounded by the chunks of the work, a name each.
    missing: HashSet<String>,
    /// The block at which the store was seen to be there.
    confirmed: Option<u64>,
    /// Bytes of shards of which parts came. Bounded as those that are missing.
    sizes: HashMap<String, u64>,
    /// The server gives whole objects when it is asked for parts.
    without_parts: bool,
}

/// One request, tried again where that may help.
async fn patiently<T, F, Fut>(cx: &Context, place: &Place, ask: F) -> Result<T, StepError>
where
    T: Send,
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<T, StepError>> + Send,
{
    cx.retrying(&label(place, cx), |_| async {
        let _permit = cx.permit().await?;
        within(cx, ask()).await
    })
    .await
}

impl Remote {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings a part of a shard into a file; false where there is no shard.
    async fn bring(&self, place: Place, key: String, part: Extent, to: PathBuf) -> Result<bool, StepError> {
        let Some(came) = self.net.extent(&place, &part).await? else { return Ok(false) };
        let range = part.of(came.size);
        {
            let mut state = self.state();
            // What is asked for next is asked for whole.
            state.without_parts |= came.bytes.len() as u64 > range.end - range.start;
            state.sizes.insert(key, came.size);
        }
        let at = |at: u64| usize::try_from(at.saturating_sub(came.start)).unwrap_or(usize::MAX);
        let bytes = came.bytes.get(at(range.start)..at(range.end)).ok_or_else(|| {
            StepError::transient(ErrorKind::Network, format!("{place}: truncated: a part of it is not there"))
        })?;
        tokio::fs::write(&to, bytes).await.map_err(|error| {
            StepError::permanent(ErrorKind::Store, format!("cannot write {}: {error}", to.display()))
        })?;
        self.cx.progress.tick(Tick::Spent(Spent { requests: 1, ..Spent::default() }));
        Ok(true)
    }

    /// A chunk that is not there is one of fill, as long as its store is there: a server that lost
    /// all says the same of a chunk. Asked once for each block.
    async fn confirm(&self) -> Result<(), StepError> {
        let block = self.kept.block();
        let (found, confirmed) = {
            let state = self.state();
            (state.found, state.confirmed)
        };
        let Some(found) = found.filter(|_| confirmed != Some(block)) else { return Ok(()) };
        let place = self.root.below(found);
        if !patiently(&self.cx, &place, || self.net.exists(&place)).await? {
            let message =
                format!("{}: it went away while it was read: {found} is not there any more", self.root);
            return Err(StepError::permanent(ErrorKind::Network, message).help("run again when it is there"));
        }
        self.state().confirmed = Some(block);
        Ok(())
    }
}

#[async_trait]
impl Objects for Remote {
    async fn document(&self, key: &str) -> Result<Option<Bytes>, StepError> {
        let place = self.root.below(key);
        let found = patiently(&self.cx, &place, || self.net.document(&place, DOCUMENT)).await?;
        if found.is_some()
            && let Some(root) = ROOTS.iter().find(|root| **root == key)
        {
            self.state().found.get_or_insert(root);
        }
        Ok(found)
    }

    async fn members(&self) -> Result<Option<Vec<String>>, StepError> {
        Ok(None)
    }

    async fn chunk(&self, name: &str, key: &str, _: &[usize]) -> Result<Option<Encoded>, StepError> {
        let key = format!("{name}/{key}");
        if self.state().missing.contains(&key) {
            return Ok(None);
        }
        let place = self.root.below(&key);
        match patiently(&self.cx, &place, || self.kept.scratch.file(&self.net, &place)).await? {
            Some(brought) => Ok(Some(self.kept.keep(self.net.name(&place), brought).await)),
            None => {
                self.confirm().await?;
                self.state().missing.insert(key);
                Ok(None)
            }
        }
    }

    async fn part(&self, name: &str, key: &str, part: &Extent) -> Result<Parted, StepError> {
        let key = format!("{name}/{key}");
        {
            let state = self.state();
            if state.without_parts {
                return Ok(Parted::Whole);
            }
            if state.missing.contains(&key) {
                return Ok(Parted::Missing);
            }
        }
        let place = self.root.below(&key);
        let file =
            blake3::hash(format!("{} {part:?}", self.net.name(&place)).as_bytes()).to_hex().to_string();
        let bring = |to: PathBuf| self.bring(place.clone(), key.clone(), part.clone(), to);
        let Some(brought) = patiently(&self.cx, &place, || self.kept.scratch.object(&file, &bring)).await?
        else {
            self.confirm().await?;
            self.state().missing.insert(key);
            return Ok(Parted::Missing);
        };
        let known = self.state().sizes.get(&key).copied();
        let size = match known {
            Some(size) => size,
            // A run that was stopped brought it.
            None => match patiently(&self.cx, &place, || self.net.size(&place)).await? {
                Some(size) => size,
                None => return Ok(Parted::Whole),
            },
        };
        Ok(Parted::Here(size, self.kept.keep(file, brought).await))
    }
}

/// A state of an Icechunk repository elsewhere.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) snapshot: Snapshot,
    pub(super) place: Place,
    pub(super) kept: Arc<Kept>,
    pub(super) cx: Context,
    /// In front of the names of its chunks.
    pub(super) name: String,
}

#[async_trait]
impl Objects for Pinned {
    async fn document(&self, key: &str) -> Result<Option<Bytes>, StepError> {
        self.snapshot.document(key).await
    }

    async fn members(&self) -> Result<Option<Vec<String>>, StepError> {
        self.snapshot.members().await
    }

    async fn chunk(&self, name: &str, key: &str, at: &[usize]) -> Result<Option<Encoded>, StepError> {
        let file = format!("{} {} {name}/{key}", self.name, self.snapshot.id());
        let file = blake3::hash(file.as_bytes()).to_hex().to_string();
        let bring = |to: std::path::PathBuf| async move {
            let Some(Encoded::Here(bytes)) = self.snapshot.chunk(name, key, at).await? else {
                return Ok(false);
            };
            tokio::fs::write(&to, &bytes).await.map_err(|error| {
                StepError::permanent(ErrorKind::Store, format!("cannot write {}: {error}", to.display()))
            })?;
            let bytes = bytes.len() as u64;
            self.cx.progress.tick(Tick::Spent(Spent { requests: 1, bytes, ..Spent::default() }));
            Ok(true)
        };
        let brought = patiently(&self.cx, &self.place, || self.kept.scratch.object(&file, bring)).await?;
        match brought {
            Some(brought) => Ok(Some(self.kept.keep(file, brought).await)),
            None => Ok(None),
        }
    }
}
