//! What triggers have seen last, so that a server that was restarted starts nothing twice and loses nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{RunStoreError, sqlite};
use crate::data::PipelineId;

/// What triggers have seen, kept in a state folder: of a line of cron the instant up to which all is
/// settled, of a dataset its head.
#[derive(Debug, Clone)]
pub struct Seen {
    state: PathBuf,
}

impl Seen {
    /// Of a state folder; nothing is opened or made yet.
    #[must_use]
    pub fn in_folder(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// What each trigger has seen, by its pipeline and its name.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn all(&self) -> Result<BTreeMap<(PipelineId, String), String>, RunStoreError> {
        sqlite::seen::all(&self.state).await
    }

    /// Notes what a trigger has seen; durable on return.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn note(&self, pipeline: &PipelineId, trigger: &str, what: &str) -> Result<(), RunStoreError> {
        sqlite::seen::note(&self.state, pipeline.clone(), trigger.to_owned(), what.to_owned()).await
    }

    /// Forgets a trigger that is in no file any more.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn forget(&self, pipeline: &PipelineId, trigger: &str) -> Result<(), RunStoreError> {
        sqlite::seen::forget(&self.state, pipeline.clone(), trigger.to_owned()).await
    }
}
