//! What a request says of whoever asks: by which address, and whether a person reads the answer.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use crate::{app::App, asked::Base, auth::Caller};

/// Taken from the head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visitor {
    /// Where addresses of this server begin, as whoever asks knows it.
    pub(crate) base: Base,
    /// Whether a page is wanted rather than JSON.
    pub(crate) html: bool,
    /// Who asks.
    pub(crate) caller: Caller,
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        // Whom the guard did not let in is anyone.
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::ANYONE);
        let html = wants_html(parts.uri.query(), &parts.headers);
        Ok(Self { base: app.base(&parts.headers), html, caller })
    }
}

/// `f=html` and `f=json` decide; else browsers name `text/html`, and programs do not.
pub(crate) fn wants_html(query: Option<&str>, headers: &HeaderMap) -> bool {
    match query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("f=")) {
        Some("html") => return true,
        Some("json") => return false,
        _ => {}
    }
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let media: Vec<(&str, f32)> = accepts.flat_map(|value| value.split(',')).map(wanted).collect();
    let weight = |name: &str| media.iter().find(|(media, _)| *media == name).map(|(_, weight)| *weight);
    match (weight("text/html"), weight("application/json")) {
        (Some(html), Some(json)) if html == json => {
            let place = |name: &str| media.iter().position(|(media, _)| *media == name);
            place("text/html") < place("application/json")
        }
        (Some(html), json) => html > json.unwrap_or(0.0),
        (None, _) => false,
    }
}

/// A media type with its weight.
fn wanted(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
    (media, weight.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn html(query: Option<&str>, accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        wants_html(query, &headers)
    }

    #[test]
    fn browsers_get_pages_and_programs_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert!(html(None, browser) && html(Some("limit=3&f=html"), "application/json"));
        assert!(!html(Some("f=json"), browser));
        for program in ["*/*", "application/json", "", "text/html;q=0", "text/html;q=0.5, application/json"] {
            assert!(!html(None, program), "{program}");
        }
        assert!(html(None, "text/html, application/json") && !html(None, "application/json, text/html"));
    }
}
