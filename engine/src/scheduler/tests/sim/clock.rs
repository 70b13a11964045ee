use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::context::Clock;

/// Time that passes only when nothing else can happen: who waits for the earliest moment is woken then.
#[derive(Debug)]
pub(super) struct VirtualClock(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    now: DateTime<Utc>,
    waits: u64,
    /// By moment, then in the order in which they came.
    sleepers: BTreeMap<(DateTime<Utc>, u64), oneshot::Sender<()>>,
}

impl VirtualClock {
    pub(super) fn at(now: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner { now, waits: 0, sleepers: BTreeMap::new() })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on to the next moment that anybody waits for; false when nobody does.
    pub(super) fn pass(&self) -> bool {
        let mut inner = self.inner();
        while let Some(((moment, _), sleeper)) = inner.sleepers.pop_first() {
            // One that was dropped meanwhile is passed over, and its time with it.
            if !sleeper.is_closed() {
                inner.now = moment;
                drop(inner);
                return sleeper.send(()).is_ok();
            }
        }
        false
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        self.inner().now
    }

    async fn sleep(&self, time: Duration) {
        let (wake, woken) = oneshot::channel();
        {
            let mut inner = self.inner();
            let moment = inner.now + chrono::Duration::from_std(time).unwrap_or_default();
            inner.waits += 1;
            let key = (moment, inner.waits);
            inner.sleepers.insert(key, wake);
        }
        woken.await.unwrap_or_default();
    }
}
