//! Jinja expressions, evaluated.
//!
//! A value that is exactly one `"{{ … }}"` keeps the type of its expression; anything else is text.

use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, Datelike, Timelike, Utc};
use minijinja::{Environment, UndefinedBehavior};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    context::Scope,
    data::Period,
    step::{ErrorKind, StepError},
};

/// Text with expressions that are evaluated for each source file, where `period` is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub String);

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Text with `{{ … }}` expressions, in which `period` is known.",
        })
    }
}

/// What is known in an expression besides what the whole run knows.
#[derive(Debug, Clone, Default)]
pub struct Locals {
    /// The period of the source file.
    pub period: Option<Period>,
    /// The names of `over`.
    pub over: BTreeMap<String, Value>,
}

impl Template {
    /// The text with its expressions evaluated. It may hold secrets: never log it unredacted.
    ///
    /// # Errors
    /// When an expression cannot be evaluated.
    pub fn render(&self, scope: &Scope, locals: &Locals) -> Result<String, StepError> {
        let mut names = names(scope, locals);
        let secrets = secrets(&self.0, scope)?;
        if let Some(map) = names.as_object_mut() {
            map.insert("secrets".to_owned(), secrets);
        }
        match evaluate(&self.0, &names)? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }
}

/// Settings with their expressions evaluated, but for those at `per_period` pointers.
///
/// # Errors
/// When an expression cannot be evaluated.
pub fn settings(with: &Value, per_period: &[&str], scope: &Scope) -> Result<Value, StepError> {
    walk(with, "", per_period, &names(scope, &Locals::default()))
}

fn walk(value: &Value, pointer: &str, per_period: &[&str], names: &Value) -> Result<Value, StepError> {
    if per_period.iter().any(|pattern| matches(pattern, pointer)) {
        return Ok(value.clone());
    }
    Ok(match value {
        Value::String(text) => evaluate(text, names)?,
        Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(i, item)| walk(item, &format!("{pointer}/{i}"), per_period, names))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, item)| {
                    Ok((key.clone(), walk(item, &format!("{pointer}/{key}"), per_period, names)?))
                })
                .collect::<Result<Map<_, _>, StepError>>()?,
        ),
        other => other.clone(),
    })
}

/// Whether `pointer` is one that `pattern`, in which `*` stands for any one key, stands for.
#[must_use]
pub fn matches(pattern: &str, pointer: &str) -> bool {
    let (mut left, mut right) = (pattern.split('/'), pointer.split('/'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "*" => {}
            _ => return false,
        }
    }
}

/// The one expression that `text` is exactly, if it is one.
#[must_use]
pub fn sole_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then(|| inner.trim())
}

/// An environment with the filters that pipelines may use.
#[must_use]
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("date", date);
    environment
}

/// Evaluates `text` over `names`.
///
/// # Errors
/// When it cannot be read, or names something that is not there.
pub fn evaluate(text: &str, names: &Value) -> Result<Value, StepError> {
    if !text.contains("{{") && !text.contains("{%") {
        return Ok(Value::String(text.to_owned()));
    }
    let environment = environment();
    let failed = |error: minijinja::Error| {
        StepError::permanent(ErrorKind::Data, format!("`{text}` cannot be evaluated: {error}"))
    };
    if let Some(expression) = sole_expression(text) {
        let value = environment
            .compile_expression(expression)
            .and_then(|e| e.eval(minijinja::Value::from(minijinja::value::Serde(names))))
            .map_err(failed)?;
        if value.is_undefined() {
            return Err(StepError::permanent(ErrorKind::Data, format!("`{text}` is not known here")));
        }
        return serde_json::to_value(&value).map_err(|error| {
            StepError::permanent(
                ErrorKind::Data,
                format!("`{text}` gives a value that cannot be used: {error}"),
            )
        });
    }
    environment
        .render_str(text, minijinja::Value::from(minijinja::value::Serde(names)))
        .map(Value::String)
        .map_err(failed)
}

/// The secrets that `text` speaks of, resolved now; those that it does not need stay unread.
fn secrets(text: &str, scope: &Scope) -> Result<Value, StepError> {
    let mut map = Map::new();
    for name in scope.secrets.names() {
        if text.contains(&format!("secrets.{name}")) {
            let value = scope.secrets.get(&name)?.expose().to_owned();
            map.insert(name, Value::String(value));
        }
    }
    Ok(Value::Object(map))
}

fn names(scope: &Scope, locals: &Locals) -> Value {
    let project = &scope.project;
    let mut names = json!({
        "params": *scope.params,
        "project": {
            "id": project.id,
            "title": project.title,
            "extent": project.extent,
            "crs": project.crs,
        },
        "vars": project.vars,
        "now": scope.instant.to_rfc3339(),
        "run": { "instant": scope.instant.to_rfc3339(), "pipeline": scope.pipeline },
    });
    if let (Some(period), Some(map)) = (locals.period, names.as_object_mut()) {
        map.insert("period".to_owned(), period_names(period));
        map.extend(locals.over.clone());
    }
    names
}

/// What an expression sees of a period. Numbers are not padded.
#[must_use]
pub fn period_names(period: Period) -> Value {
    let start = period.start();
    json!({
        "id": period.to_string(),
        "start": start.to_rfc3339(),
        "end": period.end().to_rfc3339(),
        "year": start.year(),
        "month": start.month(),
        "day": start.day(),
        "hour": start.hour(),
        "dekad": (start.day0() / 10).min(2) + 1,
        "week": start.iso_week().week(),
    })
}

/// `period | date('%Y%m%d')`, and the same for an RFC 3339 text.
fn date(value: &minijinja::Value, format: &str) -> Result<String, minijinja::Error> {
    let bad = |what: &str| minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, what.to_owned());
    let text = match value.get_attr("start") {
        Ok(start) if !start.is_undefined() => start,
        _ => value.clone(),
    };
    let text = text.as_str().ok_or_else(|| bad("`date` takes a period or an instant"))?;
    let instant: DateTime<Utc> = text.parse().map_err(|_| bad("`date` takes a period or an instant"))?;
    let items: Vec<_> = chrono::format::StrftimeItems::new(format).collect();
    if items.contains(&chrono::format::Item::Error) {
        return Err(bad("the format of `date` is not one of strftime"));
    }
    Ok(instant.format_with_items(items.into_iter()).to_string())
}
