use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Clock;
use crate::project::Pool;

/// The limits of a project, by name. Cheap to clone; all clones share them.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    pools: Arc<BTreeMap<String, Limit>>,
}

#[derive(Debug)]
struct Limit {
    places: Arc<Semaphore>,
    /// The least time between two starts.
    interval: Duration,
    next: Mutex<Option<DateTime<Utc>>>,
}

/// A place in a pool, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _place: Option<OwnedSemaphorePermit>,
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
    /// The pools of a project.
    #[must_use]
    pub fn new(pools: &BTreeMap<String, Pool>) -> Self {
        let limit = |pool: &Pool| Limit {
            places: Arc::new(Semaphore::new(
                pool.max.map_or(Semaphore::MAX_PERMITS, |max| max.max(1) as usize),
            )),
            interval: pool.rate.as_deref().and_then(interval).unwrap_or_default(),
            next: Mutex::new(None),
        };
        Self { pools: Arc::new(pools.iter().map(|(name, pool)| (name.clone(), limit(pool))).collect()) }
    }

    pub(super) async fn acquire(&self, name: Option<&str>, clock: &dyn Clock) -> Permit {
        let Some(limit) = name.and_then(|name| self.pools.get(name)) else {
            return Permit { _place: None };
        };
        // The semaphore is never closed, so there is always a permit to come.
        let place = Arc::clone(&limit.places).acquire_owned().await.ok();
        let wait = limit.claim(clock.now());
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        Permit { _place: place }
    }
}

impl Limit {
    /// Takes the next start there is and says how long it is until then.
    fn claim(&self, now: DateTime<Utc>) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let start = next.unwrap_or(now).max(now);
        *next = Some(start + chrono::Duration::from_std(self.interval).unwrap_or_default());
        (start - now).to_std().unwrap_or_default()
    }
}
