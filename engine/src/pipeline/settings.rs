//! The settings of steps: expressions, credentials, decoding.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::draft::{Draft, DraftStep};
use crate::{
    diagnostic::{Diagnostic, Severity, Sources, codes},
    document::{Node, Tree},
    project::ProjectConfig,
    schema::is_literal_key,
    template::{
        self, child,
        known::{Known, Place},
        matches,
    },
};

/// The instant that samples are evaluated at; a check knows no clock.
const SAMPLE_INSTANT: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// All pointers of settings.
const ANYWHERE: &[&str] = &["/*", "/*/*", "/*/*/*", "/*/*/*/*"];

/// Checks the expressions of all settings, evaluates them with defaults or samples, and decodes.
pub(crate) fn check(
    draft: &mut Draft<'_>,
    project: &ProjectConfig,
    sources: &Sources,
    out: &mut Vec<Diagnostic>,
) {
    let declared: Vec<String> =
        draft.root.get("params").map_or(&[][..], Node::entries).iter().map(|e| e.key.clone()).collect();
    let known = Known {
        params: &draft.params,
        declared: &declared,
        project,
        project_names: template::project_names(project),
    };
    let names = samples(draft, project);
    for entry in draft.root.get("params").map_or(&[][..], Node::entries) {
        if let Some(default) = entry.value.get("default") {
            let walk = Walk { known: &known, sources, per_period: &[], over: &[], params: true, with: true };
            walk.node("default", "", default, out);
        }
    }
    for step in &mut draft.steps {
        // Where the type is not known, nobody knows which of its settings have a period.
        let per_period = step.step_type.map_or(ANYWHERE, |t| t.per_period);
        let over = over(step.block.get("with"));
        let walk = Walk { known: &known, sources, per_period, over: &over, params: true, with: true };
        let before = errors(out);
        if let Some(with) = step.block.get("with") {
            walk.node("", "", with, out);
        }
        // Of a parameter that is wrong in itself nothing follows for those who use it.
        let text = step.with.to_string();
        let doubtful = declared.iter().any(|name| {
            !draft.params.iter().any(|(n, _)| n == name) && text.contains(&format!("params.{name}"))
        });
        if errors(out) == before && !doubtful {
            bind(step, &names, per_period, out);
        }
    }
}

fn errors(out: &[Diagnostic]) -> usize {
    out.iter().filter(|p| p.severity == Severity::Error).count()
}

/// The names that `over:` brings into per-period values.
fn over(with: Option<&Node>) -> Vec<String> {
    with.and_then(|w| w.get("over")).map_or(&[][..], Node::entries).iter().map(|e| e.key.clone()).collect()
}

/// What expressions see at check: defaults of parameters, or samples of their types.
fn samples(draft: &Draft<'_>, project: &ProjectConfig) -> Value {
    let pipeline = draft.id.as_ref().map_or("", |id| id.as_str());
    let mut params = Map::new();
    for (name, param) in &draft.params {
        let names = template::names(project, &params, SAMPLE_INSTANT, pipeline);
        let default = param.default.as_ref().and_then(|d| template::evaluate_all(d, &names).ok());
        let value = default.and_then(|d| param.accept(&d).ok()).unwrap_or_else(|| param.sample());
        params.insert(name.clone(), value);
    }
    template::names(project, &params, SAMPLE_INSTANT, pipeline)
}

fn bind(step: &mut DraftStep<'_>, names: &Value, per_period: &[&str], out: &mut Vec<Diagnostic>) {
    let Some(step_type) = step.step_type else { return };
    let with = step.block.get("with");
    let extent = with.map(Node::extent);
    if extent.is_some_and(|e| {
        out.iter().any(|p| {
            p.primary.as_ref().is_some_and(|l| {
                l.span.source == e.source
                    && e.from <= l.span.from
                    && l.span.to <= e.to
                    && p.severity == Severity::Error
            })
        })
    }) || out
        .iter()
        .any(|p| p.primary.as_ref().is_some_and(|l| l.span == step.key && p.code == codes::MISSING_KEY))
    {
        return;
    }
    let mut failed = Vec::new();
    step.sampled = sampled(&step.with, "", per_period, names, &mut failed);
    for (pointer, message) in &failed {
        out.push(Diagnostic::error(codes::EXPRESSION, step.with_place(pointer), message.clone()));
    }
    if !failed.is_empty() {
        return;
    }
    match step_type.bind(&step.sampled) {
        Ok(bound) => step.bound = Some(bound),
        Err(error) => {
            let place = step.with_place(&error.pointer);
            let message = format!("these settings do not fit `{}`: {}", step_type.uses, error.message);
            out.push(
                Diagnostic::error(codes::SETTINGS, place, message)
                    .help(format!("see `frazil schema steps.{}`", step_type.uses)),
            );
        }
    }
}

/// Settings with their expressions evaluated, and where that failed.
fn sampled(
    value: &Value,
    pointer: &str,
    per_period: &[&str],
    names: &Value,
    failed: &mut Vec<(String, String)>,
) -> Value {
    if per_period.iter().any(|pattern| matches(pattern, pointer)) {
        return value.clone();
    }
    match value {
        Value::String(text) => template::evaluate(text, names).unwrap_or_else(|error| {
            failed.push((pointer.to_owned(), error.to_string()));
            Value::Null
        }),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(at, item)| sampled(item, &format!("{pointer}/{at}"), per_period, names, failed))
                .collect(),
        ),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, item)| {
                    (key.clone(), sampled(item, &child(pointer, key), per_period, names, failed))
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// A walk over the values of a block in which expressions may stand.
pub(crate) struct Walk<'a> {
    pub(crate) known: &'a Known<'a>,
    pub(crate) sources: &'a Sources,
    pub(crate) per_period: &'a [&'a str],
    pub(crate) over: &'a [String],
    pub(crate) params: bool,
    /// Whether these are settings, in which literal keys and credentials are looked for.
    pub(crate) with: bool,
}

impl Walk<'_> {
    pub(crate) fn node(&self, key: &str, pointer: &str, node: &Node, out: &mut Vec<Diagnostic>) {
        match &node.tree {
            Tree::Text(text) => self.text(key, pointer, text, node, out),
            Tree::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.node(key, &format!("{pointer}/{at}"), item, out);
                }
            }
            Tree::Map(entries) => {
                for entry in entries {
                    if entry.key.contains("{{") {
                        out.push(Diagnostic::error(codes::LITERAL, entry.key_span, "a key is literal"));
                    }
                    self.node(&entry.key, &child(pointer, &entry.key), &entry.value, out);
                }
            }
            _ => {}
        }
    }

    fn text(&self, key: &str, pointer: &str, text: &str, node: &Node, out: &mut Vec<Diagnostic>) {
        if self.with && is_literal_key(key) && text.contains("{{") {
            return out.push(literal(key, node));
        }
        let period = self.per_period.iter().any(|pattern| matches(pattern, pointer)).then_some(self.over);
        let place =
            Place { span: node.span, written: self.sources.text(node.span), period, params: self.params };
        self.known.check(text, place, out);
        self.known.host(key, text, place, out);
        if let Some(problem) = credential(key, text, node) {
            out.push(problem);
        }
    }
}

/// An expression where only a literal may stand.
pub(crate) fn literal(key: &str, node: &Node) -> Diagnostic {
    Diagnostic::error(codes::LITERAL, node.span, format!("`{key}` is literal: no expression may stand here"))
        .help("expressions may stand under `with:`, in defaults of params, and in `store`, `version` and `attributes` of datasets")
}

/// A password, key or token that stands in the file.
pub(crate) fn credential(key: &str, text: &str, node: &Node) -> Option<Diagnostic> {
    let folded = key.to_ascii_lowercase().replace(['_', '-'], "");
    let ends = ["password", "passwd", "token", "secret", "apikey", "accesskey", "secretkey", "privatekey"];
    let secret_key = ends.iter().any(|end| folded.ends_with(end))
        || matches!(folded.as_str(), "authorization" | "bearer" | "credentials");
    let in_url = text.split_once("://").is_some_and(|(_, rest)| {
        let host = rest.split('/').next().unwrap_or("");
        host.rsplit_once('@').is_some_and(|(user, _)| {
            user.split_once(':').is_some_and(|(_, password)| !password.is_empty() && !password.contains("{{"))
        })
    });
    let aws = text.len() == 20
        && (text.starts_with("AKIA") || text.starts_with("ASIA"))
        && text.chars().all(|c| c.is_ascii_alphanumeric());
    let literal = !text.is_empty() && !text.contains("{{");
    ((secret_key && literal) || in_url || aws).then(|| {
        let what =
            if in_url { "a URL with a password in it" } else { "a credential that stands in the file" };
        Diagnostic::error(codes::CREDENTIAL, node.span, what)
            .help("name it under `secrets:` in frazil.yaml and write `\"{{ secrets.name }}\"`")
    })
}
