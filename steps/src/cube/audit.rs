//! What stands on the branch of an audited dataset: looked at, published, rejected, let go.

use frazil_engine::{
    context::{Context, Scope},
    data::{PeriodRange, Snapshot, SnapshotId},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use icechunk::{Repository, format::SnapshotId as Id, repository::RepositoryErrorKind};
use serde_json::{Value, json};

use super::{
    Commit, Cube, fault,
    history::{CommitMark, CommitRecord},
    line::{self, AUDIT, Line},
    lock,
    repo::{self, MAIN, Place},
    settle,
    write::writable,
};

/// Tries to move a branch on a store where others commit at the same time.
const TRIES: usize = 20;

/// What stands on the branch of an audited dataset, and not on `main`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ahead {
    /// The end of the branch.
    pub audit: Option<SnapshotId>,
    /// What everyone reads; none while that is nothing.
    pub main: Option<SnapshotId>,
    /// Whether somebody else moved `main` since the branch began.
    pub apart: bool,
    /// Periods that `main` does not have.
    pub added: Vec<PeriodRange>,
    /// Periods that may have another value.
    pub changed: Vec<PeriodRange>,
    /// Periods that did not pass.
    pub rejected: Vec<PeriodRange>,
    /// Commits of the branch alone, newest first.
    pub commits: Vec<Commit>,
}

impl Ahead {
    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let shown = |ranges: &[PeriodRange]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>();
        let commit = |commit: &Commit| json!({ "id": commit.id, "at": commit.at, "run": commit.run });
        json!({
            "audit": self.audit, "main": self.main, "apart": self.apart, "added": shown(&self.added),
            "changed": shown(&self.changed), "rejected": shown(&self.rejected),
            "commits": self.commits.iter().map(commit).collect::<Vec<_>>(),
        })
    }
}

/// What a person decides of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `main` moves to it as it is.
    Accept,
    /// It is let go, and `main` stays.
    Drop,
}

/// What stands on the branch and not on `main`; none where that is nothing. Changes nothing.
///
/// # Errors
/// When the store cannot be read.
pub async fn ahead(info: &DatasetInfo, scope: &Scope) -> Result<Option<Ahead>, StepError> {
    let Some(repository) = repo::open(info, scope).await? else { return Ok(None) };
    let main = repo::tip(&repository, MAIN, info, scope).await?;
    let (tip, apart) = match line::look(&repository, &main, info).await? {
        Line::Even => return Ok(None),
        Line::Ahead(tip) => (tip, false),
        Line::Apart(tip) => (tip, true),
    };
    let cube = Cube::at(std::sync::Arc::new(repository), tip, info, scope).await?;
    let begun = (main != icechunk::format::snapshot::Snapshot::INITIAL_SNAPSHOT_ID).then(|| main.to_string());
    let known = Cube::open(info, scope).await?;
    let line: Vec<String> = match &known {
        Some(main) => main.commits(|_| true).await?.into_iter().map(|commit| commit.id.0).collect(),
        None => Vec::new(),
    };
    let mut commits = cube.commits(|commit| !line.contains(&commit.id.0)).await?;
    commits.retain(|commit| !line.contains(&commit.id.0));
    let all = |of: fn(&Commit) -> &Vec<PeriodRange>| {
        let periods = commits.iter().flat_map(of).flat_map(PeriodRange::iter);
        let mut periods: Vec<_> = periods.collect();
        periods.sort_unstable();
        periods.dedup();
        periods
    };
    let is_known = |period| known.as_ref().is_some_and(|main| main.axis().position(period).is_some());
    let mut changed = all(|commit| &commit.revised);
    changed.extend(all(|commit| &commit.filled));
    changed.retain(|period| is_known(*period));
    let mut added = all(|commit| &commit.added);
    // Another version puts all of them there again.
    changed.extend(added.iter().copied().filter(|period| is_known(*period)));
    added.retain(|period| !is_known(*period));
    Ok(Some(Ahead {
        audit: Some(cube.id()),
        main: begun.map(SnapshotId),
        apart,
        added: settle::ranges(&added),
        changed: PeriodRange::collect({
            changed.sort_unstable();
            changed.dedup();
            changed
        }),
        rejected: cube.provenance().rejected.clone(),
        commits,
    }))
}

/// Moves `main` to `id`, which was validated, and gives the head of `main`.
///
/// # Errors
/// `Refused` where `main` was moved by somebody else so that `id` does not follow it; nothing is changed.
pub async fn promote(info: &DatasetInfo, id: &SnapshotId, cx: &Context) -> Result<Snapshot, StepError> {
    writable(info)?;
    let place = Place::of(&info.location)?;
    let _held = lock::take(&place, &info.location.url, cx).await?;
    let moved = advance(info, id, &cx.scope).await.map_err(|error| repo::redacted(error, &cx.scope))?;
    lock::sync(&place).await?;
    Ok(moved)
}

/// The same, under the lock.
async fn advance(info: &DatasetInfo, id: &SnapshotId, scope: &Scope) -> Result<Snapshot, StepError> {
    let what = format!("cannot move `main` of {}", info.location.url);
    let gone = || StepError::permanent(ErrorKind::Store, format!("{what}: there is no snapshot {id}"));
    let wanted = Id::try_from(id.0.as_str()).map_err(|_| gone())?;
    let repository = repo::open(info, scope).await?.ok_or_else(gone)?;
    for _ in 0..TRIES {
        let main = repo::tip(&repository, MAIN, info, scope).await?;
        let base = (main != icechunk::format::snapshot::Snapshot::INITIAL_SNAPSHOT_ID)
            .then(|| SnapshotId(main.to_string()));
        // Somebody came here first with this state, or with one that follows it.
        if line::descends(&repository, &main, &wanted, &what).await? {
            return Ok(repo::snapshot(info, base));
        }
        if !line::descends(&repository, &wanted, &main, &what).await? {
            return Err(line::apart(info));
        }
        match repository.reset_branch(MAIN, &wanted, Some(&main)).await {
            Ok(()) => return Ok(Snapshot { base, ..repo::snapshot(info, Some(id.clone())) }),
            Err(error) if matches!(error.kind, RepositoryErrorKind::Conflict { .. }) => {}
            Err(error) => return Err(fault::store(&what, &error.kind)),
        }
    }
    Err(StepError::transient(ErrorKind::Store, format!("{what}: others move it without a pause")))
}

/// Notes on the branch which periods do not pass, in a commit that changes nothing else: the next run has
/// them again. None where the head says so already.
///
/// # Errors
/// `Moved` where the branch does not end at `cube` any more; otherwise when the store cannot be written.
pub(crate) async fn reject(
    info: &DatasetInfo,
    cube: &Cube,
    rejected: Vec<PeriodRange>,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    if cube.provenance().rejected == rejected {
        return Ok(None);
    }
    let place = Place::of(&info.location)?;
    let _held = lock::take(&place, &info.location.url, cx).await?;
    let run = Some(cx.run.to_string());
    let record = CommitRecord { run, same: true, ..CommitRecord::default() };
    let id = note(info, cube, rejected, record, &cx.scope).await;
    let id = id.map_err(|error| repo::redacted(error, &cx.scope))?;
    lock::sync(&place).await?;
    Ok(Some(id))
}

/// A commit on the branch of writers that changes no number.
async fn note(
    info: &DatasetInfo,
    cube: &Cube,
    rejected: Vec<PeriodRange>,
    record: CommitRecord,
    scope: &Scope,
) -> Result<SnapshotId, StepError> {
    let what = format!("cannot commit to {}", info.location.url);
    let moved = || settle::moved(format!("{} was written since it was looked at", info.id));
    let repository = &cube.repository;
    if line::tip(repository, info, scope).await? != cube.id {
        return Err(moved());
    }
    line::begin(repository, &cube.id, info).await?;
    let mut session = repository.writable_session(line::of(info)).await.map_err(fault::icechunk(&what))?;
    if *session.snapshot_id() != cube.id {
        return Err(moved());
    }
    let shown: Vec<String> = rejected.iter().map(ToString::to_string).collect();
    let message = match &record.mark {
        Some(mark) => mark.to.clone(),
        None if shown.is_empty() => "nothing is rejected".to_owned(),
        None => format!("rejected {}", shown.join(", ")),
    };
    let mut provenance = cube.provenance().clone();
    provenance.rejected = rejected;
    let properties = record.properties(&provenance);
    let committed = session.commit(message).properties(properties).allow_empty(true).execute().await;
    committed.map(|id| SnapshotId(id.to_string())).map_err(fault::icechunk(&what))
}

/// Does what a person decides of the branch, and gives the head of `main`; none where nothing stands there.
///
/// # Errors
/// `Refused` where it is to be accepted and does not follow `main`; when the store cannot be written.
pub async fn decide(
    info: &DatasetInfo,
    verdict: Verdict,
    reason: Option<String>,
    cx: &Context,
) -> Result<Option<Snapshot>, StepError> {
    writable(info)?;
    let place = Place::of(&info.location)?;
    let _held = lock::take(&place, &info.location.url, cx).await?;
    let Some(repository) = repo::open(info, &cx.scope).await? else { return Ok(None) };
    let main = repo::tip(&repository, MAIN, info, &cx.scope).await?;
    let head = match (line::look(&repository, &main, info).await?, verdict) {
        (Line::Even, _) => return Ok(None),
        (Line::Apart(_), Verdict::Accept) => return Err(line::apart(info)),
        (Line::Ahead(tip), Verdict::Accept) => accept(info, repository, tip, reason, &cx.scope).await?,
        (Line::Ahead(tip) | Line::Apart(tip), Verdict::Drop) => {
            drop_line(&repository, &main, &tip, info).await?;
            let is_begun = main != icechunk::format::snapshot::Snapshot::INITIAL_SNAPSHOT_ID;
            repo::snapshot(info, is_begun.then(|| SnapshotId(main.to_string())))
        }
    };
    lock::sync(&place).await?;
    Ok(Some(head))
}

async fn accept(
    info: &DatasetInfo,
    repository: Repository,
    tip: Id,
    reason: Option<String>,
    scope: &Scope,
) -> Result<Snapshot, StepError> {
    let cube = Cube::at(std::sync::Arc::new(repository), tip, info, scope).await?;
    let mut id = cube.id();
    if !cube.provenance().rejected.is_empty() {
        // What a person lets pass is not asked for again.
        let mark = Some(CommitMark { to: "accepted".to_owned(), reason });
        let record = CommitRecord { same: true, mark, ..CommitRecord::default() };
        id = note(info, &cube, Vec::new(), record, scope).await?;
    }
    advance(info, &id, scope).await
}

async fn drop_line(
    repository: &Repository,
    main: &Id,
    tip: &Id,
    info: &DatasetInfo,
) -> Result<(), StepError> {
    let what = format!("cannot move the branch {AUDIT} of {}", info.location.url);
    repository.reset_branch(AUDIT, main, Some(tip)).await.map_err(fault::icechunk(&what))
}
