//! One commit at a time per dataset.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use frazil_engine::{
    context::Context,
    lock::FileLock,
    step::{ErrorKind, StepError},
};
use tokio::sync::OwnedMutexGuard;

use super::repo::Place;

/// The longest wait between two looks at a lock that another process holds.
const LOOK: Duration = Duration::from_millis(50);

/// Holds the lock of a repository until dropped.
#[derive(Debug)]
pub(super) struct Held {
    _process: OwnedMutexGuard<()>,
    _file: Option<File>,
}

/// One mutex per repository of this process: an OS lock is not for the threads of one process.
fn mutex(repository: &str) -> Arc<tokio::sync::Mutex<()>> {
    static MUTEXES: OnceLock<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>> = OnceLock::new();
    let mut mutexes = MUTEXES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(mutexes.entry(repository.to_owned()).or_default())
}

/// The lock file of a local repository: beside it, so that two states exclude each other.
pub(super) fn file(repository: &Path) -> PathBuf {
    let mut name = repository.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Waits for the lock of a repository; gives up when the run is told to stop.
pub(super) async fn take(place: &Place, url: &str, cx: &Context) -> Result<Held, StepError> {
    let process = tokio::select! {
        () = cx.cancel.cancelled() => return Err(StepError::Cancelled),
        guard = mutex(url).lock_owned() => guard,
    };
    let Place::Local(path) = place else { return Ok(Held { _process: process, _file: None }) };
    let path = file(path);
    let bad = |error: std::io::Error| {
        StepError::permanent(ErrorKind::Store, format!("cannot lock {}: {error}", path.display()))
    };
    let opened = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            File::options().create(true).truncate(false).write(true).open(path)
        })
    };
    let file = opened.await.map_err(|_| StepError::Cancelled)?.map_err(bad)?;
    let mut wait = Duration::from_millis(1);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Held { _process: process, _file: Some(file) }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(bad(error)),
        }
        cx.sleep(wait).await?;
        wait = (wait * 2).min(LOOK);
    }
}

/// Whether another process holds the lock of a repository at this moment.
pub(super) async fn is_held(place: &Place) -> Result<bool, StepError> {
    let Place::Local(path) = place else { return Ok(false) };
    let path = file(path);
    let looked = tokio::task::spawn_blocking(move || FileLock::is_held(&path));
    looked.await.map_err(|_| StepError::Cancelled)?
}

/// Brings what was written to a local repository onto the disk: Icechunk does not.
pub(super) async fn sync(place: &Place) -> Result<(), StepError> {
    let Place::Local(path) = place else { return Ok(()) };
    let path = path.clone();
    let synced = tokio::task::spawn_blocking(move || {
        let folder = File::open(&path)?;
        rustix::fs::syncfs(&folder).map_err(std::io::Error::from)
    });
    match synced.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(StepError::permanent(
            ErrorKind::Store,
            format!("the commit could not be brought onto the disk: {error}"),
        )),
        Err(_) => Err(StepError::Cancelled),
    }
}
