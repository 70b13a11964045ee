use std::collections::BTreeMap;

use frazil_engine::{
    context::Scope,
    data::{DatasetId, RunId, Snapshot},
    event::{RunState, RunStatus},
    step::{Document, ErrorKind, StepError},
};
use frazil_steps::cube::Cube;
use serde_json::json;

use crate::{commands::show, exit::Exit, render::table, session::Session};

/// Where a dataset stands after a run.
pub(super) struct Standing {
    dataset: DatasetId,
    snapshot: Snapshot,
    /// Periods on its axis, the first and the last; none where it cannot be read or has none.
    periods: Option<(usize, String, String)>,
}

/// The datasets that a run passed on.
pub(super) fn written(state: &RunState) -> Vec<(DatasetId, Snapshot)> {
    let outputs = state.units.values().filter_map(|unit| match &unit.output {
        Some(Document::Snapshot(snapshot)) => Some((snapshot.dataset.clone(), snapshot.clone())),
        _ => None,
    });
    outputs.collect()
}

pub(super) async fn standing(
    session: &Session,
    scope: &Scope,
    written: &BTreeMap<DatasetId, Snapshot>,
) -> Vec<Standing> {
    let mut rows = Vec::new();
    for (dataset, snapshot) in written {
        let cube = match session.project.datasets.get(dataset) {
            Some(info) => Cube::open(info, scope).await.ok().flatten(),
            None => None,
        };
        let periods = cube.and_then(|cube| {
            let axis = cube.axis();
            Some((axis.len(), axis.first()?.to_string(), axis.last()?.to_string()))
        });
        rows.push(Standing { dataset: dataset.clone(), snapshot: snapshot.clone(), periods });
    }
    rows
}

pub(super) fn human(rows: &[Standing]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut lines = vec![["dataset", "periods", "snapshot", "repository"].map(str::to_owned).to_vec()];
    for Standing { dataset, snapshot, periods } in rows {
        let dash = || "-".to_owned();
        lines.push(vec![
            dataset.to_string(),
            periods.as_ref().map_or_else(dash, |(count, first, last)| {
                if first == last { first.clone() } else { format!("{count}: {first}/{last}") }
            }),
            snapshot.id.as_ref().map_or_else(dash, ToString::to_string),
            snapshot.repository.clone(),
        ]);
    }
    table::table(&lines)
}

/// What went wrong, and how it ended, a line each.
pub(super) fn notes(runs: &[(&RunId, &RunState)]) -> String {
    let mut text = String::new();
    for (run, state) in runs {
        let Some(accepted) = &state.accepted else { continue };
        for head in &accepted.units {
            if let Some(unit) = state.units.get(&head.unit) {
                text.push_str(&show::note(head, unit));
            }
        }
        let status = state.finished.map_or("not finished", |(status, _)| status.name());
        text.push_str(&format!("{}: {status} (run {run})\n", accepted.pipeline));
    }
    text
}

pub(super) fn json<'a>(rows: &[Standing], runs: impl Iterator<Item = (&'a RunId, &'a RunState)>) -> String {
    let mut text = String::new();
    for Standing { dataset, snapshot, periods } in rows {
        let line = json!({
            "frazil": 1, "type": "dataset", "dataset": dataset, "snapshot": snapshot.id,
            "repository": snapshot.repository, "branch": snapshot.branch,
            "periods": periods.as_ref().map(|(count, first, last)| {
                json!({ "count": count, "first": first, "last": last })
            }),
        });
        text.push_str(&format!("{line}\n"));
    }
    for (run, state) in runs {
        let line = json!({
            "frazil": 1, "type": "result", "run": run,
            "pipeline": state.accepted.as_ref().map(|accepted| &accepted.pipeline),
            "status": state.finished.map(|(status, _)| status),
        });
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// The code of several runs: the worst of what failed decides.
pub(super) fn exit<'a>(states: impl Iterator<Item = &'a RunState> + Clone) -> Exit {
    let failed = states.clone().any(|state| {
        state.finished.is_none_or(|(status, _)| matches!(status, RunStatus::Failed | RunStatus::Interrupted))
    });
    if !failed {
        return Exit::Done;
    }
    let errors = states.flat_map(|state| state.units.values()).filter_map(|unit| unit.error.as_ref());
    let kinds: Vec<ErrorKind> = errors.filter_map(StepError::failure).map(|failure| failure.kind).collect();
    let of = |exit: Exit| kinds.iter().any(|kind| Exit::of(*kind) == exit);
    // What is wrong with the data or with frazil needs a person; the others may pass.
    [Exit::Failed, Exit::Unreachable, Exit::Refused]
        .into_iter()
        .find(|exit| of(*exit))
        .unwrap_or(Exit::Failed)
}
