//! Death on demand, for tests of what survives it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::event::RunEvent;

/// Names a kind of event, such as `written`, and where it is not the first of them that matters,
/// its number: `written:2`. The process aborts right after that event is durable in a run log:
/// nothing is unwound, flushed or settled. Looked at by builds with debug assertions alone.
const ABORT_AFTER: &str = "FRAZIL_ABORT_AFTER";

/// Called when `events` are durable and nobody has acted on them yet.
pub(super) fn durable(events: &[RunEvent]) {
    static PASSED: AtomicUsize = AtomicUsize::new(0);
    if !cfg!(debug_assertions) {
        return;
    }
    let Ok(wanted) = std::env::var(ABORT_AFTER) else { return };
    let (kind, number) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    let found = events.iter().filter(|event| event.event.name() == kind).count();
    let passed = PASSED.fetch_add(found, Ordering::Relaxed) + found;
    if found > 0 && number.parse().is_ok_and(|number: usize| number <= passed) {
        std::process::abort();
    }
}
