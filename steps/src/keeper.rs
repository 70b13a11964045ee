//! What steps have in common that are given a state of a dataset and give one of the same.

use frazil_engine::{
    context::{Context, Tick},
    data::{Action, DatasetId, Snapshot, SnapshotId},
    dataset::DatasetInfo,
    plan::{Planned, PlannedDocument, PlannedSnapshot, Work},
    step::{ErrorKind, StepError},
};

use crate::cube::{self, Cube};

/// The state that such a step is planned over.
pub(crate) fn given(input: Vec<Planned>) -> Result<PlannedSnapshot, StepError> {
    let given = input.into_iter().find_map(|planned| match planned.document {
        PlannedDocument::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    });
    given
        .ok_or_else(|| StepError::permanent(ErrorKind::Internal, "the step was planned without its Snapshot"))
}

/// Refuses the state of another dataset than the one that the step names.
pub(crate) fn own(named: &DatasetId, given: &DatasetId) -> Result<(), StepError> {
    if named == given {
        return Ok(());
    }
    let message = format!("the step says `dataset: {named}`, and was given a Snapshot of {given}");
    let error = StepError::permanent(ErrorKind::Data, message);
    Err(error.help("let `needs` name the step that gives this dataset"))
}

/// How many periods the dataset holds once what it is given is there.
pub(crate) fn length(cube: Option<&Cube>, given: &PlannedSnapshot) -> usize {
    let added = given.changes.iter().filter(|item| item.action == Action::Add);
    cube.map_or(0, |cube| cube.axis().len()) + added.map(|item| item.range.len()).sum::<usize>()
}

/// The plan of a rewrite of what stands there: no value changes.
pub(crate) fn planned(
    info: &DatasetInfo,
    cube: Option<&Cube>,
    given: PlannedSnapshot,
    (work, reasons): (Work, Vec<String>),
) -> Planned {
    let snapshot = cube::written_head(info, cube.map(Cube::id));
    let planned = PlannedSnapshot { snapshot, work: work.clone(), reasons: reasons.clone(), ..given };
    Planned { document: PlannedDocument::Snapshot(planned), work, reasons }
}

/// What a rewrite gives, once it stands at `id`; `settled` is said where nothing was to be done.
pub(crate) fn rewritten(
    info: &DatasetInfo,
    input: &Snapshot,
    id: Option<SnapshotId>,
    settled: String,
    cx: &Context,
) -> Snapshot {
    if id == input.id {
        cx.progress.tick(Tick::Note(settled));
    }
    Snapshot { base: input.base.clone(), ..cube::written_head(info, id) }
}
