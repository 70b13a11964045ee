//! Who is to be told of what: kept until they were, so that a server that was restarted forgets none and
//! tells nobody twice.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{RunStoreError, sqlite};

/// Something that somebody is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about: a run or a dataset.
    pub subject: String,
    /// What happened to it.
    pub occasion: String,
    /// Whom it is for, by a digest of where it goes.
    pub target: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What is sent, without secrets.
    pub content: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next; none once that is over.
    pub next: Option<DateTime<Utc>>,
}

/// The notices in a state folder.
#[derive(Debug, Clone)]
pub struct Notices {
    state: PathBuf,
}

impl Notices {
    /// Those in a state folder; nothing is opened or made yet.
    #[must_use]
    pub fn in_folder(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// Keeps those that are new; a subject is noted for an occasion and a target once. How many were new.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn note(&self, notices: Vec<Notice>) -> Result<usize, RunStoreError> {
        sqlite::notices::note(&self.state, notices).await
    }

    /// Since when a target is told: from the first time that this was asked on, which was at `now` or before.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn since(&self, target: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, RunStoreError> {
        sqlite::notices::since(&self.state, target.to_owned(), now).await
    }

    /// Those that are to be tried, the longest due first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn waiting(&self) -> Result<Vec<Notice>, RunStoreError> {
        sqlite::notices::waiting(&self.state).await
    }

    /// Keeps how often one was tried, and when it is next.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn tried(&self, notice: &Notice) -> Result<(), RunStoreError> {
        sqlite::notices::tried(&self.state, notice.clone()).await
    }

    /// Forgets what was noted of a subject for an occasion: the next time it happens is another.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn over(&self, subject: &str, occasion: &str) -> Result<(), RunStoreError> {
        sqlite::notices::over(&self.state, subject.to_owned(), occasion.to_owned()).await
    }

    /// Forgets those that were settled and lie before an instant.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn forget(&self, before: DateTime<Utc>) -> Result<(), RunStoreError> {
        sqlite::notices::forget(&self.state, before).await
    }
}
