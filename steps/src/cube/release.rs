//! Another version of a dataset: settled on a branch of its own, while everyone reads `main`.
//!
//! The branch begins at the head of `main`, and its first commit takes out all that stands there, so
//! that a release may have another grid and other variables. `main` moves to it at once, when it holds
//! all that was asked for and all that `main` holds.

mod transplant;

use std::sync::Arc;

use frazil_engine::{
    context::{Context, Scope},
    data::{PeriodRange, Release, SnapshotId},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use icechunk::{Repository, repository::RepositoryErrorKind};

use super::{
    Cube, fault, kept, lock,
    repo::{self, MAIN, Place},
    time::TimeIndex,
};

/// What the names of branches of releases begin with.
const PREFIX: &str = "release-";

/// Tries to move `main` on a store where others commit at the same time.
const TRIES: usize = 20;

/// A dataset as the step that writes it finds it.
#[derive(Debug)]
pub struct Standing {
    /// What everyone reads; none for a dataset that does not exist yet.
    pub main: Option<Arc<Cube>>,
    /// The version that takes its place, where the block says another one than `main` has.
    pub release: Option<UnderWay>,
    /// Branches of releases that are not wanted any more.
    pub abandoned: Vec<String>,
}

/// A release that is due or under way.
#[derive(Debug)]
pub struct UnderWay {
    /// The version.
    pub version: String,
    /// Its branch.
    pub branch: String,
    /// What stands there; none before its first commit.
    pub cube: Option<Arc<Cube>>,
}

impl UnderWay {
    /// Periods that stand on its branch.
    #[must_use]
    pub fn done(&self) -> usize {
        self.cube.as_ref().map_or(0, |cube| cube.axis.len())
    }

    /// Periods that it was asked to hold; none before its first commit.
    #[must_use]
    pub fn asked(&self) -> Option<usize> {
        self.cube.as_ref()?.provenance.release.as_ref().map(|state| state.range.len())
    }
}

/// As `release 3.0: 412 of 900 periods on branch release-3.0`.
impl std::fmt::Display for UnderWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { version, branch, .. } = self;
        match self.asked() {
            Some(asked) => {
                write!(f, "release {version}: {} of {asked} periods on branch {branch}", self.done())
            }
            None => write!(f, "release {version}: not begun"),
        }
    }
}

impl Standing {
    /// Looks at `main` and, where the block says another version, at the branch of its release.
    ///
    /// # Errors
    /// When the store cannot be read, or holds something that is no cube of this dataset.
    pub async fn of(info: &DatasetInfo, scope: &Scope) -> Result<Self, StepError> {
        let main = kept::open(info, scope).await?;
        let mut standing = Self { main, release: None, abandoned: Vec::new() };
        let Some(main) = standing.main.as_ref().filter(|_| !info.location.read_only) else {
            return Ok(standing);
        };
        let (declared, stored) = (info.block.version.as_ref(), main.provenance.version.as_ref());
        if declared.is_none() && stored.is_none() {
            return Ok(standing);
        }
        let repository = &main.repository;
        standing.abandoned = branches(repository, info, scope).await?;
        if let Some(version) = declared.filter(|declared| Some(*declared) != stored) {
            let branch = branch_of(version);
            let mut cube = None;
            if let Some(at) = standing.abandoned.iter().position(|known| *known == branch) {
                standing.abandoned.remove(at);
                cube = of_branch(repository, &branch, version, info, scope).await?;
            }
            standing.release = Some(UnderWay { version: version.clone(), branch, cube });
        }
        Ok(standing)
    }

    /// What the writer goes on from: the branch of the release where there is one, else `main`.
    #[must_use]
    pub fn cube(&self) -> Option<&Cube> {
        match &self.release {
            Some(release) => release.cube.as_deref(),
            None => self.main.as_deref(),
        }
    }

    /// Whether `main` would move to the release, once it holds these periods too.
    #[must_use]
    pub fn is_whole_with(&self, added: &[PeriodRange], range: PeriodRange) -> bool {
        let axis = self.cube().map(Cube::axis);
        let ends = axis.and_then(|axis| Some(PeriodRange { first: axis.first()?, last: axis.last()? }));
        let all = || ends.into_iter().chain(added.iter().copied());
        let held = all().map(|r| r.first).min().zip(all().map(|r| r.last).max());
        let held = held.map(|(first, last)| PeriodRange { first, last });
        held.is_some_and(|held| self.lacks(held, range).is_empty())
    }

    /// What a release that holds `held` lacks of `range` and of what `main` holds.
    #[must_use]
    pub fn lacks(&self, held: PeriodRange, range: PeriodRange) -> Vec<PeriodRange> {
        let main = self.main.as_deref().map(Cube::axis);
        lacks(held, range, main)
    }
}

fn lacks(held: PeriodRange, range: PeriodRange, main: Option<&TimeIndex>) -> Vec<PeriodRange> {
    let main = main.and_then(|axis| Some((axis.first()?, axis.last()?)));
    let first = main.map_or(range.first, |(first, _)| first.min(range.first));
    let last = main.map_or(range.last, |(_, last)| last.max(range.last));
    let before = PeriodRange { first, last: held.first.plus(-1) };
    let after = PeriodRange { first: held.last.plus(1), last };
    [before, after].into_iter().filter(|range| !range.is_empty()).collect()
}

/// The branch of a version: what a name may not hold is written `_`.
fn branch_of(version: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    format!("{PREFIX}{}", version.chars().map(safe).collect::<String>())
}

/// All branches of releases.
async fn branches(
    repository: &Repository,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Vec<String>, StepError> {
    let listed = repository.list_branches().await;
    let listed =
        listed.map_err(|error| repo::redacted(fault::store(&repo::unreadable(info), &error.kind), scope))?;
    Ok(listed.into_iter().filter(|branch| branch.starts_with(PREFIX)).collect())
}

/// What stands on the branch of a release, from what is kept where that is its head still; none before
/// its first commit.
async fn of_branch(
    repository: &Arc<Repository>,
    branch: &str,
    version: &str,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Option<Arc<Cube>>, StepError> {
    let tip = repo::tip(repository, branch, info, scope).await?;
    if let Some(cube) = kept::known(&place(info, branch))
        .filter(|cube| cube.id == tip && cube.provenance.version.as_deref() == Some(version))
    {
        return Ok(Some(cube));
    }
    let about = repository.lookup_snapshot(&tip).await;
    let about =
        about.map_err(|error| repo::redacted(fault::store(&repo::unreadable(info), &error.kind), scope))?;
    let provenance = super::Provenance::read(&about.metadata);
    // Before its first commit it stands where `main` stood, which is of another version.
    if provenance.release.is_none() || provenance.version.as_deref() != Some(version) {
        return Ok(None);
    }
    Ok(Some(Arc::new(Cube::at(Arc::clone(repository), tip, info, scope).await?)))
}

/// What stands on the branch of the release that a batch is part of.
pub(super) async fn open(
    release: &Release,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Option<Arc<Cube>>, StepError> {
    let Some(main) = kept::open(info, scope).await? else { return Ok(None) };
    let repository = &main.repository;
    if !branches(repository, info, scope).await?.contains(&release.branch) {
        return Ok(None);
    }
    of_branch(repository, &release.branch, &release.version, info, scope).await
}

/// The name under which the head of a branch is kept.
pub(super) fn place(info: &DatasetInfo, branch: &str) -> String {
    if branch == MAIN { info.location.url.clone() } else { format!("{}#{branch}", info.location.url) }
}

/// Where the next commit of a release goes: makes the branch at the head of `main` where there is
/// none, and removes those of releases that are not wanted any more. Under the dataset's lock.
pub(super) async fn begin(
    release: &Release,
    cube: Option<&Cube>,
    repository: &Repository,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<icechunk::format::SnapshotId, StepError> {
    let what = format!("cannot make the branch {} of {}", release.branch, info.location.url);
    let main = repo::tip(repository, MAIN, info, scope).await?;
    let known = branches(repository, info, scope).await?;
    let (own, others): (Vec<_>, Vec<_>) = known.into_iter().partition(|known| *known == release.branch);
    remove(&others, repository, info).await?;
    if let Some(cube) = cube {
        return Ok(cube.id.clone());
    }
    if own.is_empty() {
        repository.create_branch(&release.branch, &main).await.map_err(fault::icechunk(&what))?;
        return Ok(main);
    }
    let tip = repo::tip(repository, &release.branch, info, scope).await?;
    if tip != main {
        let moved = repository.reset_branch(&release.branch, &main, Some(&tip)).await;
        moved.map_err(fault::icechunk(&what))?;
    }
    Ok(main)
}

async fn remove(branches: &[String], repository: &Repository, info: &DatasetInfo) -> Result<(), StepError> {
    for branch in branches {
        let what = format!("cannot remove the branch {branch} of {}", info.location.url);
        repository.delete_branch(branch).await.map_err(fault::icechunk(&what))?;
    }
    Ok(())
}

/// Moves `main` to the release where it is whole, removes branches that are not needed any more, and
/// gives the head of `main`. `exhausted`: its source has no more than stands there.
///
/// # Errors
/// When the store cannot be read or written; `main` is as it was, or whole.
pub async fn settle(
    info: &DatasetInfo,
    exhausted: bool,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    let standing = Standing::of(info, &cx.scope).await?;
    if standing.release.is_none() && standing.abandoned.is_empty() {
        return Ok(standing.main.map(|main| main.id()));
    }
    let place = Place::of(&info.location)?;
    let _held = lock::take(&place, &info.location.url, cx).await?;
    let settled = publish(info, exhausted, &cx.scope).await;
    let head = settled.map_err(|error| repo::redacted(error, &cx.scope))?;
    lock::sync(&place).await?;
    Ok(head)
}

/// The same, under the lock.
pub(super) async fn publish(
    info: &DatasetInfo,
    exhausted: bool,
    scope: &Scope,
) -> Result<Option<SnapshotId>, StepError> {
    for _ in 0..TRIES {
        let standing = Standing::of(info, scope).await?;
        let Some(main) = &standing.main else { return Ok(None) };
        let repository = &main.repository;
        remove(&standing.abandoned, repository, info).await?;
        let Some(UnderWay { branch, cube: Some(cube), .. }) = &standing.release else {
            return Ok(Some(main.id()));
        };
        if !is_whole(cube, main, exhausted) {
            return Ok(Some(main.id()));
        }
        let Some(moved) = advance(cube, main, info).await? else { continue };
        // Whoever dies here leaves a branch that the next one finds abandoned.
        remove(std::slice::from_ref(branch), repository, info).await?;
        return Ok(Some(moved));
    }
    Err(StepError::transient(
        ErrorKind::Store,
        format!("{} is written by others without a pause: `main` could not be moved to its release", info.id),
    ))
}

/// Whether a release holds what it was asked for, and what `main` holds: data never shrinks by
/// accident.
fn is_whole(cube: &Cube, main: &Cube, exhausted: bool) -> bool {
    let Some(state) = &cube.provenance.release else { return false };
    let (Some(first), Some(last)) = (cube.axis.first(), cube.axis.last()) else { return false };
    let mut range = state.range;
    if exhausted {
        range.last = range.last.min(last);
    }
    lacks(PeriodRange { first, last }, range, Some(&main.axis)).is_empty()
}

/// Moves `main` to the release; none where somebody else moved it first.
async fn advance(cube: &Cube, main: &Cube, info: &DatasetInfo) -> Result<Option<SnapshotId>, StepError> {
    let began = cube.provenance.release.as_ref().map(|state| state.from.0.clone());
    if began.as_deref() != Some(main.id.to_string().as_str()) {
        return transplant::onto(cube, main, info).await;
    }
    match main.repository.reset_branch(MAIN, &cube.id, Some(&main.id)).await {
        Ok(()) => Ok(Some(cube.id())),
        Err(error) if matches!(error.kind, RepositoryErrorKind::Conflict { .. }) => Ok(None),
        Err(error) => Err(fault::store(
            &format!("cannot move `main` of {} to its release", info.location.url),
            &error.kind,
        )),
    }
}
