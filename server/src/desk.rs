//! What is done about runs that ended and datasets that fall behind: numbers, traces, notices.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use frazil_engine::{
    data::RunId,
    dataset::Due,
    event::{Event, RunEvent, RunStatus},
    project::NotifyWhen,
    step::StepError,
    store::{RunQuery, RunSummary},
};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    notify::{follows_failure, is_failure},
    standing::Stored,
};

/// Changes are gathered for so long, so that many runs cost one look.
const GATHER: Duration = Duration::from_millis(500);

/// How often it is looked at how datasets stand, and for runs of other processes.
const LOOK: Duration = Duration::from_secs(60);

/// Runs that are looked at besides those that told of themselves.
const NEWEST: usize = 200;

/// What ended longer ago is nobody's news, after whatever downtime.
const NEWS: TimeDelta = TimeDelta::days(7);

/// Runs that are known to be done with. More than are looked at.
const KNOWN: usize = 4 * NEWEST;

/// Sits and watches until `stop`, and looks once more then.
pub(crate) async fn watch(app: Arc<App>, stop: CancellationToken) {
    let mut desk = Desk { began: Utc::now(), known: BTreeSet::new(), app };
    let mut changes = desk.app.runner.changes();
    let mut changed: HashSet<RunId> = HashSet::new();
    let mut standing = tokio::time::interval(LOOK);
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            _ = standing.tick() => {
                desk.datasets().await;
                false
            }
            change = changes.recv() => {
                match change {
                    Ok(change) => { changed.insert(change.run.clone()); }
                    // Those that were missed are among the newest.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(GATHER) => {}
                }
                while let Ok(change) = changes.try_recv() {
                    changed.insert(change.run.clone());
                }
                false
            }
        };
        if let Err(error) = desk.runs(std::mem::take(&mut changed)).await {
            tracing::error!(%error, "what became of runs cannot be told");
        }
        if stopping {
            return;
        }
    }
}

/// What is known of what was done already.
struct Desk {
    app: Arc<App>,
    /// When this server began: what ended before was counted by another.
    began: DateTime<Utc>,
    /// Runs that are done with.
    known: BTreeSet<(DateTime<Utc>, RunId)>,
}

impl Desk {
    /// Does what is to be done of runs that ended.
    async fn runs(&mut self, changed: HashSet<RunId>) -> Result<(), StepError> {
        let store = Arc::clone(self.app.runner.store());
        let newest = RunQuery { limit: Some(NEWEST + changed.len()), ..RunQuery::default() };
        let oldest = Utc::now() - NEWS;
        // The oldest first, as who is told reads it.
        for run in store.list(&newest).await?.into_iter().rev() {
            let Some((status, at)) = run.finished.filter(|(_, at)| *at > oldest) else { continue };
            let name = (at, run.run.clone());
            if self.known.contains(&name) {
                continue;
            }
            let events = store.load(&run.run).await?;
            if at >= self.began {
                self.count(&run, status, at, &events);
                self.app.traces.run(&run.run, &events);
            }
            self.tell(&run, status, &events).await?;
            self.known.insert(name);
        }
        while self.known.len() > KNOWN.max(NEWEST + changed.len()) {
            self.known.pop_first();
        }
        Ok(())
    }

    fn count(&self, run: &RunSummary, status: RunStatus, at: DateTime<Utc>, events: &[RunEvent]) {
        let metrics = &self.app.metrics;
        let took = (at - run.accepted).to_std().unwrap_or_default();
        metrics.ended(&run.pipeline, status, took.as_secs_f64());
        let mut retries = 0;
        for event in events {
            match &event.event {
                Event::Retrying { .. } => retries += 1,
                Event::Ended { spent, .. } => {
                    spent.values().for_each(|spent| metrics.spent(&run.pipeline, spent));
                }
                _ => {}
            }
        }
        metrics.retried(&run.pipeline, retries);
    }

    async fn tell(&self, run: &RunSummary, status: RunStatus, events: &[RunEvent]) -> Result<(), StepError> {
        let notifier = &self.app.notifier;
        if !notifier.is_on() {
            return Ok(());
        }
        if is_failure(status) {
            notifier.run(NotifyWhen::Failed, run, events).await?;
        } else if status == RunStatus::Successful {
            let query =
                RunQuery { pipeline: Some(run.pipeline.clone()), limit: Some(NEWEST), ..RunQuery::default() };
            if follows_failure(run, &self.app.runner.store().list(&query).await?) {
                notifier.run(NotifyWhen::Recovered, run, events).await?;
            }
        }
        Ok(())
    }

    /// Looks at how datasets stand. One that cannot be read says nothing, and hinders no other.
    async fn datasets(&self) {
        let (project, scope, now) = (self.app.project(), self.app.scope(), Utc::now());
        self.app.metrics.unknown();
        for info in project.datasets.values() {
            let newest = match Stored::look(info, &scope).await {
                Ok(stored) => stored.newest,
                Err(error) => {
                    tracing::warn!(dataset = %info.id, %error, "a dataset cannot be looked at");
                    continue;
                }
            };
            let Some(due) = Due::of(info, &project.datasets, newest, now) else { continue };
            let behind = due.since.map_or(0, |since| (now - since).num_seconds().max(0));
            self.app.metrics.stands(&info.id, behind, due.late);
            if self.app.notifier.is_on()
                && let Err(error) = self.app.notifier.dataset(info, &due, now).await
            {
                tracing::error!(dataset = %info.id, %error, "a notice cannot be kept");
            }
        }
        if let Err(error) = self.app.notifier.forget(now).await {
            tracing::error!(%error, "old notices cannot be forgotten");
        }
    }
}

#[cfg(test)]
mod tests;
