//! JSON Schema of the files, generated from the types that decode them.
//!
//! The same schema drives the editor, [`shape`] (what `check` says of keys and values) and the
//! reference, so that they cannot differ.

pub(crate) mod shape;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{pipeline::PipelineFile, project::ProjectFile, registry::Registry, suite::SuiteFile};

/// Where the definitions of settings stand: under names of their own, since expressions may stand
/// in settings and nowhere else.
const WITH: &str = "with.";

/// What a file holds at most, so that what looks at every pair of them ends soon.
const MOST: &[(&str, &str, u64)] = &[
    ("steps", "maxProperties", 1_000),
    ("datasets", "maxProperties", 1_000),
    ("params", "maxProperties", 200),
    ("triggers", "maxItems", 100),
];

/// How many steps one step needs or waits for at most.
const MOST_NEEDS: u64 = 1_000;

/// The schema of a pipeline file, with the settings of each step type chosen by `uses`.
#[must_use]
pub fn pipeline(registry: &Registry) -> Value {
    let mut schema = root::<PipelineFile>("frazil pipeline, version 1", "pipeline.v1.json");
    let (choices, definitions) = settings(registry);
    for (key, limit, most) in MOST {
        if let Some(block) = schema.get_mut("properties").and_then(|p| p.get_mut(*key)) {
            block[*limit] = json!(most);
        }
    }
    let names: Vec<Value> = registry.iter().map(|t| json!(t.uses)).collect();
    let described: Vec<Value> =
        registry.iter().map(|t| json!({ "const": t.uses, "description": t.summary })).collect();
    if let Some(defs) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        if let Some(step) = defs.get_mut("StepBlock").and_then(Value::as_object_mut) {
            step.insert("allOf".into(), Value::Array(choices));
            if let Some(uses) = step.get_mut("properties").and_then(|p| p.get_mut("uses")) {
                *uses = json!({
                    "description": "Its step type.", "type": "string", "enum": names, "x-types": described,
                });
            }
        }
        for name in ["store", "version"] {
            if let Some(property) = defs.get_mut("Dataset").and_then(|d| d["properties"].get_mut(name)) {
                // These stay text: an expression in them is text to a schema.
                property["x-expression"] = json!(true);
            }
        }
        if let Some(needs) = defs.get_mut("Names").and_then(|names| names["anyOf"].as_array_mut()) {
            needs.iter_mut().filter(|n| n["type"] == "array").for_each(|n| n["maxItems"] = json!(MOST_NEEDS));
        }
        defs.extend(definitions);
        defs.insert("Expression".into(), expression());
    }
    schema
}

/// The schema of a project file.
#[must_use]
pub fn project() -> Value {
    root::<ProjectFile>("frazil project, version 1", "project.v1.json")
}

/// The schema of a test file.
#[must_use]
pub fn suite() -> Value {
    root::<SuiteFile>("frazil tests, version 1", "test.v1.json")
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn root<T: JsonSchema>(title: &str, id: &str) -> Value {
    let mut schema = generator().into_root_schema_for::<T>().to_value();
    if let Some(map) = schema.as_object_mut() {
        map.insert("title".into(), json!(title));
        map.insert("$id".into(), json!(id));
        map.insert("patternProperties".into(), json!({ "^x-": true }));
        if let Some(version) = map.get_mut("properties").and_then(|p| p.get_mut("frazil")) {
            *version = json!({ "description": "Version of the format.", "const": 1 });
        }
    }
    schema
}

fn expression() -> Value {
    json!({
        "type": "string",
        "pattern": "\\{\\{",
        "description": "A Jinja expression in quotes: \"{{ params.start }}\".",
    })
}

/// `if uses is this, with is that` for each step type, and the definitions that they refer to.
fn settings(registry: &Registry) -> (Vec<Value>, Map<String, Value>) {
    let mut generator = generator();
    let mut choices = Vec::new();
    for step_type in registry.iter() {
        let mut with = (step_type.schema)(&mut generator).to_value();
        prefixed(&mut with);
        let target = with["$ref"].as_str().map(|r| r.trim_start_matches("#/$defs/with.").to_owned());
        let required = target
            .and_then(|name| generator.definitions().get(&name))
            .is_some_and(|d| d["required"].as_array().is_some_and(|r| !r.is_empty()));
        let mut then = json!({ "properties": { "with": with } });
        if required {
            then["required"] = json!(["with"]);
        }
        choices.push(json!({
            "if": { "properties": { "uses": { "const": step_type.uses } }, "required": ["uses"] },
            "then": then,
        }));
    }
    let mut definitions = Map::new();
    for (name, mut schema) in generator.take_definitions(true) {
        prefixed(&mut schema);
        expressive(&mut schema);
        definitions.insert(format!("{WITH}{name}"), schema);
    }
    (choices, definitions)
}

/// Turns references to definitions into references to those of settings.
fn prefixed(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref") {
                *target = target.replacen("#/$defs/", &format!("#/$defs/{WITH}"), 1);
            }
            map.values_mut().for_each(prefixed);
        }
        Value::Array(items) => items.iter_mut().for_each(prefixed),
        _ => {}
    }
}

/// Lets an expression stand for every value inside, but for literal ones.
fn expressive(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        for (key, property) in properties {
            expressive(property);
            if !is_literal_key(key) {
                allow(property);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key).filter(|inner| inner.is_object()) {
            expressive(inner);
            allow(inner);
        }
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        for inner in map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            expressive(inner);
            if key == "prefixItems" {
                allow(inner);
            }
        }
    }
}

/// Keys whose values are literal wherever they stand, or the graph could not be built.
pub(crate) fn is_literal_key(key: &str) -> bool {
    matches!(key, "dataset" | "source")
}

fn allow(schema: &mut Value) {
    let literal = schema["$ref"].as_str().is_some_and(|r| r.ends_with("Id"));
    let free_text =
        schema["type"] == "string" && schema.get("pattern").is_none() && schema.get("enum").is_none();
    if literal || free_text || schema.get("const").is_some() || schema.as_object().is_none_or(Map::is_empty) {
        return;
    }
    let mut inner = schema.take();
    let description = inner.as_object_mut().and_then(|map| map.remove("description"));
    let default = inner.as_object_mut().and_then(|map| map.remove("default"));
    let mut outer = json!({ "anyOf": [inner, { "$ref": "#/$defs/Expression" }] });
    for (key, value) in [("description", description), ("default", default)] {
        if let Some(value) = value {
            outer[key] = value;
        }
    }
    *schema = outer;
}

/// The settings of a step type, in the schema of a pipeline file.
#[must_use]
pub fn settings_of<'a>(root: &'a Value, uses: &str) -> Option<&'a Value> {
    let choices = root["$defs"]["StepBlock"]["allOf"].as_array()?;
    let choice = choices.iter().find(|c| c["if"]["properties"]["uses"]["const"] == uses)?;
    choice["then"]["properties"].get("with")
}

/// What stands under `key` in a schema; maps from names, lists and choices are passed through.
#[must_use]
pub fn inside(root: &Value, schema: &Value, key: &str) -> Option<Value> {
    let schema = resolved(root, schema);
    if let Some(found) = schema["properties"].get(key) {
        return Some(found.clone());
    }
    let branches = ["anyOf", "oneOf"].iter().filter_map(|k| schema[*k].as_array()).flatten();
    let within =
        ["items", "additionalProperties"].iter().filter_map(|k| schema.get(*k)).filter(|s| s.is_object());
    branches.chain(within).find_map(|inner| inside(root, inner, key))
}

/// A schema with the definition that it refers to put in its place.
#[must_use]
pub fn resolved(root: &Value, schema: &Value) -> Value {
    match schema["$ref"].as_str() {
        Some(target) => resolved(root, &root["$defs"][target.trim_start_matches("#/$defs/")]),
        None => schema.clone(),
    }
}

/// A YAML text as a JSON value, as the checks see it; none where it cannot be read.
#[must_use]
pub fn instance(text: &str) -> Option<Value> {
    crate::document::read(0, text).0.map(|node| node.json())
}
