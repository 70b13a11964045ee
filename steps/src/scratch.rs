//! Whole source files in the folder of a run: each is brought once, however many ask for it.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use frazil_engine::step::{ErrorKind, StepError};
use tokio::sync::Mutex;

use crate::net::{Net, Place};

/// Numbers the names of unfinished files: two that are on their way never share one.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// The source files that a run has brought to its folder.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    // Bounded by the source files of the run, a path each.
    files: Mutex<HashMap<Place, Arc<Mutex<Option<PathBuf>>>>>,
}

impl Scratch {
    /// Source files in `folder`, which is made on first need.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, files: Mutex::default() }
    }

    /// The path of a whole source file, brought here unless it was already; a local one stays
    /// where it is. `None` when there is no such file, which is asked again the next time.
    ///
    /// # Errors
    /// When it could not be had whole. Nothing is left behind then.
    pub(crate) async fn file(&self, net: &Net, place: &Place) -> Result<Option<PathBuf>, StepError> {
        if let Place::File(path) = place {
            return Ok(net.exists(place).await?.then(|| path.clone()));
        }
        let slot = Arc::clone(self.files.lock().await.entry(place.clone()).or_default());
        let mut slot = slot.lock().await;
        if let Some(path) = &*slot {
            return Ok(Some(path.clone()));
        }
        let failed = |error: std::io::Error| {
            StepError::permanent(
                ErrorKind::Store,
                format!("cannot write to {}: {error}", self.folder.display()),
            )
        };
        tokio::fs::create_dir_all(&self.folder).await.map_err(failed)?;
        let name = self.folder.join(blake3::hash(key(place).as_bytes()).to_hex().as_str());
        let unfinished = Unfinished(name.with_extension(format!(
            "{}-{}.part",
            std::process::id(),
            UNFINISHED.fetch_add(1, Ordering::Relaxed)
        )));
        if net.download(place, &unfinished.0).await?.is_none() {
            return Ok(None);
        }
        tokio::fs::rename(&unfinished.0, &name).await.map_err(failed)?;
        *slot = Some(name.clone());
        Ok(Some(name))
    }

    /// Forgets a source file and deletes what was brought of it, because its bytes are not what
    /// they should be: the next one to ask brings it anew.
    pub(crate) async fn discard(&self, place: &Place) {
        let slot = self.files.lock().await.get(place).map(Arc::clone);
        if let Some(slot) = slot
            && let Some(path) = slot.lock().await.take()
            && let Err(error) = tokio::fs::remove_file(&path).await
        {
            tracing::warn!(path = %path.display(), %error, "cannot delete a source file");
        }
    }
}

/// What tells two places apart; unlike what is shown of them it has their query.
fn key(place: &Place) -> String {
    match place {
        Place::Http(url) => url.to_string(),
        other => other.to_string(),
    }
}

/// A file that is deleted unless it was renamed before.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %error, "cannot delete an unfinished file");
        }
    }
}
