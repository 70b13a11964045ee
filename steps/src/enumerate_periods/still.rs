//! Datasets without a time axis: one period, which is all of them.

use frazil_engine::{
    context::Scope,
    data::{Action, Item, Only, Period, PeriodRange, Periods},
    dataset::DatasetInfo,
    plan::PlannedSnapshot,
    step::{ErrorKind, StepError},
};

use super::release;
use crate::{
    cube::{Cube, Standing},
    source_state,
};

/// Lists it when it is not stored yet, when its definition is another one than that of its last commit, or
/// when it is asked for by name.
pub(super) async fn list(
    info: &DatasetInfo,
    standing: &Standing,
    only: Option<Only>,
    upstream: Option<&PlannedSnapshot>,
    scope: &Scope,
) -> Result<(Periods, Vec<String>), StepError> {
    let refused = |message: String, help: &str| {
        Err(StepError::permanent(ErrorKind::Data, format!("{} {message}", info.id)).help(help))
    };
    if let Some(upstream) = upstream {
        let message = format!("has no time axis, so {} cannot say what it lacks", upstream.snapshot.dataset);
        return refused(message, "read it from files, with a step that lists it without a Snapshot");
    }
    let backfill = scope.backfill.as_ref();
    if backfill.is_some_and(|asked| asked.from.is_some() || asked.to.is_some() || !asked.among.is_empty()) {
        return refused(
            "has no time axis, so no period of it can be asked for".to_owned(),
            "`--only all` asks for it again",
        );
    }
    let cube = standing.cube();
    let (mut action, reason) = decide(info, cube, only);
    let mut told: Vec<String> = reason.into_iter().collect();
    if let Some(cube) = cube.filter(|_| action.is_none() && only.is_none()) {
        let (changed, unknown) = source_state::compared(&cube.provenance().files, scope).await?;
        if !changed.is_empty() {
            action = Some(Action::Revise);
        }
        told.extend(changed.into_iter().map(|what| format!("{what}: it is read again")).chain(unknown));
    }
    let range = PeriodRange::one(Period::STATIC);
    let periods = Periods {
        dataset: info.id.clone(),
        step: range.frequency(),
        base: cube.map(Cube::id),
        items: action.map(|action| Item { range, action }).into_iter().collect(),
        batches: action.map(|_| vec![range]).into_iter().collect(),
        source: None,
        release: release::asked(standing, Some(range)),
    };
    let mut reasons = release::reasons(standing, Some(range));
    reasons.extend(told);
    Ok((periods, reasons))
}

fn decide(info: &DatasetInfo, cube: Option<&Cube>, only: Option<Only>) -> (Option<Action>, Option<String>) {
    let Some(cube) = cube else { return (Some(Action::Add), Some("not stored yet".to_owned())) };
    if only == Some(Only::All) {
        return (Some(Action::Revise), Some("asked for again".to_owned()));
    }
    let stored = cube.provenance().definition.as_ref();
    if only.is_none() && stored.is_some_and(|stored| *stored != info.definition) {
        let reason = "its definition differs from the one of its last commit: it is read again";
        return (Some(Action::Revise), Some(reason.to_owned()));
    }
    (None, None)
}
