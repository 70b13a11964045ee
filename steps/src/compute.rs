//! Work for the processor, away from the threads that wait for files and sockets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use frazil_engine::step::{ErrorKind, StepError};
use tokio::sync::oneshot;

/// A computation that panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} broke off")]
pub(crate) struct BrokeOff(&'static str);

impl From<BrokeOff> for StepError {
    fn from(broke_off: BrokeOff) -> Self {
        Self::permanent(ErrorKind::Internal, broke_off.to_string())
    }
}

/// Does `work` on one of as many threads as there are cores: more at a time would not end earlier,
/// and would hold more memory. `what` is what it does, for people. What was begun ends, whether
/// or not somebody still waits for it; it must not wait for anything itself.
///
/// # Errors
/// When it panics.
pub(crate) async fn compute<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BrokeOff> {
    let (done, is_done) = oneshot::channel();
    rayon::spawn(move || {
        // Without a catch the whole process would end.
        if let Ok(result) = catch_unwind(AssertUnwindSafe(work))
            && done.send(result).is_err()
        {
            tracing::trace!(what, "nobody waits for it any more");
        }
    });
    is_done.await.map_err(|_| BrokeOff(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_the_next_goes_on() {
        let broken: Result<u8, _> = compute("a test", || panic!("as it should")).await;
        assert_eq!(broken, Err(BrokeOff("a test")));
        assert_eq!(compute("a test", || 7).await, Ok(7));
    }
}
