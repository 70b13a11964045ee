//! Dimensions between time and y: what a dataset says of them, and what `over` reads.

use super::datasets::{Block, Blocks};
use crate::{
    data::{Dimension, Dimensions, Label, MOST_COMBINATIONS},
    dataset::Dataset,
    diagnostic::{Diagnostic, Span, codes},
    document::Node,
    pipeline::{Draft, DraftStep},
    step::{Over, PortKind},
    template::known::ROOTS,
};

/// Labels that are named one by one in a message.
const NAMED: usize = 8;

/// What is wrong with dimensions in themselves: the name of each, or none where it is all of them
/// together, and what to say.
pub(super) fn problems(dimensions: &Dimensions, block: &Dataset) -> Vec<(Option<String>, String)> {
    let names = block.grid.as_ref().and_then(|grid| grid.names.as_ref());
    let horizontal = names.map_or(["y", "x"], |[y, x]| [y, x]);
    let one = |dimension: &Dimension| {
        let name = &dimension.name;
        let variable = || {
            let there = block.variables.contains_key(name);
            there.then(|| format!("`{name}` is a variable of the dataset: a dimension has a name of its own"))
        };
        let problem = dimension.problem(horizontal).or_else(variable)?;
        Some((Some(name.clone()), problem))
    };
    let mut found: Vec<_> = dimensions.0.iter().filter_map(one).collect();
    let all = dimensions.combinations();
    if all > MOST_COMBINATIONS {
        let message = format!(
            "these are {all} combinations, and a dataset has at most {MOST_COMBINATIONS}: make several datasets of it"
        );
        found.push((None, message));
    }
    found
}

/// Compares what steps read with the dimensions of the dataset that they are written to. One that
/// says none has those that are read.
pub(super) fn check(drafts: &[Draft<'_>], blocks: &mut Blocks, out: &mut Vec<Diagnostic>) {
    for (id, block) in blocks {
        let Some((draft, writer)) = block.writer else { continue };
        let steps = &drafts[draft].steps;
        let read: Vec<(&DraftStep<'_>, Over)> = sources(steps, writer)
            .into_iter()
            .filter_map(|at| Some((&steps[at], steps[at].bound.as_ref()?.over()?)))
            .collect();
        let Block { block: Some(dataset), .. } = block else { continue };
        let before = out.len();
        for (step, over) in &read {
            own(step, over, dataset, out);
        }
        // What is wrong with the dimensions themselves was said.
        if out.len() > before || !problems(&dataset.dimensions, dataset).is_empty() {
            continue;
        }
        let declared = !dataset.dimensions.is_empty();
        if let Some((_, over)) = read.iter().find(|(_, over)| !declared && !over.dimensions.is_empty()) {
            dataset.dimensions = over.dimensions.clone();
        }
        let entry = drafts.iter().filter_map(|draft| draft.root.get("datasets"));
        let node = entry.filter_map(|all| all.get(id.as_str())).find_map(|own| own.get("dimensions"));
        for (step, over) in &read {
            Compared { id: id.as_str(), dimensions: &dataset.dimensions, node, step, over }.check(out);
        }
    }
}

/// The steps that give the slices which a step writes.
fn sources(steps: &[DraftStep<'_>], writer: usize) -> Vec<usize> {
    let gives = |at: &usize| steps[*at].step_type.is_some_and(|t| t.output == PortKind::Slices);
    let (mut open, mut found) = (vec![writer], Vec::new());
    // A stream is no longer than there are steps, unless they stand in a circle.
    for _ in 0..=steps.len() {
        let up = open.iter().flat_map(|at| steps[*at].needs.iter().map(|(from, _)| *from)).filter(gives);
        let next: Vec<usize> = up.collect();
        found.extend(next.iter().copied());
        open = next;
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What is wrong with `over` in itself.
fn own(step: &DraftStep<'_>, over: &Over, dataset: &Dataset, out: &mut Vec<Diagnostic>) {
    for dimension in &over.dimensions.0 {
        if ROOTS.contains(&dimension.name.as_str()) {
            let message = format!("`{}` is a name of every expression", dimension.name);
            let place = step.with_place(&format!("/over/{}", dimension.name));
            out.push(
                Diagnostic::error(codes::DIMENSION, place, message).help("give the dimension another name"),
            );
        }
    }
    for (name, message) in problems(&over.dimensions, dataset) {
        let pointer = name.map_or_else(|| "/over".to_owned(), |name| format!("/over/{name}"));
        out.push(Diagnostic::told(codes::DIMENSION, step.with_place(&pointer), &message));
    }
}

/// What a step reads, beside the dataset that it is for.
struct Compared<'a> {
    id: &'a str,
    dimensions: &'a Dimensions,
    /// What the dataset says of them itself.
    node: Option<&'a Node>,
    step: &'a DraftStep<'a>,
    over: &'a Over,
}

impl Compared<'_> {
    fn check(&self, out: &mut Vec<Diagnostic>) {
        let known: Vec<&str> = self.dimensions.0.iter().map(|d| d.name.as_str()).collect();
        for read in &self.over.dimensions.0 {
            let place = self.step.with_place(&format!("/over/{}", read.name));
            match self.dimensions.get(&read.name) {
                Some(own) => self.labels(own, read, place, out),
                None => {
                    let message = format!("`{}` has no dimension `{}`", self.id, read.name);
                    let problem = Diagnostic::error(codes::OVER, place, message).meant(&read.name, &known);
                    out.push(self.beside(problem, "", "its dimensions"));
                }
            }
        }
        if self.over.inside {
            return;
        }
        for own in self.dimensions.0.iter().filter(|own| self.over.dimensions.get(&own.name).is_none()) {
            let message = format!("nothing says in which files the `{}` of `{}` are", own.name, self.id);
            let problem = Diagnostic::error(codes::OVER, self.step.with_place("/over"), message);
            let help =
                format!("add `over: {{ {}: [{}] }}`, and name it in `url`", own.name, listed(&own.labels));
            out.push(self.beside(problem.help(help), &own.name, "a dimension of the dataset"));
        }
    }

    fn labels(&self, own: &Dimension, read: &Dimension, place: Span, out: &mut Vec<Diagnostic>) {
        let without = |one: &Dimension, other: &Dimension| -> Vec<Label> {
            one.labels.iter().filter(|label| !other.labels.contains(label)).cloned().collect()
        };
        let (unknown, unread) = (without(read, own), without(own, read));
        let name = &own.name;
        let message = match (unknown.as_slice(), unread.as_slice()) {
            ([], []) => return,
            ([], unread) => format!("`{name}` of `{}` is not read at {}", self.id, listed(unread)),
            (unknown, _) => format!("`{}` has no `{name}` {}", self.id, listed(unknown)),
        };
        let problem = Diagnostic::error(codes::OVER, place, message).help(
            "give both the same labels, or leave out `dimensions` of the dataset: it has those that are read",
        );
        out.push(self.beside(problem, name, "its labels"));
    }

    /// With the place where the dataset says so, if it does.
    fn beside(&self, problem: Diagnostic, name: &str, text: &str) -> Diagnostic {
        let Some(node) = self.node else { return problem };
        let place = node.entry(name).map_or_else(|| node.spot(), |entry| entry.key_span);
        problem.other(place, text)
    }
}

fn listed(labels: &[Label]) -> String {
    let mut text = labels.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if labels.len() > NAMED {
        text.push_str(&format!(" and {} more", labels.len() - NAMED));
    }
    text
}
