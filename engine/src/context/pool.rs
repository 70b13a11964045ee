mod ledger;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::Clock;
use crate::{lock::FileLock, project::Pool, step::StepError};
use ledger::Ledger;

/// How often who waits for a place that another process holds looks again.
const LOOK: Duration = Duration::from_millis(10);

/// The limits of a project, by name. Cheap to clone; all clones share them, and so do all processes
/// on one state folder where they were made for one.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    pools: Arc<BTreeMap<String, Limit>>,
}

#[derive(Debug)]
struct Limit {
    places: Arc<Semaphore>,
    /// Places among all processes, each a locked file: who dies gives it back.
    shared: Option<Places>,
    /// The least time between two starts.
    interval: Duration,
    ledger: Ledger,
}

/// Places that processes share.
#[derive(Debug)]
struct Places {
    folder: PathBuf,
    count: u32,
    /// One of this process at a time looks for a place.
    looks: Mutex<()>,
}

/// A place in a pool, given back when dropped.
#[derive(Debug, Default)]
pub struct Permit {
    _place: Option<OwnedSemaphorePermit>,
    _shared: Option<FileLock>,
}

/// Reads `2/s`, `30/m`, `500/h` as the least time between two starts.
#[must_use]
pub fn interval(rate: &str) -> Option<Duration> {
    let (count, unit) = rate.split_once('/')?;
    let count: f64 = count.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0)?;
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds / count).ok()
}

impl Pools {
    /// The pools of a project, shared by nobody else.
    #[must_use]
    pub fn new(pools: &BTreeMap<String, Pool>) -> Self {
        Self::over(pools, None)
    }

    /// The pools of a project, shared by all processes on its state folder and kept over restarts.
    #[must_use]
    pub fn shared(pools: &BTreeMap<String, Pool>, state: &Path) -> Self {
        Self::over(pools, Some(&state.join("pools")))
    }

    fn over(pools: &BTreeMap<String, Pool>, folder: Option<&Path>) -> Self {
        let limit = |(name, pool): (&String, &Pool)| {
            let folder = folder.map(|folder| folder.join(name));
            let max = pool.max.map(|max| max.max(1));
            let limit = Limit {
                places: Arc::new(Semaphore::new(max.map_or(Semaphore::MAX_PERMITS, |max| max as usize))),
                shared: folder.clone().zip(max).map(|(folder, count)| Places {
                    folder,
                    count,
                    looks: Mutex::new(()),
                }),
                interval: pool.rate.as_deref().and_then(interval).unwrap_or_default(),
                ledger: Ledger::new(folder),
            };
            (name.clone(), limit)
        };
        Self { pools: Arc::new(pools.iter().map(limit).collect()) }
    }

    /// Waits for a place, and then for its turn. At once where there is no such pool.
    pub(super) async fn acquire(&self, name: Option<&str>, clock: &dyn Clock) -> Result<Permit, StepError> {
        let Some(limit) = name.and_then(|name| self.pools.get(name)) else { return Ok(Permit::default()) };
        // The semaphore is never closed, so there is always a permit to come.
        let place = Arc::clone(&limit.places).acquire_owned().await.ok();
        let shared = match &limit.shared {
            Some(places) => Some(places.take(clock).await?),
            None => None,
        };
        limit.turn(clock).await?;
        Ok(Permit { _place: place, _shared: shared })
    }

    /// Lets nobody start in a pool before this moment: the other side asked to wait.
    pub(super) async fn hold(&self, name: Option<&str>, until: DateTime<Utc>) -> Result<(), StepError> {
        match name.and_then(|name| self.pools.get(name)) {
            Some(limit) => limit.ledger.hold(until).await,
            None => Ok(()),
        }
    }
}

impl Limit {
    /// Waits for the next start that there is.
    async fn turn(&self, clock: &dyn Clock) -> Result<(), StepError> {
        loop {
            let now = clock.now();
            let start = self.ledger.claim(now, self.interval).await?;
            match (start - now).to_std() {
                Ok(wait) if !wait.is_zero() => clock.sleep(wait).await,
                _ => return Ok(()),
            }
            // Meanwhile the other side may have asked to wait: then this start is none.
            if !self.ledger.is_held(clock.now()).await? {
                return Ok(());
            }
        }
    }
}

impl Places {
    /// Waits for a place that no process holds. Who waits stands at a lock of its own, so that a
    /// process that gives a place back and wants one again comes after those who wait.
    async fn take(&self, clock: &dyn Clock) -> Result<FileLock, StepError> {
        let _looks = self.looks.lock().await;
        let _turn = loop {
            if let Some(turn) = FileLock::try_take(&self.folder.join("turn.lock"))? {
                break turn;
            }
            clock.sleep(LOOK).await;
        };
        loop {
            for place in 0..self.count {
                if let Some(place) = FileLock::try_take(&self.folder.join(format!("{place}.lock")))? {
                    return Ok(place);
                }
            }
            clock.sleep(LOOK).await;
        }
    }
}
