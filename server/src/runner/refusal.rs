use std::time::Duration;

use frazil_engine::{
    data::{PipelineId, RunId},
    event::RunStatus,
    step::{ErrorKind, StepError},
    store::RunStoreError,
};

/// Why a run is not taken on. Nothing of it is in the history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// No pipeline of this name.
    #[error("no pipeline `{0}` here")]
    NoPipeline(PipelineId),
    /// As many wait as may.
    #[error("{limit} runs wait for their turn already, which is as many as may: come again later")]
    Full { limit: usize },
    /// It was asked to be left out while another run of the pipeline is there.
    #[error("another run of `{0}` waits or is at work, so this one is left out")]
    Overlaps(PipelineId),
    /// The key was used for something else.
    #[error("run `{run}` was asked for with the same key, and for something else: use another key")]
    OtherKey { run: RunId },
    /// The history cannot be kept.
    #[error(transparent)]
    Failed(#[from] StepError),
}

impl Refusal {
    /// How long to wait before coming again, where that may help.
    pub(crate) const fn again(&self) -> Option<Duration> {
        match self {
            Self::Full { .. } => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    pub(super) fn fault(error: &dyn std::fmt::Display) -> Self {
        Self::Failed(StepError::permanent(ErrorKind::Internal, error.to_string()))
    }
}

/// Why a run is not told to stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Uncancelled {
    /// No run of this name.
    #[error("no run `{0}` here")]
    NoRun(RunId),
    /// It came to its end.
    #[error("the run is {} already", .0.name())]
    Finished(RunStatus),
    /// It is one of the command line whose process is gone.
    #[error("the process of the run is gone: the next run of its pipeline settles what it had written")]
    Dead,
    /// The history cannot be read, or the state folder not be written.
    #[error(transparent)]
    Failed(#[from] StepError),
}

impl From<RunStoreError> for Uncancelled {
    fn from(error: RunStoreError) -> Self {
        match error {
            RunStoreError::NoRun(run) => Self::NoRun(run),
            error => Self::Failed(error.into()),
        }
    }
}
