//! Whole source files in the folder of a run: each is brought once, however many steps ask for it.

use std::{
    collections::HashMap,
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use frazil_engine::step::{ErrorKind, StepError};
use tokio::sync::Mutex;

use crate::net::{Net, Place};

/// Numbers the names of unfinished files: two that are on their way never share one.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// The folders of the runs at work in this process, by their path.
static AT_WORK: LazyLock<std::sync::Mutex<HashMap<PathBuf, Weak<Scratch>>>> = LazyLock::new(Default::default);

/// A source file's name in a folder of its own; it is there when all of it came.
const WHOLE: &str = "whole";

/// The source files that a run has brought to its folder. What is in the folder is there whole, so
/// that a step finds what an earlier one brought.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    // Bounded by the source files of the run, a name each. Whoever holds a lock looks or brings.
    files: Mutex<HashMap<String, Slot>>,
}

/// How often a source file was brought.
type Slot = Arc<Mutex<u64>>;

/// A whole source file that is here.
#[derive(Debug, Clone)]
pub(crate) struct Brought {
    pub(crate) path: PathBuf,
    time: u64,
}

impl Brought {
    /// One that was here before.
    pub(crate) const fn here(path: PathBuf) -> Self {
        Self { path, time: 0 }
    }
}

impl Scratch {
    /// Source files in `folder`, which is made on first need: the same for all who name it.
    pub(crate) fn of(folder: PathBuf) -> Arc<Self> {
        let mut at_work = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scratch) = at_work.get(&folder).and_then(Weak::upgrade) {
            return scratch;
        }
        at_work.retain(|_, scratch| scratch.strong_count() > 0);
        let scratch = Arc::new(Self { folder: folder.clone(), files: Mutex::default() });
        at_work.insert(folder, Arc::downgrade(&scratch));
        scratch
    }

    /// The path of a whole source file, brought here unless it was already; a local one stays
    /// where it is. `None` when there is no such file, which is asked again the next time.
    ///
    /// # Errors
    /// When it could not be had whole. Nothing is left behind then.
    pub(crate) async fn file(&self, net: &Net, place: &Place) -> Result<Option<Brought>, StepError> {
        if let Place::File(path) = place {
            return Ok(net.exists(place).await?.then(|| Brought::here(path.clone())));
        }
        self.object(&net.name(place), |to| async move { Ok(net.download(place, &to).await?.is_some()) }).await
    }

    /// The same for what `bring` puts into the path that it is given, under a name of its own; it
    /// says false where there is nothing.
    ///
    /// # Errors
    /// When it could not be had whole. Nothing is left behind then.
    pub(crate) async fn object<F>(
        &self,
        name: &str,
        bring: impl FnOnce(PathBuf) -> F + Send,
    ) -> Result<Option<Brought>, StepError>
    where
        F: Future<Output = Result<bool, StepError>> + Send,
    {
        let slot = self.slot(name).await;
        let mut times = slot.lock().await;
        let folder = self.folder.join(name);
        let path = folder.join(WHOLE);
        let failed = |error: std::io::Error| {
            StepError::permanent(ErrorKind::Store, format!("cannot write to {}: {error}", folder.display()))
        };
        if tokio::fs::try_exists(&path).await.map_err(failed)? {
            return Ok(Some(Brought { path, time: *times }));
        }
        tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
        let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
        let unfinished = Unfinished(folder.join(format!("{}-{number}.part", std::process::id())));
        if !bring(unfinished.0.clone()).await? {
            return Ok(None);
        }
        tokio::fs::rename(&unfinished.0, &path).await.map_err(failed)?;
        *times += 1;
        Ok(Some(Brought { path, time: *times }))
    }

    /// Forgets a source file and deletes what was brought of it, under all its names, because its
    /// bytes are not what they should be: the next one to ask brings it anew. What somebody else
    /// brought anew in the meantime stays.
    pub(crate) async fn discard(&self, net: &Net, place: &Place, brought: &Brought) {
        self.forget(&net.name(place), brought).await;
    }

    /// The same by its name.
    pub(crate) async fn forget(&self, name: &str, brought: &Brought) {
        let slot = self.slot(name).await;
        let times = slot.lock().await;
        if *times != brought.time {
            return;
        }
        let folder: &Path = &self.folder.join(name);
        if let Err(error) = tokio::fs::remove_dir_all(folder).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %folder.display(), %error, "cannot delete a source file");
        }
    }

    async fn slot(&self, name: &str) -> Slot {
        Arc::clone(self.files.lock().await.entry(name.to_owned()).or_default())
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
