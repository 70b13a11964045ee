//! The work of a run: batch by batch into the store, each with what it says of its sources.

use std::collections::BTreeMap;

use frazil_engine::{
    context::{Context, Tick},
    data::{PeriodRange, Periods, Release, Snapshot, Spent},
    step::{self, Ended, ErrorKind, Outcome, StepError},
};
use tokio_util::sync::CancellationToken;

use super::{
    DerivedResample,
    compute::{Resampling, walk},
    decide::{self, Window},
    inherit::{self, Output},
    reasons,
    survey::{Batch, Source, Survey},
};
use crate::cube::{self, BatchWriter, CommitNotes, Cube, Pending, SourceState};

/// Does what the decision lists.
pub(super) async fn settle(step: &DerivedResample, survey: &Survey, cx: &Context) -> Outcome<Snapshot> {
    let decision = survey.decide(step.ready);
    for reason in survey.reasons(&decision) {
        cx.progress.tick(Tick::Note(reason));
    }
    let release = survey.release(&decision);
    let mut work = Work { survey, cx, head: survey.head(), done: survey.still_done(), release };
    let batches = survey.batches(&decision);
    for (index, batch) in batches.iter().enumerate() {
        let last = index + 1 == batches.len();
        if let Err(error) = work.batch(index, batch, last).await {
            return Outcome::partial(work.head, error);
        }
    }
    if let Some(range) = decision.unaligned {
        let unit = survey.target().map_or(1, |t| t.template().write_unit());
        let message = reasons::unaligned(range, usize::try_from(unit).unwrap_or(usize::MAX));
        let error = StepError::permanent(ErrorKind::Refused, message).help(
            "let the source begin earlier, until a chunk is full, or make the dataset anew with another `version`",
        );
        return Outcome::partial(work.head, error);
    }
    let published = work.release.is_some() && !batches.is_empty();
    if !published && let Err(error) = work.publish().await {
        return Outcome::partial(work.head, error);
    }
    Outcome::done(work.head)
}

struct Work<'a> {
    survey: &'a Survey,
    cx: &'a Context,
    head: Snapshot,
    /// Windows that are done for this state of the sources.
    done: Vec<PeriodRange>,
    /// What it is part of, where it is made anew on a branch.
    release: Option<Release>,
}

impl Work<'_> {
    /// Moves `main` to a release that was whole already, and removes branches that nobody wants.
    async fn publish(&mut self) -> Result<(), StepError> {
        let standing = &self.survey.standing;
        if self.release.is_none() && standing.abandoned.is_empty() {
            return Ok(());
        }
        let layout = self.release.as_ref().and_then(|release| release.layout.as_deref());
        self.head.id = cube::settle_layout(&self.survey.info, layout, self.cx).await?;
        Ok(())
    }

    /// Makes the windows of a batch and commits them. What was made before an error is committed,
    /// and the error given.
    async fn batch(&mut self, index: usize, batch: &Batch, last: bool) -> Result<(), StepError> {
        let info = &self.survey.info;
        let outputs = inherit::outputs(info, self.survey.target().map(Cube::template));
        let Some(resamplings) = self.resamplings(&outputs)? else { return Ok(()) };
        let periods = Periods {
            dataset: info.id.clone(),
            step: self.survey.to(),
            base: self.head.id.clone(),
            items: decide::items(&batch.windows),
            batches: vec![PeriodRange::collect(batch.windows.iter().map(|w| w.period))],
            // What they are made from is noted by the commit itself.
            source: None,
            release: self.release.clone(),
        };
        let mut writer = BatchWriter::begin(info, &self.cx.scope, step::Batch { index, periods }).await?;
        let mut put = 0;
        let made = walk::make(&resamplings, &batch.windows, &mut writer, &mut put, self.cx).await;
        let ended = match &made {
            Ok(()) => Ended::Whole,
            Err(StepError::Cancelled) => Ended::Cancelled,
            Err(_) => Ended::Failed,
        };
        // Half of a remake would show readers two definitions in one dataset.
        if made.is_err() && (put == 0 || self.survey.remake) {
            return made;
        }
        let written = writer.finish(ended).await?;
        let finished = last && made.is_ok();
        self.cx.progress.tick(Tick::Spent(Spent { periods: put as u64, ..Spent::default() }));
        self.note(&batch.windows[..put]);
        let base = self.head.base.clone();
        // What a stopped run has written is settled all the same.
        let settling = Context { cancel: CancellationToken::new(), ..self.cx.clone() };
        self.head = cube::commit(info, &settling, vec![written], self.notes(finished)).await?;
        // What lies between is this run's work.
        self.head.base = base;
        made
    }

    /// How each source becomes a part of the dataset; none while one is not there yet.
    fn resamplings(&self, outputs: &[Output]) -> Result<Option<Vec<Resampling<'_>>>, StepError> {
        let mut all = Vec::new();
        for (at, source) in self.survey.sources.iter().enumerate() {
            let Some(cube) = &source.cube else { return Ok(None) };
            let recipes = self.survey.recipes.iter().filter(|recipe| recipe.source == at);
            all.push(Resampling::new(cube, source.from, recipes, outputs)?);
        }
        Ok(Some(all))
    }

    fn note(&mut self, windows: &[Window]) {
        let mut all: Vec<_> = self.done.iter().flat_map(PeriodRange::iter).collect();
        all.extend(windows.iter().map(|w| w.period));
        all.sort_unstable();
        all.dedup();
        self.done = PeriodRange::collect(all);
    }

    /// What the commit records. One that does not finish the work keeps the older snapshots of the
    /// sources, so that what is left is found again.
    fn notes(&self, finished: bool) -> CommitNotes {
        let state = |source: &Source| {
            let Snapshot { dataset, repository, id, .. } = source.snapshot.clone();
            Some((dataset, SourceState { repository, snapshot: id? }))
        };
        let states: Option<Vec<_>> = self.survey.sources.iter().map(state).collect();
        let Some(states) = states.filter(|states| !states.is_empty()) else { return CommitNotes::default() };
        if finished {
            return CommitNotes {
                sources: states.into_iter().collect(),
                pending: None,
                mark: None,
                files: BTreeMap::new(),
                // Where windows were computed and none differed, only a commit keeps the next run
                // from computing them again.
                always: true,
            };
        }
        let snapshot = states[0].1.snapshot.clone();
        let others = match states.len() {
            1 => BTreeMap::new(),
            _ => states.into_iter().map(|(id, state)| (id, state.snapshot)).collect(),
        };
        let pending = Some(Pending { snapshot, others, done: self.done.clone() });
        CommitNotes { pending, ..CommitNotes::default() }
    }
}
