//! A pipeline on its way through the checks: what is known of each step, and its places.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Defaults, Param, Trigger};
use crate::{
    data::{NodeId, PipelineId},
    diagnostic::{Diagnostic, Span, codes, nearest},
    document::Node,
    project::{bad_name, decode, is_name},
    registry::{BoundStep, Registry, StepType},
};

/// A file on its way.
pub(crate) struct Draft<'a> {
    pub(crate) root: &'a Node,
    pub(crate) file: String,
    pub(crate) digest: String,
    pub(crate) id: Option<PipelineId>,
    pub(crate) params: Vec<(String, Param)>,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) defaults: Defaults,
    pub(crate) steps: Vec<DraftStep<'a>>,
}

/// A step on its way.
pub(crate) struct DraftStep<'a> {
    pub(crate) id: NodeId,
    pub(crate) key: Span,
    pub(crate) block: &'a Node,
    pub(crate) step_type: Option<&'a StepType>,
    pub(crate) needs: Vec<(usize, Span)>,
    pub(crate) after: Vec<(usize, Span)>,
    /// Some of what it needs is not known: nothing is said of how many there are.
    pub(crate) unsure: bool,
    /// As it is written.
    pub(crate) with: Value,
    /// With the defaults of parameters, or samples of them.
    pub(crate) sampled: Value,
    pub(crate) bound: Option<BoundStep>,
}

impl DraftStep<'_> {
    /// A place in its settings.
    pub(crate) fn with_place(&self, pointer: &str) -> Span {
        match self.block.entry("with") {
            Some(entry) if pointer.is_empty() => entry.key_span,
            Some(entry) => {
                let place = entry.value.place(pointer);
                if place == entry.value.span { entry.key_span } else { place }
            }
            None => self.key,
        }
    }

    /// What its type is called.
    pub(crate) fn uses(&self) -> &str {
        self.block.get("uses").and_then(Node::text).unwrap_or("")
    }
}

/// Takes a file apart; shape problems are in `out` already.
pub(crate) fn draft<'a>(
    root: &'a Node,
    file: &str,
    digest: String,
    registry: &'a Registry,
    out: &mut Vec<Diagnostic>,
) -> Draft<'a> {
    let mut params = Vec::new();
    for entry in root.get("params").map_or(&[][..], Node::entries) {
        if !is_name(&entry.key, false) {
            out.push(bad_name(&entry.key, entry.key_span));
        }
        if let Some(param) = decode::<Param>(&entry.value, out) {
            params.push((entry.key.clone(), param));
        }
    }
    let triggers = root.get("triggers").map_or(&[][..], Node::items);
    Draft {
        root,
        file: file.to_owned(),
        digest,
        id: root.get("id").and_then(|id| decode(id, out)),
        params,
        triggers: triggers.iter().filter_map(|t| decode(t, out)).collect(),
        defaults: root.get("defaults").and_then(|d| decode(d, out)).unwrap_or_default(),
        steps: steps(root, registry, out),
    }
}

fn steps<'a>(root: &'a Node, registry: &'a Registry, out: &mut Vec<Diagnostic>) -> Vec<DraftStep<'a>> {
    let mut steps = Vec::new();
    for entry in root.get("steps").map_or(&[][..], Node::entries) {
        let id = match entry.key.parse::<NodeId>() {
            Ok(id) => id,
            Err(error) => {
                out.push(Diagnostic::error(codes::NAME, entry.key_span, error.to_string()));
                continue;
            }
        };
        let block = &entry.value;
        let uses = block.get("uses").and_then(Node::text);
        steps.push(DraftStep {
            id,
            key: entry.key_span,
            block,
            step_type: uses.and_then(|uses| registry.get(uses)),
            needs: Vec::new(),
            after: Vec::new(),
            unsure: false,
            with: block.get("with").map_or(Value::Null, Node::json),
            sampled: Value::Null,
            bound: None,
        });
    }
    let places: BTreeMap<String, usize> =
        steps.iter().enumerate().map(|(at, s)| (s.id.as_str().to_owned(), at)).collect();
    for step in &mut steps {
        (step.needs, step.unsure) = named(step.block.get("needs"), &places, out);
        // A misspelt `needs` was told as an unknown key.
        let keys = step.block.entries().iter().map(|e| e.key.as_str());
        step.unsure |= keys.filter(|key| *key != "needs").any(|key| nearest(key, ["needs"]).is_some());
        step.after = named(step.block.get("after"), &places, out).0;
    }
    steps
}

/// The steps that `needs` or `after` names, and whether some of them are not known.
fn named(
    names: Option<&Node>,
    places: &BTreeMap<String, usize>,
    out: &mut Vec<Diagnostic>,
) -> (Vec<(usize, Span)>, bool) {
    let mut found: Vec<(usize, Span)> = Vec::new();
    let mut unsure = false;
    for item in names.map_or(&[][..], Node::items) {
        let Some(name) = item.text() else { continue };
        match places.get(name) {
            Some(at) if found.iter().any(|(old, _)| old == at) => {
                out.push(Diagnostic::error(
                    codes::DUPLICATE_KEY,
                    item.span,
                    format!("`{name}` is named twice"),
                ));
            }
            Some(at) => found.push((*at, item.span)),
            None => {
                unsure = true;
                let known: Vec<&str> = places.keys().map(String::as_str).collect();
                out.push(
                    Diagnostic::error(
                        codes::STEP,
                        item.span,
                        format!("there is no step `{name}` in this file"),
                    )
                    .meant(name, &known),
                );
            }
        }
    }
    (found, unsure)
}

/// Text fields in which braces are only text.
pub(crate) fn is_prose(key: &str) -> bool {
    matches!(key, "title" | "description" | "citation" | "long-name")
}
