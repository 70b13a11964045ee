//! What the decision looks at, read from the stores.

mod source;

use std::sync::Arc;

use frazil_engine::{
    context::Scope,
    data::{Frequency, Item, Period, PeriodRange, Release, Snapshot, Status},
    dataset::DatasetInfo,
    plan::Foretold,
    step::{ErrorKind, StepError},
};

use super::{
    DerivedResample, Ready, check, compute,
    decide::{self, Decision, Inputs, Window},
    inherit::{self, Recipe},
};
use crate::cube::{self, Cube, Standing, Template};
pub(super) use source::{Given, Source};

/// Numbers of the source that one commit takes in at most, in bytes: a run that dies loses no
/// more work than this. A year of daily global fields at 0.25° is half of it.
const BATCH_BYTES: u64 = 4 << 30;

/// Sources and derived dataset as they stand.
#[derive(Debug)]
pub(super) struct Survey {
    /// The derived dataset, with what it takes from its sources.
    pub(super) info: DatasetInfo,
    /// What it is made from; at least one.
    pub(super) sources: Vec<Source>,
    /// The derived dataset: its head, and where another layout follows from its sources than is stored
    /// the branch on which it is made anew.
    pub(super) standing: Standing,
    /// The layout that follows from its sources.
    wanted: Option<Template>,
    /// How what is stored differs from it, where it cannot be written there.
    anew: Option<String>,
    /// What is made of what; empty while a source is not there yet.
    pub(super) recipes: Vec<Recipe>,
    /// Whether the definition is another one than that of the head.
    pub(super) remake: bool,
    to: Frequency,
    held: Vec<(Period, Status)>,
    /// Windows that an earlier run did for newer sources than those that are recorded.
    done: Vec<PeriodRange>,
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
        for given in given {
            sources.push(Source::open(step, own, given, scope).await?);
        }
        let main = Cube::open_to_write(own, scope).await?.map(Arc::new);
        let mut survey = Self {
            info: (**own).clone(),
            recipes: Vec::new(),
            remake: false,
            to: step_of(own)?,
            held: Vec::new(),
            done: Vec::new(),
            sources,
            standing: Standing { main: None, release: None, abandoned: Vec::new() },
            wanted: None,
            anew: None,
        };
        if let Some(templates) = survey.templates() {
            let named: Vec<_> = templates.iter().map(|(info, template)| (&info.id, *template)).collect();
            inherit::one_grid(&named)?;
            let recipes = inherit::recipes(step, &named)?;
            let grid = templates.first().map(|(_, template)| template.grid.clone());
            survey.info = inherit::inherited(own, &templates, &recipes, step.windows);
            survey.recipes = recipes;
            let crs = scope.project.crs.as_deref();
            survey.wanted = grid.and_then(|grid| cube::declared_on(&survey.info, crs, &grid));
        }
        survey.stands(main, scope).await?;
        survey.history(given).await?;
        Ok(survey)
    }

    /// Where it goes on: on `main`, or where that cannot hold what is wanted on a branch of its own.
    async fn stands(&mut self, main: Option<Arc<Cube>>, scope: &Scope) -> Result<(), StepError> {
        let Some(wanted) = &self.wanted else {
            // Nothing says which branches are wanted.
            self.standing.main = main;
            self.held = self.target().map(axis).unwrap_or_default();
            return Ok(());
        };
        let differs = main.as_ref().and_then(|main| cube::layout_difference(main.template(), wanted));
        let layout = differs
            .is_some()
            .then(|| cube::layout_digest(wanted, &self.info.definition, self.info.block.version.as_deref()));
        self.standing = Standing::derived(main, layout.as_deref(), &self.info, scope).await?;
        self.anew = differs.filter(|_| self.standing.release.is_some());
        self.held = self.target().map(axis).unwrap_or_default();
        Ok(())
    }

    /// What work goes on from: the branch of its release where there is one, else `main`.
    pub(super) fn target(&self) -> Option<&Cube> {
        self.standing.cube()
    }

    /// Whether it is made on `main` for the first time, or moves to another layout.
    pub(super) fn is_new(&self) -> bool {
        self.standing.main.is_none() || self.anew.is_some()
    }

    /// What lies in each source; none while that of one is not known yet.
    fn templates(&self) -> Option<Vec<(&DatasetInfo, &Template)>> {
        self.sources.iter().map(|source| Some((&*source.info, source.template.as_ref()?))).collect()
    }

    /// What changed since the head of the derived dataset was made.
    async fn history(&mut self, given: &[Given<'_>]) -> Result<(), StepError> {
        if let Some(target) = self.standing.cube() {
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
        for (source, given) in self.sources.iter_mut().zip(given) {
            source.forward(given.items, given.statuses);
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
            unit: self.target().map_or(1, |t| usize::try_from(t.template().write_unit()).unwrap_or(1)),
            anew: self.anew.is_some().then(|| self.reach()).flatten(),
        }
    }

    /// The step of the derived dataset.
    pub(super) const fn to(&self) -> Frequency {
        self.to
    }

    /// The first and the last window of `main`.
    fn reach(&self) -> Option<(Period, Period)> {
        let axis = self.standing.main.as_ref()?.axis();
        axis.first().zip(axis.last())
    }

    /// The release that the work is part of, where there is one: it holds what `main` holds, and all
    /// that can be made.
    pub(super) fn release(&self, decision: &Decision) -> Option<Release> {
        let release = self.standing.release.as_ref()?;
        let windows = decision.earlier.iter().chain(&decision.windows).map(|window| window.period);
        let held = self.held.iter().map(|(period, _)| *period);
        let reach = self.reach().into_iter().flat_map(|(first, last)| [first, last]);
        let all: Vec<Period> = windows.chain(held).chain(reach).collect();
        let range = PeriodRange { first: *all.iter().min()?, last: *all.iter().max()? };
        Some(release.release(range))
    }

    /// What the work changes for readers, and what of that will not be final: all of it where `main`
    /// moves to another layout.
    pub(super) fn changes(&self, decision: &Decision) -> (Vec<Item>, Vec<Foretold>) {
        let (items, statuses) = (decision.items(), decision.statuses());
        if self.anew.is_none() {
            return (items, statuses);
        }
        if decision.unaligned.is_some() {
            return (Vec::new(), Vec::new());
        }
        self.standing.moved(&items, &statuses)
    }

    /// The decision in sentences, with what becomes of branches.
    pub(super) fn reasons(&self, decision: &Decision) -> Vec<String> {
        let gone = self.standing.abandoned.iter().map(|branch| {
            format!("the release on branch {branch} is not wanted any more: a run removes the branch")
        });
        let anew = self.anew.iter().zip(&self.standing.release).map(|(differs, release)| {
            format!(
                "what it is made from lies otherwise than what is stored, {differs}: everything is made anew on branch {} ({} windows are there), and main moves there when all of it is",
                release.branch, release.done()
            )
        });
        gone.chain(anew).chain(decision.reasons.iter().cloned()).collect()
    }

    /// The derived dataset as it stands: what is passed on when there is nothing to do.
    pub(super) fn head(&self) -> Snapshot {
        self.standing.main.as_ref().map_or_else(
            || Snapshot {
                dataset: self.info.id.clone(),
                repository: self.info.location.url.clone(),
                branch: self.sources.first().map_or_else(String::new, |s| s.snapshot.branch.clone()),
                id: None,
                base: None,
            },
            |main| main.snapshot().clone(),
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

    /// The layout that is written: as it is stored, else as it follows from those of its sources,
    /// which may be foreseen too.
    pub(super) fn layout(&self) -> Option<Template> {
        self.target().map(|target| target.template().clone()).or_else(|| self.wanted.clone())
    }

    /// Chunk objects that the batches write at most.
    pub(super) fn chunks(&self, layout: &Template, batches: &[Batch]) -> u64 {
        let ranges = |batch: &Batch| PeriodRange::collect(batch.windows.iter().map(|w| w.period));
        let batches: Vec<_> = batches.iter().map(ranges).collect();
        cube::chunk_objects(layout, self.target().map(Cube::axis), &batches)
    }

    /// Periods of the derived dataset that are written together.
    fn chunk(&self) -> i64 {
        let stored = self.target().map(|t| t.template().write_unit());
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
        // A multiscale dataset is written with its levels.
        let levels = self.target().map_or(0, |target| target.template().level_bytes());
        bytes += u64::try_from(self.chunk()).unwrap_or(1) * levels;
        Some(bytes)
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
