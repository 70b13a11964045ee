//! What a person says of periods: that they are bad, or that they are to be had again.

use std::sync::Arc;

use frazil_engine::{
    context::Context,
    data::{Action, Item, Period, PeriodRange, Periods, Slice, SnapshotId, Status},
    dataset::DatasetInfo,
    step::{Batch, Ended, ErrorKind, StepError},
};

use super::{
    BatchWriter, CommitNotes, Cube, commit, lock, repo::Place, settle::ranges, time::TimeIndex,
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
    /// The head, as it is now.
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

/// What a mark does to a time axis: on it in place, behind it the very next ones alone.
fn decide(id: &str, axis: &TimeIndex, mark: &Mark) -> Result<Vec<(Period, Action)>, StepError> {
    let mut todo = Vec::new();
    let mut next = axis.last().map(|last| last.plus(1));
    let mut others = Vec::new();
    for &period in &mark.periods {
        let known = axis.status(period);
        match (mark.status, known) {
            (Status::Withdrawn, Some(Status::Withdrawn)) => {}
            (Status::Withdrawn, Some(_)) | (_, Some(Status::Withdrawn)) => {
                todo.push((period, Action::Revise))
            }
            (_, Some(_)) => others.push(period),
            (Status::Withdrawn, None) if next == Some(period) => {
                todo.push((period, Action::Add));
                next = Some(period.plus(1));
            }
            (_, None) => return Err(nowhere(id, axis, period)),
        }
    }
    if let (true, Some(period)) = (todo.is_empty(), others.first()) {
        let status = axis.status(*period).map_or("", Status::name);
        return Err(refused(
            format!("{period} of {id} is {status}, not withdrawn: there is no mark to clear"),
            "`frazil backfill --only all` asks for any period again",
        ));
    }
    Ok(todo)
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

/// Marks periods in one commit, or tells what that would do.
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
    let Some(cube) = Cube::open(info, &cx.scope).await? else {
        return Err(refused(format!("{} does not exist yet", info.id), "run its pipeline first"));
    };
    let todo = decide(info.id.as_str(), cube.axis(), mark)?;
    let of = |action| ranges(&todo.iter().filter(|(_, a)| *a == action).map(|(p, _)| *p).collect::<Vec<_>>());
    let mut marked = Marked { changed: of(Action::Revise), added: of(Action::Add), head: Some(cube.id()) };
    if marked.is_nothing() || dry_run {
        return Ok(marked);
    }
    if lock::is_held(&Place::of(&info.location)?).await? {
        return Err(refused(
            format!("somebody commits to {} right now", info.id),
            "try again in a moment: a commit takes no longer",
        ));
    }
    let item = |(action, ranges): (Action, &Vec<PeriodRange>)| {
        ranges.iter().map(move |&range| Item { range, action }).collect::<Vec<_>>()
    };
    let lists = [(Action::Revise, &marked.changed), (Action::Add, &marked.added)];
    let batch = Batch {
        index: 0,
        periods: Periods {
            dataset: info.id.clone(),
            step: cube.axis().step(),
            base: Some(cube.id()),
            items: lists.into_iter().flat_map(item).collect(),
            batches: vec![ranges(&todo.iter().map(|(period, _)| *period).collect::<Vec<_>>())],
            source: None,
            release: None,
        },
    };
    let mut writer = BatchWriter::begin(info, &cx.scope, batch).await?;
    let grid = Arc::new(cube.template().grid.clone());
    for &(period, _) in &todo {
        let grid = Arc::clone(&grid);
        writer.put(Slice { period, status: mark.status, context: false, grid, fields: Vec::new() }).await?;
    }
    let written = writer.finish(Ended::Whole).await?;
    let withdrawn = mark.status == Status::Withdrawn;
    let note = MarkNote {
        to: mark.status.name().to_owned(),
        reason: mark.reason.clone(),
        asked: todo.iter().filter(|_| !withdrawn).map(|(period, _)| *period).collect(),
    };
    let notes = CommitNotes { mark: Some(note), ..CommitNotes::default() };
    marked.head = commit(info, cx, vec![written], notes).await?.id;
    Ok(marked)
}
