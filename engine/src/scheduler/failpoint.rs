//! Death on demand, for tests of what survives it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::event::RunEvent;

/// Names a kind of event, such as `written`, and where it is not the first of them that matters,
/// its number: `written:2`. The process aborts right after that event is durable in a run log, or a
/// step has reached the point of that name: nothing is unwound, flushed or settled. Looked at by
/// builds with debug assertions alone.
const ABORT_AFTER: &str = "FRAZIL_ABORT_AFTER";

/// Called when `events` are durable and nobody has acted on them yet.
pub(super) fn durable(events: &[RunEvent]) {
    for event in events {
        reached(event.event.name());
    }
}

/// Called where a step has done something that lasts, such as a commit, and nothing has followed yet.
pub fn reached(point: &str) {
    static PASSED: AtomicUsize = AtomicUsize::new(0);
    if !cfg!(debug_assertions) {
        return;
    }
    let Ok(wanted) = std::env::var(ABORT_AFTER) else { return };
    let (kind, number) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if kind != point {
        return;
    }
    let passed = PASSED.fetch_add(1, Ordering::Relaxed) + 1;
    if number.parse().is_ok_and(|number: usize| number <= passed) {
        std::process::abort();
    }
}
