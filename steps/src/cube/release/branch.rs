//! The branches that releases are settled on.

use std::sync::Arc;

use frazil_engine::{context::Scope, data::Release, dataset::DatasetInfo, step::StepError};
use icechunk::Repository;

use super::UnderWay;
use crate::cube::{
    Cube, Provenance, fault, kept, line,
    repo::{self, MAIN},
};

/// What the names of branches of releases begin with.
const PREFIX: &str = "release-";

/// What those of another layout begin with.
const LAYOUT: &str = "release-layout-";

/// The branch of a version or of a layout: what a name may not hold is written `_`.
pub(super) fn name(version: &str, layout: Option<&str>) -> String {
    if let Some(layout) = layout {
        return format!("{LAYOUT}{layout}");
    }
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    format!("{PREFIX}{}", version.chars().map(safe).collect::<String>())
}

/// All branches of releases.
pub(super) async fn all(
    repository: &Repository,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Vec<String>, StepError> {
    let listed = repository.list_branches().await;
    let listed =
        listed.map_err(|error| repo::redacted(fault::store(&repo::unreadable(info), &error.kind), scope))?;
    Ok(listed.into_iter().filter(|branch| branch.starts_with(PREFIX)).collect())
}

/// The branches of a dataset, for tests.
#[cfg(test)]
pub(crate) async fn names(info: &DatasetInfo, scope: &Scope) -> Vec<String> {
    let Ok(Some(repository)) = repo::open(info, scope).await else { return Vec::new() };
    repository.list_branches().await.map(|names| names.into_iter().collect()).unwrap_or_default()
}

/// What stands on the branch of the release of this version or layout, from what is kept where that is
/// its head still; none before its first commit.
pub(super) async fn contents(
    repository: &Arc<Repository>,
    branch: &str,
    key: (&str, Option<&str>),
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Option<Arc<Cube>>, StepError> {
    let tip = repo::tip(repository, branch, info, scope).await?;
    let kept = kept::known(&place(info, branch));
    if let Some(cube) = kept.filter(|cube| cube.id == tip && is_of(&cube.provenance, key)) {
        return Ok(Some(cube));
    }
    let about = repository.lookup_snapshot(&tip).await;
    let about =
        about.map_err(|error| repo::redacted(fault::store(&repo::unreadable(info), &error.kind), scope))?;
    // Before its first commit it stands where `main` stood, which is of another one.
    if !is_of(&Provenance::read(&about.metadata), key) {
        return Ok(None);
    }
    Ok(Some(Arc::new(Cube::at(Arc::clone(repository), tip, info, scope).await?)))
}

/// Whether a commit is one of the release of this version or layout.
fn is_of(provenance: &Provenance, (version, layout): (&str, Option<&str>)) -> bool {
    let Some(state) = &provenance.release else { return false };
    state.layout.as_deref() == layout && (layout.is_some() || provenance.version.as_deref() == Some(version))
}

/// The release of another layout that is under way, whichever it is.
pub(super) async fn laid_out(
    repository: &Arc<Repository>,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Option<UnderWay>, StepError> {
    for branch in all(repository, info, scope).await? {
        let Some(layout) = branch.strip_prefix(LAYOUT).map(str::to_owned) else { continue };
        if let Some(cube) = contents(repository, &branch, ("", Some(&layout)), info, scope).await? {
            let version = cube.provenance.version.clone().unwrap_or_default();
            return Ok(Some(UnderWay { version, layout: Some(layout), branch, cube: Some(cube) }));
        }
    }
    Ok(None)
}

/// What stands on the branch of the release that a batch is part of.
pub(in crate::cube) async fn open(
    release: &Release,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Option<Arc<Cube>>, StepError> {
    let Some(main) = kept::open(info, scope).await? else { return Ok(None) };
    let repository = &main.repository;
    if !all(repository, info, scope).await?.contains(&release.branch) {
        return Ok(None);
    }
    let key = (release.version.as_str(), release.layout.as_deref());
    contents(repository, &release.branch, key, info, scope).await
}

/// The name under which the head of a branch is kept.
pub(in crate::cube) fn place(info: &DatasetInfo, branch: &str) -> String {
    if branch == MAIN { info.location.url.clone() } else { format!("{}#{branch}", info.location.url) }
}

/// Where the next commit of a release goes: makes the branch at the head of `main` where there is
/// none, and removes those of releases that are not wanted any more. Under the dataset's lock.
pub(in crate::cube) async fn begin(
    release: &Release,
    cube: Option<&Cube>,
    repository: &Repository,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<icechunk::format::SnapshotId, StepError> {
    let what = format!("cannot make the branch {} of {}", release.branch, info.location.url);
    let main = Box::pin(line::tip(repository, info, scope)).await?;
    let known = all(repository, info, scope).await?;
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

pub(super) async fn remove(
    branches: &[String],
    repository: &Repository,
    info: &DatasetInfo,
) -> Result<(), StepError> {
    for branch in branches {
        let what = format!("cannot remove the branch {branch} of {}", info.location.url);
        repository.delete_branch(branch).await.map_err(fault::icechunk(&what))?;
    }
    Ok(())
}
