//! Pages for people: each resource that has JSON has a page.

use std::sync::{Arc, LazyLock};

use axum::{
    body::to_bytes,
    extract::{Request, State},
    http::{Method, StatusCode, Uri, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, Value, context, value::Serde};

use crate::{app::App, asked::Base, problem::Problem, visitor::wants_html};

/// The longest JSON that is made a page of.
const DOCUMENT_AT_MOST: usize = 8 << 20;

/// Resources that are written as JSON alone: the segments of their paths, and their pages.
const DRESSED: [(&[&str], &str); 16] = [
    (&[""], "landing.html"),
    (&["datasets"], "datasets.html"),
    (&["datasets", ANY, "audit"], "audit.html"),
    (&["datasets", ANY, "periods"], "periods.html"),
    (&["datasets", ANY, "snapshots"], "snapshots.html"),
    (&["graph"], "graph.html"),
    (&["health"], "health.html"),
    (&["icechunk", ANY], "repository.html"),
    (&["icechunk", ANY, ""], "repository.html"),
    (&["jobs"], "jobs.html"),
    (&["jobs", ANY], "job.html"),
    (&["processes"], "processes.html"),
    (&["processes", ANY], "process.html"),
    (&["stac"], "stac.html"),
    (&["stac", "collections"], "collections.html"),
    (&["stac", "collections", ANY], "collection.html"),
];

/// Whatever stands there.
const ANY: &str = "*";

/// Names that end in `.html` are escaped.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    for (name, text) in [
        ("audit.html", include_str!("../templates/audit.html")),
        ("base.html", include_str!("../templates/base.html")),
        ("collection.html", include_str!("../templates/collection.html")),
        ("collections.html", include_str!("../templates/collections.html")),
        ("dataset.html", include_str!("../templates/dataset.html")),
        ("datasets.html", include_str!("../templates/datasets.html")),
        ("graph.html", include_str!("../templates/graph.html")),
        ("group.html", include_str!("../templates/group.html")),
        ("health.html", include_str!("../templates/health.html")),
        ("job.html", include_str!("../templates/job.html")),
        ("jobs.html", include_str!("../templates/jobs.html")),
        ("landing.html", include_str!("../templates/landing.html")),
        ("periods.html", include_str!("../templates/periods.html")),
        ("problem.html", include_str!("../templates/problem.html")),
        ("process.html", include_str!("../templates/process.html")),
        ("processes.html", include_str!("../templates/processes.html")),
        ("repository.html", include_str!("../templates/repository.html")),
        ("snapshots.html", include_str!("../templates/snapshots.html")),
        ("stac.html", include_str!("../templates/stac.html")),
        ("strip.html", include_str!("../templates/strip.html")),
    ] {
        if let Err(error) = templates.add_template(name, text) {
            tracing::error!(name, %error, "a page cannot be read");
        }
    }
    templates
});

/// A page by its name. Its links begin with `root`.
pub(crate) fn page(base: &Base, name: &str, of: Value) -> Result<Response, Problem> {
    let of = context! { root => base.root(), ..of };
    let made = TEMPLATES.get_template(name).and_then(|template| template.render(of));
    match made {
        Ok(text) => Ok((StatusCode::OK, Html(text)).into_response()),
        Err(error) => {
            tracing::error!(name, %error, "a page cannot be made");
            Err(Problem::internal("the page cannot be made; the server's log says why"))
        }
    }
}

/// Makes pages of JSON for who wants them: of resources that are written as JSON alone, and of problems.
pub(crate) async fn dress(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let name = page_of(request.uri().path());
    let html = wants_html(request.uri().query(), request.headers());
    if name.is_some() {
        // How it is written is said by us alone: what is behind need not know the parameter.
        *request.uri_mut() = without_form(request.uri());
    }
    if !html || request.method() != Method::GET {
        return next.run(request).await;
    }
    let base = app.base(request.headers());
    let response = next.run(request).await;
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let name = match (media.unwrap_or_default(), name) {
        ("application/json", Some(name)) => name,
        ("application/problem+json", _) => "problem.html",
        _ => return response,
    };
    dressed(&base, name, response).await.unwrap_or_else(IntoResponse::into_response)
}

async fn dressed(base: &Base, name: &str, response: Response) -> Result<Response, Problem> {
    let (mut parts, body) = response.into_parts();
    let unreadable = || Problem::internal("the page cannot be made: what it shows is too long");
    let bytes = to_bytes(body, DOCUMENT_AT_MOST).await.map_err(|_| unreadable())?;
    let document: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
    let page = page(base, name, context! { document => Serde(&document) })?;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(page.headers().clone());
    Ok(Response::from_parts(parts, page.into_body()))
}

fn page_of(path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let fits = |one: &[&str]| {
        one.len() == segments.len()
            && one
                .iter()
                .zip(&segments)
                .all(|(known, said)| known == said || (*known == ANY && !said.is_empty()))
    };
    DRESSED.iter().find(|(one, _)| fits(one)).map(|(_, name)| *name)
}

/// An address without `f=…`.
fn without_form(uri: &Uri) -> Uri {
    let Some(query) = uri.query() else { return uri.clone() };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("f=")).collect();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{}{query}", uri.path()).parse().ok().or(parts.path_and_query);
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_all_there() {
        assert_eq!(TEMPLATES.templates().count(), 20);
    }

    #[test]
    fn pages_are_of_resources_and_not_of_what_lies_below() {
        assert_eq!(page_of("/jobs"), Some("jobs.html"));
        assert_eq!(page_of("/jobs/a"), Some("job.html"));
        assert_eq!((page_of("/jobs/a/events"), page_of("/jobs/"), page_of("/zarr/jobs")), (None, None, None));
        assert_eq!(page_of("/"), Some("landing.html"));
        assert_eq!(page_of("/datasets/rain/periods"), Some("periods.html"));
        assert_eq!(page_of("/stac/collections/rain"), Some("collection.html"));
        assert_eq!(page_of("/stac/collections/rain/thumbnail"), None);
    }

    #[test]
    fn the_form_is_taken_out_of_an_address() {
        let of = |uri: &str| without_form(&uri.parse().unwrap()).to_string();
        assert_eq!(of("/jobs?f=html"), "/jobs");
        assert_eq!(of("/jobs?limit=3&f=html&from=2"), "/jobs?limit=3&from=2");
        assert_eq!(of("/jobs"), "/jobs");
    }

    #[test]
    fn what_a_page_shows_is_escaped() {
        let document = serde_json::json!({ "title": "<b>", "detail": "<script>" });
        let found = TEMPLATES.get_template("problem.html").unwrap();
        let text = found.render(context! { document => Serde(&document) }).unwrap();
        assert!(text.contains("&lt;script&gt;") && !text.contains("<b>"), "{text}");
    }
}
