//! Runs of one pipeline come one after the other: how one has another make room.

use std::{path::Path, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    context::Clock,
    data::{PipelineId, RunId},
    lock::{FileLock, ask_to_stop, asked_to_stop, run_lock},
    pipeline::Overlap,
    step::StepError,
    store::{RunQuery, RunStore},
};

/// How often a run looks whether it is asked to stop, and who waits for it whether it has.
pub const LOOK: Duration = Duration::from_millis(200);

/// What a run does, by what it finds of its pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meets {
    /// Nobody is there: it begins.
    Nobody,
    /// It waits for the others.
    Waits,
    /// It is left out.
    IsLeftOut,
    /// The others are asked to stop, and it waits until they have.
    Replaces,
}

impl Overlap {
    /// What becomes of a run; `busy` says whether another of its pipeline waits or is at work.
    #[must_use]
    pub const fn meets(self, busy: bool) -> Meets {
        match (busy, self) {
            (false, _) => Meets::Nobody,
            (true, Self::Queue) => Meets::Waits,
            (true, Self::Skip) => Meets::IsLeftOut,
            (true, Self::Replace) => Meets::Replaces,
        }
    }
}

/// Asks the runs of a pipeline to stop that are at work, in any process, since before `began`.
///
/// # Errors
/// When the history cannot be read, or the state folder not be written.
pub async fn ask_to_make_room(
    state: &Path,
    store: &dyn RunStore,
    pipeline: &PipelineId,
    began: DateTime<Utc>,
    reason: &str,
) -> Result<(), StepError> {
    let query = RunQuery { pipeline: Some(pipeline.clone()), unfinished: true, opened: true, limit: None };
    for run in store.list(&query).await? {
        if run.accepted < began
            && asked_to_stop(state, &run.run).is_none()
            && FileLock::is_held(&run_lock(state, &run.run))?
        {
            ask_to_stop(state, &run.run, reason)?;
        }
    }
    Ok(())
}

/// Waits until a run is asked to stop, by whatever process, and gives the reason.
pub async fn asked(state: &Path, run: &RunId, clock: &dyn Clock) -> String {
    loop {
        if let Some(reason) = asked_to_stop(state, run) {
            return reason;
        }
        clock.sleep(LOOK).await;
    }
}
