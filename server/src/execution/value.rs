//! Values of inputs: as they are, qualified, or lists of these.

use frazil_engine::pipeline::{Param, ParamKind};
use serde_json::{Map, Value, json};

use crate::{asked::short, processes::CRS84};

/// The most values of one input.
const VALUES: usize = 10_000;

/// The value of an input as a parameter takes it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn of_param(given: &Value, param: &Param) -> Result<Value, String> {
    let bare = |value: &Value| match param.kind {
        ParamKind::Bbox => bbox(&plain(value)?),
        _ => plain(value),
    };
    match given {
        Value::Array(items) if param.list => many(items)?.iter().map(bare).collect(),
        // A list of one is what some clients send for every input; the sides of a box are a list anyway.
        Value::Array(items) if items.len() == 1 => bare(&items[0]),
        other => bare(other),
    }
}

/// A value, or a list of values, without what qualifies them.
///
/// # Errors
/// What is wrong with it.
pub(super) fn plain_list(given: &Value) -> Result<Vec<Value>, String> {
    match given {
        Value::Array(items) => many(items)?.iter().map(plain).collect(),
        one => Ok(vec![plain(one)?]),
    }
}

fn many(items: &[Value]) -> Result<&[Value], String> {
    if items.len() > VALUES {
        return Err(format!("it has {} values, and at most {VALUES} are taken", items.len()));
    }
    Ok(items)
}

/// A value without what qualifies it.
///
/// # Errors
/// When it is given in a way that is not taken.
pub(super) fn plain(given: &Value) -> Result<Value, String> {
    let Value::Object(object) = given else { return Ok(given.clone()) };
    if object.contains_key("href") && !object.contains_key("type") {
        return Err("values are taken as they are, and nothing is fetched from an `href`".to_owned());
    }
    let qualifies =
        |key: &String| matches!(key.as_str(), "value" | "mediaType" | "encoding" | "schema" | "format");
    match object.get("value") {
        Some(value) if object.keys().all(qualifies) => qualified(value, object),
        _ => Ok(given.clone()),
    }
}

fn qualified(value: &Value, object: &Map<String, Value>) -> Result<Value, String> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    if let Some(encoding) = text("encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("utf-8")) {
        return Err(format!("`encoding` is `utf-8`, not `{}`", short(encoding)));
    }
    let is_text = |media: &str| media.starts_with("text/plain") || media.contains("json");
    if let Some(media) = text("mediaType").filter(|media| !is_text(media)) {
        return Err(format!("values are JSON or plain text, not `{}`", short(media)));
    }
    Ok(value.clone())
}

/// The sides of a box, which may be the object of the standard.
fn bbox(value: &Value) -> Result<Value, String> {
    let Some(sides) = value.get("bbox") else { return Ok(value.clone()) };
    let crs = value.get("crs").filter(|crs| !crs.is_null());
    if let Some(crs) = crs.filter(|crs| **crs != json!(CRS84)) {
        return Err(format!("boxes are taken in {CRS84}, not in {}", short(&crs.to_string())));
    }
    Ok(sides.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, list: bool, given: Value) -> Result<Value, String> {
        let param: Param = serde_json::from_value(json!({ "type": kind, "list": list })).unwrap();
        of_param(&given, &param).and_then(|value| param.accept(&value))
    }

    #[test]
    fn a_value_may_be_bare_qualified_or_in_a_list() {
        for given in [
            json!(3),
            json!({ "value": 3 }),
            json!({ "value": 3, "mediaType": "application/json" }),
            json!([3]),
        ] {
            assert_eq!(read("int", false, given.clone()), Ok(json!(3)), "{given}");
        }
        assert_eq!(read("int", true, json!([1, { "value": 2 }])), Ok(json!([1, 2])));
        assert!(read("int", false, json!([1, 2])).is_err());
        assert!(
            read("int", false, json!({ "href": "http://127.0.0.1/" }))
                .unwrap_err()
                .contains("nothing is fetched")
        );
        assert!(read("string", false, json!({ "value": "YQ==", "encoding": "base64" })).is_err());
        assert!(read("string", false, json!({ "value": "a", "mediaType": "image/tiff" })).is_err());
    }

    #[test]
    fn a_box_may_be_that_of_the_standard() {
        let sides = json!([-13.5, 6.8, -10.1, 10.1]);
        for given in [
            sides.clone(),
            json!({ "bbox": sides }),
            json!({ "bbox": sides, "crs": CRS84 }),
            json!({ "value": { "bbox": sides } }),
        ] {
            assert_eq!(read("bbox", false, given.clone()), Ok(sides.clone()), "{given}");
        }
        let other = json!({ "bbox": sides, "crs": "http://www.opengis.net/def/crs/EPSG/0/4326" });
        assert!(read("bbox", false, other).unwrap_err().contains("CRS84"));
        assert!(read("bbox", false, json!({ "bbox": [1, 2] })).is_err());
    }

    #[test]
    fn a_geometry_is_not_taken_for_a_qualified_value() {
        let point = json!({ "type": "Point", "coordinates": [1.0, 2.0] });
        assert_eq!(read("geojson", false, point.clone()), Ok(point.clone()));
        assert_eq!(
            read("geojson", false, json!({ "value": point, "mediaType": "application/geo+json" })),
            Ok(point)
        );
    }
}
