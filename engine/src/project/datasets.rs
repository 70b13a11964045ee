//! The `datasets` blocks of all files: what is wrong with them, where they lie, what they are.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use super::{ProjectConfig, absolute, decode, judge::judge};
use crate::{
    data::DatasetId,
    dataset::{Dataset, DatasetInfo, Datasets, Location, TimeAxis},
    diagnostic::{Diagnostic, Sources, Span, codes, did_you_mean},
    document::{Entry, Node},
    pipeline::{Draft, DraftStep, Walk},
    template::{self, known::Known},
};

/// A dataset on its way.
pub(crate) struct Block {
    pub(crate) key: Span,
    pub(crate) block: Option<Dataset>,
    pub(crate) location: Location,
    /// What it is made from, by edges.
    pub(crate) sources: Vec<DatasetId>,
    /// The step that writes its values: draft and step.
    pub(crate) writer: Option<(usize, usize)>,
}

/// Datasets on their way, by name.
pub(crate) type Blocks = BTreeMap<DatasetId, Block>;

/// Decodes and judges all blocks.
pub(super) fn blocks(
    drafts: &[Draft<'_>],
    project: &ProjectConfig,
    sources: &Sources,
    out: &mut Vec<Diagnostic>,
) -> Blocks {
    let mut blocks = Blocks::new();
    let known =
        Known { params: &[], declared: &[], project, project_names: template::project_names(project) };
    let names = template::names(project, &Map::new(), chrono::DateTime::UNIX_EPOCH, "");
    for file in drafts {
        for entry in file.root.get("datasets").map_or(&[][..], Node::entries) {
            let id = match entry.key.parse::<DatasetId>() {
                Ok(id) => id,
                Err(error) => {
                    out.push(Diagnostic::error(codes::NAME, entry.key_span, error.to_string()));
                    continue;
                }
            };
            let walk =
                Walk { known: &known, sources, per_period: &[], over: &[], params: false, with: false };
            for key in ["store", "version", "attributes"] {
                if let Some(node) = entry.value.get(key) {
                    walk.node(key, "", node, out);
                }
            }
            let mut block: Option<Dataset> = decode(&entry.value, out);
            let mut location = Location::default();
            if let Some(block) = &mut block {
                evaluate(block, &names);
                judge(entry, block, out);
                location = place(&id, entry, block, project, out);
            }
            let key = entry.key_span;
            blocks.entry(id).or_insert(Block { key, block, location, sources: Vec::new(), writer: None });
        }
    }
    blocks
}

/// Puts in what the project says; what is wrong with the expressions was said before.
fn evaluate(block: &mut Dataset, names: &Value) {
    for text in [&mut block.store, &mut block.version].into_iter().flatten() {
        if let Ok(value) = template::evaluate(text, names) {
            *text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        }
    }
    for value in block.attributes.values_mut() {
        if let Ok(evaluated) = template::evaluate_all(value, names) {
            *value = evaluated;
        }
    }
}

fn place(
    id: &DatasetId,
    entry: &Entry,
    block: &Dataset,
    project: &ProjectConfig,
    out: &mut Vec<Diagnostic>,
) -> Location {
    let node = &entry.value;
    if let Some(external) = &block.external {
        if block.store.is_some() {
            let message = "a dataset has a `store` or is `external`, not both: write one of them";
            out.push(Diagnostic::told(codes::STORE, node.place("/external"), message));
        }
        return Location { url: absolute(external, &project.root), read_only: true, ..Location::default() };
    }
    let names: Vec<&str> = project.stores.keys().map(String::as_str).collect();
    let store = match &block.store {
        Some(store) if store.contains("://") => {
            return Location { url: store.trim_end_matches('/').to_owned(), ..Location::default() };
        }
        Some(store) => store.as_str(),
        None if names.len() == 1 => names[0],
        None => {
            let message = format!("`{id}` does not say its store, and the project has several");
            out.push(
                Diagnostic::error(codes::STORE, entry.key_span, message).maybe_help(did_you_mean("", &names)),
            );
            return Location::default();
        }
    };
    let Some(found) = project.stores.get(store) else {
        out.push(
            Diagnostic::error(codes::STORE, node.place("/store"), format!("there is no store `{store}`"))
                .meant(store, &names),
        );
        return Location::default();
    };
    Location { url: format!("{}/{id}", found.url), ..found.clone() }
}

/// The datasets with what edges say of them.
pub(super) fn infos(drafts: &[Draft<'_>], blocks: &Blocks) -> Datasets {
    let info = |(id, block): (&DatasetId, &Block)| {
        let definition = definition(drafts, block);
        let info = DatasetInfo {
            id: id.clone(),
            block: block.block.clone()?,
            location: block.location.clone(),
            sources: block.sources.clone(),
            definition,
        };
        Some((id.clone(), Arc::new(info)))
    };
    blocks.iter().filter_map(info).collect()
}

/// Keys of settings that say how, not what: they change no value.
const HOW: &[&str] = &[
    "in-flight",
    "wait",
    "auth",
    "headers",
    "on-missing",
    "max-gaps",
    "batch",
    "retry",
    "timeout",
    "cache",
    "memory",
    "output",
];

/// Digest of what decides the values: the parts of the block that matter, and the steps that make
/// it with their revisions.
fn definition(drafts: &[Draft<'_>], block: &Block) -> String {
    let mut value = json!({ "frazil": 1 });
    if let Some(b) = &block.block {
        let time = match &b.time {
            TimeAxis::None => json!("none"),
            TimeAxis::Regular(time) => json!({ "step": time.frequency(), "start": time.start }),
        };
        let variables: BTreeMap<&String, Value> = b
            .variables
            .iter()
            .map(|(name, v)| {
                let parts = json!({
                    "units": v.units, "cell": v.cell, "dtype": v.dtype, "nodata": v.nodata, "fill": v.fill,
                    "scale-factor": v.scale_factor, "add-offset": v.add_offset, "mantissa-bits": v.mantissa_bits,
                });
                (name, parts)
            })
            .collect();
        value["dataset"] = json!({
            "time": time, "crs": b.crs, "grid": b.grid, "dimensions": b.dimensions,
            "variables": variables, "version": b.version,
        });
    }
    let mut steps = Vec::new();
    let mut open: Vec<_> = block.writer.into_iter().collect();
    while let Some((draft, at)) = open.pop() {
        let step = &drafts[draft].steps[at];
        let mut with = step.sampled.clone();
        if let Some(map) = with.as_object_mut() {
            map.retain(|key, _| !HOW.contains(&key.as_str()));
        }
        steps.push(
            json!({ "uses": step.uses(), "revision": step.step_type.map(|t| t.revision), "with": with }),
        );
        // Up each stream to its source; what gives Periods or a Snapshot decides no value here.
        let stream = |n: &usize| {
            drafts[draft].steps[*n].step_type.is_some_and(|t| t.output == crate::step::PortKind::Slices)
        };
        let up = step.needs.iter().map(|(n, _)| *n).filter(stream);
        if steps.len() < 100 {
            open.extend(up.map(|n| (draft, n)));
        }
    }
    value["steps"] = Value::Array(steps);
    // Of one source only its numbers matter, and its commits tell of those.
    if block.sources.len() > 1
        && block.writer.is_some_and(|(draft, at)| takes_snapshots(&drafts[draft].steps[at]))
    {
        value["sources"] = json!(block.sources);
    }
    blake3::hash(canonical(&value).as_bytes()).to_hex()[..32].to_owned()
}

/// Whether a step is made from states of datasets, and not from slices.
fn takes_snapshots(step: &DraftStep<'_>) -> bool {
    step.step_type.is_some_and(|kind| kind.input.kind == crate::step::PortKind::Snapshot)
}

/// JSON with sorted keys and without nulls.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().filter(|(_, v)| !v.is_null()).collect();
            let parts: Vec<String> =
                sorted.iter().map(|(k, v)| format!("{}:{}", json!(k), canonical(v))).collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}
