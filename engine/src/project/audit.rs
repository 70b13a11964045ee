//! Datasets that are looked at before anyone reads them, and datasets whose past nobody lets go.

use super::datasets::{Block, Blocks};
use crate::{
    data::DatasetId,
    dataset::TimeAxis,
    diagnostic::{Diagnostic, codes},
    pipeline::{Draft, DraftStep},
    step::{Keeps, PortKind, Write},
    trigger::Schedule,
};

/// Says where an audited dataset is published by nobody, or unseen, or read before it is.
pub(super) fn check(drafts: &[Draft<'_>], blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    // What is wrong with settings may be the very step that is missed.
    let whole = drafts.iter().flat_map(|draft| &draft.steps).all(|step| step.bound.is_some());
    for (id, block) in blocks {
        let Some((file, writer)) = block.writer.filter(|_| whole && is_audited(block)) else { continue };
        let promotes = |step: &DraftStep<'_>| keeps(step) == Some(Keeps::Promotes(id.clone()));
        if !drafts[file].steps.iter().any(promotes) {
            let step = &drafts[file].steps[writer];
            let message = format!("`{id}` is audited, and nothing publishes it: `main` would never move");
            out.push(
                Diagnostic::error(codes::AUDIT, step.with_place("/dataset"), message)
                    .label("written on branch `audit`")
                    .other(block.key, "audited")
                    .help(format!(
                        "add `validate` and `promote` for `{id}` to this file, or leave out `audit: true`"
                    )),
            );
        }
    }
    for draft in drafts {
        for (at, step) in draft.steps.iter().enumerate() {
            if let Some(Keeps::Promotes(id)) = keeps(step) {
                promoted(draft, at, &id, blocks, out);
            } else {
                early(draft, at, blocks, out);
            }
        }
    }
}

fn keeps(step: &DraftStep<'_>) -> Option<Keeps> {
    step.bound.as_ref()?.keeps()
}

fn is_audited(block: &Block) -> bool {
    block.block.as_ref().is_some_and(|block| block.audit)
}

/// A step that publishes: of a dataset that is audited, after it was looked at.
fn promoted(draft: &Draft<'_>, at: usize, id: &DatasetId, blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    let step = &draft.steps[at];
    let Some(block) = blocks.get(id) else { return };
    if !is_audited(block) {
        let message =
            format!("`{id}` is not audited: it is written to `main`, and there is nothing to promote");
        out.push(
            Diagnostic::error(codes::AUDIT, step.with_place("/dataset"), message)
                .other(block.key, "not audited")
                .help("say `audit: true` there, or remove this step"),
        );
        return;
    }
    // What is wrong with settings may be the very step that looks at it.
    if step.unsure || step.needs.is_empty() || draft.steps.iter().any(|step| step.bound.is_none()) {
        return;
    }
    let before = before(draft, at, id);
    let validates = |at: &usize| keeps(&draft.steps[*at]) == Some(Keeps::Validates(id.clone()));
    if !before.iter().any(validates) {
        let (need, place) = step.needs[0];
        let message = format!("`{}` publishes `{id}` without anybody having looked at it", step.id);
        out.push(
            Diagnostic::error(codes::AUDIT, place, message)
                .label(format!("`{}` is published as it comes", draft.steps[need].id))
                .other(block.key, "audited")
                .help("put a step `uses: validate` between them"),
        );
    }
}

/// Steps that give the state of a dataset to this one, nearest first, up to the step that writes it.
fn before(draft: &Draft<'_>, at: usize, id: &DatasetId) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open = vec![at];
    while let Some(at) = open.pop() {
        for (need, _) in &draft.steps[at].needs {
            if gives(draft, *need).as_ref() == Some(id) && !found.contains(need) {
                found.push(*need);
                open.push(*need);
            }
        }
    }
    found
}

/// The dataset of the Snapshot that a step gives.
fn gives(draft: &Draft<'_>, at: usize) -> Option<DatasetId> {
    let step = &draft.steps[at];
    if step.step_type?.output != PortKind::Snapshot {
        return None;
    }
    let bound = step.bound.as_ref()?;
    bound.writes().map(|write| write.dataset().clone()).or_else(|| bound.reads().into_iter().next())
}

/// A reader that is given an audited dataset before it is published.
fn early(draft: &Draft<'_>, at: usize, blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    let step = &draft.steps[at];
    for (need, place) in &step.needs {
        let Some(id) = gives(draft, *need) else { continue };
        let audited = blocks.get(&id).filter(|block| is_audited(block));
        let Some(block) = audited else { continue };
        // Whoever works on it works on its branch.
        let works = keeps(step).is_some_and(|keeps| *keeps.dataset() == id)
            || matches!(step.bound.as_ref().and_then(|b| b.writes()), Some(Write::Keep(kept)) if kept == id);
        let giver = &draft.steps[*need];
        let published =
            keeps(giver) == Some(Keeps::Promotes(id.clone())) || super::opened::opens(giver).is_some();
        if works || published || step.bound.is_none() {
            continue;
        }
        let promotes = draft.steps.iter().find(|step| keeps(step) == Some(Keeps::Promotes(id.clone())));
        let help = match promotes {
            Some(promotes) => format!("write `needs: {}`", promotes.id),
            None => format!("let it need a step `uses: promote` of `{id}`"),
        };
        let message = format!("`{}` reads `{id}` before it is published", step.id);
        out.push(
            Diagnostic::error(codes::AUDIT, *place, message)
                .label(format!("`{}` gives what stands on branch `audit`", giver.id))
                .other(block.key, "audited")
                .help(help),
        );
    }
}

/// Times the size of the data that are left behind until it is worth a word.
const WORTH: i64 = 8;

/// Says where runs bring far fewer periods than a chunk holds and nothing lets go of what each of them
/// leaves: the chunk is written anew by every run, and all of them stay.
pub(super) fn pasts(drafts: &[Draft<'_>], blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    for (id, block) in blocks {
        let Some((file, writer)) = block.writer else { continue };
        let Some(declared) = block.block.as_ref() else { continue };
        let TimeAxis::Regular(time) = &declared.time else { continue };
        let step = time.frequency();
        let said = declared.shards.get("time").or_else(|| declared.chunks.get("time")).copied();
        let unit = said.unwrap_or_else(|| step.default_time_chunk());
        let unit = i64::try_from(unit).unwrap_or(i64::MAX);
        let draft = &drafts[file];
        let Some(between) = draft.triggers.iter().filter_map(Schedule::of).filter_map(|s| s.interval()).min()
        else {
            continue;
        };
        let whole = time.available.and_then(|available| available.whole);
        let together = whole.map_or(between, |whole| between.max(whole.frequency().nominal_minutes()));
        let brings = (together / step.nominal_minutes().max(1)).max(1);
        let maintained = drafts
            .iter()
            .flat_map(|draft| &draft.steps)
            .any(|step| step.bound.is_none() || keeps(step) == Some(Keeps::Maintains(id.clone())));
        // Half of each chunk that is written anew was there before.
        if maintained || unit / brings / 2 < WORTH {
            continue;
        }
        let s = if brings == 1 { "" } else { "s" };
        let message = format!(
            "a run brings {brings} period{s} of `{id}` and writes a chunk of {unit} anew: {} times the data stay behind",
            unit / brings / 2
        );
        let place = draft.steps[writer].with_place("/dataset");
        let help = format!(
            "add a step `uses: maintain, with: {{ dataset: {id} }}`, or declare `chunks: {{ time: {brings} }}`"
        );
        out.push(Diagnostic::error(codes::PAST, place, message).help(help).warning());
    }
}
