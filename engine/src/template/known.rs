//! What expressions may name, checked without evaluating them.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{
    Trouble, environment,
    guard::{self, Forbidden},
    sole_expression, trial,
};
use crate::{
    diagnostic::{Diagnostic, Span, codes},
    pipeline::{Param, ParamKind},
    project::ProjectConfig,
};

const PERIOD: &[&str] = &["id", "start", "end", "year", "month", "day", "hour", "dekad", "week"];
const RUN: &[&str] = &["instant", "pipeline"];
pub(crate) const ROOTS: &[&str] = &["params", "project", "vars", "secrets", "run", "now"];

/// What the expressions of one file may name.
pub(crate) struct Known<'a> {
    pub(crate) params: &'a [(String, Param)],
    /// Declared, those that are wrong in themselves too.
    pub(crate) declared: &'a [String],
    pub(crate) project: &'a ProjectConfig,
    pub(crate) project_names: Value,
}

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Of the text, quotes included.
    pub(crate) span: Span,
    /// What the file says there.
    pub(crate) written: &'a str,
    /// The names of `over`, where `period` is known.
    pub(crate) period: Option<&'a [String]>,
    /// Whether parameters are known.
    pub(crate) params: bool,
}

impl Place<'_> {
    /// The stretch of the file that says `part`.
    fn of(&self, part: &str) -> Span {
        self.written.find(part).map_or(self.span, |at| {
            let from = self.span.from + at;
            Span { from, to: from + part.len(), ..self.span }
        })
    }
}

impl Known<'_> {
    /// Says what is wrong with the names in `text`.
    pub(crate) fn check(&self, text: &str, place: Place<'_>, out: &mut Vec<Diagnostic>) {
        if !text.contains("{{") && !text.contains("{%") {
            return;
        }
        if let Some(what) = guard::forbidden(text, |name| self.is_number(name)) {
            return out.push(forbidden(&what, place));
        }
        let names = match names_in(text) {
            Ok(names) => names,
            Err(error) => {
                let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                let message = format!("this expression cannot be read: {detail}");
                return out.push(Diagnostic::error(codes::EXPRESSION, place.span, message).help(
                    "expressions are Jinja, such as `{{ period | date('%Y-%m') }}`: look for an open quote or bracket",
                ));
            }
        };
        let before = out.len();
        match trial(text) {
            Some(Trouble::Unknown(what)) => {
                let message = format!("this expression cannot be evaluated: {what}");
                out.push(
                    Diagnostic::error(codes::EXPRESSION, place.span, message)
                        .help("filters are those of Jinja, such as `upper`, and `date('%Y-%m-%d')`"),
                );
            }
            Some(Trouble::Excess) => out.push(
                Diagnostic::error(codes::LARGE_RESULT, place.span, "this expression takes or gives too much")
                    .help("a text has at most 64 KiB; look at what its loops go over"),
            ),
            None => {}
        }
        for name in &names {
            self.name(name, place, out);
        }
        if out.len() == before && !secrets_stand_alone(text) {
            let message = "a secret stands alone in its braces";
            out.push(
                Diagnostic::error(codes::SECRET_ALONE, place.of("secrets"), message)
                    .help("write `{{ secrets.name }}`, without filters or operators"),
            );
        }
    }

    /// Whether a dotted name is a number whenever it is evaluated.
    fn is_number(&self, name: &str) -> bool {
        let Some((root, word)) = name.split_once('.') else { return false };
        match root {
            "period" => matches!(word, "year" | "month" | "day" | "hour" | "dekad" | "week"),
            "vars" => self.project.vars.get(word).is_some_and(Value::is_number),
            "params" => self.params.iter().any(|(known, param)| {
                known == word && !param.list && matches!(param.kind, ParamKind::Int | ParamKind::Number)
            }),
            _ => false,
        }
    }

    fn name(&self, name: &str, place: Place<'_>, out: &mut Vec<Diagnostic>) {
        let mut parts = name.split('.');
        let root = parts.next().unwrap_or("");
        let first = parts.next();
        let mut unknown = |what: &str, word: &str, known: &[&str]| {
            let (message, define) = match what {
                "params" => ("there is no parameter", "declare it: `params: { # : { type: period } }`"),
                "vars" => ("there is no var", "define it in frazil.yaml: `vars: { #: … }`"),
                "secrets" => ("there is no secret", "name it in frazil.yaml: `secrets: { #: { env: … } }`"),
                "run" => ("`run` has no attribute", ""),
                _ => ("`period` has no attribute", ""),
            };
            let define = Some(define.replace("# ", word).replace('#', word)).filter(|help| !help.is_empty());
            out.push(
                Diagnostic::error(codes::ATTRIBUTE, place.of(name), format!("{message} `{word}`"))
                    .maybe_help(define)
                    .meant(word, known),
            );
        };
        let keys = |map: Vec<&'_ String>| -> Vec<String> { map.into_iter().cloned().collect() };
        match (root, first) {
            ("params", Some(word)) if place.params => {
                let known: Vec<&str> = self.declared.iter().map(String::as_str).collect();
                if !known.contains(&word) {
                    unknown("params", word, &known);
                }
            }
            ("vars", Some(word)) => {
                let known = keys(self.project.vars.keys().collect());
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                if !known.contains(&word) {
                    unknown("vars", word, &known);
                }
            }
            ("secrets", Some(word)) => {
                let known: Vec<&str> = self.project.secrets.keys().map(String::as_str).collect();
                if !known.contains(&word) {
                    unknown("secrets", word, &known);
                }
            }
            ("run", Some(word)) if !RUN.contains(&word) => unknown("run", word, RUN),
            ("period", Some(word)) if place.period.is_some() => {
                if !PERIOD.contains(&word) {
                    unknown("period", word, PERIOD);
                }
            }
            ("period", None) if place.period.is_some() => {}
            ("period", _) => out.push(
                Diagnostic::error(codes::PER_PERIOD, place.of("period"), "`period` is not known here").help(
                    "it is known in values that are evaluated for each source file, such as `url` of fetch",
                ),
            ),
            ("project", Some(_)) => self.project_name(name, place, out),
            ("params", _) if !place.params => out.push(
                Diagnostic::error(codes::EXPRESSION_NAME, place.of("params"), "`params` is not known here")
                    .help("a dataset is one thing for all runs; use `vars`"),
            ),
            (root, _) if ROOTS.contains(&root) => {}
            (root, _) if place.period.is_some_and(|over| over.iter().any(|name| name == root)) => {}
            (root, _) => {
                let mut known = ROOTS.to_vec();
                if let Some(over) = place.period {
                    known.push("period");
                    known.extend(over.iter().map(String::as_str));
                }
                let elsewhere = [
                    ("params", self.declared.iter().any(|name| name == root)),
                    ("vars", self.project.vars.contains_key(root)),
                    ("secrets", self.project.secrets.contains_key(root)),
                ];
                let meant = elsewhere.iter().find(|(_, there)| *there);
                let help = meant.map(|(block, _)| format!("did you mean `{block}.{root}`?"));
                out.push(
                    Diagnostic::error(
                        codes::EXPRESSION_NAME,
                        place.of(root),
                        format!("`{root}` is not known here"),
                    )
                    .meant(root, &known)
                    .maybe_help(help),
                );
            }
        }
    }

    fn project_name(&self, name: &str, place: Place<'_>, out: &mut Vec<Diagnostic>) {
        let mut value = &self.project_names;
        for part in name.split('.').skip(1) {
            let Some(map) = value.as_object() else { return };
            match map.get(part) {
                Some(inner) if inner.is_null() => {
                    let message = format!("`{name}` is not set in frazil.yaml");
                    return out.push(
                        Diagnostic::error(codes::ATTRIBUTE, place.of(name), message)
                            .help(format!("say `{part}` there")),
                    );
                }
                Some(inner) => value = inner,
                None => {
                    let known: Vec<&str> = map.keys().map(String::as_str).collect();
                    return out.push(
                        Diagnostic::error(codes::ATTRIBUTE, place.of(name), format!("there is no `{name}`"))
                            .meant(part, &known),
                    );
                }
            }
        }
    }

    /// Whether text that a caller gives reaches the scheme or the host of a URL.
    pub(crate) fn host(&self, key: &str, text: &str, place: Place<'_>, out: &mut Vec<Diagnostic>) {
        let end = match text.find("://") {
            Some(at) => text[at + 3..].find('/').map_or(text.len(), |n| at + 3 + n),
            None if is_url_key(key) => {
                text.find("}}").map_or(0, |at| if text.starts_with("{{") { at + 2 } else { 0 })
            }
            None => return,
        };
        let Ok(names) = names_in(&text[..end]) else { return };
        for name in names {
            let Some(word) = name.strip_prefix("params.") else { continue };
            let free = self
                .params
                .iter()
                .any(|(n, p)| n == word && matches!(p.kind, ParamKind::String | ParamKind::Geojson));
            if free {
                let message =
                    format!("`{name}` decides where requests go, and whoever starts a run gives it");
                out.push(
                    Diagnostic::error(codes::HOST, place.of(&name), message)
                        .help("use `vars`, or a parameter of type `enum`"),
                );
            }
        }
    }
}

/// What an expression may not hold, in words.
fn forbidden(what: &Forbidden, place: Place<'_>) -> Diagnostic {
    match what {
        Forbidden::Long => {
            let message = format!("this expression is longer than {} bytes", guard::MAX_TEXT);
            Diagnostic::error(codes::LONG_EXPRESSION, place.span, message)
                .help("put what is long into `vars` or a parameter")
        }
        Forbidden::Statement(word) => {
            let message = format!("`{{% {word} %}}` is not known here");
            Diagnostic::error(codes::EXPRESSION, place.span, message)
                .help("expressions have `if` and `for`, and no other statements")
        }
        Forbidden::Repeats(what) => {
            let message =
                format!("`*` is for numbers, and {what} may be a text or a list, which it would repeat");
            Diagnostic::error(codes::LARGE_RESULT, place.span, message)
                .help("write `name|int` of what is a number, or join texts with `~`")
        }
    }
}

fn is_url_key(key: &str) -> bool {
    matches!(key, "url" | "endpoint" | "href" | "store" | "root" | "listing" | "probe")
}

/// The dotted names that an expression or a text with expressions uses, sorted.
pub(crate) fn names_in(text: &str) -> Result<Vec<String>, minijinja::Error> {
    let found = match sole_expression(text) {
        Some(expression) => environment().compile_expression(expression)?.undeclared_variables(true),
        None => environment().template_from_str(text)?.undeclared_variables(true),
    };
    let mut names: Vec<String> = found.into_iter().collect();
    names.sort();
    Ok(names)
}

fn secrets_stand_alone(text: &str) -> bool {
    static ALONE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{\{\s*secrets\.[A-Za-z0-9_]+\s*\}\}").ok());
    let Some(alone) = &*ALONE else { return true };
    !text.contains("secrets")
        || names_in(&alone.replace_all(text, "")).is_ok_and(|n| !n.iter().any(|n| n.starts_with("secrets")))
}
