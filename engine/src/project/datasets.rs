//! The `datasets` blocks of all files: what is wrong with them, where they lie, what they are.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use super::{ProjectConfig, absolute, decode, is_crs};
use crate::{
    data::{DatasetId, PeriodText},
    dataset::{Dataset, DatasetInfo, Datasets, Location, TimeAxis},
    diagnostic::{Diagnostic, Sources, Span, codes, did_you_mean},
    document::{Entry, Node},
    pipeline::{Draft, Walk},
    template::{self, known::Known},
};

/// A dataset on its way.
pub(crate) struct Block {
    pub(crate) key: Span,
    pub(crate) block: Option<Dataset>,
    pub(crate) location: Location,
    /// What it is made from, by edges.
    pub(crate) source: Option<DatasetId>,
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
            blocks.entry(id).or_insert(Block { key, block, location, source: None, writer: None });
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

fn judge(entry: &Entry, block: &Dataset, out: &mut Vec<Diagnostic>) {
    let node = &entry.value;
    let mut bad = |code, pointer: &str, message: String| {
        out.push(Diagnostic::told(code, node.place(pointer), &message));
    };
    if let TimeAxis::Regular(time) = &block.time
        && let Some(Err(error)) = time.start.as_deref().map(str::parse::<PeriodText>)
    {
        bad(codes::PERIOD, "/time/start", error.to_string());
    }
    if let Some(crs) = block.crs.as_deref().filter(|c| !is_crs(c)) {
        bad(codes::TEXT, "/crs", format!("`{crs}` is not a CRS: write a code such as `EPSG:4326`"));
    }
    if let Some(grid) = &block.grid
        && (grid.cell.contains(&0.0) || grid.shape.contains(&0))
    {
        bad(codes::RANGE, "/grid", "cells have a size and a grid has cells".into());
    }
    for key in ["chunks", "shards"] {
        let lengths = if key == "chunks" { &block.chunks } else { &block.shards };
        for (name, length) in lengths {
            if *length == 0 {
                bad(codes::RANGE, &format!("/{key}/{name}"), "a chunk holds at least one step".into());
            }
        }
    }
    if let Some(license) = block.license.as_deref().filter(|l| !is_license(l)) {
        bad(
            codes::LICENSE,
            "/license",
            format!(
                "`{license}` is not a licence: write an SPDX identifier such as `CC-BY-4.0`, or `other` with a link"
            ),
        );
    }
    for (name, variable) in &block.variables {
        let at = |key: &str| format!("/variables/{name}/{key}");
        if let Some(units) = variable.units.as_deref().filter(|u| !is_unit(u)) {
            bad(
                codes::TEXT,
                &at("units"),
                format!("`{units}` is not a unit: write it as UDUNITS does, `mm`, `kg m-2 s-1` or `degC`"),
            );
        }
        if let Some(standard) = variable.standard_name.as_deref().filter(|s| !is_standard_name(s)) {
            bad(
                codes::TEXT,
                &at("standard-name"),
                format!(
                    "`{standard}` does not look like a CF standard name: write one of its table, such as `air_temperature`"
                ),
            );
        }
        if variable.valid.is_some_and(|[low, high]| low > high) {
            bad(codes::RANGE, &at("valid"), "the smallest value comes first".into());
        }
        if variable.scale_factor == Some(0.0) {
            bad(codes::RANGE, &at("scale-factor"), "a scale factor of 0 loses every value".into());
        }
    }
    if block.license.as_deref() == Some("other") && !block.links.iter().any(|l| l.rel == "license") {
        out.push(
            Diagnostic::error(
                codes::LICENSE,
                node.place("/license"),
                "`license: other` says nothing without a link",
            )
            .help("add `links: [ { rel: license, href: … } ]`")
            .warning(),
        );
    }
}

/// An SPDX identifier or expression by its shape, or `other`.
fn is_license(text: &str) -> bool {
    let word = |w: &str| {
        !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | ':'))
    };
    let words: Vec<&str> = text.split(' ').collect();
    words.len() % 2 == 1
        && words.iter().enumerate().all(|(at, w)| {
            if at % 2 == 0 { word(w.trim_matches(['(', ')'])) } else { matches!(*w, "AND" | "OR" | "WITH") }
        })
}

/// A unit by its shape: words, powers and scale factors.
fn is_unit(text: &str) -> bool {
    !text.trim().is_empty()
        && text == text.trim()
        && text.chars().all(|c| c.is_alphanumeric() || " ._-+*/^()%°'\"".contains(c))
}

fn is_standard_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The datasets with what edges say of them.
pub(super) fn infos(drafts: &[Draft<'_>], blocks: &Blocks) -> Datasets {
    let info = |(id, block): (&DatasetId, &Block)| {
        let definition = definition(drafts, block);
        let info = DatasetInfo {
            id: id.clone(),
            block: block.block.clone()?,
            location: block.location.clone(),
            source: block.source.clone(),
            definition,
        };
        Some((id.clone(), Arc::new(info)))
    };
    blocks.iter().filter_map(info).collect()
}

/// Keys of settings that say how, not what: they change no value.
const HOW: &[&str] =
    &["in-flight", "wait", "auth", "headers", "on-missing", "max-gaps", "batch", "retry", "timeout", "cache"];

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
    let mut next = block.writer;
    while let Some((draft, at)) = next {
        let step = &drafts[draft].steps[at];
        let mut with = step.sampled.clone();
        if let Some(map) = with.as_object_mut() {
            map.retain(|key, _| !HOW.contains(&key.as_str()));
        }
        steps.push(
            json!({ "uses": step.uses(), "revision": step.step_type.map(|t| t.revision), "with": with }),
        );
        // Up the stream to its source; what gives Periods or a Snapshot decides no value here.
        let up = step.needs.first().map(|(n, _)| *n);
        let stream = |n: &usize| {
            drafts[draft].steps[*n].step_type.is_some_and(|t| t.output == crate::step::PortKind::Slices)
        };
        next = up.filter(stream).filter(|_| steps.len() < 100).map(|n| (draft, n));
    }
    value["steps"] = Value::Array(steps);
    blake3::hash(canonical(&value).as_bytes()).to_hex()[..32].to_owned()
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
