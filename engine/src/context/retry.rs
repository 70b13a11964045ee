use std::{future::Future, time::Duration};

use rand::Rng;

use super::{Context, Tick};
use crate::{
    project::{Jitter, Retry},
    step::StepError,
};

impl Retry {
    /// The wait after try `attempt` (from 1) failed; `random` is from 0 up to 1.
    #[must_use]
    pub fn wait(&self, attempt: u32, random: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial.to_std().as_secs_f64() * self.factor.max(1.0).powi(exponent);
        let wait = grown.min(self.max.to_std().as_secs_f64());
        Duration::from_secs_f64(match self.jitter {
            Jitter::Full => wait * random,
            Jitter::None => wait,
        })
    }
}

impl Context {
    /// The wait after try `attempt` (from 1) failed with `error`: at least what the other side asked for.
    #[must_use]
    pub fn retry_wait(&self, attempt: u32, error: &StepError) -> Duration {
        let asked = match error {
            StepError::Transient { retry_after: Some(millis), .. } => Duration::from_millis(*millis),
            _ => Duration::ZERO,
        };
        self.retry.wait(attempt, rand::rng().random()).max(asked)
    }

    /// Calls `work` until it succeeds, fails for good, or used up its tries; what used them up is
    /// not transient any more. A wait that the other side asked for is the least that is waited.
    ///
    /// # Errors
    /// The last one, or [`StepError::Cancelled`].
    pub async fn retrying<T, F, Fut>(&self, what: &str, mut work: F) -> Result<T, StepError>
    where
        F: FnMut(u32) -> Fut + Send,
        Fut: Future<Output = Result<T, StepError>> + Send,
        T: Send,
    {
        let mut attempt = 1;
        loop {
            let error = match work(attempt).await {
                Err(error) if error.is_transient() => error,
                other => return other,
            };
            self.heed(&error).await?;
            if attempt >= self.retry.attempts.max(1) {
                return Err(error.exhausted());
            }
            let wait = self.retry_wait(attempt, &error);
            let text = self.scope.secrets.redact(&error.to_string());
            // Whoever watches is told below; the log has it for those who ask for more.
            tracing::info!(what, attempt, wait = ?wait, error = text, "trying again");
            // An error of a file names it already.
            let text = if text.contains(what) { text } else { format!("{what}: {text}") };
            self.progress.tick(Tick::Note(format!("{text}; trying again in {:.1} s", wait.as_secs_f64())));
            self.sleep(wait).await?;
            attempt += 1;
        }
    }
}
