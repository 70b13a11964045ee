//! The branch that a dataset is written on: `main`, or `audit` while what is written is looked at before
//! anyone reads it.

use frazil_engine::{
    context::Scope,
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use futures::{StreamExt, TryStreamExt};
use icechunk::{Repository, format::SnapshotId as Id, repository::VersionInfo};

use super::{
    fault,
    repo::{self, MAIN},
};

/// The branch of what is audited.
pub(super) const AUDIT: &str = "audit";

/// The branch that writers of a dataset work on.
pub(super) const fn of(info: &DatasetInfo) -> &'static str {
    if info.block.audit { AUDIT } else { MAIN }
}

/// How the branch of what is audited stands to `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// It is not there, or holds nothing that `main` does not.
    Even,
    /// It goes on from `main`, up to here.
    Ahead(Id),
    /// Somebody else moved `main` since it began: this is where it ends.
    Apart(Id),
}

/// Looks at both branches.
pub(super) async fn look(repository: &Repository, main: &Id, info: &DatasetInfo) -> Result<Line, StepError> {
    let what = repo::unreadable(info);
    let branches = repository.list_branches().await.map_err(fault::icechunk(&what))?;
    if !branches.contains(AUDIT) {
        return Ok(Line::Even);
    }
    let audit = repository.lookup_branch(AUDIT).await.map_err(fault::icechunk(&what))?;
    if audit == *main || descends(repository, main, &audit, &what).await? {
        return Ok(Line::Even);
    }
    Ok(match descends(repository, &audit, main, &what).await? {
        true => Line::Ahead(audit),
        false => Line::Apart(audit),
    })
}

/// Whether `ancestor` comes before `id`, or is it.
pub(super) async fn descends(
    repository: &Repository,
    id: &Id,
    ancestor: &Id,
    what: &str,
) -> Result<bool, StepError> {
    let ancestry = repository.ancestry(&VersionInfo::SnapshotId(id.clone())).await;
    let mut ancestry = ancestry.map_err(fault::icechunk(what))?.boxed();
    while let Some(commit) = ancestry.try_next().await.map_err(fault::icechunk(what))? {
        if commit.id == *ancestor {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where writers go on: the end of their branch.
pub(super) async fn tip(repository: &Repository, info: &DatasetInfo, scope: &Scope) -> Result<Id, StepError> {
    let main = repo::tip(repository, MAIN, info, scope).await?;
    if !info.block.audit {
        return Ok(main);
    }
    // On the heap: what waits for it is deep enough.
    match Box::pin(look(repository, &main, info)).await? {
        Line::Even => Ok(main),
        Line::Ahead(tip) => Ok(tip),
        Line::Apart(_) => Err(apart(info)),
    }
}

/// The same; none while there is only the initial snapshot.
pub(super) async fn head(
    repository: &Repository,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Option<Id>, StepError> {
    let id = Box::pin(tip(repository, info, scope)).await?;
    Ok((id != icechunk::format::snapshot::Snapshot::INITIAL_SNAPSHOT_ID).then_some(id))
}

/// Sees to it that the branch of writers is there and ends at `tip`. Under the dataset's lock.
pub(super) async fn begin(repository: &Repository, tip: &Id, info: &DatasetInfo) -> Result<(), StepError> {
    if !info.block.audit {
        return Ok(());
    }
    let what = format!("cannot make the branch {AUDIT} of {}", info.location.url);
    let branches = repository.list_branches().await.map_err(fault::icechunk(&what))?;
    if !branches.contains(AUDIT) {
        return repository.create_branch(AUDIT, tip).await.map_err(fault::icechunk(&what));
    }
    let found = repository.lookup_branch(AUDIT).await.map_err(fault::icechunk(&what))?;
    if found == *tip {
        return Ok(());
    }
    // It was left behind: everything on it is on `main`.
    repository.reset_branch(AUDIT, tip, Some(&found)).await.map_err(fault::icechunk(&what))
}

pub(super) fn apart(info: &DatasetInfo) -> StepError {
    let message =
        format!("branch `{AUDIT}` of {} does not follow `main`, which somebody else moved", info.id);
    StepError::permanent(ErrorKind::Refused, message).help(format!(
        "`frazil audit {0}` shows what stands there; `frazil audit {0} --drop` lets go of it, and the next run does it on the new `main`",
        info.id
    ))
}
