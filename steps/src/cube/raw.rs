//! The objects of a repository as they lie in its store, for readers that know Icechunk themselves.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use frazil_engine::{
    context::Scope,
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use futures::TryStreamExt;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path, prefix::PrefixStore,
};

use super::{
    fault,
    repo::{self, Place},
    selftest,
    sweep::Objects,
};

/// What an Icechunk repository consists of (specification versions 1 and 2); nothing else is shown.
const PARTS: [&str; 8] =
    ["repo", "config.yaml", "refs", "snapshots", "manifests", "transactions", "chunks", "overwritten"];

/// The objects of one repository, to be read.
#[derive(Debug, Clone)]
pub struct RawObjects {
    store: Arc<dyn ObjectStore>,
    is_local: bool,
    what: String,
}

/// An object, not read yet.
#[derive(Debug, Clone)]
pub struct RawObject {
    path: Path,
    /// Its length in bytes.
    pub length: u64,
    /// Another text for other bytes.
    pub tag: Option<String>,
    /// Whether it is ever written again under the same name.
    pub is_fixed: bool,
}

impl RawObjects {
    /// The objects of the repository of a dataset. Nothing is looked at yet.
    ///
    /// # Errors
    /// When its place is of no kind that can be served, or has no folder.
    pub fn of(info: &DatasetInfo, scope: &Scope) -> Result<Self, StepError> {
        let what = repo::unreadable(info);
        let place = Place::of(&info.location)?;
        let is_local = matches!(place, Place::Local(_));
        let store: Arc<dyn ObjectStore> = match place {
            Place::Local(folder) => Arc::new(
                LocalFileSystem::new_with_prefix(folder).map_err(|error| fault::store(&what, &error))?,
            ),
            Place::S3 { bucket, prefix } => {
                let bucket = selftest::store(&bucket, info, scope)?;
                Arc::new(PrefixStore::new(bucket, prefix))
            }
            Place::Http(url) => {
                let message = format!("{} lies at {url}, where it is served already", info.id);
                return Err(StepError::permanent(ErrorKind::Store, message));
            }
        };
        Ok(Self { store, is_local, what })
    }

    /// An object by its path in the repository; none where there is none, or where the path is none
    /// of a repository.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(&self, path: &str) -> Result<Option<RawObject>, StepError> {
        // `parse` refuses `..` and empty parts.
        let Ok(path) = Path::parse(path) else { return Ok(None) };
        if path.as_ref().bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
            return Ok(None);
        }
        let Some(part) = path.parts().next() else { return Ok(None) };
        if !PARTS.contains(&part.as_ref()) {
            return Ok(None);
        }
        let is_fixed = !matches!(part.as_ref(), "repo" | "config.yaml" | "refs");
        match self.store.head(&path).await {
            Ok(meta) => Ok(Some(RawObject { path, length: meta.size, tag: meta.e_tag, is_fixed })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault::store(&self.what, &error)),
        }
    }

    /// How many objects there are, and their bytes; none for a bucket, where it would be counted by
    /// thousands of requests.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stored(&self) -> Result<Option<Objects>, StepError> {
        if !self.is_local {
            return Ok(None);
        }
        let add = |sum: Objects, meta: object_store::ObjectMeta| async move {
            Ok(Objects { count: sum.count + 1, bytes: sum.bytes + meta.size })
        };
        let counted = self.store.list(None).try_fold(Objects::default(), add).await;
        counted.map(Some).map_err(|error| fault::store(&self.what, &error))
    }

    /// Bytes of an object; `range` lies within its length.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(&self, object: &RawObject, range: Range<u64>) -> Result<Bytes, StepError> {
        let read = self.store.get_range(&object.path, range).await;
        read.map_err(|error| fault::store(&self.what, &error))
    }
}
