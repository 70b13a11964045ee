use std::path::Path;

use super::{RunStore, RunSummary};
use crate::{
    event::{Event, RunEvent},
    lock::{FileLock, run_lock},
    step::StepError,
};

/// How a run is, in the word that people read. One that is not finished is running as long as its process
/// holds its lock in the state folder. One that no process took yet is queued, and so is one that a server
/// is to go on with.
///
/// # Errors
/// When the log or the lock cannot be looked at.
pub async fn word(state: &Path, store: &dyn RunStore, run: &RunSummary) -> Result<&'static str, StepError> {
    if let Some((status, _)) = run.finished {
        return Ok(status.name());
    }
    if !run.is_queued() && FileLock::is_held(&run_lock(state, &run.run))? {
        return Ok("running");
    }
    let served =
        |event: &RunEvent| matches!(&event.event, Event::Accepted(it) if it.origin.cause.is_served());
    let is_served = run.is_queued() || store.load(&run.run).await?.first().is_some_and(served);
    Ok(if is_served { "queued" } else { "dead" })
}
