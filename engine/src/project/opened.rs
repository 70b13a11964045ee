//! Datasets that a file opens: of another file, made by somebody, at a place of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::datasets::{Block, Blocks};
use crate::{
    data::DatasetId,
    diagnostic::{Diagnostic, Span, codes},
    document::Node,
    pipeline::{Draft, DraftStep, naming},
    registry::StepType,
    step::{Arity, PortKind, Write},
};

/// Datasets that are named one by one in a line under a caret; beyond that they are counted.
const NAMED: usize = 4;

/// The dataset that a root of a file opens.
pub(super) fn opens(step: &DraftStep<'_>) -> Option<DatasetId> {
    let kind = step.step_type?;
    let root = kind.input.arity == Arity::None && kind.output == PortKind::Snapshot;
    step.bound.as_ref().filter(|_| root)?.reads().into_iter().next()
}

/// Says where a file opens what it writes itself or what nobody writes, wakes itself, or two
/// datasets lie at one place. Writers are known.
pub(super) fn check(drafts: &[Draft<'_>], blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    for (at, draft) in drafts.iter().enumerate() {
        for step in &draft.steps {
            let Some(id) = opens(step) else { continue };
            let Some(block) = blocks.get(&id) else { continue };
            let place = step.with_place("/dataset");
            match block.writer {
                Some((other, writer)) if other == at => {
                    let writer = &draft.steps[writer];
                    out.push(
                        Diagnostic::error(codes::OPENED_INSIDE, place, format!("`{id}` is written in this very file, by `{}`", writer.id))
                            .label("opened")
                            .other(writer.with_place("/dataset"), "written")
                            .help(format!("write `needs: {}` where `{}` is needed, and remove this step", writer.id, step.id)),
                    );
                }
                Some(_) => {}
                None if block.location.read_only => {}
                None => out.push(
                    Diagnostic::error(codes::NEVER_WRITTEN, place, format!("`{id}` is opened, and no step of the project writes it"))
                        .other(block.key, "never written")
                        .help("write it with `append-commit` or `derived-resample`, or say where it is made: `external: URL`"),
                ),
            }
        }
        wakes_itself(at, draft, blocks, out);
        read_at_no_state(draft, out);
    }
    same_place(blocks, out);
}

/// Slices that are read from a dataset, at a state that nothing says.
fn read_at_no_state(draft: &Draft<'_>, out: &mut Vec<Diagnostic>) {
    for step in &draft.steps {
        let reads_slices =
            |kind: &StepType| kind.input.kind == PortKind::Periods && kind.output == PortKind::Slices;
        if !step.step_type.is_some_and(reads_slices) || step.unsure {
            continue;
        }
        let Some(&(lists, need)) = step.needs.first() else { continue };
        let listed = &draft.steps[lists];
        if listed.unsure {
            continue;
        }
        let given = super::graph::all_given(draft, lists);
        let reads = step.bound.as_ref().map(|bound| bound.reads()).unwrap_or_default();
        for id in reads.into_iter().filter(|id| !given.contains(id)) {
            out.push(no_state(draft, step, &id, (listed, need)));
        }
    }
}

fn no_state(
    draft: &Draft<'_>,
    step: &DraftStep<'_>,
    id: &DatasetId,
    (listed, need): (&DraftStep<'_>, Span),
) -> Diagnostic {
    let givers = draft.steps.iter().filter(|giver| {
        let written = giver.bound.as_ref().and_then(|bound| bound.writes());
        opens(giver).as_ref() == Some(id) || written.is_some_and(|write| write.dataset() == id)
    });
    let help = match givers.map(|giver| &giver.id).next() {
        Some(giver) => format!("write `needs: {giver}` at `{}`", listed.id),
        None => format!(
            "open it (`uses: open-dataset, with: {{ dataset: {id} }}`), and let `{}` need that step",
            listed.id
        ),
    };
    Diagnostic::error(
        codes::NO_STATE,
        naming(step, id),
        format!("`{id}` is read at a state that nothing says"),
    )
    .label("read here")
    .other(need, format!("`{}` lists the periods, and is given no Snapshot of it", listed.id))
    .help(help)
}

/// A trigger on a dataset that the same file writes.
fn wakes_itself(at: usize, draft: &Draft<'_>, blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    let triggers = draft.root.get("triggers").map_or(&[][..], Node::items);
    for (trigger, node) in draft.triggers.iter().zip(triggers) {
        let Some(id) = &trigger.dataset else { continue };
        let writer = blocks.get(id).and_then(|block| block.writer).filter(|(draft, _)| *draft == at);
        if let Some((_, writer)) = writer {
            let writer = &draft.steps[writer];
            out.push(
                Diagnostic::error(
                    codes::TRIGGER,
                    node.place("/dataset"),
                    format!("this pipeline writes `{id}`, so each of its runs would wake it again"),
                )
                .other(writer.with_place("/dataset"), "written here")
                .help("remove the trigger: steps that need the dataset follow in the same run"),
            );
        }
    }
}

/// Repositories that have two names.
fn same_place(blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<String, (&DatasetId, &Block)> = BTreeMap::new();
    // Our own first: what is external names one of them again.
    let (own, external): (Vec<_>, Vec<_>) = blocks.iter().partition(|(_, block)| !block.location.read_only);
    for (id, block) in own.into_iter().chain(external) {
        let url = block.location.url.trim_start_matches("file://").trim_end_matches('/').to_owned();
        if url.is_empty() {
            continue;
        }
        match seen.get(&url) {
            None => {
                seen.insert(url, (id, block));
            }
            // Two names of what others make harm nobody.
            Some((_, first)) if first.location.read_only => {}
            Some((first_id, first)) => {
                let help = if block.location.read_only {
                    format!("name it `{first_id}` wherever it is read")
                } else {
                    "leave `store` out, or give each a place of its own".to_owned()
                };
                out.push(
                    Diagnostic::error(
                        codes::SAME_PLACE,
                        block.key,
                        format!("`{id}` lies where `{first_id}` lies: {url}"),
                    )
                    .label("the same repository")
                    .other(first.key, "lies there")
                    .help(help),
                );
            }
        }
    }
}

/// Datasets that are never made because a step cannot be: those that it would write, and all that
/// hangs from them, in other files too.
pub(super) fn lost(drafts: &[Draft<'_>], draft: usize, step: usize) -> Vec<DatasetId> {
    let mut open = vec![(draft, step)];
    let mut met: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut lost: Vec<DatasetId> = Vec::new();
    while let Some((draft, step)) = open.pop() {
        if !met.insert((draft, step)) {
            continue;
        }
        let needing = drafts[draft].steps.iter().enumerate();
        open.extend(
            needing.filter(|(_, s)| s.needs.iter().any(|(n, _)| *n == step)).map(|(n, _)| (draft, n)),
        );
        let Some(Write::Values(id)) = drafts[draft].steps[step].bound.as_ref().and_then(|b| b.writes())
        else {
            continue;
        };
        for (other, file) in drafts.iter().enumerate() {
            let opening =
                file.steps.iter().enumerate().filter(|(_, s)| opens(s).is_some_and(|opened| opened == id));
            open.extend(opening.map(|(n, _)| (other, n)));
        }
        if !lost.contains(&id) {
            lost.push(id);
        }
    }
    lost
}

/// What is said at the name of an unknown dataset.
pub(super) fn without_it(lost: &[DatasetId], unknown: &DatasetId) -> Option<String> {
    let mut names: Vec<String> =
        lost.iter().filter(|id| *id != unknown).map(|id| format!("`{id}`")).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    if names.len() > NAMED {
        let more = format!("{} more", names.len() - NAMED);
        names.truncate(NAMED);
        names.push(more);
    }
    let last = names.pop()?;
    let names = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    Some(format!("without it {names} {verb} never made"))
}
