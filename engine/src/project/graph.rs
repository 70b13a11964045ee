//! Datasets of the whole project: who writes each, and what it is made from.

use std::collections::{BTreeMap, BTreeSet};

use super::datasets::Blocks;
use crate::{
    data::{DatasetId, NodeId},
    diagnostic::{Diagnostic, Span, codes},
    graph::Graph,
    pipeline::Draft,
    step::{PortKind, Write},
};

/// Finds writers and sources, and says where two write one dataset or some are made from each other.
pub(super) fn check(drafts: &[Draft<'_>], blocks: &mut Blocks, out: &mut Vec<Diagnostic>) {
    let mut edges: BTreeMap<DatasetId, BTreeMap<DatasetId, Span>> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        let upstream = upstream(draft);
        for (n, step) in draft.steps.iter().enumerate() {
            let Some(Write::Values(id)) = step.bound.as_ref().and_then(|b| b.writes()) else { continue };
            let place = step.with_place("/dataset");
            let Some(block) = blocks.get_mut(&id) else { continue };
            if let Some((other, first)) = block.writer {
                let first = &drafts[other].steps[first];
                let named = |draft: &Draft<'_>, step: &NodeId| match &draft.id {
                    Some(pipeline) if other != at => format!("{pipeline}.{step}"),
                    _ => step.to_string(),
                };
                let (one, two) = (named(&drafts[other], &first.id), named(draft, &step.id));
                let message = format!("`{id}` is written by two steps: `{one}` and `{two}`");
                out.push(
                    Diagnostic::error(codes::WRITERS, place, message)
                        .label("written again")
                        .other(first.with_place("/dataset"), format!("written by `{one}`"))
                        .help("one step in the whole project changes the values of a dataset"),
                );
                continue;
            }
            block.writer = Some((at, n));
            block.sources = sources(draft, n).into_iter().filter(|source| *source != id).collect();
            if let Some(fetched) = block.block.as_ref().filter(|b| b.variables.is_empty())
                && step.step_type.is_some_and(|t| t.input.kind == PortKind::Slices)
            {
                let message =
                    format!("`{id}` ({}) is fetched, so it says which variables it has", fetched.title);
                out.push(
                    Diagnostic::error(codes::NO_VARIABLES, block.key, message)
                        .help("add `variables: { name: { units: … } }`"),
                );
            }
            if block.location.read_only {
                out.push(
                    Diagnostic::error(
                        codes::READ_ONLY,
                        place,
                        format!("`{id}` is external, and never written"),
                    )
                    .other(block.key, "made elsewhere")
                    .help("write to a dataset of your own, or remove `external`"),
                );
            }
            let inputs = upstream[n].iter().filter(|from| **from != id);
            edges.entry(id.clone()).or_default().extend(inputs.map(|from| (from.clone(), place)));
        }
    }
    // A circle of steps in one file is told by its steps.
    if !out.iter().any(|p| p.code == codes::CYCLE) {
        cycles(drafts, blocks, &edges, out);
    }
}

/// The datasets that a step is made from, each once: those of the Snapshots that it takes, or those
/// from which its slices are read.
fn sources(draft: &Draft<'_>, at: usize) -> Vec<DatasetId> {
    let mut found: Vec<DatasetId> = Vec::new();
    let mut readers = vec![at];
    let mut met = BTreeSet::new();
    while let Some(reader) = readers.pop().filter(|reader| met.insert(*reader)) {
        let step = &draft.steps[reader];
        let Some(kind) = step.step_type else { continue };
        let datasets = match (kind.input.kind, kind.output) {
            (PortKind::Slices, _) => {
                readers.extend(step.needs.iter().rev().map(|(need, _)| *need));
                continue;
            }
            (_, PortKind::Slices) => step.bound.as_ref().map(|bound| bound.reads()).unwrap_or_default(),
            _ => all_given(draft, reader),
        };
        for dataset in datasets {
            if !found.contains(&dataset) {
                found.push(dataset);
            }
        }
    }
    found
}

/// The datasets of the Snapshots that a step takes.
pub(super) fn all_given(draft: &Draft<'_>, at: usize) -> Vec<DatasetId> {
    let step = &draft.steps[at];
    let given = step.needs.iter().filter_map(|(from, _)| {
        let giver = &draft.steps[*from];
        if giver.step_type?.output != PortKind::Snapshot {
            return None;
        }
        let bound = giver.bound.as_ref()?;
        bound.writes().map(|w| w.dataset().clone()).or_else(|| bound.reads().into_iter().next())
    });
    given.collect()
}

/// For each step, the datasets that it reads, itself or through what it needs, up to the nearest that
/// are written on the way: what those are made from hangs from them.
fn upstream(draft: &Draft<'_>) -> Vec<BTreeSet<DatasetId>> {
    let steps = &draft.steps;
    let mut found: Vec<BTreeSet<DatasetId>> = steps
        .iter()
        .map(|s| s.bound.as_ref().map(|b| b.reads().into_iter().collect()).unwrap_or_default())
        .collect();
    let edges =
        steps.iter().enumerate().flat_map(|(at, step)| step.needs.iter().map(move |(from, _)| (*from, at)));
    // Of steps that need each other in a circle nothing is said but that.
    for at in Graph::new(steps.len(), edges).order().unwrap_or_default() {
        let mut more = BTreeSet::new();
        for (from, _) in &steps[at].needs {
            match steps[*from].bound.as_ref().and_then(|b| b.writes()) {
                Some(Write::Values(id)) => drop(more.insert(id)),
                _ => more.extend(found[*from].iter().cloned()),
            }
        }
        found[at].extend(more);
    }
    found
}

/// Datasets made from each other, a circle of each knot told once; over several files each with
/// the one that makes it.
fn cycles(
    drafts: &[Draft<'_>],
    blocks: &Blocks,
    edges: &BTreeMap<DatasetId, BTreeMap<DatasetId, Span>>,
    out: &mut Vec<Diagnostic>,
) {
    let ids: Vec<&DatasetId> = edges.keys().collect();
    let place = |id: &DatasetId| ids.binary_search(&id).ok();
    let made = edges.iter().enumerate().flat_map(|(made, (_, sources))| {
        sources.keys().filter_map(place).map(move |from| (from, made)).collect::<Vec<_>>()
    });
    for circle in Graph::new(ids.len(), made).circles() {
        let circle: Vec<&DatasetId> = circle.into_iter().map(|at| ids[at]).collect();
        let file = |id: &DatasetId| blocks.get(id).and_then(|block| block.writer).map(|(draft, _)| draft);
        let several = circle.iter().any(|id| file(id) != file(circle[0]));
        let named = |id: &&DatasetId| match file(id).filter(|_| several) {
            Some(draft) => format!("`{id}` ({})", drafts[draft].file),
            None => format!("`{id}`"),
        };
        let names: Vec<String> = circle.iter().chain(circle.first()).map(named).collect();
        let message = format!("datasets are made from each other: {}", names.join(" → "));
        let steps = circle.iter().zip(circle.iter().cycle().skip(1));
        let mut places = steps.filter_map(|(from, made)| {
            Some((*edges.get(*made)?.get(*from)?, format!("`{made}` is made from `{from}`")))
        });
        let mut problem = match places.next() {
            Some((first, text)) => Diagnostic::error(codes::DATASET_CYCLE, first, message).label(text),
            None => Diagnostic::nowhere(codes::DATASET_CYCLE, message),
        };
        for (place, text) in places {
            problem = problem.other(place, text);
        }
        out.push(problem.help("one of them has to be made from something else: remove one of these edges"));
    }
}
