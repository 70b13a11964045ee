//! What a backfill asks of each pipeline: for the command line too.

use std::collections::BTreeSet;

use frazil_engine::{
    context::Scope,
    data::{Backfill, NodeId, Period, PeriodError, PeriodRange, PeriodSpan, PeriodText, Status},
    dataset::TimeAxis,
    event::RunState,
    project::Stage,
    scheduler::RunError,
    step::{ErrorKind, StepError},
    store::{RunQuery, RunStore},
};
use frazil_steps::cube::Standing;

/// A range of periods, open where no end is said.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    first: Option<PeriodText>,
    last: Option<PeriodText>,
}

impl Span {
    /// Whether it ends before it begins.
    #[must_use]
    pub fn is_backwards(self) -> bool {
        matches!((self.first, self.last), (Some(first), Some(last)) if last.end <= first.start)
    }

    fn contains(self, period: Period) -> bool {
        let step = period.frequency();
        self.first.is_none_or(|first| first.first(step) <= period)
            && self.last.is_none_or(|last| period <= last.last(step))
    }
}

/// The ranges that are asked for, at least one.
///
/// # Errors
/// When a text is no period.
pub fn spans(asked: &Backfill) -> Result<Vec<Span>, PeriodError> {
    let end = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
    if asked.among.is_empty() {
        return Ok(vec![Span { first: end(&asked.from)?, last: end(&asked.to)? }]);
    }
    let named = asked.among.iter().map(|text| {
        let span: PeriodSpan = text.parse()?;
        Ok(Span { first: Some(span.first), last: Some(span.last) })
    });
    named.collect()
}

/// Whether any of it lists periods, so that a backfill has something to ask for.
#[must_use]
pub fn lists_periods(stage: &Stage) -> bool {
    let nodes = stage.units.iter().flat_map(|unit| stage.pipeline.units[*unit].nodes());
    nodes.map(|node| &stage.pipeline.nodes[node].uses).any(|uses| uses == "enumerate-periods")
}

/// What of what is asked for past runs failed at, and is not there to this day; none where that is
/// nothing. What lists no periods follows what it is made of, and is asked as before.
///
/// # Errors
/// When the run history or a dataset cannot be read.
pub async fn only_failed(
    asked: &Backfill,
    stage: &Stage,
    store: Option<&dyn RunStore>,
    scope: &Scope,
) -> Result<Option<Backfill>, StepError> {
    if !lists_periods(stage) {
        return Ok(Some(asked.clone()));
    }
    let Some(store) = store else { return Ok(None) };
    let spans = spans(asked).map_err(|error| StepError::permanent(ErrorKind::Refused, error.to_string()))?;
    let among = failed(stage, &spans, store, scope).await?;
    let is_any = !among.is_empty();
    Ok(is_any.then(|| Backfill { among, from: None, to: None, ..asked.clone() }))
}

/// Periods in one of the spans at which past runs failed and that are missing, as people write them.
async fn failed(
    stage: &Stage,
    spans: &[Span],
    store: &dyn RunStore,
    scope: &Scope,
) -> Result<Vec<String>, StepError> {
    let failures = failures(stage, store).await?;
    let mut found: BTreeSet<Period> = BTreeSet::new();
    for unit in &stage.units {
        let node = &stage.pipeline.nodes[stage.pipeline.units[*unit].node()];
        let Some(write) = node.step.writes() else { continue };
        let info = scope.dataset(write.dataset())?;
        let TimeAxis::Regular(time) = &info.block.time else { continue };
        let texts = failures.iter().filter(|(unit, _)| *unit == node.id).map(|(_, text)| text);
        let periods = texts.filter_map(|text| Period::parse(text, time.frequency()).ok());
        let standing = Standing::of(info, scope).await?;
        let is_open = |period: &Period| {
            let status = standing.cube().and_then(|cube| cube.axis().status(*period));
            // A person took it out: only a person brings it back.
            status.is_none_or(|status| !status.has_values() && status != Status::Withdrawn)
        };
        let is_asked = |period: &Period| spans.iter().any(|span| span.contains(*period));
        found.extend(periods.filter(|period| is_open(period) && is_asked(period)));
    }
    let written = |range: PeriodRange| format!("{}..{}", range.first, range.last);
    Ok(PeriodRange::collect(found).into_iter().map(written).collect())
}

/// Units of the pipeline with periods at which they failed, in all runs that are kept.
async fn failures(stage: &Stage, store: &dyn RunStore) -> Result<BTreeSet<(NodeId, String)>, StepError> {
    let query = RunQuery { pipeline: Some(stage.pipeline.id.clone()), ..RunQuery::default() };
    let mut failures = BTreeSet::new();
    for run in store.list(&query).await? {
        let state = RunState::fold(&store.load(&run.run).await?).map_err(RunError::Illegal)?;
        let failed = |(unit, state): (NodeId, frazil_engine::event::UnitState)| {
            Some((unit, state.error.as_ref()?.failure()?.period.clone()?))
        };
        failures.extend(state.units.into_iter().filter_map(failed));
    }
    Ok(failures)
}
