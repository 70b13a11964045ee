//! The periods at which past runs failed, and that are not there to this day.

use std::collections::BTreeSet;

use frazil_engine::{
    context::Scope,
    data::{Period, PeriodRange, Status},
    dataset::TimeAxis,
    event::RunState,
    step::StepError,
    store::{RunQuery, RunStore, SqliteStore},
};
use frazil_steps::cube::Standing;

use super::Span;
use crate::session::Selected;

/// Those of one selection that lie in one of the spans, as people write them.
pub(super) async fn failed(
    one: &Selected,
    spans: &[Span],
    store: &SqliteStore,
    scope: &Scope,
) -> anyhow::Result<Vec<String>> {
    let mut found: BTreeSet<Period> = BTreeSet::new();
    let query = RunQuery { pipeline: Some(one.pipeline.id.clone()), ..RunQuery::default() };
    let mut states = Vec::new();
    for run in store.list(&query).await.map_err(StepError::from)? {
        states.push(RunState::fold(&store.load(&run.run).await.map_err(StepError::from)?)?);
    }
    for unit in &one.units {
        let node = &one.pipeline.nodes[one.pipeline.units[*unit].node()];
        let Some(write) = node.step.writes() else { continue };
        let info = scope.dataset(write.dataset())?;
        let TimeAxis::Regular(time) = &info.block.time else { continue };
        let errors = states.iter().filter_map(|state| state.units.get(&node.id)?.error.as_ref()?.failure());
        let periods =
            errors.filter_map(|failure| Period::parse(failure.period.as_deref()?, time.frequency()).ok());
        let standing = Standing::of(info, scope).await?;
        let is_open = |period: &Period| {
            let status = standing.cube().and_then(|cube| cube.axis().status(*period));
            // A person took it out: only a person brings it back.
            status.is_none_or(|status| !status.has_values() && status != Status::Withdrawn)
        };
        let asked = |period: &Period| spans.iter().any(|span| span.contains(*period));
        found.extend(periods.filter(|period| is_open(period) && asked(period)));
    }
    let written = |range: PeriodRange| format!("{}..{}", range.first, range.last);
    Ok(PeriodRange::collect(found).into_iter().map(written).collect())
}
