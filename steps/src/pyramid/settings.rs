//! What `pyramid` is told: how many levels, and how each variable becomes them.

use std::{borrow::Cow, collections::BTreeMap};

use frazil_engine::data::Grid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::downsample::Method;

/// Cells above which a dataset has levels by itself: what a browser draws at once without a thought.
const LARGE: usize = 2_048 * 2_048;

/// Cells of the longest side at which levels by themselves end: a tile or two.
const SMALL: usize = 512;

/// The most levels.
pub(crate) const MOST: usize = 8;

/// How many levels there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Count {
    /// As many as it takes.
    #[default]
    Auto,
    /// So many.
    Number(usize),
}

impl Count {
    /// Levels of a grid.
    pub(crate) fn of(self, grid: &Grid) -> usize {
        let (rows, columns) = grid.shape();
        match self {
            Self::Number(count) => count,
            Self::Auto if rows * columns <= LARGE => 0,
            Self::Auto => {
                let ends = |level: &usize| rows.max(columns) >> level <= SMALL;
                (1..MOST).find(ends).unwrap_or(MOST).min(most(rows, columns))
            }
        }
    }
}

/// Levels that leave a cell.
pub(crate) const fn most(rows: usize, columns: usize) -> usize {
    let side = if rows < columns { rows } else { columns };
    match side.checked_ilog2() {
        Some(most) => most as usize,
        None => 0,
    }
}

impl TryFrom<Value> for Count {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
        match (value.as_str(), number) {
            (Some("auto"), _) => Ok(Self::Auto),
            (_, Some(count)) if (1..=MOST).contains(&count) => Ok(Self::Number(count)),
            _ => Err(format!("{value} is no number of levels: write `auto`, or 1 to {MOST}")),
        }
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`auto`, or a number of levels.",
            "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": MOST }],
        })
    }
}

/// How cells are made: one way for all variables, or one for each that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Methods {
    /// Of all.
    pub(crate) all: Option<Method>,
    /// Of some.
    pub(crate) each: BTreeMap<String, Method>,
}

impl Methods {
    /// What is said of a variable; none where nothing is.
    pub(crate) fn said(&self, variable: &str) -> Option<Method> {
        self.each.get(variable).copied().or(self.all)
    }

    /// What becomes of a variable: the mean where nothing is said, of categories the most frequent.
    pub(crate) fn of(&self, variable: &str, categories: bool) -> Method {
        self.said(variable).unwrap_or(Method::of(categories))
    }
}

impl TryFrom<Value> for Methods {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        let one = |value: &Value| {
            let known = value.as_str().and_then(Method::named);
            known.ok_or_else(|| {
                format!("{value} is no method: write `mean`, `sum`, `min`, `max`, `mode` or `nearest`")
            })
        };
        match &value {
            Value::Object(map) => {
                let each = map.iter().map(|(name, method)| Ok((name.clone(), one(method)?)));
                Ok(Self { all: None, each: each.collect::<Result<_, String>>()? })
            }
            value => Ok(Self { all: Some(one(value)?), each: BTreeMap::new() }),
        }
    }
}

impl JsonSchema for Methods {
    fn schema_name() -> Cow<'static, str> {
        "Methods".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let method = generator.subschema_for::<Method>();
        json_schema!({
            "description": "A method for all variables, or a map of variables to methods.",
            "anyOf": [method, { "type": "object", "additionalProperties": method }],
        })
    }
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::{Axis, Crs};
    use serde_json::json;

    use super::*;

    fn grid(rows: usize, columns: usize) -> Grid {
        Grid {
            crs: Crs { code: None, wkt: String::new() },
            y: Axis::regular("y", 0.0, -1.0, rows),
            x: Axis::regular("x", 0.0, 1.0, columns),
            extra: Default::default(),
        }
    }

    #[test]
    fn levels_by_themselves_end_where_a_map_is_small() {
        for (rows, columns, levels) in [
            (2_048, 2_048, 0),
            (2_048, 2_049, 2),
            (1_500, 1_800, 0),
            (3_600, 7_200, 4),
            (8, 1_000_000, 3),
            (200_000, 400_000, 8),
        ] {
            assert_eq!(Count::Auto.of(&grid(rows, columns)), levels, "{rows} × {columns}");
        }
        assert_eq!(Count::Number(2).of(&grid(4, 4)), 2);
    }

    #[test]
    fn settings_say_what_is_wrong_with_them() {
        let count = |value| Count::try_from(value);
        assert_eq!((count(json!("auto")), count(json!(8))), (Ok(Count::Auto), Ok(Count::Number(8))));
        for bad in [json!(0), json!(9), json!("many"), json!(1.5)] {
            assert!(count(bad).unwrap_err().contains("`auto`, or 1 to 8"));
        }
        let methods = Methods::try_from(json!({ "a": "sum" })).unwrap();
        assert_eq!(
            (methods.of("a", false), methods.of("b", true), methods.of("c", false)),
            (Method::Sum, Method::Mode, Method::Mean)
        );
        assert_eq!(Methods::try_from(json!("max")).unwrap().of("b", true), Method::Max);
        assert!(Methods::try_from(json!({ "a": "median" })).unwrap_err().contains("no method"));
    }
}
