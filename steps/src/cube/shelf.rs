//! Repositories that are asked for snapshots again and again.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use frazil_engine::{context::Scope, data::SnapshotId, dataset::DatasetInfo, step::StepError};
use icechunk::{
    Repository,
    format::{IcechunkFormatErrorKind, SnapshotId as Id, format_constants::SpecVersionBin},
    repository::{RepositoryErrorKind, VersionInfo},
    storage::StorageErrorKind,
};

use super::{
    Keys, fault, is_store, read,
    repo::{self, Place},
};

/// How long a head of a distant store is believed: each look at it is a request.
const BELIEVED: Duration = Duration::from_secs(1);

/// A repository that is open.
#[derive(Debug, Clone)]
pub struct Shelf {
    repository: Arc<Repository>,
    folder: Option<PathBuf>,
    /// The head that was seen last, and by what it can be told that it still is.
    seen: Arc<Mutex<Option<Seen>>>,
}

/// A head as it was seen.
#[derive(Debug)]
struct Seen {
    sign: Sign,
    /// None while there is only the initial snapshot.
    head: Option<SnapshotId>,
}

/// By what a head can be told to be the same still.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sign {
    /// The file that every commit puts another in the place of.
    File { written: SystemTime, length: u64, number: u64 },
    /// It was looked at then.
    At(Instant),
}

impl Shelf {
    /// Opens the repository of a dataset; none where there is provably none, as for a Zarr store made
    /// elsewhere. Looking creates nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(info: &DatasetInfo, scope: &Scope) -> Result<Option<Self>, StepError> {
        if is_store(info) {
            return Ok(None);
        }
        let Some(repository) = repo::open(info, scope).await? else { return Ok(None) };
        let folder = match Place::of(&info.location)? {
            Place::Local(folder) => Some(folder),
            Place::S3 { .. } | Place::Http(_) => None,
        };
        Ok(Some(Self { repository: Arc::new(repository), folder, seen: Arc::default() }))
    }

    /// What everyone reads; none while there is only the initial snapshot. Of a local repository it
    /// costs a look at one file where nothing was committed since; of another the answer may be a
    /// second old.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn head(&self, info: &DatasetInfo, scope: &Scope) -> Result<Option<SnapshotId>, StepError> {
        // Before the head is read: what is committed meanwhile is seen by the next.
        let sign = self.sign().await;
        if let Some(Seen { sign: seen, head }) = &*self.seen.lock().unwrap_or_else(PoisonError::into_inner)
            && match (seen, &sign) {
                (Sign::At(before), Sign::At(now)) => now.duration_since(*before) < BELIEVED,
                (seen, now) => seen == now,
            }
        {
            return Ok(head.clone());
        }
        let head = repo::head(&self.repository, info, scope).await?.map(|id| SnapshotId(id.to_string()));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { sign, head: head.clone() });
        Ok(head)
    }

    async fn sign(&self) -> Sign {
        let now = Sign::At(Instant::now());
        let Some(folder) = &self.folder else { return now };
        // Specification of Icechunk: version 2 has its branches in one file, version 1 a file each.
        let file = match self.repository.spec_version() {
            SpecVersionBin::V1 => folder.join("refs/branch.main/ref.json"),
            _ => folder.join("repo"),
        };
        let looked = tokio::task::spawn_blocking(move || file_sign(&file)).await;
        looked.ok().flatten().unwrap_or(now)
    }

    /// The keys of a snapshot; none where the repository has no such snapshot.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn keys(
        &self,
        id: &SnapshotId,
        info: &DatasetInfo,
        scope: &Scope,
    ) -> Result<Option<Keys>, StepError> {
        let opened = self.load(id, info).await;
        opened.map_err(|error| repo::redacted(error, scope))
    }

    async fn load(&self, id: &SnapshotId, info: &DatasetInfo) -> Result<Option<Keys>, StepError> {
        let what = repo::unreadable(info);
        let Ok(version) = Id::try_from(id.0.as_str()) else { return Ok(None) };
        // A name that was made up is told from one that cannot be read by the list of all.
        if let Err(error) = self.repository.lookup_snapshot(&version).await {
            return match error.kind {
                RepositoryErrorKind::SnapshotNotFound { .. }
                | RepositoryErrorKind::FormatError(IcechunkFormatErrorKind::SnapshotIdNotFound { .. })
                | RepositoryErrorKind::StorageError(StorageErrorKind::ObjectNotFound) => Ok(None),
                kind => Err(fault::store(&what, &kind)),
            };
        }
        let session = self
            .repository
            .readonly_session(&VersionInfo::SnapshotId(version))
            .await
            .map_err(fault::icechunk(&what))?;
        let nodes = read::nodes(&session, &what).await?;
        Ok(Some(Keys::new(session, id.clone(), &nodes, self.folder.clone(), what)))
    }
}

#[cfg(unix)]
fn file_sign(file: &Path) -> Option<Sign> {
    use std::os::unix::fs::MetadataExt;
    let about = std::fs::metadata(file).ok()?;
    Some(Sign::File { written: about.modified().ok()?, length: about.len(), number: about.ino() })
}

#[cfg(not(unix))]
fn file_sign(file: &Path) -> Option<Sign> {
    let about = std::fs::metadata(file).ok()?;
    Some(Sign::File { written: about.modified().ok()?, length: about.len(), number: 0 })
}

/// Whether a text can be the name of a snapshot, of any repository.
#[must_use]
pub fn can_be_snapshot(text: &str) -> bool {
    Id::try_from(text).is_ok_and(|id| id.to_string() == text)
}
