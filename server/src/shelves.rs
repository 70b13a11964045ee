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
use frazil_steps::cube::{Cube, Keys, Objects, Outline, RawObjects, Shelf};

/// Snapshots that are kept: each holds the metadata of its arrays and the manifests that were read.
const SNAPSHOTS: usize = 64;

/// Cubes that are kept: each holds its axis and its grid.
const CUBES: usize = 64;

/// Outlines that are kept, some kilobytes each: lists are made of those of all datasets.
const OUTLINES: usize = 1_024;

/// Repositories that are kept.
const REPOSITORIES: usize = 256;

/// A repository: the dataset, and where it lies, which a changed project may say otherwise.
type Place = (DatasetId, String);

/// What is open.
#[derive(Debug, Default)]
pub(crate) struct Shelves {
    repositories: Latest<Place, Shelf>,
    snapshots: Latest<(Place, SnapshotId), Arc<Keys>>,
    cubes: Latest<(Place, SnapshotId), Arc<Cube>>,
    /// Of each dataset the newest that was asked for.
    outlines: Latest<Place, Arc<Outline>>,
    sizes: Latest<(Place, SnapshotId), Option<Objects>>,
}

fn place(info: &DatasetInfo) -> Place {
    (info.id.clone(), info.location.url.clone())
}

impl Shelves {
    /// What everyone reads by now; none where there is nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn head(
        &self,
        info: &DatasetInfo,
        scope: &Scope,
    ) -> Result<Option<SnapshotId>, StepError> {
        match self.shelf(info, scope).await? {
            Some(shelf) => shelf.head(info, scope, scope.project.serve.head_age()).await,
            None => Ok(None),
        }
    }

    /// The keys of a snapshot; none where there is none of that name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn keys(
        &self,
        info: &DatasetInfo,
        snapshot: &SnapshotId,
        scope: &Scope,
    ) -> Result<Option<Arc<Keys>>, StepError> {
        let name = (place(info), snapshot.clone());
        // What stands in a snapshot never changes.
        if let Some(keys) = self.snapshots.get(&name) {
            return Ok(Some(keys));
        }
        let Some(shelf) = self.shelf(info, scope).await? else { return Ok(None) };
        let Some(keys) = shelf.keys(snapshot, info, scope).await?.map(Arc::new) else { return Ok(None) };
        self.snapshots.put(name, Arc::clone(&keys), SNAPSHOTS);
        Ok(Some(keys))
    }

    /// What everyone reads by now, as a cube; none where there is nothing.
    ///
    /// # Errors
    /// When the store cannot be read, or holds something that is no cube of this dataset.
    pub(crate) async fn cube(
        &self,
        info: &DatasetInfo,
        scope: &Scope,
    ) -> Result<Option<Arc<Cube>>, StepError> {
        let Some(head) = self.head(info, scope).await? else {
            // A Zarr store made elsewhere has no head to be asked for.
            let elsewhere = info.location.read_only;
            return if elsewhere { Ok(Cube::open(info, scope).await?.map(Arc::new)) } else { Ok(None) };
        };
        let name = (place(info), head);
        if let Some(cube) = self.cubes.get(&name) {
            return Ok(Some(cube));
        }
        let cube = Arc::new(Cube::open_at(info, scope, &name.1).await?);
        self.cubes.put(name, Arc::clone(&cube), CUBES);
        Ok(Some(cube))
    }

    /// What everyone reads by now, for a list; none where there is nothing. A dataset of which nothing was
    /// committed since it was listed last is not opened again.
    ///
    /// # Errors
    /// When the store cannot be read, or holds something that is no cube of this dataset.
    pub(crate) async fn outline(
        &self,
        info: &DatasetInfo,
        scope: &Scope,
    ) -> Result<Option<Arc<Outline>>, StepError> {
        let place = place(info);
        if let Some(known) = self.outlines.get(&place)
            && self.head(info, scope).await?.is_some_and(|head| head == known.id)
        {
            return Ok(Some(known));
        }
        let Some(cube) = self.cube(info, scope).await? else { return Ok(None) };
        let outline = Arc::new(Outline::from(&*cube));
        self.outlines.put(place, Arc::clone(&outline), OUTLINES);
        Ok(Some(outline))
    }

    /// What the repository took when `head` was its head; none where nobody counts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn stored(
        &self,
        info: &DatasetInfo,
        head: &SnapshotId,
        scope: &Scope,
    ) -> Result<Option<Objects>, StepError> {
        if info.location.read_only {
            return Ok(None);
        }
        let name = (place(info), head.clone());
        if let Some(size) = self.sizes.get(&name) {
            return Ok(size);
        }
        let size = RawObjects::of(info, scope)?.stored().await?;
        self.sizes.put(name, size, CUBES);
        Ok(size)
    }

    /// Whether a state that was shown lately has a chunk under a key.
    pub(crate) fn showed_chunk(&self, info: &DatasetInfo, key: &str) -> bool {
        let place = place(info);
        self.snapshots.any(|(of, _), keys| *of == place && keys.has_place(key))
    }

    /// Lets go of what is open of a dataset: something of it could not be read, and may lie elsewhere.
    pub(crate) fn forget(&self, info: &DatasetInfo) {
        let place = place(info);
        self.repositories.forget(|known| *known == place);
        self.snapshots.forget(|(of, _)| *of == place);
        self.cubes.forget(|(of, _)| *of == place);
        self.outlines.forget(|of| *of == place);
    }

    async fn shelf(&self, info: &DatasetInfo, scope: &Scope) -> Result<Option<Shelf>, StepError> {
        let place = place(info);
        if let Some(shelf) = self.repositories.get(&place) {
            return Ok(Some(shelf));
        }
        let Some(shelf) = Shelf::open(info, scope).await? else { return Ok(None) };
        self.repositories.put(place, shelf.clone(), REPOSITORIES);
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

    fn any(&self, of: impl Fn(&K, &V) -> bool) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().any(|(key, value)| of(key, value))
    }

    fn forget(&self, of: impl Fn(&K) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(key, _)| !of(key));
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
