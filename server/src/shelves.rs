//! Repositories and snapshots that were asked for lately, kept open.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use frazil_engine::{
    context::Scope,
    data::{DatasetId, SnapshotId},
    dataset::DatasetInfo,
    step::StepError,
};
use frazil_steps::cube::{Keys, Shelf};

/// Snapshots that are kept: each holds the metadata of its arrays and the manifests that were read.
const SNAPSHOTS: usize = 64;

/// Repositories that are kept.
const REPOSITORIES: usize = 256;

/// What is open.
#[derive(Debug, Default)]
pub(crate) struct Shelves {
    repositories: Latest<DatasetId, Shelf>,
    snapshots: Latest<(DatasetId, SnapshotId), Arc<Keys>>,
}

impl Shelves {
    /// The keys of a snapshot, or of the head where none is named; none where there is nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn keys(
        &self,
        info: &DatasetInfo,
        named: Option<&SnapshotId>,
        scope: &Scope,
    ) -> Result<Option<Arc<Keys>>, StepError> {
        // What stands in a snapshot never changes.
        if let Some(keys) = named.and_then(|id| self.snapshots.get(&(info.id.clone(), id.clone()))) {
            return Ok(Some(keys));
        }
        let Some(shelf) = self.shelf(info, scope).await? else { return Ok(None) };
        let id = match named {
            Some(id) => id.clone(),
            None => match shelf.head(info, scope).await? {
                Some(head) => head,
                None => return Ok(None),
            },
        };
        let name = (info.id.clone(), id);
        if let Some(keys) = self.snapshots.get(&name) {
            return Ok(Some(keys));
        }
        let Some(keys) = shelf.keys(&name.1, info, scope).await?.map(Arc::new) else { return Ok(None) };
        self.snapshots.put(name, Arc::clone(&keys), SNAPSHOTS);
        Ok(Some(keys))
    }

    async fn shelf(&self, info: &DatasetInfo, scope: &Scope) -> Result<Option<Shelf>, StepError> {
        if let Some(shelf) = self.repositories.get(&info.id) {
            return Ok(Some(shelf));
        }
        let Some(shelf) = Shelf::open(info, scope).await? else { return Ok(None) };
        self.repositories.put(info.id.clone(), shelf.clone(), REPOSITORIES);
        Ok(Some(shelf))
    }
}

/// The latest few of many, the latest last. A list is searched faster than a map is hashed at these
/// lengths, and forgets the oldest by itself.
#[derive(Debug)]
struct Latest<K, V>(Mutex<VecDeque<(K, V)>>);

impl<K, V> Default for Latest<K, V> {
    fn default() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }
}

impl<K: PartialEq, V: Clone> Latest<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().rposition(|(known, _)| known == key)?;
        let found = kept.remove(at)?;
        let value = found.1.clone();
        kept.push_back(found);
        Some(value)
    }

    fn put(&self, key: K, value: V, most: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != key);
        while kept.len() >= most {
            kept.pop_front();
        }
        kept.push_back((key, value));
    }
}
