use std::sync::Arc;

use frazil_engine::{
    context::Scope,
    data::{Action, Period, PeriodRange, Slice, Status},
    dataset::DatasetInfo,
    step::{Batch, Ended, ErrorKind, PeriodLabel, ReadFrom, StepError, Written},
};
use icechunk::{repository::VersionInfo, session::Session};
use tokio::task::JoinSet;

use super::{
    Cube, admit, fault, kept, layout, objects,
    reference::{Body, UnitRecord, digest},
    release, repo, settle,
    template::Template,
    time::TimeIndex,
    unit::{self, Plan, Spare, Unit},
};

/// Numbers that may wait to be encoded while the next unit is gathered: enough to keep two cores
/// busy with small units; a larger unit is encoded before the next one is begun.
const AHEAD: usize = 8 << 20;

/// Chunks of a manifest along `time`; see docs/decisions for how it was measured.
pub(super) const CHUNKS_PER_MANIFEST: u32 = 1_024;

/// Writes the periods of one batch as chunk objects that nothing refers to yet. Holds one write
/// unit (steps of a chunk or shard × bytes of a period), or up to 8 MiB of smaller ones.
#[derive(Debug)]
pub struct BatchWriter {
    info: Arc<DatasetInfo>,
    scope: Scope,
    batch: Batch,
    cube: Option<Arc<Cube>>,
    session: Arc<Session>,
    plan: Option<Arc<Plan>>,
    /// Gaps that came before anything said what the grid is.
    waiting: Vec<Slice>,
    open: Option<Unit>,
    tasks: JoinSet<Result<(Option<UnitRecord>, Spare), StepError>>,
    spare: Spare,
    ahead: usize,
    units: Vec<UnitRecord>,
    labels: Vec<PeriodLabel>,
    changed: Vec<Period>,
    what: Arc<str>,
}

pub(super) fn refused(message: impl Into<String>, help: impl Into<String>) -> StepError {
    StepError::permanent(ErrorKind::Data, message).help(help)
}

impl BatchWriter {
    /// Begins a batch. The first one of a dataset creates its empty repository. A derived dataset
    /// passes an `info` whose block holds what it takes from its source.
    ///
    /// # Errors
    /// When the store cannot be read or written, or is never written by frazil.
    pub async fn begin(info: &DatasetInfo, scope: &Scope, batch: Batch) -> Result<Self, StepError> {
        writable(info)?;
        let cube = match &batch.periods.release {
            Some(release) => release::open(release, info, scope).await?,
            None => kept::open(info, scope).await?,
        };
        let what: Arc<str> = format!("cannot write to {}", info.location.url).into();
        let session = match &cube {
            Some(cube) => cube.session.clone(),
            None => {
                let config = repo::creation(CHUNKS_PER_MANIFEST);
                let repository = repo::open_or_create(info, scope, config).await?;
                let main = VersionInfo::BranchTipRef(repo::MAIN.to_owned());
                repository.readonly_session(&main).await.map_err(fault::icechunk(&what))?
            }
        };
        let plan = cube.as_deref().map(Plan::of_cube).transpose()?.map(Arc::new);
        Ok(Self {
            info: Arc::new(info.clone()),
            scope: scope.clone(),
            batch,
            cube,
            session: Arc::new(session),
            plan,
            waiting: Vec::new(),
            open: None,
            tasks: JoinSet::new(),
            spare: Spare::default(),
            ahead: 0,
            units: Vec::new(),
            labels: Vec::new(),
            changed: Vec::new(),
            what,
        })
    }

    /// Writes one period, in the order of the batch. Context is passed over; a period that is
    /// kept is not put. A slice without values (`gap`, `incomplete`, `withdrawn`) has no fields.
    ///
    /// # Errors
    /// When the slice is not one of this dataset and batch, or the store cannot be written. What
    /// was put before stands.
    pub async fn put(&mut self, slice: Slice) -> Result<(), StepError> {
        if slice.context {
            return Ok(());
        }
        let period = slice.period;
        self.place(slice).await.map_err(|error| repo::redacted(error.at(period), &self.scope))
    }

    async fn place(&mut self, mut slice: Slice) -> Result<(), StepError> {
        let action = self.admit(&slice)?;
        if slice.period == Period::STATIC {
            if !slice.status.has_values() {
                let message = "a dataset without a time axis has no gaps, and the source has nothing for it";
                return Err(refused(message, "look at the URL"));
            }
            // Nothing stands beside it to say that it is preliminary.
            slice.status = Status::Final;
        }
        if self.plan.is_none() {
            if slice.fields.is_empty() && layout::declare(&self.info, self.crs(), &slice).is_err() {
                self.waiting.push(slice);
                return Ok(());
            }
            let template = self.begun(layout::declare(&self.info, self.crs(), &slice)?).await?;
            self.plan = Some(Arc::new(Plan::of_template(template)?));
            for gap in std::mem::take(&mut self.waiting) {
                let action = self.admit(&gap)?;
                self.settle(gap, action).await?;
            }
        }
        self.settle(slice, action).await
    }

    /// What is begun with; the release of a multiscale dataset is one too.
    async fn begun(&self, declared: Template) -> Result<Template, StepError> {
        if self.batch.periods.release.is_none() {
            return Ok(declared);
        }
        let main = kept::open(&self.info, &self.scope).await?;
        let main = main.filter(|main| !main.template.levels.is_empty());
        Ok(main.map_or_else(|| declared.clone(), |main| declared.leveled_as(&main.template)))
    }

    fn crs(&self) -> Option<&str> {
        self.scope.project.crs.as_deref()
    }

    /// Whether the period is one of the batch, and in order.
    fn admit(&self, slice: &Slice) -> Result<Action, StepError> {
        let period = slice.period;
        let action = self.batch.periods.action(period).ok_or_else(|| {
            refused(
                format!("{period} is not one of the periods that were asked for"),
                "the source's labels and `stamp` do not fit the request",
            )
        })?;
        let last =
            self.waiting.last().map(|s| s.period).or_else(|| self.labels.last().map(|l| l.period.first));
        match last {
            Some(last) if last == period => {
                Err(refused(format!("{period} arrived twice"), "each period is written once"))
            }
            Some(last) if last > period => {
                Err(refused(format!("{period} arrived after {last}"), "periods are written in order of time"))
            }
            _ => Ok(action),
        }
    }

    /// Where a period lies: its unit and its place in it, counted from where the axis begins, or
    /// from where this batch begins when there is no axis yet.
    fn slot(&self, period: Period, length: usize) -> Result<(i64, usize), StepError> {
        let axis = self.cube.as_deref().map(Cube::axis);
        let origin = self.batch.periods.items.first().map_or(period, |item| item.range.first);
        let at = objects::place(axis, origin, period).ok_or_else(|| {
            let end = |end: Option<Period>| end.map(|p| p.to_string()).unwrap_or_default();
            let (first, last) = (end(axis.and_then(TimeIndex::first)), end(axis.and_then(TimeIndex::last)));
            refused(
                format!("{period} lies between {first} and {last} but is not on the axis"),
                "a period cannot be put into the middle of an axis yet: rebuild the dataset",
            )
        })?;
        let length = i64::try_from(length).unwrap_or(1);
        Ok((at.div_euclid(length), usize::try_from(at.rem_euclid(length)).unwrap_or_default()))
    }

    async fn settle(&mut self, slice: Slice, action: Action) -> Result<(), StepError> {
        let Some(plan) = self.plan.clone() else { return Ok(()) };
        let (period, status) = (slice.period, slice.status);
        let stored = self.cube.as_ref().is_some_and(|cube| cube.axis().position(period).is_some());
        if stored == (action == Action::Add) {
            let (is, wanted) =
                if stored { ("is on the axis already", "added") } else { ("is not on the axis", "changed") };
            return Err(settle::moved(format!("{period} was to be {wanted}, but {is}")));
        }
        let fields = admit::fields(&plan.template, slice, &self.info).await?;
        let (number, step) = self.slot(period, plan.length)?;
        if self.open.as_ref().is_none_or(|unit| unit.number != number) {
            // Fewer periods than a unit are put before the axis by a rewrite; on a release, which is a
            // rewrite itself, by none.
            if number < 0 && step != 0 && self.batch.periods.release.is_some() {
                return Err(unaligned(period, plan.length));
            }
            self.flush().await?;
            self.room(plan.unit_bytes()).await?;
            self.open = Some(match &self.cube {
                // What lies behind the axis is not stored: nothing is looked up.
                Some(cube) if (0..stored_units(cube, plan.length)).contains(&number) => {
                    Unit::load(number, &plan, cube, std::mem::take(&mut self.spare)).await?
                }
                _ => Unit::empty(number, &plan, std::mem::take(&mut self.spare)),
            });
        }
        let Some(unit) = self.open.as_mut() else { return Ok(()) };
        if stored {
            admit::overwrites(&plan, unit, &fields, step, status)?;
        }
        let mut differs = false;
        for (at, new) in fields.into_iter().enumerate() {
            differs |= unit.put(&plan, at, step, new);
        }
        unit.touched |= differs || !stored;
        unit.anchor.get_or_insert((period, step));
        if stored && differs {
            self.changed.push(period);
        }
        self.labels.push(PeriodLabel { period: PeriodRange::one(period), status, action });
        Ok(())
    }

    /// Sends the open unit on its way.
    async fn flush(&mut self) -> Result<(), StepError> {
        let (Some(unit), Some(plan)) = (self.open.take(), &self.plan) else { return Ok(()) };
        self.ahead += plan.unit_bytes();
        self.tasks.spawn(unit::upload(
            unit,
            Arc::clone(plan),
            Arc::clone(&self.session),
            Arc::clone(&self.what),
        ));
        Ok(())
    }

    /// Waits until `bytes` more may be held.
    async fn room(&mut self, bytes: usize) -> Result<(), StepError> {
        while self.ahead > 0 && self.ahead.saturating_add(bytes) > AHEAD {
            self.next().await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<(), StepError> {
        match self.tasks.join_next().await {
            Some(Ok(done)) => {
                let (record, spare) = done?;
                self.units.extend(record);
                self.spare = spare;
            }
            Some(Err(_)) => return Err(StepError::permanent(ErrorKind::Internal, "writing a chunk stopped")),
            None => {}
        }
        let unit = self.plan.as_ref().map_or(0, |plan| plan.unit_bytes());
        self.ahead = unit.saturating_mul(self.tasks.len());
        Ok(())
    }

    /// Writes what is left and gives the document to commit: the periods put so far.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn finish(mut self, ended: Ended) -> Result<Written, StepError> {
        if let Some(gap) = self.waiting.first() {
            return Err(refused(
                format!("{} is a gap, and nothing says yet what the grid of {} is", gap.period, self.info.id),
                "declare `grid`, `crs` and the types of the variables, or begin at a period that the source has",
            ));
        }
        self.flush().await?;
        while !self.tasks.is_empty() {
            self.next().await.map_err(|error| repo::redacted(error, &self.scope))?;
        }
        self.units.sort_by_key(|unit| unit.period);
        let body = Body {
            template: self.plan.as_ref().filter(|_| self.cube.is_none()).map(|plan| plan.template.clone()),
            layout: self.plan.as_ref().map(|plan| digest(&plan.template)).unwrap_or_default(),
            changed: PeriodRange::collect(self.changed),
            units: self.units,
        };
        Ok(Written {
            dataset: self.info.id.clone(),
            index: self.batch.index,
            base: self.cube.as_deref().map(Cube::id),
            labels: self.labels,
            source: read_from(&self.batch, ended),
            release: self.batch.periods.release.clone(),
            ended,
            body: serde_json::to_value(body)
                .map_err(|error| StepError::permanent(ErrorKind::Internal, error.to_string()))?,
        })
    }
}

/// The states of other datasets that a batch was read from.
fn read_from(batch: &Batch, ended: Ended) -> Option<ReadFrom> {
    let upstream = batch.periods.source.as_ref()?;
    let finishes = ended == Ended::Whole && batch.periods.batches.last() == Some(&upstream.last);
    Some(ReadFrom { snapshots: upstream.snapshots.clone(), finishes })
}

/// Units that hold stored periods.
fn stored_units(cube: &Cube, length: usize) -> i64 {
    i64::try_from(cube.axis().len().div_ceil(length.max(1))).unwrap_or(i64::MAX)
}

/// Earlier periods move what is stored by whole units, or not at all.
pub(super) fn unaligned(period: Period, unit: usize) -> StepError {
    refused(
        format!("{period} lies before the axis, but not a multiple of {unit} periods before it"),
        format!(
            "periods are inserted {unit} at a time, counted back from the first stored one: begin earlier, or rebuild"
        ),
    )
}

/// Refuses datasets that are not ours to write.
pub(super) fn writable(info: &DatasetInfo) -> Result<(), StepError> {
    if info.location.read_only || info.location.url.starts_with("http") {
        return Err(refused(
            format!("{} is made elsewhere: frazil reads it and never writes it", info.id),
            "give the dataset a `store` to write it",
        ));
    }
    Ok(())
}
