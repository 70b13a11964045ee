//! `docs/pipeline-reference.md`, written from the schemas and kept current.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write,
};

use frazil_engine::{diagnostic::CODES, registry::Registry, schema};
use serde_json::Value;

use crate::schema::current;

const HEAD: &str = "# Pipeline reference

Written from the types that read the files: `UPDATE=1 cargo test -p frazil-tests --test all reference` renews it.
`frazil schema steps.fetch` prints the same for one place; [the guide](guide.md) shows how it fits together.

Every value under `with:` may be an expression in quotes, `\"{{ params.start }}\"`, but for `dataset` and `source`.
";

const EXIT_CODES: &str = "
## Exit codes

| code | means |
|---|---|
| 0 | done |
| 1 | something failed, `check` found problems, or `status --late` late datasets |
| 2 | `plan --exit-code`: there is work |
| 4 | refused: the plan is stale, or the pipeline is busy |
| 5 | a store, the network or credentials failed |
| 64 | the command line is wrong |
| 130, 143 | interrupted (Ctrl-C, SIGTERM), after settling |
";

/// One schema on its way into the reference; definitions are written where they are first used.
struct Pages<'a> {
    root: &'a Value,
    seen: BTreeSet<String>,
    waiting: VecDeque<String>,
    text: String,
}

impl<'a> Pages<'a> {
    fn new(root: &'a Value) -> Self {
        Self { root, seen: BTreeSet::new(), waiting: VecDeque::new(), text: String::new() }
    }

    fn definition(&self, reference: &str) -> (&'a str, &'a Value) {
        let defs = self.root["$defs"].as_object().unwrap();
        let (name, schema) = defs.get_key_value(reference.trim_start_matches("#/$defs/")).unwrap();
        (name, schema)
    }

    /// What a value is, in words; a definition with keys of its own is linked and written later.
    fn kind(&mut self, schema: &Value) -> String {
        if let Some(reference) = schema["$ref"].as_str() {
            let (name, definition) = self.definition(reference);
            if !rows_of(definition).is_empty() {
                if self.seen.insert(name.to_owned()) {
                    self.waiting.push_back(name.to_owned());
                }
                return format!("[{}](#{})", title(name), anchor(name));
            }
            return match title(name).as_str() {
                word @ ("duration" | "frequency" | "template") => {
                    word.replace("frequency", "time step").replace("template", "text with expressions")
                }
                "pipeline id" => "name".to_owned(),
                "dataset id" => "name of a dataset".to_owned(),
                "node id" => "name of a step".to_owned(),
                _ => self.kind(definition),
            };
        }
        if let Some(words) = words(schema) {
            return words;
        }
        if let Some(branches) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            let mut kinds: Vec<String> = Vec::new();
            for branch in branches.iter().filter(|b| b["$ref"] != "#/$defs/Expression" && b["type"] != "null")
            {
                let kind = self.kind(branch);
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            return kinds.join(" or ");
        }
        self.plain(schema)
    }

    fn plain(&mut self, schema: &Value) -> String {
        let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
        let words: Vec<String> = kinds
            .map(|kind| match kind {
                "string" => "text".to_owned(),
                "integer" => "whole number".to_owned(),
                "boolean" => "`true` or `false`".to_owned(),
                "array" if schema["prefixItems"].is_array() => "list".to_owned(),
                "array" => {
                    let count =
                        schema["maxItems"].as_u64().filter(|n| schema["minItems"].as_u64() == Some(*n));
                    let of = count.map_or_else(|| "list of ".to_owned(), |n| format!("list of {n}: "));
                    format!("{of}{}", self.kind(&schema["items"]))
                }
                "object" if schema["additionalProperties"].is_object() => {
                    format!("map of {}", self.kind(&schema["additionalProperties"]))
                }
                "object" => "map".to_owned(),
                kind => kind.to_owned(),
            })
            .collect();
        if words.is_empty() { "anything".to_owned() } else { words.join(" or ") }
    }

    fn table(&mut self, schema: &Value) {
        let rows = rows_of(schema);
        if rows.is_empty() {
            self.text.push_str("It takes no settings.\n");
            return;
        }
        self.text.push_str("| key | value | default | |\n|---|---|---|---|\n");
        for Row { key, property, description, required } in rows {
            let kind = self.kind(property);
            let default = match property.get("default") {
                _ if required => "**required**".to_owned(),
                None | Some(Value::Null) => String::new(),
                Some(Value::Object(map)) if map.is_empty() => String::new(),
                Some(Value::Array(list)) if list.is_empty() => String::new(),
                Some(value) => format!("`{}`", value.as_str().map_or(value.to_string(), str::to_owned)),
            };
            let cells = [format!("`{key}`"), kind, default, description.to_owned()];
            let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            writeln!(self.text, "| {} |", cells.join(" | ")).unwrap();
        }
    }

    /// Writes what was linked and is not written yet.
    fn rest(&mut self) {
        while let Some(name) = self.waiting.pop_front() {
            let schema = &self.root["$defs"][&name];
            writeln!(self.text, "\n#### {}\n", title(&name)).unwrap();
            if let Some(description) = schema["description"].as_str() {
                writeln!(self.text, "{description}\n").unwrap();
            }
            self.table(schema);
        }
    }
}

/// A key of a map.
struct Row<'a> {
    key: &'a str,
    property: &'a Value,
    description: &'a str,
    required: bool,
}

/// The keys of a map, or of all maps that a choice lets stand.
fn rows_of(schema: &Value) -> Vec<Row<'_>> {
    let branches = ["oneOf", "anyOf"].iter().filter_map(|key| schema[*key].as_array()).flatten();
    let mut rows = Vec::new();
    for map in [schema].into_iter().chain(branches) {
        // Keys of a choice are not required: another choice may be taken.
        let required = map["required"].as_array().filter(|_| std::ptr::eq(map, schema));
        for (key, property) in map["properties"].as_object().into_iter().flatten() {
            // `{ convert: … }`: the words stand at the choice, not at its one key.
            let described = if property["description"].is_string() { property } else { map };
            rows.push(Row {
                key,
                property,
                description: described["description"].as_str().unwrap_or_default(),
                required: required.is_some_and(|names| names.iter().any(|name| name == key.as_str())),
            });
        }
    }
    rows
}

/// The words of an enum, with what they mean where that is said.
fn words(schema: &Value) -> Option<String> {
    let choices = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    if let Some(constant) = schema.get("const") {
        return Some(format!("`{}`", constant.as_str().map_or(constant.to_string(), str::to_owned)));
    }
    if let Some(values) = schema["enum"].as_array() {
        let words: Vec<String> = values.iter().filter_map(Value::as_str).map(|w| format!("`{w}`")).collect();
        return Some(words.join(", "));
    }
    let choices = choices?;
    let word = |choice: &Value| {
        let meaning = choice["description"].as_str().unwrap_or_default().trim_end_matches('.');
        let word = choice["const"].as_str()?;
        Some(if meaning.is_empty() { format!("`{word}`") } else { format!("`{word}` ({})", lower(meaning)) })
    };
    let words: Option<Vec<String>> = choices.iter().map(word).collect();
    Some(words?.join(", "))
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    // An abbreviation stays as it is.
    if text.chars().nth(1).is_some_and(char::is_uppercase) {
        text.to_owned()
    } else {
        first.into_iter().chain(letters).collect()
    }
}

/// `with.ScaleOffset` is `scale offset` to a reader.
fn title(name: &str) -> String {
    let name = name.trim_start_matches("with.").trim_end_matches("Block");
    let mut words = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        if letter.is_uppercase()
            && at > 0
            && !letters[at - 1].is_uppercase()
            && !letters[at - 1].is_ascii_digit()
        {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn anchor(name: &str) -> String {
    title(name).replace(' ', "-")
}

fn reference(registry: &Registry) -> String {
    let (pipeline, project) = (schema::pipeline(registry), schema::project());
    let mut pages = Pages::new(&pipeline);
    pages.text.push_str(HEAD);
    pages.text.push_str("\n## The pipeline file\n\nKeys at the top that begin with `x-` are free.\n\n");
    pages.table(&pipeline);
    pages.rest();
    pages.text.push_str("\n## Step types\n");
    for step_type in registry.iter() {
        let takes = match step_type.input.arity {
            frazil_engine::step::Arity::None => "nothing".to_owned(),
            frazil_engine::step::Arity::One => step_type.input.kind.to_string(),
            frazil_engine::step::Arity::Optional => format!("{}, or nothing", step_type.input.kind),
            frazil_engine::step::Arity::All => {
                format!("{}, of any number of steps, or nothing", step_type.input.kind)
            }
            frazil_engine::step::Arity::Every => {
                format!("{}, of one step or several; all of them", step_type.input.kind)
            }
            frazil_engine::step::Arity::Many => format!("{}, of one step or several", step_type.input.kind),
        };
        let (uses, gives, summary) = (step_type.uses, step_type.output, step_type.summary);
        writeln!(pages.text, "\n### {uses}\n\n*{summary}.* Takes {takes}; gives {gives}.\n").unwrap();
        let with = schema::settings_of(&pipeline, step_type.uses).unwrap();
        pages.table(&schema::resolved(&pipeline, with));
        pages.rest();
    }
    let mut project_pages = Pages::new(&project);
    project_pages
        .text
        .push_str("\n## The project file\n\n`frazil.yaml`; every field has a default but `frazil: 1`.\n\n");
    project_pages.table(&project);
    project_pages.rest();
    let tests = schema::suite();
    let mut test_pages = Pages::new(&tests);
    test_pages.text.push_str(
        "\n## The test file\n\n`*.test.yaml` beside pipelines; `frazil test` runs them. Keys at the top that begin with `x-` are free.\n\n",
    );
    test_pages.table(&tests);
    test_pages.rest();
    format!("{}{}{}{EXIT_CODES}", pages.text, project_pages.text, test_pages.text)
}

/// The families of codes, by their first digit.
const FAMILIES: &[(char, &str)] = &[
    ('0', "Files and YAML"),
    ('1', "Keys and values"),
    ('2', "Steps, edges and names of the project"),
    ('3', "Datasets"),
    ('4', "Expressions and secrets"),
    ('5', "What step types know"),
    ('6', "Old names"),
];

#[test]
fn the_pages_of_problems_are_current() {
    let mut text = "# Problems\n\nWhat `frazil check` may say, from its table: `UPDATE=1 cargo test -p frazil-tests --test all reference` renews it.\n`frazil check --explain CODE` prints one page. A code never changes what it means.\n".to_owned();
    for (digit, family) in FAMILIES {
        let of_it = || CODES.iter().filter(|code| code.id.chars().nth(2) == Some(*digit));
        assert!(of_it().next().is_some(), "{family}");
        write!(text, "\n## {family}\n").unwrap();
        for code in of_it() {
            write!(text, "\n### {}: {}\n\n{}\n", code.id, code.title, code.page).unwrap();
        }
    }
    let pages = FAMILIES
        .iter()
        .map(|(digit, _)| CODES.iter().filter(|c| c.id.chars().nth(2) == Some(*digit)).count());
    assert_eq!(pages.sum::<usize>(), CODES.len(), "a code of no family");
    current("docs/diagnostics.md", &text);
}

#[test]
fn the_reference_is_current() {
    current("docs/pipeline-reference.md", &reference(&frazil_steps::registry()));
}

/// Whoever reads the reference finds every setting of every step type, in words.
#[test]
fn every_setting_is_described() {
    let root = schema::pipeline(&frazil_steps::registry());
    for step_type in frazil_steps::registry().iter() {
        let with = schema::resolved(&root, schema::settings_of(&root, step_type.uses).unwrap());
        for Row { key, description, .. } in rows_of(&with) {
            assert!(!description.is_empty(), "`{key}` of {} is not described", step_type.uses);
        }
    }
}
