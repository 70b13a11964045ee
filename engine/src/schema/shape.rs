//! Says everything that is wrong with the shape of a tree, by the schema.

mod retry;
mod text;

use serde_json::Value;

use self::{
    retry::{is_retry, is_status, status_retry},
    text::{limits, text_form, unitless},
};
use crate::{
    diagnostic::{Diagnostic, Edit, Span, codes, did_you_mean, key_for, key_meant},
    document::{Entry, Node, Tree},
};

/// From so many problems of shape on a file is not looked at further: it is something else.
pub(crate) const TOO_MANY: usize = 1_000;

/// Compares a tree with a schema; `key` is where problems of the root are shown.
pub(crate) fn check(root: &Value, node: &Node) -> Vec<Diagnostic> {
    let shape = Shape { root };
    let mut problems = Vec::new();
    shape.value(root, node, node.spot(), &mut problems);
    problems
}

struct Shape<'a> {
    root: &'a Value,
}

impl<'a> Shape<'a> {
    /// The definition behind a reference, with its name.
    fn resolve(&self, schema: &'a Value) -> (&'a Value, Option<&'a str>) {
        let mut found = (schema, None);
        while let Some(target) = found.0["$ref"].as_str() {
            let name = target.trim_start_matches("#/$defs/");
            found = (&self.root["$defs"][name], Some(name.trim_start_matches(super::WITH)));
        }
        found
    }

    fn value(&self, schema: &'a Value, node: &Node, key: Span, out: &mut Vec<Diagnostic>) {
        let (schema, name) = self.resolve(schema);
        if schema == &Value::Bool(true) || out.len() >= TOO_MANY {
            return;
        }
        let place = if node.is_block() { key } else { node.span };
        if let Some(branches) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            self.choice(branches, node, key, out);
        }
        if !self.has_type(schema, node) {
            out.push(self.wrong_type(schema, name, node, place));
            return;
        }
        self.words(schema, node, place, out);
        match &node.tree {
            Tree::Text(text) => text_form(schema, name, text, place, out),
            Tree::Number(number) => limits(schema, number.as_f64().unwrap_or(0.0), place, out),
            Tree::List(items) => self.list(schema, items, place, out),
            Tree::Map(entries) => self.map(schema, node, entries, key, out),
            _ => {}
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if part.get("if").is_none() {
                self.value(part, node, key, out);
            } else if self.matches(&part["if"], node) {
                self.value(&part["then"], node, key, out);
            }
        }
    }

    fn matches(&self, schema: &'a Value, node: &Node) -> bool {
        let mut problems = Vec::new();
        self.value(schema, node, node.span, &mut problems);
        problems.is_empty()
    }

    /// `anyOf` and `oneOf`: the branch that was most likely meant says what is wrong.
    fn choice(&self, branches: &'a [Value], node: &Node, key: Span, out: &mut Vec<Diagnostic>) {
        let expressive = branches.iter().any(|b| b["$ref"] == "#/$defs/Expression");
        if expressive && node.text().is_some_and(|text| text.contains("{{")) {
            return;
        }
        let branches: Vec<&Value> = branches.iter().filter(|b| b["$ref"] != "#/$defs/Expression").collect();
        if branches.iter().any(|branch| self.matches(branch, node)) {
            return;
        }
        if let [only] = branches[..] {
            return self.value(only, node, key, out);
        }
        let fits: Vec<&Value> = branches.iter().copied().filter(|b| self.kind_fits(b, node)).collect();
        match fits[..] {
            [] => out.push(self.wrong_type_of_any(&branches, node, key)),
            [only] => self.value(only, node, key, out),
            _ => self.tagged(&fits, node, key, out),
        }
    }

    /// Several branches of the right type: those of an enum are told apart by a word or by a key.
    fn tagged(&self, branches: &[&'a Value], node: &Node, key: Span, out: &mut Vec<Diagnostic>) {
        let place = if node.is_block() { key } else { node.span };
        if let Some(text) = node.text() {
            let words: Vec<&str> = branches.iter().flat_map(|b| words_of(self.resolve(b).0)).collect();
            if words.is_empty() {
                return self.value(branches[0], node, key, out);
            }
            out.push(not_one_of(text, &words, place));
            return;
        }
        // A tag inside (`source: cog`) picks the branch that has this word for it.
        for branch in branches {
            let schema = self.resolve(branch).0;
            let picked = schema["properties"].as_object().into_iter().flatten().any(|(name, property)| {
                property["const"].is_string()
                    && node.get(name).and_then(Node::text) == property["const"].as_str()
            });
            if picked {
                return self.value(branch, node, key, out);
            }
        }
        // A tag outside (`{ convert: … }`) is the one key that the branch requires.
        let outside = |branch: &&&'a Value| {
            let schema = self.resolve(branch).0;
            schema["required"].as_array().is_some_and(|required| {
                !required.is_empty()
                    && required.iter().filter_map(Value::as_str).all(|k| node.get(k).is_some())
            })
        };
        if let Some(branch) = branches.iter().find(outside) {
            return self.value(branch, node, key, out);
        }
        let tags: Vec<&str> = branches
            .iter()
            .filter_map(|b| {
                self.resolve(b).0["required"].as_array().and_then(|r| r.first()).and_then(Value::as_str)
            })
            .collect();
        match node.entries().first() {
            Some(entry) => {
                let message = format!("`{}` is not known here", entry.key);
                out.push(
                    Diagnostic::error(codes::UNKNOWN_KEY, entry.key_span, message).meant(&entry.key, &tags),
                );
            }
            None => out.push(
                Diagnostic::error(codes::MISSING_KEY, place, "one key is needed here")
                    .maybe_help(did_you_mean("", &tags)),
            ),
        }
    }

    fn kind_fits(&self, branch: &'a Value, node: &Node) -> bool {
        let schema = self.resolve(branch).0;
        match schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            Some(inner) => inner.iter().any(|b| self.kind_fits(b, node)),
            None => match schema.get("const") {
                Some(constant) => constant.is_string() == node.text().is_some(),
                None => self.has_type(schema, node),
            },
        }
    }

    fn has_type(&self, schema: &Value, node: &Node) -> bool {
        let one = |kind: &str| match (kind, &node.tree) {
            ("null", Tree::Null)
            | ("boolean", Tree::Bool(_))
            | ("number", Tree::Number(_))
            | ("string", Tree::Text(_))
            | ("array", Tree::List(_))
            | ("object", Tree::Map(_)) => true,
            ("integer", Tree::Number(n)) => n.as_f64().is_some_and(|n| n.fract() == 0.0),
            _ => false,
        };
        match &schema["type"] {
            Value::String(kind) => one(kind),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(one),
            _ => true,
        }
    }

    fn wrong_type(&self, schema: &Value, name: Option<&str>, node: &Node, place: Span) -> Diagnostic {
        if let Tree::Number(number) = &node.tree
            && name == Some("Duration")
        {
            return unitless(number, place);
        }
        let wanted = kinds(schema).join(" or ");
        let problem = Diagnostic::error(codes::TYPE, place, format!("this is {}, not {wanted}", node.kind()));
        match &node.tree {
            Tree::Number(_) | Tree::Bool(_) if wanted.contains("text") => {
                problem.help("put quotes around it").quoted("")
            }
            _ => problem,
        }
    }

    fn wrong_type_of_any(&self, branches: &[&'a Value], node: &Node, key: Span) -> Diagnostic {
        let place = if node.is_block() { key } else { node.span };
        let mut wanted: Vec<&str> = Vec::new();
        for branch in branches {
            for kind in kinds(self.resolve(branch).0) {
                if !wanted.contains(&kind) && kind != "nothing" {
                    wanted.push(kind);
                }
            }
        }
        let duration = branches.iter().any(|b| self.resolve(b).1 == Some("Duration"));
        if let (true, Tree::Number(number)) = (duration, &node.tree) {
            return unitless(number, place);
        }
        Diagnostic::error(codes::TYPE, place, format!("this is {}, not {}", node.kind(), wanted.join(" or ")))
    }

    fn words(&self, schema: &Value, node: &Node, place: Span, out: &mut Vec<Diagnostic>) {
        if let Some(constant) = schema.get("const")
            && &node.json() != constant
        {
            let message =
                format!("this has to be `{}`", constant.as_str().map_or(constant.to_string(), str::to_owned));
            out.push(Diagnostic::error(codes::CHOICE, place, message));
        }
        let Some(values) = schema["enum"].as_array() else { return };
        if values.contains(&node.json()) {
            return;
        }
        let words: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        let written = node.text().map_or_else(|| node.json().to_string(), str::to_owned);
        if schema.get("x-types").is_some() {
            let message = format!("there is no step type `{written}`");
            let problem = Diagnostic::error(codes::STEP_TYPE, place, message);
            out.push(problem.meant(&written, &words));
        } else {
            out.push(not_one_of(&written, &words, place));
        }
    }

    /// What to write for a key that is missing.
    fn missing(&self, key: &str, schema: Option<&Value>) -> Option<String> {
        let schema = schema?;
        if let Some(version) = schema.get("const").filter(|_| key == "frazil") {
            return Some(format!("begin the file with `frazil: {version}`"));
        }
        let target =
            schema["$ref"].as_str().map(|name| &self.root["$defs"][name.trim_start_matches("#/$defs/")]);
        let inner = target.and_then(|t| t["required"].as_array()).into_iter().flatten();
        let inner: Vec<String> = inner.filter_map(Value::as_str).map(|key| format!("{key}: …")).collect();
        match (inner.is_empty(), schema["description"].as_str()) {
            (false, _) => Some(format!("write `{key}: {{ {} }}`", inner.join(", "))),
            (true, Some(description)) => Some(format!("`{key}`: {description}")),
            (true, None) => None,
        }
    }

    fn list(&self, schema: &'a Value, items: &[Node], place: Span, out: &mut Vec<Diagnostic>) {
        let count = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let (min, max) = (count("minItems").unwrap_or(0), count("maxItems").unwrap_or(usize::MAX));
        // Few is a matter of form, many one of size.
        if items.len() > max && max >= 100 {
            return out.push(too_many(items.len(), max, place));
        }
        if items.len() < min || items.len() > max {
            let wanted = if min == max { format!("{min}") } else { format!("at least {min}") };
            out.push(Diagnostic::error(
                codes::RANGE,
                place,
                format!("this list has {} items, not {wanted}", items.len()),
            ));
        }
        let fixed = schema["prefixItems"].as_array();
        for (at, item) in items.iter().enumerate() {
            if let Some(inner) = fixed.and_then(|f| f.get(at)).or_else(|| schema.get("items")) {
                self.value(inner, item, item.spot(), out);
            }
        }
    }

    fn map(&self, schema: &'a Value, node: &Node, entries: &[Entry], key: Span, out: &mut Vec<Diagnostic>) {
        let most =
            schema["maxProperties"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        if entries.len() > most {
            return out.push(too_many(entries.len(), most, key));
        }
        let properties = schema["properties"].as_object();
        let others = schema.get("additionalProperties");
        for entry in entries {
            if out.len() >= TOO_MANY {
                return;
            }
            if let Some(inner) = properties.and_then(|p| p.get(&entry.key)) {
                let before = out.len();
                self.value(inner, &entry.value, entry.key_span, out);
                described(&entry.key, inner, &mut out[before..]);
            } else if schema.get("patternProperties").is_some() && entry.key.starts_with("x-") {
            } else if is_retry(properties) && is_status(&entry.key) {
                out.push(status_retry(entry));
            } else if others == Some(&Value::Bool(false)) {
                let known: Vec<&str> = properties.into_iter().flatten().map(|(k, _)| k.as_str()).collect();
                out.push(
                    Diagnostic::error(
                        codes::UNKNOWN_KEY,
                        entry.key_span,
                        format!("there is no key `{}` here", entry.key),
                    )
                    .maybe_help(key_meant(&entry.key, &known))
                    .instead(&entry.key, key_for(&entry.key, &known).filter(|key| node.get(key).is_none())),
                );
            } else if let Some(inner) = others.filter(|o| o.is_object()) {
                self.value(inner, &entry.value, entry.key_span, out);
            }
        }
        for wanted in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if node.get(wanted).is_none() {
                let problem =
                    Diagnostic::error(codes::MISSING_KEY, key, format!("`{wanted}` is missing here"))
                        .maybe_help(self.missing(wanted, properties.and_then(|p| p.get(wanted))));
                out.push(match entries.first() {
                    // The version stands first, before the first key and after what is said above it.
                    Some(first) if wanted == "frazil" => {
                        let span = Span { to: first.key_span.from, ..first.key_span };
                        problem.edit("write `frazil: 1`", Edit { span, text: "frazil: 1\n".into() })
                    }
                    _ => problem,
                });
            }
        }
    }
}

fn too_many(count: usize, most: usize, place: Span) -> Diagnostic {
    Diagnostic::error(codes::COUNT, place, format!("these are {count}, and a file holds at most {most}"))
        .help("make several files of it")
}

/// Helps with the words that describe a key, where nothing better is said.
fn described(key: &str, schema: &Value, problems: &mut [Diagnostic]) {
    let Some(description) = schema["description"].as_str() else { return };
    for problem in problems {
        if problem.help.is_none() && matches!(problem.code, codes::TYPE | codes::RANGE | codes::PATTERN) {
            problem.help = Some(format!("`{key}`: {description}"));
        }
    }
}

fn kinds(schema: &Value) -> Vec<&'static str> {
    let word = |kind: &str| match kind {
        "null" => "nothing",
        "boolean" => "true or false",
        "number" => "a number",
        "integer" => "a whole number",
        "string" => "text",
        "array" => "a list",
        _ => "a map",
    };
    match &schema["type"] {
        Value::String(kind) => vec![word(kind)],
        Value::Array(list) => {
            list.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").map(word).collect()
        }
        _ if schema.get("const").is_some_and(Value::is_string) => vec!["text"],
        _ => Vec::new(),
    }
}

/// The words that a schema of text takes.
fn words_of(schema: &Value) -> Vec<&str> {
    match (&schema["enum"], &schema["const"]) {
        (Value::Array(values), _) => values.iter().filter_map(Value::as_str).collect(),
        (_, Value::String(word)) => vec![word],
        _ => Vec::new(),
    }
}

fn not_one_of(written: &str, words: &[&str], place: Span) -> Diagnostic {
    let message = format!("`{written}` is not one of the values");
    Diagnostic::error(codes::CHOICE, place, message).meant(written, words)
}
