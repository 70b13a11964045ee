use std::collections::BTreeMap;

use chrono::Utc;
use frazil_engine::{
    pipeline::{Param, ParamKind, Pipeline},
    project::Project,
};
use serde_json::{Value, json};

use super::Described;

/// The one CRS in which boxes are given.
pub(crate) const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// A year, and more of it where the period is finer; or `latest`.
pub(super) const PERIOD: &str = r"^(latest|[0-9]{4}(-(W[0-9]{2}|[0-9]{2}(-(D[1-3]|P[1-6]|[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:00)?)?Z?)?))?))?)$";

/// What a pipeline takes: its parameters.
pub(super) fn inputs(pipeline: &Pipeline, project: &Project) -> BTreeMap<String, Described> {
    let defaults = pipeline.defaults(&project.config, Utc::now());
    let of = |(name, param): &(String, Param)| {
        let mut schema = schema(param);
        if let Some(default) = defaults.get(name) {
            schema["default"] = default.clone();
        }
        let title = param.title.clone().unwrap_or_else(|| name.clone());
        let mut described = Described::input(title, schema, param.default.is_none());
        described.description.clone_from(&param.description);
        if param.list {
            described = described.many();
        }
        (name.clone(), described)
    };
    pipeline.params.iter().map(of).collect()
}

/// What one value of a parameter looks like.
fn schema(param: &Param) -> Value {
    match param.kind {
        ParamKind::String => {
            let mut schema = json!({ "type": "string" });
            if let Some(pattern) = &param.pattern {
                schema["pattern"] = json!(format!("^(?:{pattern})$"));
            }
            limits(schema, param, "minLength", "maxLength")
        }
        ParamKind::Int => limits(json!({ "type": "integer" }), param, "minimum", "maximum"),
        ParamKind::Number => limits(json!({ "type": "number" }), param, "minimum", "maximum"),
        ParamKind::Bool => json!({ "type": "boolean" }),
        ParamKind::Enum => json!({ "enum": param.values }),
        ParamKind::Date => json!({ "type": "string", "format": "date" }),
        ParamKind::Period => json!({ "type": "string", "pattern": PERIOD }),
        ParamKind::Duration => json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d)|P.+)$" }),
        ParamKind::Bbox => bbox(),
        ParamKind::Geojson => json!({
            "type": "object",
            "format": "geojson-geometry",
            "required": ["type"],
            "properties": { "type": { "type": "string" } },
        }),
    }
}

fn limits(mut schema: Value, param: &Param, least: &str, most: &str) -> Value {
    for (key, limit) in [(least, param.min), (most, param.max)] {
        if let Some(limit) = limit {
            // A whole number is written as one.
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            let number =
                if limit.fract() == 0.0 && limit.abs() < 9e15 { json!(limit as i64) } else { json!(limit) };
            schema[key] = number;
        }
    }
    schema
}

/// The box of the standard, or just its four sides.
fn bbox() -> Value {
    let sides = json!({
        "type": "array", "items": { "type": "number" }, "minItems": 4, "maxItems": 4,
    });
    json!({
        "oneOf": [
            {
                "type": "object",
                "format": "ogc-bbox",
                "required": ["bbox"],
                "properties": {
                    "bbox": sides,
                    "crs": { "type": "string", "format": "uri", "enum": [CRS84], "default": CRS84 },
                },
            },
            sides,
        ],
    })
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::PeriodText;

    use super::*;

    fn param(text: &str) -> Param {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_pattern_of_periods_takes_what_is_one_and_little_else() {
        let pattern = regex(PERIOD);
        for text in [
            "2024",
            "2024-03",
            "2024-03-01",
            "2024-03-01T05",
            "2024-03-01T05:30",
            "2024-W05",
            "2024-02-D3",
            "2024-02-P6",
        ] {
            assert!(text.parse::<PeriodText>().is_ok() && pattern(text), "{text}");
        }
        assert!(pattern("latest"));
        for text in ["", "24", "2024-1-1", "2024-02-D4", "2024-01-01x", "march"] {
            assert!(text.parse::<PeriodText>().is_err() && !pattern(text), "{text}");
        }
    }

    fn regex(pattern: &str) -> impl Fn(&str) -> bool {
        let pattern = regex::Regex::new(pattern).unwrap();
        move |text| pattern.is_match(text)
    }

    #[test]
    fn parameters_are_described_by_what_they_accept() {
        let int = schema(&param(r#"{ "type": "int", "min": 1, "max": 5 }"#));
        assert_eq!(int, json!({ "type": "integer", "minimum": 1, "maximum": 5 }));
        let text = schema(&param(r#"{ "type": "string", "pattern": "a|b", "max": 3 }"#));
        assert_eq!(text, json!({ "type": "string", "pattern": "^(?:a|b)$", "maxLength": 3 }));
        let one_of = schema(&param(r#"{ "type": "enum", "values": ["mean", 3] }"#));
        assert_eq!(one_of, json!({ "enum": ["mean", 3] }));
        assert_eq!(schema(&param(r#"{ "type": "bbox" }"#))["oneOf"][0]["format"], "ogc-bbox");
    }
}
