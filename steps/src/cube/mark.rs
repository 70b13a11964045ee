//! What a person says of periods: that they are bad, or that they are to be had again.

use std::{collections::BTreeSet, sync::Arc};

use frazil_engine::{
    context::Context,
    data::{Action, Item, Period, PeriodRange, Periods, Release, Slice, SnapshotId, Status},
    dataset::DatasetInfo,
    step::{Batch, Ended, ErrorKind, StepError, Written},
};

use super::{
    BatchWriter, CommitNotes, Cube, Standing, commit, lock, repo::Place, settle::ranges, time::TimeIndex,
    write::writable,
};

/// What a person says of periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The periods, ascending.
    pub periods: Vec<Period>,
    /// What they are from now on: [`Status::Withdrawn`], or what has them listed again.
    pub status: Status,
    /// Why, for those who look at the history later.
    pub reason: Option<String>,
}

/// What a mark does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marked {
    /// Periods that were on the axis.
    pub changed: Vec<PeriodRange>,
    /// Periods whose label is put at the end of the axis.
    pub added: Vec<PeriodRange>,
    /// The branch of a release under way, where what it will publish is marked too.
    pub release: Option<String>,
    /// The head of `main`, as it is now.
    pub head: Option<SnapshotId>,
}

impl Marked {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty()
    }
}

/// What the commit of a mark records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkNote {
    /// The word for what they are from now on.
    pub to: String,
    /// Why.
    pub reason: Option<String>,
    /// Periods that are asked for again, whatever their age.
    pub asked: Vec<Period>,
}

fn refused(message: String, help: &str) -> StepError {
    StepError::permanent(ErrorKind::Refused, message).help(help)
}

/// What a mark does to time axes, those of `main` and of a release: on each in place, behind it the
/// very next ones alone.
fn decide(id: &str, axes: &[&TimeIndex], mark: &Mark) -> Result<Vec<Vec<(Period, Action)>>, StepError> {
    let found: Vec<Found> = axes.iter().map(|axis| Found::of(axis, mark)).collect();
    let unknown = |period: &Period| found.iter().all(|found| found.nowhere.contains(period));
    if let (Some(period), Some(axis)) = (mark.periods.iter().copied().find(unknown), axes.first()) {
        return Err(nowhere(id, axis, period));
    }
    let other = found.iter().zip(axes).find_map(|(found, axis)| Some((*found.others.first()?, *axis)));
    if let (true, Some((period, axis))) = (found.iter().all(|found| found.todo.is_empty()), other) {
        let status = axis.status(period).map_or("", Status::name);
        return Err(refused(
            format!("{period} of {id} is {status}, not withdrawn: there is no mark to clear"),
            "`frazil backfill --only all` asks for any period again",
        ));
    }
    Ok(found.into_iter().map(|found| found.todo).collect())
}

/// What a mark does to one axis.
#[derive(Debug, Default)]
struct Found {
    todo: Vec<(Period, Action)>,
    /// Periods without a mark that is to be cleared.
    others: Vec<Period>,
    /// Periods that it knows nothing of.
    nowhere: Vec<Period>,
}

impl Found {
    fn of(axis: &TimeIndex, mark: &Mark) -> Self {
        let mut found = Self::default();
        let mut next = axis.last().map(|last| last.plus(1));
        for &period in &mark.periods {
            match (mark.status, axis.status(period)) {
                (Status::Withdrawn, Some(Status::Withdrawn)) => {}
                (Status::Withdrawn, Some(_)) | (_, Some(Status::Withdrawn)) => {
                    found.todo.push((period, Action::Revise));
                }
                (_, Some(_)) => found.others.push(period),
                (Status::Withdrawn, None) if next == Some(period) => {
                    found.todo.push((period, Action::Add));
                    next = Some(period.plus(1));
                }
                (_, None) => found.nowhere.push(period),
            }
        }
        found
    }
}

fn nowhere(id: &str, axis: &TimeIndex, period: Period) -> StepError {
    let Some((first, last)) = axis.first().zip(axis.last()) else {
        return refused(format!("{id} holds no period yet"), "run its pipeline first");
    };
    refused(
        format!("{period} is not on the axis of {id}, which goes from {first} to {last}"),
        &format!("what is there can be marked, and {}, which is next", last.plus(1)),
    )
}

/// Marks periods in one commit, or tells what that would do. While a release is under way what it will
/// publish is marked too, in a commit on its branch.
///
/// # Errors
/// `Refused` where a period is neither on the axis nor next, where nothing is to be cleared, where the
/// dataset does not exist yet, or where somebody else commits to it right now; `Data` where it is
/// never written by frazil. The store is as it was.
pub async fn mark(info: &DatasetInfo, mark: &Mark, dry_run: bool, cx: &Context) -> Result<Marked, StepError> {
    if info.location.read_only {
        return Err(refused(
            format!("{} is made elsewhere: frazil reads it and never writes it", info.id),
            "mark it where it is made",
        ));
    }
    writable(info)?;
    let Standing { main: Some(main), release, .. } = Standing::any(info, &cx.scope).await? else {
        return Err(refused(format!("{} does not exist yet", info.id), "run its pipeline first"));
    };
    let begun = release.as_ref().and_then(|release| Some((release, release.cube.as_deref()?)));
    let axes: Vec<&TimeIndex> =
        std::iter::once(&*main).chain(begun.map(|(_, cube)| cube)).map(Cube::axis).collect();
    let mut todo = decide(info.id.as_str(), &axes, mark)?;
    let aside = if begun.is_some() { todo.pop().unwrap_or_default() } else { Vec::new() };
    let todo = todo.pop().unwrap_or_default();
    let of = |action| {
        let both = todo.iter().chain(&aside).filter(|(_, a)| *a == action);
        ranges(&both.map(|(period, _)| *period).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>())
    };
    let mut marked = Marked {
        changed: of(Action::Revise),
        added: of(Action::Add),
        release: begun.filter(|_| !aside.is_empty()).map(|(release, _)| release.branch.clone()),
        head: Some(main.id()),
    };
    if marked.is_nothing() || dry_run {
        return Ok(marked);
    }
    if lock::is_held(&Place::of(&info.location)?).await? {
        return Err(refused(
            format!("somebody commits to {} right now", info.id),
            "try again in a moment: a commit takes no longer",
        ));
    }
    if !todo.is_empty() {
        marked.head = settle(info, &main, mark, &todo, None, cx).await?;
    }
    if let (Some((release, cube)), false) = (begun, aside.is_empty()) {
        let range = cube.provenance().release.as_ref().map(|state| state.range);
        let release = range.map(|range| release.release(range));
        marked.head = settle(info, cube, mark, &aside, release, cx).await?;
    }
    Ok(marked)
}

/// Marks periods of `main` or of a release in one commit; the head of `main` after it.
async fn settle(
    info: &DatasetInfo,
    cube: &Cube,
    mark: &Mark,
    todo: &[(Period, Action)],
    release: Option<Release>,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    let written = written(info, cube, todo, mark.status, release, cx).await?;
    let withdrawn = mark.status == Status::Withdrawn;
    let note = MarkNote {
        to: mark.status.name().to_owned(),
        reason: mark.reason.clone(),
        asked: todo.iter().filter(|_| !withdrawn).map(|(period, _)| *period).collect(),
    };
    let notes = CommitNotes { mark: Some(note), ..CommitNotes::default() };
    Ok(commit(info, cx, vec![written], notes).await?.id)
}

/// Periods without numbers of one status, as they are committed.
pub(super) async fn written(
    info: &DatasetInfo,
    cube: &Cube,
    todo: &[(Period, Action)],
    status: Status,
    release: Option<Release>,
    cx: &Context,
) -> Result<Written, StepError> {
    let item = |action: Action| {
        let periods = todo.iter().filter(move |(_, a)| *a == action).map(|(period, _)| *period);
        PeriodRange::collect(periods).into_iter().map(move |range| Item { range, action })
    };
    let batch = Batch {
        index: 0,
        periods: Periods {
            dataset: info.id.clone(),
            step: cube.axis().step(),
            base: Some(cube.id()),
            items: item(Action::Revise).chain(item(Action::Add)).collect(),
            batches: vec![ranges(&todo.iter().map(|(period, _)| *period).collect::<Vec<_>>())],
            source: None,
            release,
        },
    };
    let mut writer = BatchWriter::begin(info, &cx.scope, batch).await?;
    let grid = Arc::new(cube.template().grid.clone());
    for &(period, _) in todo {
        let grid = Arc::clone(&grid);
        writer.put(Slice { period, status, context: false, grid, fields: Vec::new() }).await?;
    }
    writer.finish(Ended::Whole).await
}
