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

/// How coarsely a disk of this machine tells times, and more: two files of which the second took the
/// first one's number, in one stroke of its clock, look the same.
const GRAIN: Duration = Duration::from_millis(100);

/// The same of any other: whole seconds.
const FAR_GRAIN: Duration = Duration::from_secs(2);

/// A repository that is open.
#[derive(Debug, Clone)]
pub struct Shelf {
    repository: Arc<Repository>,
    folder: Option<Folder>,
    /// The head that was seen last.
    seen: Arc<Mutex<Option<Seen>>>,
    /// One reads the head at a time.
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// A repository in a folder.
#[derive(Debug, Clone)]
struct Folder {
    path: PathBuf,
    /// Whether it lies on a disk of this machine.
    is_here: bool,
}

/// A head as it was seen.
#[derive(Debug)]
struct Seen {
    /// Where one file names it: that file, before it was read.
    sign: Option<Sign>,
    /// When the look began.
    at: Instant,
    /// None while there is only the initial snapshot.
    head: Option<SnapshotId>,
}

/// A file that every commit puts another in the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sign {
    changed: SystemTime,
    length: u64,
    number: u64,
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
            Place::Local(path) => Some(Folder { is_here: is_here(&path), path }),
            Place::S3 { .. } | Place::Http(_) => None,
        };
        let repository = Arc::new(repository);
        Ok(Some(Self { repository, folder, seen: Arc::default(), reading: Arc::default() }))
    }

    /// What everyone reads; none while there is only the initial snapshot. Every commit that had
    /// returned when this was called is seen, whoever made it; of a store that is not a folder, every
    /// one that had returned `age` before. In a folder it costs a look at one file where nothing was
    /// committed since; elsewhere a request, which all who ask meanwhile share.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn head(
        &self,
        info: &DatasetInfo,
        scope: &Scope,
        age: Duration,
    ) -> Result<Option<SnapshotId>, StepError> {
        let asked = Instant::now();
        if let Some(head) = self.known(self.sign().await, asked, age) {
            return Ok(head);
        }
        // Who comes while somebody reads cannot take what that one finds, which may be older than the
        // question; but what the next one finds, all who wait by then can.
        let _one = self.reading.lock().await;
        // Before the head is read: what is committed meanwhile is seen by the next.
        let (at, sign) = (Instant::now(), self.sign().await);
        if let Some(head) = self.known(sign, asked, age) {
            return Ok(head);
        }
        let head = repo::head(&self.repository, info, scope).await?.map(|id| SnapshotId(id.to_string()));
        let seen = Seen { sign, at, head: head.clone() };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(head)
    }

    /// The head that was seen last, if it answers a question of that moment.
    #[expect(clippy::option_option, reason = "a head may be known to be none")]
    fn known(&self, sign: Option<Sign>, asked: Instant, age: Duration) -> Option<Option<SnapshotId>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.as_ref()?;
        let is_same = sign.is_some() && seen.sign == sign;
        let is_young = self.folder.is_none() && seen.at + age >= asked;
        (is_same || is_young || seen.at >= asked).then(|| seen.head.clone())
    }

    async fn sign(&self) -> Option<Sign> {
        let Folder { path, is_here } = self.folder.as_ref()?;
        // Specification of Icechunk: version 2 has its branches in one file, version 1 a file each.
        let file = path.join(match self.repository.spec_version() {
            SpecVersionBin::V1 => "refs/branch.main/ref.json",
            _ => "repo",
        });
        if *is_here {
            // What the system has in memory is told in a microsecond; to hand it to another thread
            // takes ten, at every chunk that is served. A disk of this machine answers or is broken.
            return sign_of(std::fs::metadata(&file).ok()?, GRAIN);
        }
        // A file system over a network believes for seconds what it knows of a file, unless it is opened.
        let look = move || sign_of(std::fs::File::open(&file).ok()?.metadata().ok()?, FAR_GRAIN);
        tokio::task::spawn_blocking(look).await.ok().flatten()
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
        let folder = self.folder.as_ref().map(|folder| folder.path.clone());
        Ok(Some(Keys::new(session, id.clone(), &nodes, folder, what)))
    }
}

/// What tells a file from others in its place; none for one so young that another may look the same.
fn sign_of(about: std::fs::Metadata, grain: Duration) -> Option<Sign> {
    let (changed, number) = told(&about)?;
    (changed.elapsed().ok()? > grain).then_some(Sign { changed, length: about.len(), number })
}

/// When a file was changed, by the clock of its disk, which no program can set as it likes, and its number.
#[cfg(unix)]
fn told(about: &std::fs::Metadata) -> Option<(SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    let (seconds, rest) = (about.ctime().try_into().ok()?, about.ctime_nsec().try_into().ok()?);
    Some((SystemTime::UNIX_EPOCH + Duration::new(seconds, rest), about.ino()))
}

#[cfg(not(unix))]
fn told(about: &std::fs::Metadata) -> Option<(SystemTime, u64)> {
    Some((about.modified().ok()?, 0))
}

/// Whether a folder lies on a disk of this machine, by the kinds of file systems that are known to.
#[cfg(target_os = "linux")]
fn is_here(folder: &Path) -> bool {
    // ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, tmpfs, and layers over those: linux/magic.h.
    const KINDS: [i64; 8] =
        [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x2FC1_2FC1, 0xCA45_1A4E, 0x0102_1994, 0x794C_7630];
    rustix::fs::statfs(folder).is_ok_and(|about| KINDS.contains(&about.f_type))
}

#[cfg(not(target_os = "linux"))]
fn is_here(_: &Path) -> bool {
    false
}

/// Whether a text can be the name of a snapshot, of any repository.
#[must_use]
pub fn can_be_snapshot(text: &str) -> bool {
    Id::try_from(text).is_ok_and(|id| id.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_place_of_another_is_told_apart_and_a_young_one_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("repo");
        let write = |text: &str| {
            let new = folder.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, &file).unwrap();
        };
        let sign = |grain| sign_of(std::fs::metadata(&file).unwrap(), grain);
        write("one");
        let one = sign(Duration::ZERO).unwrap();
        assert_eq!(sign(Duration::ZERO), Some(one));
        assert_eq!(sign(Duration::from_secs(3_600)), None);
        write("two");
        assert_ne!(sign(Duration::ZERO), Some(one));
    }
}
