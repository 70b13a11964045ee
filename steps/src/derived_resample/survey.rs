//! What the decision looks at, read from the stores.

use std::sync::Arc;

use frazil_engine::{
    context::Scope,
    data::{Frequency, Item, Period, PeriodRange, Snapshot, SnapshotId, Status},
    dataset::DatasetInfo,
    plan::{Foretold, PlannedSnapshot},
    step::{ErrorKind, StepError},
};

use super::{
    DerivedResample, Ready, check, compute,
    decide::{self, Changed, Decision, Inputs, Window},
    inherit::{self, Recipe},
    pieces::Pieces,
};
use crate::cube::{self, Changes, Cube, Template};

/// Numbers of the source that one commit takes in at most, in bytes: a run that dies loses no
/// more work than this. A year of daily global fields at 0.25° is half of it.
const BATCH_BYTES: u64 = 4 << 30;

/// A source and its state that is worked on, with what will be done to it before.
pub(super) type Given<'a> = (Snapshot, &'a [Item], &'a [Foretold]);

/// Sources and derived dataset as they stand.
#[derive(Debug)]
pub(super) struct Survey {
    /// The derived dataset, with what it takes from its sources.
    pub(super) info: DatasetInfo,
    /// What it is made from; at least one.
    pub(super) sources: Vec<Source>,
    /// The derived dataset's head.
    pub(super) target: Option<Cube>,
    /// What is made of what; empty while a source is not there yet.
    pub(super) recipes: Vec<Recipe>,
    /// Whether the definition is another one than that of the head.
    pub(super) remake: bool,
    to: Frequency,
    held: Vec<(Period, Status)>,
    /// Windows that an earlier run did for newer sources than those that are recorded.
    done: Vec<PeriodRange>,
}

/// One of the datasets that windows are made from.
#[derive(Debug)]
pub(super) struct Source {
    /// The state of it that is worked on.
    pub(super) snapshot: Snapshot,
    /// It; none while it has no commit.
    pub(super) cube: Option<Cube>,
    /// Its periods as pieces of windows.
    pub(super) from: Pieces,
    info: Arc<DatasetInfo>,
    periods: Vec<(Period, Status)>,
    changed: Changed,
    since: Option<Changed>,
}

/// Windows that one commit settles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) windows: Vec<Window>,
}

impl Survey {
    /// Looks at all datasets.
    ///
    /// # Errors
    /// When a store cannot be read, or the settings do not fit what is stored.
    pub(super) async fn of(
        step: &DerivedResample,
        given: &[Given<'_>],
        scope: &Scope,
    ) -> Result<Self, StepError> {
        let own = scope.dataset(&step.dataset)?;
        let mut sources: Vec<Source> = Vec::new();
        for (snapshot, ..) in given {
            sources.push(Source::open(step, own, snapshot, scope).await?);
        }
        let target = Cube::open(own, scope).await?;
        let mut survey = Self {
            info: (**own).clone(),
            recipes: Vec::new(),
            remake: false,
            to: step_of(own)?,
            held: target.as_ref().map(axis).unwrap_or_default(),
            done: Vec::new(),
            sources,
            target,
        };
        if let Some(templates) = survey.templates() {
            let named: Vec<_> = templates.iter().map(|(info, template)| (&info.id, *template)).collect();
            inherit::one_grid(&named)?;
            let recipes = inherit::recipes(step, &named)?;
            survey.info = inherit::inherited(own, &templates, &recipes, step.windows);
            survey.recipes = recipes;
        }
        survey.history(given).await?;
        Ok(survey)
    }

    /// What stands in each source; none while one is not there yet.
    fn templates(&self) -> Option<Vec<(&DatasetInfo, &Template)>> {
        self.sources.iter().map(|source| Some((&*source.info, source.cube.as_ref()?.template()))).collect()
    }

    /// What changed since the head of the derived dataset was made.
    async fn history(&mut self, given: &[Given<'_>]) -> Result<(), StepError> {
        if let Some(target) = &self.target {
            let provenance = target.provenance();
            let other = |ours: &str, theirs: &Option<String>| theirs.as_deref().is_some_and(|t| t != ours);
            self.remake = other(&self.info.definition, &provenance.definition)
                || provenance.version != self.info.block.version;
            let pending = provenance.pending.as_ref().filter(|_| !self.remake);
            for source in &mut self.sources {
                let id = &source.snapshot.dataset;
                let recorded = provenance.sources.get(id);
                let recorded =
                    recorded.filter(|s| s.repository == source.snapshot.repository).map(|s| &s.snapshot);
                source.changed = source.changes(recorded).await?;
                if let Some(pending) = pending {
                    let begun = pending.others.get(id).unwrap_or(&pending.snapshot);
                    source.since = Some(source.changes(Some(begun)).await?);
                }
            }
            self.done = pending.map(|pending| pending.done.clone()).unwrap_or_default();
        }
        for (source, (_, planned, statuses)) in self.sources.iter_mut().zip(given) {
            source.forward(planned, statuses);
        }
        Ok(())
    }

    /// What is to be made.
    pub(super) fn decide(&self, ready: Ready) -> Decision {
        decide::decide(&self.inputs(ready))
    }

    /// What the decision looks at.
    pub(super) fn inputs(&self, ready: Ready) -> Inputs<'_> {
        Inputs {
            sources: self.sources.iter().map(Source::seen).collect(),
            target: &self.held,
            to: self.to,
            ready,
            done: &self.done,
            remake: self.remake,
            unit: self.target.as_ref().map_or(1, |t| usize::try_from(t.template().write_unit()).unwrap_or(1)),
        }
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
                branch: self.sources.first().map_or_else(String::new, |s| s.snapshot.branch.clone()),
                id: None,
                base: None,
            },
            |target| target.snapshot().clone(),
        )
    }

    /// Windows that an earlier run did for these sources and that did not change since.
    pub(super) fn still_done(&self) -> Vec<PeriodRange> {
        let windows = self.done.iter().flat_map(PeriodRange::iter);
        let touched = |window: Period| {
            let since = |s: &Source| s.since.as_ref().is_some_and(|since| since.touches(s.from.of(window)));
            self.sources.iter().any(since)
        };
        PeriodRange::collect(windows.filter(|window| !touched(*window)))
    }

    /// The work cut where commits end: at write units, once enough was read. What is made again
    /// under another definition is one commit, or readers would meet both.
    pub(super) fn batches(&self, decision: &Decision) -> Vec<Batch> {
        let bytes = |source: &Source| {
            let period = source.cube.as_ref().map_or(0, |cube| cube.template().period_bytes());
            period * decision.windows.first().map_or(1, |w| source.from.of(w.period).len() as u64)
        };
        let window_bytes: u64 = self.sources.iter().map(bytes).sum();
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

    /// The layout of the derived dataset: as it is stored, else as it follows from those of its sources,
    /// which may be foreseen too.
    pub(super) fn layout(
        &self,
        step: &DerivedResample,
        planned: &[PlannedSnapshot],
        scope: &Scope,
    ) -> Option<Template> {
        if let Some(target) = &self.target {
            return Some(target.template().clone());
        }
        let template = |source: &Source| match &source.cube {
            Some(cube) => Some(cube.template().clone()),
            None => {
                let of = |one: &&PlannedSnapshot| one.snapshot.dataset == source.snapshot.dataset;
                serde_json::from_value(planned.iter().find(of)?.layout.clone()?).ok()
            }
        };
        let templates: Vec<Template> = self.sources.iter().map(template).collect::<Option<_>>()?;
        let infos = self.sources.iter().map(|source| &*source.info);
        let named: Vec<(&DatasetInfo, &Template)> = infos.zip(&templates).collect();
        let by_id: Vec<_> = named.iter().map(|(info, template)| (&info.id, *template)).collect();
        let recipes = inherit::recipes(step, &by_id).ok()?;
        let own = scope.dataset(&step.dataset).ok()?;
        let info = inherit::inherited(own, &named, &recipes, step.windows);
        cube::declared_on(&info, scope.project.crs.as_deref(), &templates.first()?.grid)
    }

    /// Chunk objects that the batches write at most.
    pub(super) fn chunks(&self, layout: &Template, batches: &[Batch]) -> u64 {
        let ranges = |batch: &Batch| PeriodRange::collect(batch.windows.iter().map(|w| w.period));
        let batches: Vec<_> = batches.iter().map(ranges).collect();
        cube::chunk_objects(layout, self.target.as_ref().map(Cube::axis), &batches)
    }

    /// Periods of the derived dataset that are written together.
    fn chunk(&self) -> i64 {
        let stored = self.target.as_ref().map(|t| t.template().write_unit());
        let declared = self.info.block.shards.get("time").or_else(|| self.info.block.chunks.get("time"));
        let unit = stored.or(declared.copied()).unwrap_or_else(|| self.to.default_time_chunk());
        i64::try_from(unit).unwrap_or(i64::MAX).max(1)
    }

    /// Bytes that the work holds at its peak; unknown while a source is not there yet.
    pub(super) fn memory(&self) -> Option<u64> {
        let templates = self.templates()?;
        let mut bytes = 0;
        for (at, (source, (_, template))) in self.sources.iter().zip(templates).enumerate() {
            let own = self.recipes.iter().filter(|recipe| recipe.source == at);
            bytes += compute::memory(template, own, source.from, self.to);
            bytes += 2 * u64::try_from(self.chunk()).unwrap_or(1) * template.period_bytes();
        }
        Some(bytes)
    }
}

impl Source {
    async fn open(
        step: &DerivedResample,
        own: &DatasetInfo,
        snapshot: &Snapshot,
        scope: &Scope,
    ) -> Result<Self, StepError> {
        let info = scope.dataset(&snapshot.dataset)?;
        let from = step_of(info)?;
        if let Some((message, help)) = check::unfit(from, step_of(own)?, step.windows) {
            let message = format!("{} {message}", step.dataset);
            return Err(StepError::permanent(ErrorKind::Data, message).help(help));
        }
        let cube = match &snapshot.id {
            Some(id) => Some(Cube::open_at(info, scope, id).await?),
            None => None,
        };
        Ok(Self {
            snapshot: snapshot.clone(),
            info: Arc::clone(info),
            from: Pieces { step: from, rule: step.windows },
            periods: cube.as_ref().map(axis).unwrap_or_default(),
            changed: Changed::All,
            since: None,
            cube,
        })
    }

    async fn changes(&self, since: Option<&SnapshotId>) -> Result<Changed, StepError> {
        let (Some(cube), Some(since)) = (&self.cube, since) else { return Ok(Changed::All) };
        Ok(match cube.changes_since(since).await? {
            Changes::Periods(ranges) | Changes::Foreign(ranges) => Changed::Ranges(ranges),
            Changes::NotAncestor => Changed::All,
        })
    }

    /// As it will be once `planned` is done to it.
    fn forward(&mut self, planned: &[Item], statuses: &[Foretold]) {
        if planned.is_empty() {
            return;
        }
        let (periods, touched) = decide::forward(&self.periods, planned, statuses);
        self.periods = periods;
        for changed in [Some(&mut self.changed), self.since.as_mut()].into_iter().flatten() {
            if let Changed::Ranges(ranges) = changed {
                ranges.extend(touched.iter().copied());
            }
        }
    }

    fn seen(&self) -> decide::Source<'_> {
        decide::Source {
            name: self.snapshot.dataset.as_str(),
            axis: &self.periods,
            from: self.from,
            changed: &self.changed,
            since: self.since.as_ref(),
        }
    }
}

fn axis(cube: &Cube) -> Vec<(Period, Status)> {
    cube.axis().iter().collect()
}

/// The step of a dataset's axis.
fn step_of(info: &DatasetInfo) -> Result<Frequency, StepError> {
    check::frequency(&info.block).ok_or_else(|| {
        StepError::permanent(ErrorKind::Data, format!("{} has no time axis", info.id))
            .help("only datasets with a time step are resampled")
    })
}
