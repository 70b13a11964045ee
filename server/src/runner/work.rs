//! Who begins runs: as many at a time as the project says, the oldest first.

use std::{collections::HashMap, sync::Arc, time::Duration};

use frazil_engine::{scheduler::LOOK, store::prune};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    one::{self, Became},
    queue::Waiting,
};

/// How long a run waits whose log could not be written, until it is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// How often it is looked whether another process ended what waits here.
const HEED: Duration = Duration::from_secs(1);

/// How often runs are forgotten that are beyond what is kept.
const FORGET: Duration = Duration::from_secs(60);

/// Carries out runs until `stop`, then lets go of those at work.
pub(super) async fn work(inner: Arc<Inner>, stop: CancellationToken) {
    tokio::join!(begin(&inner, &stop), forget(&inner, &stop), heed(&inner, &stop));
}

async fn begin(inner: &Arc<Inner>, stop: &CancellationToken) {
    let mut tasks: JoinSet<Became> = JoinSet::new();
    let mut running: HashMap<Id, (u64, Waiting)> = HashMap::new();
    // Runs whose logs could not be written, one pause at a time.
    let mut later: Vec<(u64, Waiting)> = Vec::new();
    loop {
        let most = inner.live.project().config.serve.limits.runs();
        while tasks.len() < most
            && let Some((place, waiting)) = { inner.queue().take() }
        {
            let handle = tasks.spawn(one::carry_out(Arc::clone(inner), waiting.clone(), stop.clone()));
            running.insert(handle.id(), (place, waiting));
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = inner.wake.notified() => {}
            () = inner.clock.sleep(LOOK), if inner.queue().has_held() => inner.queue().look_again(),
            () = inner.clock.sleep(PAUSE), if !later.is_empty() => {
                for (place, waiting) in later.drain(..) {
                    inner.queue().put_back(place, waiting);
                }
            }
            Some(ended) = tasks.join_next_with_id() => {
                let (id, became) = match ended {
                    Ok(ended) => ended,
                    Err(error) => {
                        tracing::error!(%error, "a run came to an unexpected end");
                        (error.id(), Became::Unwritten)
                    }
                };
                let Some((place, waiting)) = running.remove(&id) else { continue };
                match became {
                    Became::Over | Became::Left => inner.queue().done(&waiting),
                    Became::Held => inner.queue().put_back(place, waiting),
                    Became::Unwritten => {
                        inner.at_work().remove(&waiting.run);
                        later.push((place, waiting));
                    }
                }
            }
        }
    }
    // Nothing begins any more; what is at work keeps what is whole, and is gone on with later.
    inner.at_work().values().for_each(frazil_engine::scheduler::Cancel::leave);
    while tasks.join_next().await.is_some() {}
}

/// Forgets finished runs beyond what is kept.
async fn forget(inner: &Arc<Inner>, stop: &CancellationToken) {
    loop {
        let keep = inner.live.project().config.history;
        match prune(&*inner.store, keep, inner.clock.now()).await {
            Ok(gone) => tracing::debug!(runs = gone.len(), "forgot old runs"),
            Err(error) => tracing::error!(%error, "old runs cannot be forgotten"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = inner.clock.sleep(FORGET) => {}
        }
    }
}

/// Notices what other processes end of what waits here, so that who listens is told before its turn.
async fn heed(inner: &Arc<Inner>, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = inner.clock.sleep(HEED) => {}
        }
        if let Err(error) = inner.heed().await {
            tracing::warn!(%error, "it cannot be looked what waits still");
        }
    }
}
