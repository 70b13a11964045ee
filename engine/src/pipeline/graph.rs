//! Edges: what they carry, how many there are, where they lead.

use super::{Branch, Segment, Unit, draft::DraftStep};
use crate::{
    diagnostic::{Diagnostic, Span, codes},
    graph::Graph,
    registry::{Registry, StepType},
    step::{Arity, PortKind},
};

/// Says what is wrong with the edges of a file; gives its steps in an order that edges allow,
/// unless they go in a circle.
pub(crate) fn check(
    steps: &[DraftStep<'_>],
    registry: &Registry,
    out: &mut Vec<Diagnostic>,
) -> Option<Vec<usize>> {
    for (at, step) in steps.iter().enumerate() {
        arity(steps, step, registry, out);
        for &(from, _) in &step.needs {
            kind(steps, from, at, registry, out);
        }
    }
    consumers(steps, out);
    let before = out.len();
    let order = order(steps, out);
    if out.len() == before {
        joins(steps, out);
    }
    order
}

fn arity(steps: &[DraftStep<'_>], step: &DraftStep<'_>, registry: &Registry, out: &mut Vec<Diagnostic>) {
    let Some(step_type) = step.step_type else { return };
    let (takes, count) = (step_type.input.kind, step.needs.len());
    match (step_type.input.arity, count) {
        (Arity::One | Arity::Many | Arity::Every, 0) if !step.unsure => {
            let message = format!("`{}` takes {takes}, but needs nothing", step.id);
            let givers = steps.iter().filter(|s| s.id != step.id);
            let givers: Vec<&DraftStep<'_>> =
                givers.filter(|s| s.step_type.is_some_and(|t| t.output == takes)).collect();
            let types = either(registry.iter().filter(|t| t.output == takes).map(|t| t.uses));
            let help = match (givers[..].last(), types) {
                (Some(giver), _) => format!("add `needs: {}`, which gives {takes}", giver.id),
                (None, Some(types)) => format!("add a step that gives {takes}, such as {types}"),
                (None, None) => format!("add `needs:` with a step that gives {takes}"),
            };
            out.push(Diagnostic::error(codes::NEEDS_MISSING, step.key, message).help(help));
        }
        (Arity::None, 1..) => {
            let message = format!("`{}` takes nothing, so it cannot need a step", step.id);
            out.push(
                Diagnostic::error(codes::NEEDS_MANY, step.needs[0].1, message)
                    .help("write `after:` to wait for a step without taking anything"),
            );
        }
        (Arity::One | Arity::Optional, 2..) => {
            let message = format!("`{}` takes one input, but needs {count} steps", step.id);
            let mut problem =
                Diagnostic::error(codes::NEEDS_MANY, step.needs[1].1, message).label("one too many");
            problem = problem.other(step.needs[0].1, "the first");
            out.push(problem.help("write `after:` to wait for a step without taking anything"));
        }
        _ => {}
    }
}

fn kind(steps: &[DraftStep<'_>], from: usize, to: usize, registry: &Registry, out: &mut Vec<Diagnostic>) {
    let (giver, taker) = (&steps[from], &steps[to]);
    let (Some(gives), Some(takes)) = (giver.step_type.map(|t| t.output), taker.step_type.map(|t| t.input))
    else {
        return;
    };
    if takes.arity == Arity::None || gives == takes.kind {
        return;
    }
    let place = taker.needs.iter().find(|(at, _)| *at == from).map_or(taker.key, |(_, span)| *span);
    let article =
        |kind: PortKind| if kind == PortKind::Snapshot { "a Snapshot".to_owned() } else { kind.to_string() };
    let message = match gives {
        PortKind::Nothing => format!("`{}` takes {}, but `{}` gives nothing", taker.id, takes.kind, giver.id),
        _ => format!("`{}` takes {}, but `{}` gives {gives}", taker.id, takes.kind, giver.id),
    };
    let graph = Graph::new(steps.len(), edges(steps, |step| step.needs.iter()));
    let (below_giver, below_taker) = (graph.below(from), graph.below(to));
    let meant = below_giver
        .into_iter()
        .filter(|at| *at != to && steps[*at].step_type.is_some_and(|t| t.output == takes.kind))
        .find(|at| !below_taker.contains(at) && !taker.needs.iter().any(|(n, _)| n == at));
    let turns = |t: &&StepType| t.input.kind == gives && t.output == takes.kind;
    // Of the types that do, the one of the step that was likely meant.
    let used = meant.and_then(|at| steps[at].step_type).filter(|t| turns(t));
    let turner = match used {
        Some(used) => Some(format!("`{}`", used.uses)),
        None => either(registry.iter().filter(turns).map(|t| t.uses)),
    };
    let meant = meant.map(|at| format!("`needs: {}`", steps[at].id));
    let help = match (turner, meant) {
        (Some(turner), Some(meant)) => {
            Some(format!("{turner} turns {gives} into {}: did you mean {meant}?", article(takes.kind)))
        }
        (Some(turner), None) => Some(format!("{turner} turns {gives} into {}", article(takes.kind))),
        (None, Some(meant)) => Some(format!("did you mean {meant}?")),
        (None, None) if gives == PortKind::Nothing => Some("write `after:` to wait for it".to_owned()),
        (None, None) => None,
    };
    out.push(
        Diagnostic::error(codes::EDGE, place, message)
            .label(format!("needs {}", takes.kind))
            .other(
                giver.key,
                if gives == PortKind::Nothing { "gives nothing".into() } else { format!("gives {gives}") },
            )
            .maybe_help(help),
    );
}

/// Names of which any one will do; none where there are none.
fn either<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let last = names.pop()?;
    Some(if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) })
}

/// A stream has one reader.
fn consumers(steps: &[DraftStep<'_>], out: &mut Vec<Diagnostic>) {
    // Whoever takes slices and was told that what it needs is wrong is likely the one that is missing.
    let gives = |at: usize| steps[at].step_type.is_none_or(|t| t.output == PortKind::Slices);
    // So is one whose name was taken already.
    let lost = out.iter().any(|p| p.code == codes::DUPLICATE_KEY)
        || steps.iter().any(|s| {
            s.step_type.is_none_or(|t| t.input.kind == PortKind::Slices)
                && (s.unsure || !s.needs.iter().any(|(n, _)| gives(*n)))
        });
    for (at, step) in steps.iter().enumerate() {
        if step.step_type.is_none_or(|t| t.output != PortKind::Slices) {
            continue;
        }
        let readers: Vec<_> = steps
            .iter()
            // Whoever takes something else is told so elsewhere.
            .filter(|s| s.step_type.is_none_or(|t| t.input.kind == PortKind::Slices))
            .flat_map(|s| s.needs.iter().filter(|(n, _)| *n == at).map(move |(_, span)| (s, *span)))
            .collect();
        match readers[..] {
            [] if lost => {}
            [] => {
                let message = format!("`{}` gives Slices, but nobody settles them", step.id);
                out.push(
                    Diagnostic::error(codes::UNCONSUMED, step.key, message)
                        .help("add a step such as append-commit that needs it"),
                );
            }
            [(_, first), (reader, second), ..] => {
                let message = format!(
                    "`{}` is a stream and has a reader already, so `{}` cannot read it too",
                    step.id, reader.id
                );
                out.push(
                    Diagnostic::error(codes::CONSUMERS, second, message)
                        .label("the second reader")
                        .other(first, "the first reader")
                        .help("need what the first reader gives, or fetch twice"),
                );
            }
            _ => {}
        }
    }
}

/// Streams that are joined are of the same work, or their periods would not meet. Steps in a circle
/// are told before.
fn joins(steps: &[DraftStep<'_>], out: &mut Vec<Diagnostic>) {
    let slices = |at: usize| steps[at].step_type.is_some_and(|t| t.output == PortKind::Slices);
    let list = |stream: usize| {
        let mut at = stream;
        while slices(at) {
            at = steps[at].needs.first()?.0;
        }
        Some(at)
    };
    for step in steps {
        let streams: Vec<_> = step.needs.iter().filter(|(at, _)| slices(*at)).collect();
        let [(first, place), rest @ ..] = &streams[..] else { continue };
        for (other, span) in rest {
            if let (Some(one), Some(two)) = (list(*first), list(*other))
                && one != two
            {
                let name = |at: usize| &steps[at].id;
                let message = format!(
                    "`{}` joins `{}` and `{}`, which are of different work",
                    step.id,
                    name(*first),
                    name(*other)
                );
                out.push(
                    Diagnostic::error(codes::JOIN, *span, message)
                        .label(format!("its periods are those of `{}`", name(two)))
                        .other(*place, format!("its periods are those of `{}`", name(one)))
                        .help(format!(
                            "let `{}` and `{}` come from one list of periods",
                            name(*first),
                            name(*other)
                        )),
                );
            }
        }
    }
}

/// What leads to what, by one kind of edge or all.
fn edges<'a, I>(
    steps: &'a [DraftStep<'_>],
    of: impl Fn(&'a DraftStep<'_>) -> I,
) -> impl Iterator<Item = (usize, usize)>
where
    I: Iterator<Item = &'a (usize, Span)>,
{
    steps.iter().enumerate().flat_map(move |(at, step)| of(step).map(move |(from, _)| (*from, at)))
}

/// The steps, each after all that it needs or waits for, otherwise in the order of the file.
fn order(steps: &[DraftStep<'_>], out: &mut Vec<Diagnostic>) -> Option<Vec<usize>> {
    let edges: Vec<(usize, usize)> = edges(steps, |step| step.needs.iter().chain(&step.after)).collect();
    let graph = Graph::new(steps.len(), edges.iter().copied());
    let circles = graph.circles();
    if circles.is_empty() {
        // All steps of a stream run as one: what waits for one of them waits for its sink.
        let run_as = runs_as(steps);
        let between = |(from, to): (usize, usize)| (run_as[from], run_as[to]);
        let joined = Graph::new(steps.len(), edges.iter().copied().map(between).filter(|(a, b)| a != b));
        out.extend(joined.circles().iter().map(|circle| {
            let edge = |a, b| edges.iter().copied().find(|edge| between(*edge) == (a, b)).unwrap_or((a, b));
            cycle(steps, circle, edge).help(
                "a stream runs as one, from the step that gives it to the step that settles it: remove one of these edges",
            )
        }));
    }
    let told = circles.iter().map(|circle| cycle(steps, circle, |a, b| (a, b)));
    out.extend(told.map(|problem| problem.help("remove one of these edges")));
    graph.order()
}

/// For each step the one that it runs as: all steps of a stream run with the one that settles it.
pub(crate) fn runs_as(steps: &[DraftStep<'_>]) -> Vec<usize> {
    (0..steps.len()).map(|at| sink(steps, at)).collect()
}

/// The step that settles the stream of a step; the step itself where it gives none.
fn sink(steps: &[DraftStep<'_>], at: usize) -> usize {
    let gives = steps[at].step_type.map(|step_type| step_type.output);
    let reader = || steps.iter().position(|step| step.needs.iter().any(|(from, _)| *from == at));
    match gives {
        Some(PortKind::Slices) => reader().map_or(at, |reader| sink(steps, reader)),
        _ => at,
    }
}

/// Steps that wait for each other: each leads to the next, the last to the first. `edge` is how
/// one leads to another.
fn cycle(
    steps: &[DraftStep<'_>],
    circle: &[usize],
    edge: impl Fn(usize, usize) -> (usize, usize),
) -> Diagnostic {
    let names: Vec<String> =
        circle.iter().chain(circle.first()).map(|at| format!("`{}`", steps[*at].id)).collect();
    let mut waits = circle.iter().zip(circle.iter().cycle().skip(1)).map(|(a, b)| {
        let (from, to) = edge(*a, *b);
        let found = steps[to].needs.iter().chain(&steps[to].after).find(|(n, _)| *n == from);
        let place = found.map_or(steps[to].key, |(_, span)| *span);
        (place, format!("`{}` waits for `{}`", steps[to].id, steps[from].id))
    });
    let message = format!("steps wait for each other: {}", names.join(" → "));
    let (place, label) = waits.next().unwrap_or_else(|| (steps[circle[0]].key, String::new()));
    let problem = Diagnostic::error(codes::CYCLE, place, message).label(label);
    waits.fold(problem, |problem, (place, label)| problem.other(place, label))
}

/// What runs as one, over steps in an order that edges allow. A segment stands where all that any
/// of its nodes waits for is done.
pub(crate) fn units(kinds: &[(PortKind, PortKind)], needs: &[Vec<usize>], after: &[Vec<usize>]) -> Vec<Unit> {
    let mut waiting = Vec::new();
    for at in 0..kinds.len() {
        match kinds[at] {
            // Nodes inside a segment belong to the unit of its sink.
            (_, PortKind::Slices) => {}
            (PortKind::Slices, _) => waiting.extend(segment(kinds, needs, at).map(Unit::Segment)),
            _ => waiting.push(Unit::Node(at)),
        }
    }
    let mut place = vec![None; kinds.len()];
    for (at, unit) in waiting.iter().enumerate() {
        members(unit).iter().for_each(|node| place[*node] = Some(at));
    }
    let edges = waiting.iter().enumerate().flat_map(|(at, unit)| {
        let own = members(unit);
        let first = own.iter().flat_map(|node| needs[*node].iter().chain(&after[*node])).copied();
        let others: Vec<usize> = first.filter(|node| !own.contains(node)).collect();
        others.into_iter().filter_map(|node| place[node]).map(|first| (first, at)).collect::<Vec<_>>()
    });
    // There is one: `order` refused circles.
    let order = Graph::new(waiting.len(), edges).order();
    order.unwrap_or_else(|| (0..waiting.len()).collect()).into_iter().map(|at| waiting[at].clone()).collect()
}

fn members(unit: &Unit) -> Vec<usize> {
    match unit {
        Unit::Node(at) => vec![*at],
        Unit::Segment(segment) => segment.nodes(),
    }
}

fn segment(kinds: &[(PortKind, PortKind)], needs: &[Vec<usize>], sink: usize) -> Option<Segment> {
    let branch = |&last: &usize| {
        let mut filters = Vec::new();
        let mut at = last;
        while kinds[at].0 == PortKind::Slices {
            filters.push(at);
            at = *needs[at].first()?;
        }
        filters.reverse();
        Some(Branch { source: at, filters })
    };
    let branches = needs[sink].iter().map(branch).collect::<Option<Vec<_>>>()?;
    let periods = *needs[branches.first()?.source].first()?;
    Some(Segment { periods, branches, sink })
}
