//! All files of a project as one graph: text in, problems out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use serde_json::Value;

use super::{Project, audit, config, datasets, graph, kept, opened, over, unused, waits};
use crate::{
    diagnostic::{Diagnostic, Severity, Sources, Span, codes},
    document::{self, Node, Tree},
    pipeline::{self, Draft},
    registry::Registry,
    schema::{self, shape},
};

/// The files of one project, as places among the sources.
pub(super) struct Files<'a> {
    pub(super) root: &'a Path,
    pub(super) memory: u64,
    pub(super) project: &'a [usize],
    pub(super) pipelines: &'a [usize],
    pub(super) kept: &'a kept::Kept,
}

/// Schemas of the files, made once for all projects.
pub(super) struct Schemas {
    pipeline: Value,
    project: Value,
}

impl Schemas {
    pub(super) fn new(registry: &Registry) -> Self {
        Self { pipeline: schema::pipeline(registry), project: schema::project() }
    }
}

/// Checks the files of one project.
pub(super) fn check(
    files: &Files<'_>,
    sources: &Sources,
    registry: &Registry,
    schemas: &Schemas,
) -> (Option<Project>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let mut overlay: Option<Node> = None;
    for &source in files.project {
        let Some(node) = read(source, sources, &schemas.project, &mut out) else { continue };
        overlay = Some(match overlay {
            Some(before) => before.overlaid(node),
            None => node,
        });
    }
    let defaults = config::Defaults { root: files.root, memory: files.memory };
    let config = config::config(overlay.as_ref(), &defaults, &mut out);
    let roots: Vec<(usize, Node)> = files
        .pipelines
        .iter()
        .filter_map(|&source| Some((source, read(source, sources, &schemas.pipeline, &mut out)?)))
        .collect();
    let mut drafts: Vec<Draft<'_>> = roots
        .iter()
        .map(|(source, root)| {
            let text = sources.0.get(*source).map_or("", |s| &s.text);
            let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
            pipeline::draft(root, sources.name(*source), digest, registry, &mut out)
        })
        .collect();
    names(&drafts, &mut out);
    let mut blocks = datasets::blocks(&drafts, &config, sources, &mut out);
    let mut orders = Vec::new();
    for draft in &mut drafts {
        pipeline::check_values(draft, &config, &mut out);
        orders.push(pipeline::check_graph(&draft.steps, registry, &mut out));
        pipeline::check_settings(draft, &config, sources, &mut out);
    }
    for (at, draft) in drafts.iter().enumerate() {
        let lost = |step: usize, id: &_| opened::without_it(&opened::lost(&drafts, at, step), id);
        pipeline::check_references(draft, &config, &blocks, &lost, &mut out);
    }
    graph::check(&drafts, &mut blocks, &mut out);
    over::check(&drafts, &mut blocks, &mut out);
    opened::check(&drafts, &blocks, &mut out);
    waits::check(&drafts, &blocks, &mut out);
    audit::check(&drafts, &blocks, &mut out);
    audit::pasts(&drafts, &blocks, &mut out);
    unused::triggers(&drafts, &blocks, &mut out);
    let datasets = datasets::infos(&drafts, &blocks);
    pipeline::check_findings(&drafts, &datasets, &mut out);
    drafts.iter().for_each(|draft| unused::params(draft, &mut out));
    unused::secrets(overlay.as_ref(), &config, &drafts, &mut out);
    distinct(&mut out);
    if out.iter().any(|p| p.severity == Severity::Error) {
        return (None, out);
    }
    // Those who write it anew need the project all the same.
    kept::check(files.kept, &drafts, &datasets, &config, &mut out);
    let finished = drafts.iter().zip(orders).filter_map(|(d, order)| pipeline::finish(d, &order?));
    let pipelines: BTreeMap<_, _> = finished.map(|p| (p.id.clone(), Arc::new(p))).collect();
    (Some(Project { config: Arc::new(config), datasets: Arc::new(datasets), pipelines }), out)
}

/// Reads one file and judges its shape; none when nothing can be said of what it holds.
pub(crate) fn read(
    source: usize,
    sources: &Sources,
    schema: &Value,
    out: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let text = sources.0.get(source).map_or("", |s| &s.text);
    let (node, problems) = document::read(source, text);
    let broken = !problems.is_empty();
    out.extend(problems);
    let node = node?;
    let start = Span { source, from: 0, to: text.find('\n').unwrap_or(text.len()) };
    if !matches!(node.tree, Tree::Map(_)) {
        let what =
            if matches!(node.tree, Tree::Null) { "the file is empty" } else { "this is not a map of keys" };
        out.push(Diagnostic::error(codes::NOT_A_MAP, start, what).help("a file begins with `frazil: 1`"));
        return None;
    }
    if let Some(version) = node.get("frazil").filter(|v| v.json() != 1) {
        let message = format!("this file is of version {}, and this engine knows version 1", version.json());
        out.push(
            Diagnostic::error(codes::VERSION, version.span, message)
                .help("write `frazil: 1`, or use a newer frazil"),
        );
        return None;
    }
    let problems = shape::check(schema, &node);
    // What is too much is not looked at one by one.
    if problems.len() >= shape::TOO_MANY || problems.iter().any(|p| p.code == codes::COUNT) {
        out.extend(problems);
        return None;
    }
    // A map that lost its braces or a key is half a map: what its shape lacks says nothing new.
    out.extend(problems.into_iter().filter(|p| !broken || p.code != codes::MISSING_KEY));
    literals(&node, out);
    Some(config::without_free_keys(&node))
}

/// Braces outside of where expressions may stand.
fn literals(root: &Node, out: &mut Vec<Diagnostic>) {
    for entry in root.entries() {
        match entry.key.as_str() {
            "steps" => {
                for step in entry.value.entries() {
                    for field in step.value.entries().iter().filter(|f| f.key != "with") {
                        literal(&field.key, &field.value, out);
                    }
                }
            }
            "params" => {
                for param in entry.value.entries() {
                    for field in param.value.entries().iter().filter(|f| f.key != "default") {
                        literal(&field.key, &field.value, out);
                    }
                }
            }
            "datasets" => {
                for dataset in entry.value.entries() {
                    for field in dataset.value.entries() {
                        if !matches!(field.key.as_str(), "store" | "version" | "attributes") {
                            literal(&field.key, &field.value, out);
                        }
                    }
                }
            }
            "stores" | "notify" | "vars" => {}
            key if key.starts_with("x-") => {}
            key => literal(key, &entry.value, out),
        }
    }
}

fn literal(key: &str, node: &Node, out: &mut Vec<Diagnostic>) {
    match &node.tree {
        Tree::Text(text) if text.contains("{{") && !pipeline::is_prose(key) => {
            out.push(pipeline::literal(key, node));
        }
        Tree::List(items) => items.iter().for_each(|item| literal(key, item, out)),
        Tree::Map(entries) => entries.iter().for_each(|e| literal(&e.key, &e.value, out)),
        _ => {}
    }
}

/// Pipelines and datasets share one set of names.
fn names(drafts: &[Draft<'_>], out: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for draft in drafts {
        let id = draft.root.get("id").and_then(|id| Some((id.text()?, id.span)));
        let datasets = draft.root.get("datasets").map_or(&[][..], Node::entries);
        for (name, span) in id.into_iter().chain(datasets.iter().map(|e| (e.key.as_str(), e.key_span))) {
            if let Some(first) = seen.get(name) {
                out.push(
                    Diagnostic::error(codes::ID_TWICE, span, format!("`{name}` is defined twice"))
                        .label("here again")
                        .other(*first, "first here")
                        .help("pipelines and datasets of a project share one set of names; rename one"),
                );
            } else {
                seen.insert(name, span);
            }
        }
    }
}

/// One problem per cause: an expression at a literal place also breaks the form of the place.
fn distinct(out: &mut Vec<Diagnostic>) {
    let literal: BTreeSet<Span> = out
        .iter()
        .filter(|p| p.code == codes::LITERAL)
        .filter_map(|p| p.primary.as_ref())
        .map(|l| l.span)
        .collect();
    let mut seen = BTreeSet::new();
    out.retain(|p| {
        let Some(label) = &p.primary else { return true };
        (p.code == codes::LITERAL || !literal.contains(&label.span))
            && seen.insert((label.span, p.code, p.message.clone()))
    });
    out.sort_by_key(Diagnostic::order);
}
