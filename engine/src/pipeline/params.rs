use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::{Param, ParamKind, Pipeline};
use crate::{
    data::{Duration, PeriodText},
    diagnostic::did_you_mean,
    project::ProjectConfig,
    template,
};

/// A parameter that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter `{name}`: {message}")]
pub struct ParamError {
    /// The parameter.
    pub name: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Pipeline {
    /// The parameters of a run, frozen: what was given, checked, and defaults, evaluated.
    ///
    /// # Errors
    /// Everything that is wrong with what was given.
    pub fn accept_params(
        &self,
        given: &BTreeMap<String, Value>,
        project: &ProjectConfig,
        instant: DateTime<Utc>,
    ) -> Result<Map<String, Value>, Vec<ParamError>> {
        let mut accepted = Map::new();
        let mut errors = Vec::new();
        let known: Vec<&str> = self.params.iter().map(|(name, _)| name.as_str()).collect();
        for name in given.keys().filter(|name| !known.contains(&name.as_str())) {
            let message = format!("`{}` has no such parameter", self.id);
            errors.push(ParamError { name: name.clone(), message, help: did_you_mean(name, &known) });
        }
        for (name, param) in &self.params {
            let value = match (given.get(name), &param.default) {
                (Some(value), _) => param.accept(value),
                (None, Some(default)) => {
                    let names = template::names(project, &accepted, instant, self.id.as_str());
                    template::evaluate_all(default, &names)
                        .map_err(|e| e.to_string())
                        .and_then(|value| param.accept(&value))
                }
                (None, None) => Err("it has no default, so a value has to be given".to_owned()),
            };
            match value {
                Ok(value) => drop(accepted.insert(name.clone(), value)),
                Err(message) => {
                    let help = self.file_hint(param);
                    errors.push(ParamError { name: name.clone(), message, help });
                }
            }
        }
        if errors.is_empty() { Ok(accepted) } else { Err(errors) }
    }

    /// The defaults as a run at `instant` would take them, of the parameters that have one; what cannot be
    /// evaluated without those that have none is left out.
    #[must_use]
    pub fn defaults(&self, project: &ProjectConfig, instant: DateTime<Utc>) -> Map<String, Value> {
        let mut defaults = Map::new();
        for (name, param) in &self.params {
            let Some(default) = &param.default else { continue };
            let names = template::names(project, &defaults, instant, self.id.as_str());
            let value =
                template::evaluate_all(default, &names).ok().and_then(|value| param.accept(&value).ok());
            defaults.extend(value.map(|value| (name.clone(), value)));
        }
        defaults
    }

    fn file_hint(&self, param: &Param) -> Option<String> {
        param.description.clone().or_else(|| param.title.clone())
    }
}

impl Param {
    /// The value as a run keeps it; text is read as a number, a bool or a list where one is
    /// wanted, since the command line knows only text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn accept(&self, value: &Value) -> Result<Value, String> {
        if !self.list {
            return self.one(value);
        }
        match value {
            Value::Array(items) => items.iter().map(|item| self.one(item)).collect(),
            Value::String(text) if self.kind != ParamKind::Bbox => {
                text.split(',').map(|part| self.one(&json!(part.trim()))).collect()
            }
            _ => Err("a list is wanted".to_owned()),
        }
    }

    fn one(&self, value: &Value) -> Result<Value, String> {
        match self.kind {
            ParamKind::String => self.text(value),
            ParamKind::Int => {
                let number = number(value).filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
                let number = number.ok_or_else(|| wanted("a whole number", value))?;
                self.limits(number)?;
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                Ok(json!(number as i64))
            }
            ParamKind::Number => {
                let number = number(value).ok_or_else(|| wanted("a number", value))?;
                self.limits(number)?;
                Ok(if value.is_number() { value.clone() } else { json!(number) })
            }
            ParamKind::Bool => match value {
                Value::Bool(_) => Ok(value.clone()),
                Value::String(text) if text == "true" || text == "false" => Ok(json!(text == "true")),
                _ => Err(wanted("true or false", value)),
            },
            ParamKind::Enum => self.choice(value),
            ParamKind::Date => match value.as_str().map(str::parse::<NaiveDate>) {
                Some(Ok(_)) => Ok(value.clone()),
                _ => Err(wanted("a date such as `2024-03-01`", value)),
            },
            ParamKind::Period => period(value),
            ParamKind::Duration => match value.as_str().map(str::parse::<Duration>) {
                Some(Ok(_)) => Ok(value.clone()),
                Some(Err(error)) => Err(error.to_string()),
                None => Err(wanted("a duration such as `10d`", value)),
            },
            ParamKind::Bbox => bbox(value),
            ParamKind::Geojson => {
                if value.get("type").is_some_and(Value::is_string) {
                    return Ok(value.clone());
                }
                let parsed = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
                parsed
                    .filter(|v| v.get("type").is_some_and(Value::is_string))
                    .ok_or_else(|| wanted("a GeoJSON geometry", value))
            }
        }
    }

    fn text(&self, value: &Value) -> Result<Value, String> {
        let text = value.as_str().ok_or_else(|| wanted("text", value))?;
        if let Some(pattern) = &self.pattern {
            let whole =
                Regex::new(&format!("^(?:{pattern})$")).map_err(|_| format!("`{pattern}` is no pattern"))?;
            if !whole.is_match(text) {
                return Err(format!("`{text}` does not match `{pattern}`"));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "texts are short")]
        let length = text.chars().count() as f64;
        if self.min.is_some_and(|min| length < min) || self.max.is_some_and(|max| length > max) {
            return Err(format!("`{text}` is too short or too long"));
        }
        Ok(value.clone())
    }

    fn limits(&self, number: f64) -> Result<(), String> {
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("{number} is less than {min}")),
            (_, Some(max)) if number > max => Err(format!("{number} is more than {max}")),
            _ => Ok(()),
        }
    }

    fn choice(&self, value: &Value) -> Result<Value, String> {
        let written = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let found = self.values.iter().find(|known| written(known) == written(value));
        found.cloned().ok_or_else(|| {
            let words: Vec<String> = self.values.iter().map(|v| format!("`{}`", written(v))).collect();
            format!("`{}` is not one of {}", written(value), words.join(", "))
        })
    }

    /// A value to check with where none is known.
    pub(crate) fn sample(&self) -> Value {
        let one = match self.kind {
            ParamKind::String => json!("sample"),
            ParamKind::Int | ParamKind::Number => json!(self.min.or(self.max).map_or(1, |n| n.ceil() as i64)),
            ParamKind::Bool => json!(false),
            ParamKind::Enum => self.values.first().cloned().unwrap_or(json!("sample")),
            ParamKind::Date | ParamKind::Period => json!("2024-01-01"),
            ParamKind::Duration => json!("1d"),
            ParamKind::Bbox => json!([0.0, 0.0, 1.0, 1.0]),
            ParamKind::Geojson => json!({ "type": "Point", "coordinates": [0.0, 0.0] }),
        };
        if self.list { json!([one]) } else { one }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

fn wanted(what: &str, value: &Value) -> String {
    format!("{what} is wanted, not `{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A period, `latest`, or a year that was written as a number.
fn period(value: &Value) -> Result<Value, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(year) => year.to_string(),
        _ => return Err(wanted("a period such as `2024-03`", value)),
    };
    if text != "latest" {
        text.parse::<PeriodText>().map_err(|error| error.to_string())?;
    }
    Ok(Value::String(text))
}

/// West, south, east, north: a list, or text with commas.
pub(crate) fn bbox(value: &Value) -> Result<Value, String> {
    let sides: Option<Vec<f64>> = match value {
        Value::Array(items) => items.iter().map(Value::as_f64).collect(),
        Value::String(text) => text.split(',').map(|part| part.trim().parse().ok()).collect(),
        _ => None,
    };
    let sides: Option<[f64; 4]> = sides.and_then(|s| s.try_into().ok());
    let sides = sides.ok_or_else(|| wanted("four numbers (west, south, east, north)", value))?;
    sides_fit(sides)?;
    Ok(json!(sides))
}

/// Whether west, south, east and north can be those of a box.
pub(crate) fn sides_fit([west, south, east, north]: [f64; 4]) -> Result<(), String> {
    if ![west, south, east, north].iter().all(|n| n.is_finite()) {
        return Err("the sides of a box have to be finite".to_owned());
    }
    if south >= north {
        return Err(format!(
            "south ({south}) has to be less than north ({north}): the order is west, south, east, north"
        ));
    }
    if west >= east {
        return Err(format!(
            "west ({west}) has to be less than east ({east}); write a box over the date line as two"
        ));
    }
    Ok(())
}
