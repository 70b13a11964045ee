//! Jinja expressions, evaluated.
//!
//! A value that is exactly one `"{{ … }}"` keeps the type of its expression; anything else is text.

pub(crate) mod guard;
pub(crate) mod known;

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

use chrono::{DateTime, Datelike, Timelike, Utc};
use minijinja::{Environment, UndefinedBehavior};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    context::{Scope, Secrets},
    data::{Frequency, Period},
    project::ProjectConfig,
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
    /// The names that it uses, such as `period.year` and `age`; none where it cannot be read.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        known::names_in(&self.0).unwrap_or_default()
    }

    /// The text with its expressions evaluated. It may hold secrets: never log it unredacted.
    ///
    /// # Errors
    /// When an expression cannot be evaluated.
    pub fn render(&self, scope: &Scope, locals: &Locals) -> Result<String, StepError> {
        match evaluate(&self.0, &names_of(scope, locals))? {
            Value::String(text) => reveal(&text, &*scope.secrets),
            other => Ok(other.to_string()),
        }
    }
}

/// Settings with their expressions evaluated, but for those at `per_period` pointers. Secrets stay
/// by name, as `{{ secrets.name }}`: [`reveal`] puts them in at the moment of use.
///
/// # Errors
/// When an expression cannot be evaluated.
pub fn settings(with: &Value, per_period: &[&str], scope: &Scope) -> Result<Value, StepError> {
    walk(with, "", per_period, &names_of(scope, &Locals::default()))
}

/// A value with all its expressions evaluated over `names`.
///
/// # Errors
/// When an expression cannot be evaluated.
pub(crate) fn evaluate_all(value: &Value, names: &Value) -> Result<Value, StepError> {
    walk(value, "", &[], names)
}

/// Text with its `{{ secrets.name }}` replaced by their values: for the wire alone, never for a log.
///
/// # Errors
/// When a secret is not there.
pub fn reveal(text: &str, secrets: &dyn Secrets) -> Result<String, StepError> {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{ secrets.") {
        let name = &rest[at + "{{ secrets.".len()..];
        let Some(end) = name.find(" }}") else { break };
        shown.push_str(&rest[..at]);
        shown.push_str(secrets.get(&name[..end])?.expose());
        rest = &name[end + " }}".len()..];
    }
    shown.push_str(rest);
    Ok(shown)
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
                .map(|(key, item)| Ok((key.clone(), walk(item, &child(pointer, key), per_period, names)?)))
                .collect::<Result<Map<_, _>, StepError>>()?,
        ),
        other => other.clone(),
    })
}

/// The JSON pointer of what stands under `key`.
pub(crate) fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
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

/// The environment with the filters that pipelines may use.
pub(crate) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
        let mut environment = guard::environment();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("date", date);
        environment
    });
    &ENVIRONMENT
}

/// What an evaluation would trip over that reading does not: an unknown filter, test or function, a
/// format that `date` does not know, or that it gives or takes too much. Names that are not there are
/// no matter.
pub(crate) fn trial(text: &str) -> Option<Trouble> {
    static LENIENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
        let mut lenient = environment().clone();
        lenient.set_undefined_behavior(UndefinedBehavior::Chainable);
        lenient
    });
    let day = Period::containing(DateTime::UNIX_EPOCH, Frequency::Day);
    let now = DateTime::UNIX_EPOCH.to_rfc3339();
    let names = json!({ "period": period_names(day), "now": now, "run": { "instant": now } });
    let names = minijinja::Value::from(minijinja::value::Serde(names));
    let error = render(&LENIENT, text, names).err()?;
    let detail = error.detail().unwrap_or_default().to_owned();
    match error.kind() {
        _ if guard::is_excess(&error) => Some(Trouble::Excess),
        minijinja::ErrorKind::UnknownFilter
        | minijinja::ErrorKind::UnknownTest
        | minijinja::ErrorKind::UnknownFunction => Some(Trouble::Unknown(detail)),
        minijinja::ErrorKind::InvalidOperation if detail == BAD_FORMAT => Some(Trouble::Unknown(detail)),
        _ => None,
    }
}

/// What an evaluation trips over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Something that is not there.
    Unknown(String),
    /// It takes or gives too much.
    Excess,
}

/// The text that `text` gives, as far as it may be long.
fn render(
    environment: &Environment<'_>,
    text: &str,
    names: minijinja::Value,
) -> Result<String, minijinja::Error> {
    let mut written = guard::Written::default();
    environment.template_from_str(text)?.render_captured_to(names, &mut written)?;
    String::from_utf8(written.0)
        .map_err(|_| minijinja::Error::new(minijinja::ErrorKind::WriteFailure, "it gives no text"))
}

/// What `date` says of a format that it does not know.
const BAD_FORMAT: &str = "the format of `date` is not one of strftime";

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
    render(environment, text, minijinja::Value::from(minijinja::value::Serde(names)))
        .map(Value::String)
        .map_err(failed)
}

fn names_of(scope: &Scope, locals: &Locals) -> Value {
    let mut names = names(&scope.project, &scope.params, scope.instant, scope.pipeline.as_str());
    if let (Some(period), Some(map)) = (locals.period, names.as_object_mut()) {
        map.insert("period".to_owned(), period_names(period));
        map.extend(locals.over.clone());
    }
    names
}

/// What every expression sees.
pub(crate) fn names(
    project: &ProjectConfig,
    params: &Map<String, Value>,
    instant: DateTime<Utc>,
    pipeline: &str,
) -> Value {
    // A secret evaluates to its own reference, so that settings and logs hold its name alone.
    let secrets: Map<String, Value> = project
        .secrets
        .keys()
        .map(|name| (name.clone(), json!(format!("{{{{ secrets.{name} }}}}"))))
        .collect();
    json!({
        "params": params,
        "project": project_names(project),
        "vars": project.vars,
        "secrets": secrets,
        "now": instant.to_rfc3339(),
        "run": { "instant": instant.to_rfc3339(), "pipeline": pipeline },
    })
}

/// What an expression sees of the project.
pub(crate) fn project_names(project: &ProjectConfig) -> Value {
    json!({ "id": project.id, "title": project.title, "extent": project.extent, "crs": project.crs })
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
        return Err(bad(BAD_FORMAT));
    }
    Ok(instant.format_with_items(items.into_iter()).to_string())
}
