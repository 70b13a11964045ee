use std::{borrow::Cow, collections::BTreeSet, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Combinations that a dataset may have: each is at least a chunk of every variable and period.
pub const MOST_COMBINATIONS: usize = 10_000;

/// The dimension of forecasts: whole hours from the start of the period at which they were made to the
/// time for which they hold.
pub const LEAD_TIME: &str = "lead_time";

/// One label of a dimension: a whole number or a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Label {
    /// A whole number, such as that of an ensemble member.
    Number(i64),
    /// A text, such as `f`.
    Text(String),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<Label> for Value {
    fn from(label: Label) -> Self {
        match label {
            Label::Number(number) => number.into(),
            Label::Text(text) => text.into(),
        }
    }
}

impl TryFrom<Value> for Label {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match &value {
            Value::String(text) => Ok(Self::Text(text.clone())),
            Value::Number(number) => {
                #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
                let whole = |n: f64| (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64);
                let number = number.as_i64().or_else(|| number.as_f64().and_then(whole));
                number.map(Self::Number).ok_or_else(|| format!("`{value}` is no whole number"))
            }
            _ => Err(format!("`{value}` is neither a whole number nor a text")),
        }
    }
}

impl JsonSchema for Label {
    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A label of a dimension: a whole number, or a text.",
            "type": ["integer", "string"],
        })
    }
}

/// A dimension between time and y, with the label of each place on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// The name of the dimension and of its coordinate.
    pub name: String,
    /// Its labels, in the order in which they are stored.
    pub labels: Vec<Label>,
}

/// Dimensions between time and y, in the order in which they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Dimensions(pub Vec<Dimension>);

impl Dimensions {
    /// Combinations of labels: 1 where there is no dimension.
    #[must_use]
    pub fn combinations(&self) -> usize {
        self.0.iter().fold(1, |all, dimension| all.saturating_mul(dimension.labels.len()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many labels each has, in order.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|dimension| dimension.labels.len())
    }

    /// The dimension of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Dimension> {
        self.0.iter().find(|dimension| dimension.name == name)
    }

    /// The leads of forecasts in hours, in the order in which they are stored; none of what is no forecast.
    #[must_use]
    pub fn leads(&self) -> Option<Vec<i64>> {
        let number = |label: &Label| match label {
            Label::Number(number) => Some(*number),
            Label::Text(_) => None,
        };
        self.get(LEAD_TIME)?.labels.iter().map(number).collect()
    }

    /// The labels of a combination, by its place in C order: the last dimension varies fastest.
    #[must_use]
    pub fn combination(&self, at: usize) -> Vec<(&str, &Label)> {
        let mut rest = at;
        let mut labels: Vec<_> = self
            .0
            .iter()
            .rev()
            .filter_map(|dimension| {
                let length = dimension.labels.len().max(1);
                let label = dimension.labels.get(rest % length)?;
                rest /= length;
                Some((dimension.name.as_str(), label))
            })
            .collect();
        labels.reverse();
        labels
    }

    /// A combination in words: `age 1, sex f`; empty where there is no dimension.
    #[must_use]
    pub fn words(&self, at: usize) -> String {
        let parts: Vec<String> =
            self.combination(at).iter().map(|(name, label)| format!("{name} {label}")).collect();
        parts.join(", ")
    }
}

impl From<Dimensions> for Map<String, Value> {
    fn from(dimensions: Dimensions) -> Self {
        let labels = |d: Dimension| (d.name, Value::Array(d.labels.into_iter().map(Value::from).collect()));
        dimensions.0.into_iter().map(labels).collect()
    }
}

impl TryFrom<Map<String, Value>> for Dimensions {
    type Error = String;

    fn try_from(map: Map<String, Value>) -> Result<Self, String> {
        let dimension = |(name, labels): (String, Value)| {
            let Value::Array(labels) = labels else { return Err(format!("`{name}` is no list of labels")) };
            let labels = labels.into_iter().map(Label::try_from).collect::<Result<_, _>>();
            Ok(Dimension { labels: labels.map_err(|error| format!("`{name}`: {error}"))?, name })
        };
        map.into_iter().map(dimension).collect::<Result<_, _>>().map(Self)
    }
}

impl JsonSchema for Dimensions {
    fn schema_name() -> Cow<'static, str> {
        "Dimensions".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let label = generator.subschema_for::<Label>();
        json_schema!({
            "description": "Dimensions between time and y, each with its labels: `{ age: [0, 1], sex: [f, m] }`.",
            "type": "object",
            "additionalProperties": { "type": "array", "items": label, "minItems": 1 },
        })
    }
}

impl Dimension {
    /// What is wrong with it, where its other names are those of y and x.
    #[must_use]
    pub fn problem(&self, horizontal: [&str; 2]) -> Option<String> {
        let name = &self.name;
        let taken = ["time", "y", "x", "period_status", "valid_time", "spatial_ref", "period"];
        if taken.iter().chain(&horizontal).any(|known| known == name) {
            return Some(format!("`{name}` is taken: a dimension has a name of its own"));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(word) {
            return Some(format!("`{name}` is no name of a dimension: letters, digits and `_`"));
        }
        if self.labels.is_empty() {
            return Some(format!("`{name}` has no labels"));
        }
        let numbers = self.labels.iter().filter(|label| matches!(label, Label::Number(_))).count();
        if numbers != 0 && numbers != self.labels.len() {
            return Some(format!("the labels of `{name}` are numbers and texts: put quotes around all"));
        }
        let mut seen = BTreeSet::new();
        let twice = self.labels.iter().find(|label| !seen.insert(*label))?;
        Some(format!("`{name}` has the label `{twice}` twice"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Dimensions, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn dimensions_keep_the_order_in_which_they_are_written() {
        let text = json!({ "sex": ["f", "m"], "age": [0, 1, 5.0] });
        let dimensions = read(text).unwrap();
        assert_eq!(dimensions.combinations(), 6);
        let words: Vec<String> = (0..6).map(|at| dimensions.words(at)).collect();
        assert_eq!(
            words,
            ["sex f, age 0", "sex f, age 1", "sex f, age 5", "sex m, age 0", "sex m, age 1", "sex m, age 5"]
        );
        assert_eq!(
            serde_json::to_value(&dimensions).unwrap(),
            json!({ "sex": ["f", "m"], "age": [0, 1, 5] })
        );
        assert_eq!((Dimensions::default().combinations(), Dimensions::default().words(0).as_str()), (1, ""));
        assert!(read(json!({ "age": [0.5] })).unwrap_err().contains("0.5"));
        assert!(read(json!({ "age": 1 })).is_err());
    }

    #[test]
    fn whole_hours_from_the_time_of_making_are_leads() {
        let leads = |value: Value| read(value).unwrap().leads();
        assert_eq!(leads(json!({ "member": [0, 1], "lead_time": [0, 6, 24] })), Some(vec![0, 6, 24]));
        assert_eq!(leads(json!({ "lead_time": ["early", "late"] })), None);
        assert_eq!(leads(json!({ "member": [0, 1] })), None);
    }

    #[test]
    fn what_is_wrong_with_a_dimension_is_said() {
        let problem = |value: Value| read(value).unwrap().0[0].problem(["lat", "lon"]);
        assert_eq!(problem(json!({ "age": [0, 1] })), None);
        for (value, text) in [
            (json!({ "lat": [0] }), "taken"),
            (json!({ "time": [0] }), "taken"),
            (json!({ "valid_time": [0] }), "taken"),
            (json!({ "9": [0] }), "no name"),
            (json!({ "a-b": [0] }), "no name"),
            (json!({ "age": [] }), "no labels"),
            (json!({ "age": [0, "m"] }), "numbers and texts"),
            (json!({ "age": [0, 1, 0] }), "`0` twice"),
        ] {
            assert!(problem(value.clone()).is_some_and(|said| said.contains(text)), "{value}");
        }
    }
}
