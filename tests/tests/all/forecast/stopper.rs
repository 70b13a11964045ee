//! A run that is told to stop in its middle.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use frazil_engine::{
    event::{Event, RunEvent, RunState},
    executor::Watch,
    scheduler::Cancel,
};

/// Whoever stops a run after so many events.
#[derive(Debug)]
pub(super) struct Stopper {
    left: AtomicUsize,
    cancel: Mutex<Option<Cancel>>,
}

impl Watch for Stopper {
    fn event(&self, event: &RunEvent, _: &RunState) {
        let counts =
            matches!(event.event, Event::Written { .. } | Event::Committed { .. } | Event::Started { .. });
        if counts && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cancel.lock().unwrap().as_ref().unwrap().cancel("the test stops it");
        }
    }
}

impl Stopper {
    pub(super) fn after(events: usize, cancel: Cancel) -> Self {
        Self { left: AtomicUsize::new(events), cancel: Mutex::new(Some(cancel)) }
    }
}
