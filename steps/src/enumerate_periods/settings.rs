use std::borrow::Cow;

use frazil_engine::data::{Duration, Frequency, Period, PeriodText};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// One end of a range: a period of any step as people write it, or `latest`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Bound(pub(super) String);

/// How far back stored periods are asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Lookback {
    /// So long after its end a period is still revised.
    pub(super) age: Duration,
    /// Final periods too, not provisional ones alone.
    pub(super) all: bool,
}

/// The least that one commit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum BatchSize {
    /// So many periods.
    Count(usize),
    /// A calendar window.
    Window(Frequency),
}

impl Bound {
    /// Whether it is the word for the newest period there is.
    pub(super) fn is_latest(&self) -> bool {
        self.0 == "latest"
    }

    /// The first period of `frequency` when this is a start; none for `latest`.
    pub(super) fn first(&self, frequency: Frequency) -> Result<Option<Period>, String> {
        self.text().map(|text| text.map(|t| t.first(frequency)))
    }

    /// The last period of `frequency` when this is an end; none for `latest`.
    pub(super) fn last(&self, frequency: Frequency) -> Result<Option<Period>, String> {
        self.text().map(|text| text.map(|t| t.last(frequency)))
    }

    fn text(&self) -> Result<Option<PeriodText>, String> {
        if self.is_latest() {
            return Ok(None);
        }
        self.0.parse().map(Some).map_err(|error: frazil_engine::data::PeriodError| error.to_string())
    }
}

impl TryFrom<Value> for Bound {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text)),
            // A year without quotes is a number to YAML.
            Value::Number(year) if year.as_u64().is_some_and(|y| (1000..=9999).contains(&y)) => {
                Ok(Self(year.to_string()))
            }
            other => Err(format!("{other} is not a period: write `2024-03-01` or `latest`")),
        }
    }
}

impl TryFrom<Value> for Lookback {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        let read = |text: &str| text.parse::<Duration>().map_err(|error| error.to_string());
        match &value {
            Value::String(text) => Ok(Self { age: read(text)?, all: false }),
            Value::Object(map) if map.len() == 1 => match map.get("all") {
                Some(Value::String(text)) => Ok(Self { age: read(text)?, all: true }),
                _ => Err("write `lookback: 90d`, or `lookback: { all: 90d }`".to_owned()),
            },
            _ => Err(format!("{value} is no lookback: write `90d`, or `{{ all: 90d }}`")),
        }
    }
}

impl TryFrom<Value> for BatchSize {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        let bad = || format!("{value} is no batch: write a number of periods, or a window such as `P1M`");
        match &value {
            Value::Number(n) => n
                .as_u64()
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| *n > 0)
                .map(Self::Count)
                .ok_or_else(bad),
            Value::String(text) => text.parse().map(Self::Window).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }
}

impl JsonSchema for Bound {
    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A period of any step (`2024`, `2024-03`, `2024-03-01T05`), or `latest`.",
            "type": ["string", "integer"],
        })
    }
}

impl JsonSchema for Lookback {
    fn schema_name() -> Cow<'static, str> {
        "Lookback".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let duration = generator.subschema_for::<Duration>();
        json_schema!({
            "description": "How long after their end stored periods are asked for again: `90d` for provisional ones, `{ all: 90d }` for final ones too.",
            "anyOf": [
                duration,
                {
                    "type": "object",
                    "properties": { "all": duration },
                    "required": ["all"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl JsonSchema for BatchSize {
    fn schema_name() -> Cow<'static, str> {
        "BatchSize".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let window = generator.subschema_for::<Frequency>();
        json_schema!({
            "description": "The least that one commit holds: a number of periods, or a window such as `P1M`.",
            "anyOf": [{ "type": "integer", "minimum": 1 }, window],
        })
    }
}
