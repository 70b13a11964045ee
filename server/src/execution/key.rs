//! `Idempotency-Key`: asking again starts nothing again.

use axum::http::HeaderMap;
use frazil_engine::event::Key;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Execute;
use crate::problem::{Problem, Wrong};

/// The longest key.
const AT_MOST: usize = 255;

/// The key of a request to run `process`, with a digest of what is asked for. `who` asks: nobody meets
/// the keys of others.
///
/// # Errors
/// When it is no key.
pub(super) fn of(
    headers: &HeaderMap,
    who: Option<&str>,
    process: &str,
    asked: &Execute,
) -> Result<Option<Key>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    // The draft has a string in quotes, and many clients send it bare.
    let text = text.trim().trim_matches('"');
    let is_plain = text.chars().all(|c| c.is_ascii_graphic());
    if text.is_empty() || text.len() > AT_MOST || !is_plain {
        let message = format!("1 to {AT_MOST} visible ASCII characters are wanted");
        return Err(Problem::wrong(
            "the request cannot be taken",
            vec![Wrong::new("Idempotency-Key", message)],
        ));
    }
    let asked = serde_json::to_value(asked).unwrap_or(Value::Null);
    let digest = Sha256::digest(format!("{process}\n{}", sorted(asked)));
    let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(Key { name: format!("{}/{text}", who.unwrap_or_default()), digest }))
}

/// The same with the names of objects in order: in which they were sent says nothing.
fn sorted(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn key(text: &'static str, inputs: &Value) -> Result<Option<Key>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_static(text));
        let inputs = inputs.as_object().cloned().unwrap_or_default();
        of(&headers, Some("anna"), "rain", &Execute { inputs, ..Execute::default() })
    }

    #[test]
    fn the_same_request_has_the_same_key_and_digest() {
        let one = key("a-1", &json!({ "start": "2024", "end": "2025" })).unwrap().unwrap();
        assert_eq!(one.name, "anna/a-1");
        assert_eq!(key("\"a-1\"", &json!({ "end": "2025", "start": "2024" })).unwrap().unwrap(), one);
        assert_ne!(key("a-1", &json!({ "start": "2024" })).unwrap().unwrap().digest, one.digest);
        assert!(key("", &json!({})).is_err() && key("a b", &json!({})).is_err());
    }
}
