//! Objects of a store elsewhere: each request takes a place of the pool, keeps to the timeout and is
//! tried again by itself.

use std::{
    collections::HashSet,
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
    cube::foreign::{Encoded, Objects, Snapshot},
    fetch::stream::{label, within},
    net::{Net, Place},
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
