//! Cubes of local repositories that this process writes, from one batch to the next.
//!
//! A head is looked up each time; what stands in a snapshot never changes, so the axis, the grid
//! and the codecs of a head that was read or committed here are not read again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use frazil_engine::{context::Scope, dataset::DatasetInfo, step::StepError};

use super::{Cube, line, release, repo::Place};

/// Cubes that are kept: datasets of one run, of which each holds its axis and a few manifests.
const CUBES: usize = 8;

/// The latest last.
static KEPT: Mutex<VecDeque<(String, Arc<Cube>)>> = Mutex::new(VecDeque::new());

/// Keeps the head of a local repository. Buckets are opened each time: their credentials may
/// change, and must not outlive the run that they were given to.
pub(super) fn keep(place: &Place, url: &str, cube: Arc<Cube>) {
    if matches!(place, Place::Local(_)) {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| known != url);
        if kept.len() >= CUBES {
            kept.pop_front();
        }
        kept.push_back((url.to_owned(), cube));
    }
}

/// What is kept under a name.
pub(super) fn known(url: &str) -> Option<Arc<Cube>> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.iter().find(|(known, _)| known == url).map(|(_, cube)| Arc::clone(cube))
}

/// The head of a dataset that is written; as [`Cube::open_to_write`], but from what is kept where that is
/// the head still.
pub(super) async fn open(info: &DatasetInfo, scope: &Scope) -> Result<Option<Arc<Cube>>, StepError> {
    let place = Place::of(&info.location)?;
    let url = &release::place(info, line::of(info));
    if let Some(cube) = known(url)
        && cube.axis.step() == info.block.time.frequency()
        && let Ok(Some(id)) = line::head(&cube.repository, info, scope).await
    {
        if id == cube.id {
            return Ok(Some(cube));
        }
        let cube = Arc::new(Cube::at(Arc::clone(&cube.repository), id, info, scope).await?);
        keep(&place, url, Arc::clone(&cube));
        return Ok(Some(cube));
    }
    // Not kept, or not there any more: the careful way finds out.
    let Some(cube) = Box::pin(Cube::open_to_write(info, scope)).await?.map(Arc::new) else { return Ok(None) };
    keep(&place, url, Arc::clone(&cube));
    Ok(Some(cube))
}
