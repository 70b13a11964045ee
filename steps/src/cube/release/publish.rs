//! `main` moves to a release that is whole.

use frazil_engine::{
    context::Context,
    data::{PeriodRange, SnapshotId},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use icechunk::repository::RepositoryErrorKind;

use super::{Standing, UnderWay, Wanted, branch, lacks, marks, transplant};
use crate::cube::{
    Cube, fault, kept, line, lock,
    repo::{self, Place},
};

/// Tries to move `main` on a store where others commit at the same time.
const TRIES: usize = 20;

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
    locked(info, Wanted::Version, exhausted, cx).await
}

/// The same for a derived dataset of which `layout` follows from its sources.
///
/// # Errors
/// When the store cannot be read or written; `main` is as it was, or whole.
pub async fn settle_layout(
    info: &DatasetInfo,
    layout: Option<&str>,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    locked(info, Wanted::Layout(layout), false, cx).await
}

async fn locked(
    info: &DatasetInfo,
    wanted: Wanted<'_>,
    exhausted: bool,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    let place = Place::of(&info.location)?;
    let _held = lock::take(&place, &info.location.url, cx).await?;
    let settled = publish(info, wanted, exhausted, cx).await;
    let head = settled.map_err(|error| repo::redacted(error, &cx.scope))?;
    lock::sync(&place).await?;
    Ok(head)
}

/// The same, under the lock.
pub(in crate::cube) async fn publish(
    info: &DatasetInfo,
    wanted: Wanted<'_>,
    exhausted: bool,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    for _ in 0..TRIES {
        let main = kept::open(info, &cx.scope).await?;
        let standing = Standing::beside(main, wanted, info, &cx.scope).await?;
        let Some(main) = &standing.main else { return Ok(None) };
        let repository = &main.repository;
        branch::remove(&standing.abandoned, repository, info).await?;
        let Some(release @ UnderWay { branch, cube: Some(cube), .. }) = &standing.release else {
            return Ok(Some(main.id()));
        };
        if !is_whole(cube, main, exhausted) {
            return Ok(Some(main.id()));
        }
        if marks::carry(release, cube, main, info, cx).await? {
            continue;
        }
        let Some(moved) = advance(cube, main, info).await? else { continue };
        // Whoever dies here leaves a branch that the next one finds abandoned.
        branch::remove(std::slice::from_ref(branch), repository, info).await?;
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
    // What is derived tells itself whether all of it is of one state of its sources.
    if state.layout.is_some() && cube.provenance.pending.is_some() {
        return false;
    }
    let (Some(first), Some(last)) = (cube.axis.first(), cube.axis.last()) else { return false };
    let held = marks::reach(PeriodRange { first, last }, &main.axis);
    let mut range = state.range;
    if exhausted {
        range.last = range.last.min(last);
    }
    lacks(held, range, Some(&main.axis)).is_empty()
}

/// Moves `main` to the release; none where somebody else moved it first.
async fn advance(cube: &Cube, main: &Cube, info: &DatasetInfo) -> Result<Option<SnapshotId>, StepError> {
    let began = cube.provenance.release.as_ref().map(|state| state.from.0.clone());
    if began.as_deref() != Some(main.id.to_string().as_str()) {
        return transplant::onto(cube, main, info).await;
    }
    // What is audited is published later: until then its branch is what moves.
    line::begin(&main.repository, &main.id, info).await?;
    match main.repository.reset_branch(line::of(info), &cube.id, Some(&main.id)).await {
        Ok(()) => Ok(Some(cube.id())),
        Err(error) if matches!(error.kind, RepositoryErrorKind::Conflict { .. }) => Ok(None),
        Err(error) => Err(fault::store(
            &format!("cannot move `main` of {} to its release", info.location.url),
            &error.kind,
        )),
    }
}
