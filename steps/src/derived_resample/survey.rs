//! What the decision looks at, read from the stores.

use frazil_engine::{
    context::Scope,
    data::{Frequency, Item, Period, PeriodRange, Snapshot, SnapshotId, Status},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};

use super::{
    DerivedResample, Ready, check, compute,
    decide::{self, Changed, Decision, Done, Inputs, Window},
    inherit::{self, Recipe},
    pieces::Pieces,
};
use crate::cube::{Changes, Cube};

/// Numbers of the source that one commit takes in at most, in bytes: a run that dies loses no
/// more work than this. A year of daily global fields at 0.25° is half of it.
const BATCH_BYTES: u64 = 4 << 30;

/// Source and derived dataset as they stand.
#[derive(Debug)]
pub(super) struct Survey {
    /// The derived dataset, with what it takes from its source.
    pub(super) info: DatasetInfo,
    /// The source; none while it has no commit.
    pub(super) source: Option<Cube>,
    /// The state of the source that is worked on.
    pub(super) snapshot: Snapshot,
    /// The derived dataset's head.
    pub(super) target: Option<Cube>,
    /// What is made of what; empty while there is no source.
    pub(super) recipes: Vec<Recipe>,
    /// Whether the definition is another one than that of the head.
    pub(super) remake: bool,
    from: Pieces,
    to: Frequency,
    periods: Vec<(Period, Status)>,
    held: Vec<(Period, Status)>,
    changed: Changed,
    done: Option<Done>,
}

/// Windows that one commit settles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) windows: Vec<Window>,
}

impl Survey {
    /// Looks at both datasets; `planned` is what will be done to the source before.
    ///
    /// # Errors
    /// When a store cannot be read, or the settings do not fit what is stored.
    pub(super) async fn of(
        step: &DerivedResample,
        snapshot: &Snapshot,
        planned: &[Item],
        scope: &Scope,
    ) -> Result<Self, StepError> {
        let own = scope.dataset(&step.dataset)?;
        let from_info = scope.dataset(&snapshot.dataset)?;
        let (from, to) = steps(step, from_info, own)?;
        let source = match &snapshot.id {
            Some(id) => Some(Cube::open_at(from_info, scope, id).await?),
            None => None,
        };
        let target = Cube::open(own, scope).await?;
        let mut survey = Self {
            info: (**own).clone(),
            snapshot: snapshot.clone(),
            recipes: Vec::new(),
            remake: false,
            from: Pieces { step: from, rule: step.windows },
            to,
            periods: source.as_ref().map(axis).unwrap_or_default(),
            held: target.as_ref().map(axis).unwrap_or_default(),
            changed: Changed::All,
            done: None,
            source,
            target,
        };
        if let Some(source) = &survey.source {
            survey.recipes = inherit::recipes(step, source.template())?;
            survey.info =
                inherit::inherited(own, from_info, source.template(), &survey.recipes, step.windows);
        }
        survey.history(planned).await?;
        Ok(survey)
    }

    /// What changed since the head of the derived dataset was made.
    async fn history(&mut self, planned: &[Item]) -> Result<(), StepError> {
        if let Some(target) = &self.target {
            let provenance = target.provenance();
            let other = |ours: &str, theirs: &Option<String>| theirs.as_deref().is_some_and(|t| t != ours);
            self.remake = other(&self.info.definition, &provenance.definition)
                || provenance.version != self.info.block.version;
            let recorded = provenance.sources.get(&self.snapshot.dataset);
            let recorded = recorded.filter(|s| s.repository == self.snapshot.repository).map(|s| &s.snapshot);
            self.changed = self.changes(recorded).await?;
            if let Some(pending) = provenance.pending.clone().filter(|_| !self.remake) {
                let since = self.changes(Some(&pending.snapshot)).await?;
                self.done = Some(Done { windows: pending.done, since });
            }
        }
        if !planned.is_empty() {
            let (periods, touched) = decide::forward(&self.periods, planned);
            self.periods = periods;
            for changed in [Some(&mut self.changed), self.done.as_mut().map(|d| &mut d.since)] {
                if let Some(Changed::Ranges(ranges)) = changed {
                    ranges.extend(touched.iter().copied());
                }
            }
        }
        Ok(())
    }

    async fn changes(&self, since: Option<&SnapshotId>) -> Result<Changed, StepError> {
        let (Some(source), Some(since)) = (&self.source, since) else { return Ok(Changed::All) };
        Ok(match source.changes_since(since).await? {
            Changes::Periods(ranges) | Changes::Foreign(ranges) => Changed::Ranges(ranges),
            Changes::NotAncestor => Changed::All,
        })
    }

    /// What is to be made.
    pub(super) fn decide(&self, ready: Ready) -> Decision {
        decide::decide(&self.inputs(ready))
    }

    /// What the decision looks at.
    pub(super) fn inputs(&self, ready: Ready) -> Inputs<'_> {
        Inputs {
            source: &self.periods,
            from: self.from,
            target: &self.held,
            to: self.to,
            ready,
            changed: &self.changed,
            done: self.done.as_ref(),
            remake: self.remake,
            unit: self.target.as_ref().map_or(1, |t| usize::try_from(t.template().write_unit()).unwrap_or(1)),
        }
    }

    /// Whether the head cannot say which windows are behind, so that all were computed, or says
    /// that an earlier run left some.
    pub(super) fn is_begun_anew(&self) -> bool {
        self.remake || self.changed == Changed::All || self.done.is_some()
    }

    /// The periods of the source as pieces of windows.
    pub(super) const fn from(&self) -> Pieces {
        self.from
    }

    /// The step of the derived dataset.
    pub(super) const fn to(&self) -> Frequency {
        self.to
    }

    /// The derived dataset as it stands: what is passed on when there is nothing to do.
    pub(super) fn head(&self) -> Snapshot {
        self.target.as_ref().map_or_else(
            || Snapshot {
                dataset: self.info.id.clone(),
                repository: self.info.location.url.clone(),
                branch: self.snapshot.branch.clone(),
                id: None,
                base: None,
            },
            |target| target.snapshot().clone(),
        )
    }

    /// Windows that an earlier run did for this source and that did not change since.
    pub(super) fn still_done(&self) -> Vec<PeriodRange> {
        let Some(done) = &self.done else { return Vec::new() };
        let windows = done.windows.iter().flat_map(PeriodRange::iter);
        PeriodRange::collect(windows.filter(|window| !done.since.touches(self.from.of(*window))))
    }

    /// The work cut where commits end: at write units, once enough was read. What is made again
    /// under another definition is one commit, or readers would meet both.
    pub(super) fn batches(&self, decision: &Decision) -> Vec<Batch> {
        let window_bytes = self.source.as_ref().map_or(0, |s| s.template().period_bytes())
            * decision.windows.first().map_or(1, |w| self.from.of(w.period).len() as u64);
        let limit = usize::try_from(BATCH_BYTES / window_bytes.max(1)).unwrap_or(usize::MAX);
        let chunk = self.chunk();
        let origin = self.held.first().map(|(p, _)| *p).or(decision.windows.first().map(|w| w.period));
        let mut batches: Vec<Batch> = Vec::new();
        let mut open: Vec<Window> = Vec::new();
        for window in &decision.windows {
            let place = origin.map_or(0, |origin| window.period.ordinal() - origin.ordinal());
            if !self.remake && open.len() >= limit && place.rem_euclid(chunk) == 0 {
                batches.push(Batch { windows: std::mem::take(&mut open) });
            }
            open.push(*window);
        }
        batches.push(Batch { windows: open });
        batches.push(Batch { windows: decision.earlier.clone() });
        batches.retain(|batch| !batch.windows.is_empty());
        batches
    }

    /// Periods of the derived dataset that are written together.
    fn chunk(&self) -> i64 {
        let stored = self.target.as_ref().map(|t| t.template().write_unit());
        let declared = self.info.block.shards.get("time").or_else(|| self.info.block.chunks.get("time"));
        let unit = stored.or(declared.copied()).unwrap_or_else(|| self.to.default_time_chunk());
        i64::try_from(unit).unwrap_or(i64::MAX).max(1)
    }

    /// Bytes that the work holds at its peak; unknown while there is no source.
    pub(super) fn memory(&self) -> Option<u64> {
        let source = self.source.as_ref()?;
        let written = u64::try_from(self.chunk()).unwrap_or(1) * source.template().period_bytes();
        Some(compute::memory(source.template(), &self.recipes, self.from, self.to) + 2 * written)
    }
}

fn axis(cube: &Cube) -> Vec<(Period, Status)> {
    cube.axis().iter().collect()
}

fn steps(
    step: &DerivedResample,
    source: &DatasetInfo,
    own: &DatasetInfo,
) -> Result<(Frequency, Frequency), StepError> {
    let of = |info: &DatasetInfo| {
        check::frequency(&info.block).ok_or_else(|| {
            StepError::permanent(ErrorKind::Data, format!("{} has no time axis", info.id))
                .help("only datasets with a time step are resampled")
        })
    };
    let (from, to) = (of(source)?, of(own)?);
    match check::unfit(from, to, step.windows) {
        Some((message, help)) => {
            Err(StepError::permanent(ErrorKind::Data, format!("{} {message}", step.dataset)).help(help))
        }
        None => Ok((from, to)),
    }
}
