use std::{
    io::{ErrorKind as Io, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use frazil_engine::step::{ErrorKind, StepError};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{Part, Place};
use crate::source_state::FileState;

fn unreadable(place: &Place, error: &std::io::Error) -> StepError {
    StepError::permanent(ErrorKind::Network, format!("cannot read {place}: {error}"))
}

pub(super) async fn part(place: &Place, path: PathBuf, range: Range<u64>) -> Result<Option<Part>, StepError> {
    let failed = |error: std::io::Error| unreadable(place, &error);
    let mut file = match tokio::fs::File::open(&path).await {
        Ok(file) => file,
        Err(error) if error.kind() == Io::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().await.map_err(failed)?;
    if !about.is_file() {
        return Err(StepError::permanent(ErrorKind::Network, format!("{place} is no file")));
    }
    let size = about.len();
    let length = range.end.min(size).saturating_sub(range.start);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.seek(SeekFrom::Start(range.start)).await.map_err(failed)?;
    file.read_exact(&mut bytes).await.map_err(failed)?;
    let tag = about.modified().ok().map(|time| format!("{time:?}"));
    Ok(Some(Part { start: range.start, bytes: bytes.into(), size, tag }))
}

pub(super) async fn exists(place: &Place, path: &Path) -> Result<bool, StepError> {
    tokio::fs::try_exists(path).await.map_err(|error| unreadable(place, &error))
}

pub(super) async fn size(place: &Place, path: &Path) -> Result<Option<u64>, StepError> {
    match tokio::fs::metadata(path).await {
        Ok(about) => Ok(about.is_file().then_some(about.len())),
        Err(error) if error.kind() == Io::NotFound => Ok(None),
        Err(error) => Err(unreadable(place, &error)),
    }
}

pub(super) async fn state(place: &Place, path: &Path) -> Result<Option<FileState>, StepError> {
    match tokio::fs::metadata(path).await {
        Ok(about) => {
            let modified = about.modified().ok().map(|time| DateTime::<Utc>::from(time).to_rfc3339());
            Ok(Some(FileState { etag: None, modified, size: Some(about.len()), snapshot: None }))
        }
        Err(error) if error.kind() == Io::NotFound => Ok(None),
        Err(error) => Err(unreadable(place, &error)),
    }
}

pub(super) async fn copy(place: &Place, path: &Path, to: &Path) -> Result<Option<u64>, StepError> {
    match tokio::fs::copy(path, to).await {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == Io::NotFound => Ok(None),
        Err(error) => Err(unreadable(place, &error)),
    }
}

pub(super) async fn text(place: &Place, path: &Path) -> Result<Option<String>, StepError> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == Io::NotFound => Ok(None),
        Err(error) => Err(unreadable(place, &error)),
    }
}
