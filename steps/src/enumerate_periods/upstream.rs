//! What a source dataset has, and what of it changed since the target was read from it.

use frazil_engine::{
    context::Scope,
    data::{Action, DatasetId, Frequency, Item, Period, PeriodRange, SnapshotId, Status},
    plan::PlannedSnapshot,
    step::{ErrorKind, StepError},
};

use crate::cube::{Changes, Cube};

/// What is known of a source dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// From the first to the last period that holds values, as it is or as it will be.
    pub(super) range: PeriodRange,
    /// Periods that may have another value than when they were read.
    pub(super) changed: Vec<PeriodRange>,
}

/// What is known of several: what all of them have, and what changed in any. The reason why there
/// is nothing, where there is none.
pub(super) async fn look_at_all(
    upstream: &[PlannedSnapshot],
    target: (&DatasetId, Option<&Cube>),
    step: Frequency,
    scope: &Scope,
) -> Result<Result<(Source, Option<String>), String>, StepError> {
    let mut all: Option<Source> = None;
    let mut ends: Vec<(Period, &DatasetId)> = Vec::new();
    for given in upstream {
        let id = &given.snapshot.dataset;
        let Some(one) = look(given, target, step, scope).await? else {
            return Ok(Err(format!("{id} holds nothing yet")));
        };
        ends.push((one.range.last, id));
        all = Some(match all {
            None => one,
            Some(mut all) => {
                all.range.first = all.range.first.max(one.range.first);
                all.range.last = all.range.last.min(one.range.last);
                all.changed.extend(one.changed);
                all
            }
        });
    }
    let Some(all) = all.filter(|all| !all.range.is_empty()) else {
        return Ok(Err("its sources have no period in common yet".to_owned()));
    };
    let behind = ends.iter().min().filter(|(last, _)| ends.iter().any(|(other, _)| other > last));
    let waits = behind.map(|(last, id)| format!("{id} ends at {last}: what comes later waits for it"));
    Ok(Ok((all, waits)))
}

/// Looks at a source dataset for `target`, which is called `own`; none while it holds nothing.
pub(super) async fn look(
    upstream: &PlannedSnapshot,
    (own, target): (&DatasetId, Option<&Cube>),
    step: Frequency,
    scope: &Scope,
) -> Result<Option<Source>, StepError> {
    let snapshot = &upstream.snapshot;
    let info = scope.dataset(&snapshot.dataset)?;
    let mut ends: Vec<Period> = Vec::new();
    let mut changed: Vec<PeriodRange> = Vec::new();
    if let Some(id) = &snapshot.id {
        let cube = Cube::open_at(info, scope, id).await?;
        if cube.axis().step() != step {
            let message =
                format!("{own} is of step {step}, its source {} of {}", info.id, cube.axis().step());
            return Err(StepError::permanent(ErrorKind::Data, message).help(
                "periods are read one for one: `derived-resample` makes a coarser step of a finer one",
            ));
        }
        let has = |(period, status): (Period, Status)| status.has_values().then_some(period);
        ends.extend(cube.axis().iter().find_map(has));
        ends.extend(cube.axis().iter().rev().find_map(has));
        if let Some(target) = target {
            changed = newer(&cube, target, &snapshot.repository).await?;
        }
    }
    let added = |item: &Item| (item.action != Action::Revise).then_some([item.range.first, item.range.last]);
    ends.extend(upstream.changes.iter().filter_map(added).flatten());
    changed.extend(upstream.changes.iter().map(|item| item.range));
    let range = ends.iter().min().zip(ends.iter().max()).map(|(&first, &last)| PeriodRange { first, last });
    Ok(range.map(|range| Source { range, changed }))
}

/// Periods of `source` that changed since `target` was read from it.
async fn newer(source: &Cube, target: &Cube, repository: &str) -> Result<Vec<PeriodRange>, StepError> {
    let provenance = target.provenance();
    let recorded = provenance.sources.get(&source.snapshot().dataset);
    let recorded = recorded.filter(|state| state.repository == repository).map(|state| &state.snapshot);
    let changed = since(source, recorded).await?;
    let Some(pending) = &provenance.pending else { return Ok(changed) };
    // An earlier run began with a newer state and did not finish: what it did is as new as that.
    let newer = pending.others.get(&source.snapshot().dataset).unwrap_or(&pending.snapshot);
    let later = since(source, Some(newer)).await?;
    let within = |ranges: &[PeriodRange], period: &Period| ranges.iter().any(|range| range.contains(*period));
    let periods = source
        .axis()
        .periods()
        .iter()
        .copied()
        .filter(|period| within(if within(&pending.done, period) { &later } else { &changed }, period));
    Ok(PeriodRange::collect(periods))
}

/// What changed since a state of the source; all of it where that cannot be told.
async fn since(source: &Cube, state: Option<&SnapshotId>) -> Result<Vec<PeriodRange>, StepError> {
    let found = match state {
        Some(state) => source.changes_since(state).await?,
        None => Changes::NotAncestor,
    };
    Ok(match found {
        Changes::Periods(ranges) | Changes::Foreign(ranges) => ranges,
        Changes::NotAncestor => PeriodRange::collect(source.axis().periods().iter().copied()),
    })
}
