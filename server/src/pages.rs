//! Pages for people.

use std::sync::LazyLock;

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, Value};

use crate::problem::Problem;

/// Names that end in `.html` are escaped.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    for (name, text) in [
        ("base.html", include_str!("../templates/base.html")),
        ("group.html", include_str!("../templates/group.html")),
        ("landing.html", include_str!("../templates/landing.html")),
    ] {
        if let Err(error) = templates.add_template(name, text) {
            tracing::error!(name, %error, "a page cannot be read");
        }
    }
    templates
});

/// A page by its name.
pub(crate) fn page(name: &str, of: Value) -> Result<Response, Problem> {
    let made = TEMPLATES.get_template(name).and_then(|template| template.render(of));
    match made {
        Ok(text) => Ok((StatusCode::OK, Html(text)).into_response()),
        Err(error) => {
            tracing::error!(name, %error, "a page cannot be made");
            Err(Problem::internal("the page cannot be made; the server's log says why"))
        }
    }
}

/// Whether whoever asks would rather have a page than JSON: browsers name `text/html`, programs do not.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let place = |media: &str| accepts.find(media);
    match (place("text/html"), place("application/json")) {
        (Some(html), Some(json)) => html < json,
        (html, _) => html.is_some(),
    }
}
