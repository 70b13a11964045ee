use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a task did not finish, told by what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum StepError {
    /// It may pass: try again later.
    #[error("{failure}")]
    Transient {
        /// What happened.
        failure: Failure,
        /// How long the other side asked to wait, in milliseconds.
        retry_after: Option<u64>,
    },
    /// Trying again would do the same.
    #[error("{0}")]
    Permanent(Failure),
    /// The run was told to stop.
    #[error("cancelled")]
    Cancelled,
}

/// What happened, in words for the person who runs the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of thing failed: decides the exit code.
    pub kind: ErrorKind,
    /// The period it happened at, where there is one.
    pub period: Option<String>,
    /// What happened: a lowercase fragment that names what differed and where.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// What kind of thing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The data are not what the dataset needs; the store is as it was.
    Data,
    /// The request cannot be done as it is: the store moved, or somebody else is at work.
    Refused,
    /// Somebody else wrote to the dataset meanwhile, so that this work does not fit it any more:
    /// listing it anew and doing it again may.
    Moved,
    /// A store could not be read or written.
    Store,
    /// A source could not be reached or answered with an error.
    Network,
    /// A secret is missing or was not accepted.
    Credentials,
    /// A fault of frazil itself.
    Internal,
}

impl StepError {
    /// An error that trying again does not mend.
    #[must_use]
    pub fn permanent(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Permanent(Failure { kind, period: None, message: message.into(), help: None })
    }

    /// An error that may pass.
    #[must_use]
    pub fn transient(kind: ErrorKind, message: impl Into<String>) -> Self {
        let failure = Failure { kind, period: None, message: message.into(), help: None };
        Self::Transient { failure, retry_after: None }
    }

    /// The same error saying what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(failure) = self.failure_mut() {
            failure.help = Some(help.into());
        }
        self
    }

    /// The same error naming the period it happened at, unless it names one.
    #[must_use]
    pub fn at(mut self, period: impl fmt::Display) -> Self {
        if let Some(failure) = self.failure_mut() {
            failure.period.get_or_insert_with(|| period.to_string());
        }
        self
    }

    /// What used up its retries is not retried again above.
    #[must_use]
    pub fn exhausted(self) -> Self {
        match self {
            Self::Transient { failure, .. } => Self::Permanent(failure),
            other => other,
        }
    }

    /// Whether trying again may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// Whether the work is to be listed anew, as somebody else wrote meanwhile.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        self.failure().is_some_and(|failure| failure.kind == ErrorKind::Moved)
    }

    /// What happened; none when it was cancelled.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Transient { failure, .. } | Self::Permanent(failure) => Some(failure),
            Self::Cancelled => None,
        }
    }

    /// What happened, to be changed; none when it was cancelled.
    pub const fn failure_mut(&mut self) -> Option<&mut Failure> {
        match self {
            Self::Transient { failure, .. } | Self::Permanent(failure) => Some(failure),
            Self::Cancelled => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(period) = &self.period {
            write!(f, "{period}: ")?;
        }
        f.write_str(&self.message)
    }
}
