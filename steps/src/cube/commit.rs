use std::collections::BTreeMap;

use frazil_engine::{
    context::Context,
    data::{DatasetId, Release, Snapshot, SnapshotId},
    dataset::DatasetInfo,
    step::{Ended, ErrorKind, StepError, Written},
};

use super::{
    Cube, FileState, Pending, SourceState,
    attempt::{Attempt, Done},
    kept, lock,
    mark::MarkNote,
    release,
    repo::{self, Place},
    rewrite, selftest,
    settle::{self, Taken},
    write::writable,
};

/// Tries of a commit on a store where others commit at the same time.
const TRIES: usize = 20;

/// What a commit records besides the periods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitNotes {
    /// What was read of each source dataset; those not named are carried forward.
    pub sources: BTreeMap<DatasetId, SourceState>,
    /// Work on newer source snapshots that is done in part; `sources` then keeps the older one.
    pub pending: Option<Pending>,
    /// What files and repositories that are no datasets looked like when they were read; where none is
    /// named, what is known is carried forward.
    pub files: BTreeMap<String, FileState>,
    /// Commit although no value and no status changed, to record newer sources (`values: same`).
    pub always: bool,
    /// What a person said of the periods; where they come from is then carried forward as it is.
    pub mark: Option<MarkNote>,
}

/// Commits successive batches under the dataset's lock and gives the head; `base` is the head that
/// was found. What is on the axis already is skipped; nothing new is no commit. Batches that put
/// periods before the axis are a commit each, all others together are one.
///
/// # Errors
/// `Moved` when somebody else moved the head in a way that needs the work to be listed anew;
/// `Data` when a guard refuses; the store is as it was.
pub async fn commit(
    info: &DatasetInfo,
    cx: &Context,
    written: Vec<Written>,
    notes: CommitNotes,
) -> Result<Snapshot, StepError> {
    let done = publish(info, cx, written, notes).await;
    done.map_err(|error| repo::redacted(error, &cx.scope))
}

async fn publish(
    info: &DatasetInfo,
    cx: &Context,
    written: Vec<Written>,
    notes: CommitNotes,
) -> Result<Snapshot, StepError> {
    writable(info)?;
    let place = Place::of(&info.location)?;
    let (release, exhausted) = release_of(&written)?;
    let waiting = written.into_iter().filter(|w| !w.labels.is_empty());
    let mut waiting = waiting.map(taken).collect::<Result<Vec<_>, StepError>>()?;
    if waiting.is_empty() && !notes.always && release.is_none() {
        let id = kept::open(info, &cx.scope).await?.map(|cube| cube.id());
        return Ok(repo::written(info, id));
    }
    selftest::ensure(&place, info, &cx.scope).await?;
    let mut held = Some(lock::take(&place, &info.location.url, cx).await?);
    let main = match &release {
        Some(_) => kept::open(info, &cx.scope).await?.map(|main| main.id()),
        None => None,
    };
    let (mut found, mut head): (Option<Option<SnapshotId>>, _) = (None, None);
    while !waiting.is_empty() || found.is_none() {
        if release.is_none()
            && let Some(cube) = kept::open(info, &cx.scope).await?
            && let Some(remainder) = remainder(&cube, &mut waiting)
        {
            // It takes as long as the dataset is large, and takes the lock itself when it lands.
            drop(held.take());
            head = rewrite::insert(info, &remainder, &notes, cx).await?;
            found.get_or_insert(Some(cube.id()));
            held = Some(lock::take(&place, &info.location.url, cx).await?);
            continue;
        }
        let round = round(info, cx, &mut waiting, &notes, release.as_ref()).await?;
        found.get_or_insert(round.found);
        if round.committed {
            lock::sync(&place).await?;
        }
        head = round.head;
    }
    if let Some(release) = &release {
        let head = release::publish(info, release::Wanted::of(release), exhausted, cx).await?;
        lock::sync(&place).await?;
        return Ok(Snapshot { base: main, ..repo::written(info, head) });
    }
    Ok(Snapshot { base: found.flatten(), ..repo::written(info, head) })
}

/// Takes the first batch, where the dataset has to be rewritten for it.
fn remainder(cube: &Cube, waiting: &mut Vec<Taken>) -> Option<Taken> {
    let unit = cube.template.write_unit();
    waiting.first().filter(|taken| settle::is_remainder(taken, &cube.axis, unit))?;
    Some(waiting.remove(0))
}

/// The version that all of these batches are part of, as far as its source has it; whether it has
/// no more.
fn release_of(written: &[Written]) -> Result<(Option<Release>, bool), StepError> {
    let Some(last) = written.last() else { return Ok((None, false)) };
    let version = |written: &Written| written.release.as_ref().map(|release| release.version.clone());
    if written.iter().any(|one| version(one) != version(last)) {
        return Err(settle::moved("the batches are of several versions of the dataset"));
    }
    let exhausted = last.ended == Ended::Frontier;
    let mut release = last.release.clone();
    if let (Some(release), Some(label), true) = (&mut release, last.labels.last(), exhausted) {
        release.range.last = release.range.last.min(label.period.last);
    }
    Ok((release, exhausted))
}

/// A written batch, its document taken apart.
pub(super) fn taken(written: Written) -> Result<Taken, StepError> {
    let body = serde_json::from_value(written.body.clone()).map_err(|error| {
        StepError::permanent(ErrorKind::Internal, format!("the written batch cannot be read: {error}"))
    })?;
    Ok(Taken { written, body, standing: Vec::new() })
}

/// What came of one commit.
struct Round {
    /// The head before it.
    found: Option<SnapshotId>,
    head: Option<SnapshotId>,
    committed: bool,
}

/// Commits the batches up to the first that inserts, or that one alone, and takes them from
/// `waiting`; again where another writer was first.
async fn round(
    info: &DatasetInfo,
    cx: &Context,
    waiting: &mut Vec<Taken>,
    notes: &CommitNotes,
    release: Option<&Release>,
) -> Result<Round, StepError> {
    for _ in 0..TRIES {
        let attempt = Attempt::open(info, release, cx).await?;
        let axis = attempt.axis()?;
        let group = match waiting.iter().position(|taken| settle::inserts(taken, &axis)) {
            Some(0) => 1,
            group => group.unwrap_or(waiting.len()),
        };
        for taken in &mut waiting[..group] {
            taken.standing = attempt.standing(taken).await?;
        }
        let found = attempt.head();
        let (head, committed) = match attempt.run(axis, &waiting[..group], notes).await? {
            Done::Committed(id) => (Some(id), true),
            Done::Nothing => (found.clone(), false),
            Done::Lost => continue,
        };
        drop(waiting.drain(..group));
        return Ok(Round { found, head, committed });
    }
    Err(StepError::transient(
        ErrorKind::Store,
        format!("{} is written by others without a pause: {TRIES} commits were lost", info.id),
    ))
}
