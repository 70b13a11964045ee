use std::{
    fmt::Debug,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// The time on the wall, and waiting; injected so that tests decide both.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;
    /// Returns after `time`.
    async fn sleep(&self, time: Duration);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A clock that stands still but for those who wait on it: each wait moves it on at once.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<DateTime<Utc>>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn at(now: DateTime<Utc>) -> Self {
        Self { now: Mutex::new(now) }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
    async fn sleep(&self, time: Duration) {
        let step = chrono::Duration::from_std(time).unwrap_or_default();
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += step;
        tokio::task::yield_now().await;
    }
}
