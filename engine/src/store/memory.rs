use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{RunQuery, RunStore, RunStoreError, RunSummary, key_of, opened_at};
use crate::{
    data::RunId,
    event::{Event, RunEvent},
};

/// Run logs that last as long as the process: for tests.
#[derive(Debug, Default)]
pub struct MemoryStore {
    runs: Mutex<BTreeMap<RunId, Vec<RunEvent>>>,
}

impl MemoryStore {
    /// No runs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunId, Vec<RunEvent>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn summary(run: &RunId, events: &[RunEvent]) -> Option<RunSummary> {
    let first = events.first()?;
    let Event::Accepted(accepted) = &first.event else { return None };
    let finished = events.last().and_then(|event| match event.event {
        Event::Finished { status } => Some((status, event.at)),
        _ => None,
    });
    Some(RunSummary {
        run: run.clone(),
        pipeline: accepted.pipeline.clone(),
        instant: accepted.instant,
        accepted: first.at,
        started: opened_at(events),
        finished,
        events: events.len(),
    })
}

#[async_trait]
impl RunStore for MemoryStore {
    async fn create(&self, run: &RunId, events: &[RunEvent]) -> Result<(), RunStoreError> {
        let mut runs = self.runs();
        if runs.contains_key(run) {
            return Err(RunStoreError::Exists(run.clone()));
        }
        summary(run, events).ok_or(RunStoreError::NotAccepted)?;
        if let Some(key) = key_of(events)
            && let Some((other, _)) = runs.iter().find(|(_, events)| key_of(events) == Some(key))
        {
            return Err(RunStoreError::Asked(other.clone()));
        }
        runs.insert(run.clone(), events.to_vec());
        Ok(())
    }

    async fn append(&self, run: &RunId, after: usize, events: &[RunEvent]) -> Result<(), RunStoreError> {
        let mut runs = self.runs();
        let log = runs.get_mut(run).ok_or_else(|| RunStoreError::NoRun(run.clone()))?;
        if log.len() != after {
            return Err(RunStoreError::Moved { run: run.clone(), expected: after, found: log.len() });
        }
        log.extend_from_slice(events);
        Ok(())
    }

    async fn load(&self, run: &RunId) -> Result<Vec<RunEvent>, RunStoreError> {
        self.runs().get(run).cloned().ok_or_else(|| RunStoreError::NoRun(run.clone()))
    }

    async fn list(&self, query: &RunQuery) -> Result<Vec<RunSummary>, RunStoreError> {
        let mut found: Vec<_> = self
            .runs()
            .iter()
            .filter_map(|(run, events)| summary(run, events))
            .filter(|run| query.pipeline.as_ref().is_none_or(|id| *id == run.pipeline))
            .filter(|run| !query.unfinished || run.finished.is_none())
            .filter(|run| !query.opened || run.events > 1)
            .collect();
        found.sort_by(|a, b| (b.accepted, &b.run).cmp(&(a.accepted, &a.run)));
        found.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn remove(&self, run: &RunId) -> Result<(), RunStoreError> {
        self.runs().remove(run).map(|_| ()).ok_or_else(|| RunStoreError::NoRun(run.clone()))
    }
}
