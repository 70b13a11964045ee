//! Outputs that are values: one as it is, several as a document, or as parts where they are wanted as they are.

use std::{collections::BTreeMap, fmt::Write as _};

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use frazil_engine::event::Reply;
use serde_json::Value;

/// Of what is given that which is wanted, in the form that is asked for; `known` outputs there are in all.
pub(crate) fn answer(mut given: BTreeMap<String, Value>, reply: &Reply, known: usize) -> Response {
    let Reply { is_raw, is_document, outputs: wanted, .. } = reply;
    given.retain(|name, _| wanted.is_empty() || wanted.contains(name));
    let count = if wanted.is_empty() { known } else { wanted.len() };
    match given.first_key_value() {
        Some((_, only)) if count == 1 && !is_document => Json(only).into_response(),
        _ if count > 1 && *is_raw => related(&given),
        _ => Json(given).into_response(),
    }
}

/// A part of JSON for each output, named by its `Content-ID` (RFC 2387).
fn related(outputs: &BTreeMap<String, Value>) -> Response {
    let parts: Vec<(&String, String)> =
        outputs.iter().map(|(name, value)| (name, value.to_string())).collect();
    let boundary = boundary(&parts);
    let mut body = String::new();
    for (name, text) in parts {
        // Writing into a text cannot fail.
        write!(
            body,
            "--{boundary}\r\nContent-Type: application/json\r\nContent-ID: <{name}>\r\n\r\n{text}\r\n"
        )
        .unwrap_or_default();
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    let media = format!("multipart/related; boundary={boundary}; type=\"application/json\"");
    ([(header::CONTENT_TYPE, media)], body).into_response()
}

/// A line that is in none of the parts.
fn boundary(parts: &[(&String, String)]) -> String {
    let mut boundary = "part".to_owned();
    while parts.iter().any(|(_, text)| text.contains(&format!("--{boundary}"))) {
        boundary.push('-');
    }
    boundary
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn parts_are_named_and_kept_apart_whatever_they_hold() {
        let outputs = BTreeMap::from([
            ("flag".to_owned(), json!(true)),
            ("message".to_owned(), json!("\r\n--part\r\n--part---")),
        ]);
        let response = related(&outputs);
        let media = response.headers()["content-type"].to_str().unwrap().to_owned();
        let boundary = media.split("boundary=").nth(1).unwrap().split(';').next().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let (content, end) = text.split_once(&format!("--{boundary}--")).unwrap();
        assert_eq!(end, "\r\n");
        let parts: Vec<&str> = content.split(&format!("--{boundary}\r\n")).skip(1).collect();
        assert_eq!(parts.len(), 2);
        for (part, (name, value)) in parts.iter().zip(&outputs) {
            let (head, body) = part.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-ID: <{name}>")), "{head}");
            assert_eq!(serde_json::from_str::<Value>(body.trim_end()).unwrap(), *value);
        }
    }
}
