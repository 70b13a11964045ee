//! Steps of several files that wait for each other where no data goes in a circle: by `after`, or as
//! pipelines wake each other.

use std::collections::BTreeMap;

use super::datasets::Blocks;
use crate::{
    data::DatasetId,
    diagnostic::{Diagnostic, Span, codes},
    document::Node,
    graph::Graph,
    pipeline::{Draft, runs_as},
};

/// A step, by its place among all of all files.
type At = usize;

/// Why one step comes after another.
struct Edge {
    from: At,
    to: At,
    place: Span,
    text: String,
}

/// All steps of all files.
struct Steps<'a> {
    drafts: &'a [Draft<'a>],
    /// The file and the place in it of each.
    places: Vec<(usize, usize)>,
    /// The step that each runs as: that which settles its stream, or itself.
    run_as: Vec<At>,
    /// Where each file begins.
    begins: Vec<At>,
}

/// Says where steps of several files wait for each other; circles inside a file, and datasets that are
/// made from each other, are told already.
pub(super) fn check(drafts: &[Draft<'_>], blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    if out.iter().any(|problem| [codes::CYCLE, codes::DATASET_CYCLE].contains(&problem.code)) {
        return;
    }
    let steps = Steps::of(drafts);
    let mut edges = steps.inside();
    let writer = |id: &DatasetId| {
        let (draft, step) = blocks.get(id)?.writer?;
        Some(steps.begins[draft] + step)
    };
    edges.extend(steps.across(&writer));
    edges.extend(steps.woken(&writer));
    let mut between: BTreeMap<(At, At), &Edge> = BTreeMap::new();
    for edge in &edges {
        let ends = (steps.run_as[edge.from], steps.run_as[edge.to]);
        if ends.0 != ends.1 {
            between.entry(ends).or_insert(edge);
        }
    }
    for circle in Graph::new(steps.places.len(), between.keys().copied()).circles() {
        let pairs = circle.iter().zip(circle.iter().cycle().skip(1));
        let path: Vec<&Edge> = pairs.filter_map(|(a, b)| between.get(&(*a, *b)).copied()).collect();
        out.push(steps.told(&circle, &path));
    }
}

impl<'a> Steps<'a> {
    fn of(drafts: &'a [Draft<'a>]) -> Self {
        let (mut places, mut run_as, mut begins) = (Vec::new(), Vec::new(), Vec::new());
        for (at, draft) in drafts.iter().enumerate() {
            let begin = places.len();
            begins.push(begin);
            places.extend((0..draft.steps.len()).map(|step| (at, step)));
            run_as.extend(runs_as(&draft.steps).into_iter().map(|step| begin + step));
        }
        Self { drafts, places, run_as, begins }
    }

    fn name(&self, at: At) -> String {
        let (draft, step) = self.places[at];
        let draft = &self.drafts[draft];
        let file = draft.id.as_ref().map_or(draft.file.as_str(), |id| id.as_str());
        format!("`{file}.{}`", draft.steps[step].id)
    }

    /// What steps need and wait for in their own file.
    fn inside(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (to, &(draft, step)) in self.places.iter().enumerate() {
            let step = &self.drafts[draft].steps[step];
            for &(from, place) in step.needs.iter().chain(&step.after) {
                let from = self.begins[draft] + from;
                let text = format!("{} waits for {}", self.name(to), self.name(from));
                edges.push(Edge { from, to, place, text });
            }
        }
        edges
    }

    /// From the step that writes a dataset to those of other files that read it.
    fn across(&self, writer: &dyn Fn(&DatasetId) -> Option<At>) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (to, &(draft, step)) in self.places.iter().enumerate() {
            let step = &self.drafts[draft].steps[step];
            for id in step.bound.iter().flat_map(|bound| bound.reads()) {
                let Some(from) = writer(&id).filter(|from| self.places[*from].0 != draft) else { continue };
                let text = format!("{} opens `{id}`, which {} writes", self.name(to), self.name(from));
                edges.push(Edge { from, to, place: step.with_place("/dataset"), text });
            }
        }
        edges
    }

    /// From the step that writes a dataset to the pipeline that it wakes: its roots, where no step of it
    /// reads the dataset. What reads it comes after it anyhow.
    fn woken(&self, writer: &dyn Fn(&DatasetId) -> Option<At>) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (at, draft) in self.drafts.iter().enumerate() {
            let triggers = draft.root.get("triggers").map_or(&[][..], Node::items);
            for (trigger, node) in draft.triggers.iter().zip(triggers) {
                let Some(id) = &trigger.dataset else { continue };
                let Some(from) = writer(id).filter(|from| self.places[*from].0 != at) else { continue };
                let reads = draft.steps.iter().flat_map(|step| &step.bound).any(|b| b.reads().contains(id));
                if reads {
                    continue;
                }
                let roots = draft.steps.iter().enumerate();
                let roots = roots.filter(|(_, step)| step.needs.is_empty() && step.after.is_empty());
                edges.extend(roots.map(|(step, _)| Edge {
                    from,
                    to: self.begins[at] + step,
                    place: node.place("/dataset"),
                    text: format!("`{id}`, which {} writes, wakes this pipeline", self.name(from)),
                }));
            }
        }
        edges
    }

    fn told(&self, circle: &[At], path: &[&Edge]) -> Diagnostic {
        let names: Vec<String> = circle.iter().chain(circle.first()).map(|at| self.name(*at)).collect();
        let message = format!("steps of several files wait for each other: {}", names.join(" → "));
        let mut labels = path.iter().map(|edge| (edge.place, edge.text.clone()));
        let problem = match labels.next() {
            Some((place, text)) => Diagnostic::error(codes::CYCLE, place, message).label(text),
            None => Diagnostic::nowhere(codes::CYCLE, message),
        };
        let problem = labels.fold(problem, |problem, (place, text)| problem.other(place, text));
        problem.help("no order of runs holds all of these: remove one of them, an `after` or a trigger first")
    }
}
