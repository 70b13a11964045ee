//! The state in one file, and back.

use std::path::Path;

use super::{RunStoreError, sqlite};

/// Copies the run history, tokens and notices of a state folder into a new file, whole, while others write.
/// It can be read by its owner alone, as it holds digests of tokens.
///
/// # Errors
/// When there is nothing, the file is there already, or one of them cannot be read or written.
pub async fn backup(state: &Path, to: &Path) -> Result<(), RunStoreError> {
    sqlite::backup::backup(state, to).await
}

/// Puts what was copied in place of what is in a state folder, or where nothing is. What was there is kept
/// beside, under the name that is given back.
///
/// # Errors
/// When the file is no whole copy, somebody else has the state open, or it cannot be written.
pub async fn restore(from: &Path, state: &Path) -> Result<Option<String>, RunStoreError> {
    sqlite::backup::restore(from, state).await
}

/// Whether the state can be written: something is, and waited for.
///
/// # Errors
/// When it cannot.
pub async fn probe(state: &Path) -> Result<(), RunStoreError> {
    sqlite::backup::probe(state).await
}
