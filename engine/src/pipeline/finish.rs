//! What is checked once the settings are known, and the pipeline that comes out.

use serde_json::Value;

use super::{
    Param, ParamKind, Pipeline, PipelineNode,
    draft::{Draft, DraftStep},
    graph,
    settings::credential,
    triggers,
};
use crate::{
    data::DatasetId,
    dataset::Datasets,
    diagnostic::{Diagnostic, Span, codes},
    document::Node,
    project::{Blocks, ProjectConfig},
    step::PortKind,
};

/// Checks parameters and triggers.
pub(crate) fn check_values(draft: &Draft<'_>, _project: &ProjectConfig, out: &mut Vec<Diagnostic>) {
    for (name, param) in &draft.params {
        let Some(node) = draft.root.get("params").and_then(|p| p.get(name)) else { continue };
        check_param(param, node, out);
    }
    let triggers = draft.root.get("triggers").map_or(&[][..], Node::items);
    if triggers.len() == draft.triggers.len() {
        for (trigger, node) in draft.triggers.iter().zip(triggers) {
            triggers::check(trigger, node, draft, out);
        }
    }
}

fn check_param(param: &Param, node: &Node, out: &mut Vec<Diagnostic>) {
    if param.kind == ParamKind::Enum && param.values.is_empty() {
        let message = "an `enum` says which values it has";
        out.push(Diagnostic::error(codes::PARAM, node.place("/type"), message).help("add `values: [a, b]`"));
        return;
    }
    if param.pattern.as_deref().is_some_and(|p| regex::Regex::new(p).is_err()) {
        out.push(Diagnostic::error(codes::PARAM, node.place("/pattern"), "this is not a regular expression"));
        return;
    }
    if let (Some(min), Some(max)) = (param.min, param.max)
        && min > max
    {
        out.push(Diagnostic::error(codes::PARAM, node.place("/min"), format!("{min} is more than {max}")));
    }
    let Some(default) = &param.default else { return };
    if default.to_string().contains("{{") {
        return;
    }
    if let Err(message) = param.accept(default) {
        out.push(Diagnostic::told(codes::PARAM, node.place("/default"), &message));
    }
    if let (ParamKind::String, Value::String(text)) = (param.kind, default)
        && let Some(problem) = node.get("default").and_then(|n| credential("", text, n))
    {
        out.push(problem);
    }
}

/// Problems up to which it is said what follows from each.
const FEW: usize = 50;

/// Checks names that lead out of the file: pools and datasets; `lost` says what is never made
/// without a dataset that a step names.
pub(crate) fn check_references(
    draft: &Draft<'_>,
    project: &ProjectConfig,
    blocks: &Blocks,
    lost: &dyn Fn(usize, &DatasetId) -> Option<String>,
    out: &mut Vec<Diagnostic>,
) {
    let known: Vec<&str> = blocks.keys().map(DatasetId::as_str).collect();
    let mut dataset = |id: &DatasetId, place: Span, step: Option<usize>| {
        if !blocks.contains_key(id) {
            // What hangs from a step is looked for through all files, and only for those that are shown.
            let lost = step.filter(|_| out.len() < FEW).and_then(|step| lost(step, id));
            out.push(
                Diagnostic::error(
                    codes::DATASET,
                    place,
                    format!("there is no dataset `{id}` in this project"),
                )
                .label(lost.unwrap_or_default())
                .meant(id.as_str(), &known),
            );
        }
    };
    let triggers = draft.root.get("triggers").map_or(&[][..], Node::items);
    for (trigger, node) in draft.triggers.iter().zip(triggers) {
        if let Some(id) = &trigger.dataset {
            dataset(id, node.place("/dataset"), None);
        }
    }
    for (at, step) in draft.steps.iter().enumerate() {
        let Some(bound) = &step.bound else { continue };
        let mut named = bound.reads();
        named.extend(bound.writes().map(|w| w.dataset().clone()));
        named.sort();
        named.dedup();
        for id in named {
            dataset(&id, naming(step, &id), Some(at));
        }
    }
    let secrets: Vec<&str> = project.secrets.keys().map(String::as_str).collect();
    for (trigger, node) in draft.triggers.iter().zip(triggers) {
        let signed = trigger.http.as_ref().and_then(|http| http.signed_by.as_deref());
        if let Some(name) = signed.filter(|name| !secrets.contains(name)) {
            out.push(no_secret(name, node.place("/http/signed-by"), &secrets));
        }
    }
    let pools: Vec<&str> = project.pools.keys().map(String::as_str).collect();
    for step in &draft.steps {
        let Some((name, node)) = step.block.get("pool").and_then(|n| Some((n.text()?, n))) else { continue };
        if !name.contains("{{") && !project.pools.contains_key(name) {
            out.push(
                Diagnostic::error(
                    codes::POOL,
                    node.span,
                    format!("there is no pool `{name}` in frazil.yaml"),
                )
                .help(format!("define it there: `pools: {{ {name}: {{ max: 1 }} }}`"))
                .meant(name, &pools),
            );
        }
    }
}

/// A secret that is named, and not under `secrets`.
pub(crate) fn no_secret(name: &str, place: Span, known: &[&str]) -> Diagnostic {
    Diagnostic::error(codes::ATTRIBUTE, place, format!("there is no secret `{name}`"))
        .help(format!("name it in frazil.yaml: `secrets: {{ {name}: {{ env: … }} }}`"))
        .meant(name, known)
}

/// The place in the settings that names this dataset.
pub(crate) fn naming(step: &DraftStep<'_>, id: &DatasetId) -> Span {
    fn find(node: &Node, text: &str) -> Option<Span> {
        if node.text() == Some(text) {
            return Some(node.span);
        }
        if let crate::document::Tree::List(items) = &node.tree {
            return items.iter().find_map(|item| find(item, text));
        }
        node.entries().iter().find_map(|e| find(&e.value, text))
    }
    step.block
        .get("with")
        .and_then(|with| find(with, id.as_str()))
        .unwrap_or_else(|| step.with_place("/dataset"))
}

/// What the step types themselves find.
pub(crate) fn check_findings(drafts: &[Draft<'_>], datasets: &Datasets, out: &mut Vec<Diagnostic>) {
    for step in drafts.iter().flat_map(|d| &d.steps) {
        let Some(bound) = &step.bound else { continue };
        // A step over a dataset that has problems of its own would only repeat them.
        let known = |id: &DatasetId| datasets.contains_key(id);
        if !bound.reads().iter().all(known) || !bound.writes().is_none_or(|w| known(w.dataset())) {
            continue;
        }
        for finding in bound.check(datasets) {
            let mut problem =
                Diagnostic::error(finding.code, step.with_place(&finding.pointer), finding.message);
            if let Some(beside) = &finding.beside {
                let mut blocks = drafts.iter().filter_map(|draft| draft.root.get("datasets"));
                if let Some(entry) = blocks.find_map(|blocks| blocks.entry(beside.dataset.as_str())) {
                    let place = entry.value.place(&beside.pointer);
                    let place = if place == entry.value.span { entry.key_span } else { place };
                    problem = problem.other(place, &beside.text);
                }
            }
            out.push(problem.maybe_help(finding.help));
        }
    }
}

/// The pipeline of a file without errors.
pub(crate) fn finish(draft: &Draft<'_>, order: &[usize]) -> Option<Pipeline> {
    let mut place = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        place[*old] = new;
    }
    let moved = |list: &[(usize, Span)]| list.iter().map(|(n, _)| place[*n]).collect::<Vec<_>>();
    let mut nodes = Vec::with_capacity(order.len());
    let mut kinds = Vec::with_capacity(order.len());
    for &old in order {
        let step = &draft.steps[old];
        let step_type = step.step_type?;
        let own = |key: &str| step.block.get(key);
        let retry = own("retry").and_then(|n| serde_json::from_value(n.json()).ok());
        nodes.push(PipelineNode {
            id: step.id.clone(),
            uses: step_type.uses.to_owned(),
            with: step.with.clone(),
            needs: moved(&step.needs),
            after: moved(&step.after),
            pool: own("pool").and_then(Node::text).map(str::to_owned),
            retry: retry.or(draft.defaults.retry).unwrap_or_default(),
            timeout: own("timeout")
                .and_then(Node::text)
                .and_then(|t| t.parse().ok())
                .or(draft.defaults.timeout),
            step: step.bound.clone()?,
        });
        let takes = if step.needs.is_empty() { PortKind::Nothing } else { step_type.input.kind };
        kinds.push((takes, step_type.output));
    }
    let needs: Vec<Vec<usize>> = nodes.iter().map(|n| n.needs.clone()).collect();
    let after: Vec<Vec<usize>> = nodes.iter().map(|n| n.after.clone()).collect();
    let text = |key: &str| draft.root.get(key).and_then(Node::text).map(str::to_owned);
    Some(Pipeline {
        id: draft.id.clone()?,
        title: text("title"),
        description: text("description"),
        file: draft.file.clone(),
        digest: draft.digest.clone(),
        params: draft.params.clone(),
        triggers: draft.triggers.clone(),
        units: graph::units(&kinds, &needs, &after),
        nodes,
    })
}
