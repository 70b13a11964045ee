use std::{mem, sync::Arc};

use super::{Run, RunError, Services, failpoint};
use crate::{
    context::{Clock, Secrets},
    data::RunId,
    event::{Event, RunEvent, RunState},
    executor::Watch,
    store::RunStore,
};

/// The log of one run while it is written: its state, and events that are not durable yet.
#[derive(Debug)]
pub(super) struct Log {
    run: RunId,
    store: Arc<dyn RunStore>,
    clock: Arc<dyn Clock>,
    secrets: Arc<dyn Secrets>,
    watch: Arc<dyn Watch>,
    state: RunState,
    pending: Vec<RunEvent>,
}

impl Log {
    fn over(run: &Run, services: &Services) -> Self {
        Self {
            run: run.id.clone(),
            store: Arc::clone(&services.store),
            clock: Arc::clone(&services.clock),
            secrets: Arc::clone(&run.scope.secrets),
            watch: Arc::clone(&services.watch),
            state: RunState::default(),
            pending: Vec::new(),
        }
    }

    /// A new log that begins with these events.
    pub(super) async fn create(
        run: &Run,
        services: &Services,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Self, RunError> {
        let mut log = Self::over(run, services);
        for event in events {
            log.note(event)?;
        }
        log.store.create(&log.run, &log.pending).await?;
        log.tell();
        Ok(log)
    }

    /// The log of a run that is there.
    pub(super) async fn load(run: &Run, services: &Services) -> Result<Self, RunError> {
        let mut log = Self::over(run, services);
        log.state = RunState::fold(&log.store.load(&log.run).await?)?;
        Ok(log)
    }

    pub(super) const fn state(&self) -> &RunState {
        &self.state
    }

    pub(super) fn into_state(self) -> RunState {
        self.state
    }

    /// Adds an event to the state. It may be acted on after [`Log::flush`] alone.
    pub(super) fn note(&mut self, event: Event) -> Result<(), RunError> {
        let event = RunEvent::new(self.clock.now(), event.redacted(|text| self.secrets.redact(text)));
        self.state.apply(&event)?;
        self.pending.push(event);
        Ok(())
    }

    /// Makes what was noted durable, all of it or none.
    pub(super) async fn flush(&mut self) -> Result<(), RunError> {
        if !self.pending.is_empty() {
            let durable = self.state.len - self.pending.len();
            self.store.append(&self.run, durable, &self.pending).await?;
            self.tell();
        }
        Ok(())
    }

    /// What was noted is durable.
    fn tell(&mut self) {
        failpoint::durable(&self.pending);
        for event in mem::take(&mut self.pending) {
            self.watch.event(&event, &self.state);
        }
    }
}
