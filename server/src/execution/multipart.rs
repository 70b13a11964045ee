//! Several outputs as they are: a part for each, named by its `Content-ID` (RFC 2387).

use std::{collections::BTreeMap, fmt::Write as _};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;

/// Outputs by name, each a part of JSON.
pub(super) fn related(outputs: &BTreeMap<String, Value>) -> Response {
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
