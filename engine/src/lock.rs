//! Locks of the operating system on files: who dies lets go of them.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    context::Clock,
    data::{PipelineId, RunId},
    step::{ErrorKind, StepError},
};

/// How often who waits for a lock looks again. The system's own waiting cannot be cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// A file that this process has locked, until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock if it is free; makes the file where there is none.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn try_take(path: &Path) -> Result<Option<Self>, StepError> {
        let failed = |error: std::io::Error| {
            StepError::permanent(ErrorKind::Store, format!("cannot lock {}: {error}", path.display()))
                .help("`state` in frazil.yaml names the folder: it must be writable")
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file, path: path.to_owned() })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Waits for the lock; `waiting` is called once if it is not free.
    ///
    /// # Errors
    /// When it cannot be locked, or [`StepError::Cancelled`].
    pub async fn take(
        path: &Path,
        clock: &dyn Clock,
        cancel: &CancellationToken,
        waiting: impl FnOnce() + Send,
    ) -> Result<Self, StepError> {
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(StepError::Cancelled),
                () = clock.sleep(LOOK) => {}
            }
        }
    }

    /// Whether anybody holds the lock. Looking makes nothing, and needs no right to write.
    ///
    /// # Errors
    /// When the file is there and cannot be looked at.
    pub fn is_held(path: &Path) -> Result<bool, StepError> {
        let failed = |error: std::io::Error| {
            StepError::permanent(ErrorKind::Store, format!("cannot look at {}: {error}", path.display()))
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Whether the file has its name still: where that was taken away, others lock a new one.
    #[must_use]
    pub fn stands(&self) -> bool {
        let names = |about: std::fs::Metadata| (about.dev(), about.ino());
        let (held, named) = (self.file.metadata(), std::fs::metadata(&self.path));
        held.is_ok_and(|held| named.is_ok_and(|named| names(held) == names(named)))
    }

    /// Lets go and removes the file. Who opened it before finds a lock on a file without a name,
    /// and must look at what the lock guards before believing in it.
    pub fn remove(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "a lock file is left behind");
        }
    }
}

/// The lock of a run: its process holds it as long as it lives.
#[must_use]
pub fn run_lock(state: &Path, run: &RunId) -> PathBuf {
    state.join("runs").join(format!("{run}.lock"))
}

/// Where a run is asked to stop: a file that says why.
fn stop_file(state: &Path, run: &RunId) -> PathBuf {
    state.join("runs").join(format!("{run}.stop"))
}

/// Asks the process of a run to stop; the first reason stands.
///
/// # Errors
/// When the state folder cannot be written.
pub fn ask_to_stop(state: &Path, run: &RunId, reason: &str) -> Result<(), StepError> {
    let path = stop_file(state, run);
    let failed = |error: std::io::Error| {
        StepError::permanent(ErrorKind::Store, format!("cannot write {}: {error}", path.display()))
            .help("`state` in frazil.yaml names the folder: it must be writable")
    };
    // Whole or not at all: who looks reads the reason.
    let beside = path.with_extension(format!("stop-{}", std::process::id()));
    std::fs::write(&beside, reason).map_err(failed)?;
    let linked = std::fs::hard_link(&beside, &path);
    std::fs::remove_file(&beside).map_err(failed)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Why a run is asked to stop; none while nobody asks.
#[must_use]
pub fn asked_to_stop(state: &Path, run: &RunId) -> Option<String> {
    std::fs::read_to_string(stop_file(state, run)).ok()
}

/// Forgets that a run was asked to stop: it is over.
pub fn forget_stop(state: &Path, run: &RunId) {
    let path = stop_file(state, run);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(path = %path.display(), %error, "a file that asked a run to stop is left behind");
    }
}

/// The lock of a pipeline: one run of it at a time.
#[must_use]
pub fn pipeline_lock(state: &Path, pipeline: &PipelineId) -> PathBuf {
    state.join("pipelines").join(format!("{pipeline}.lock"))
}

/// The lock of the server: one at a time on a state folder fires triggers and answers; others stand by.
#[must_use]
pub fn serve_lock(state: &Path) -> PathBuf {
    state.join("serve.lock")
}

/// The folder of a run's temporary files.
#[must_use]
pub fn scratch(state: &Path, run: &RunId) -> PathBuf {
    state.join("scratch").join(run.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::context::ManualClock;

    #[test]
    fn the_first_reason_to_stop_stands_until_the_run_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let (state, run) = (folder.path(), "r1".parse().unwrap());
        assert!(ask_to_stop(state, &run, "no folder").is_err());
        std::fs::create_dir(state.join("runs")).unwrap();
        assert_eq!(asked_to_stop(state, &run), None);
        ask_to_stop(state, &run, "because").unwrap();
        ask_to_stop(state, &run, "for another reason").unwrap();
        assert_eq!(asked_to_stop(state, &run).as_deref(), Some("because"));
        assert_eq!(asked_to_stop(state, &"r2".parse().unwrap()), None);
        forget_stop(state, &run);
        forget_stop(state, &run);
        assert_eq!(std::fs::read_dir(state.join("runs")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_lock_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = run_lock(folder.path(), &"r1".parse().unwrap());
        let first = FileLock::try_take(&path).unwrap().unwrap();
        assert!(FileLock::try_take(&path).unwrap().is_none());
        let clock = Arc::new(ManualClock::at(chrono::DateTime::UNIX_EPOCH));
        let cancel = CancellationToken::new();
        let (held, holds) = (std::sync::Mutex::new(Some(first)), std::sync::atomic::AtomicBool::new(false));
        let second = FileLock::take(&path, &*clock, &cancel, || {
            holds.store(true, std::sync::atomic::Ordering::Relaxed);
            drop(held.lock().unwrap().take());
        })
        .await
        .unwrap();
        assert!(holds.into_inner(), "who waits is told");
        cancel.cancel();
        let stopped = FileLock::take(&path, &*clock, &cancel, || {}).await;
        assert_eq!(stopped.unwrap_err(), StepError::Cancelled);
        assert!(FileLock::is_held(&path).unwrap() && second.stands());
        second.remove();
        assert!(!path.exists());
        assert!(!FileLock::is_held(&path).unwrap());
        assert!(!path.exists(), "looking makes nothing");
        let third = FileLock::try_take(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!third.stands(), "its name is free");
        let fourth = FileLock::try_take(&path).unwrap().unwrap();
        assert!(fourth.stands() && !third.stands(), "another has it");
    }
}
