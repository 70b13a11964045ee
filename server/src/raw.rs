//! Repositories as they lie in their stores: `/icechunk/{dataset}/…`, for readers that know Icechunk.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
};
use frazil_steps::cube::RawObjects;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::Segments,
    problem::Problem,
    ranged::{About, answer},
};

/// Addresses of repositories.
pub(crate) fn routes() -> Routes {
    let object_of = Operation::new("getIcechunkObject", "data", "An object of a repository", Role::Viewer)
        .segment("dataset", "A dataset")
        .segment("path", "Where the object lies in the repository")
        .header("Range", "A part of the bytes")
        .gives_media(200, "application/octet-stream", "The bytes")
        .gives_media(206, "application/octet-stream", "The part that was asked for")
        .gives_nothing(304, "Nothing changed")
        .refuses(404, "No such dataset or object")
        .refuses(416, "No such range")
        .refuses(502, "The store cannot be read");
    Routes::default().get("/icechunk/{dataset}/{*path}", object_of, object)
}

/// An object of a repository.
async fn object(
    State(app): State<Arc<App>>,
    Segments((name, path)): Segments<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    let unreadable = |error| Problem::of_store(&name, &error);
    let objects = RawObjects::of(&info, &app.scope()).map_err(unreadable)?;
    let found = objects.find(&path).await.map_err(unreadable)?;
    let object = found.ok_or_else(|| Problem::not_found(format!("`{name}` has no object `{path}`")))?;
    let about = About {
        what: name,
        media: "application/octet-stream",
        length: object.length,
        tag: object.tag.clone(),
        is_fixed: object.is_fixed,
    };
    let (objects, object) = (Arc::new(objects), Arc::new(object));
    let part = move |range| {
        let (objects, object) = (Arc::clone(&objects), Arc::clone(&object));
        async move { objects.read(&object, range).await }
    };
    Ok(answer(about, &method, &headers, part).await)
}
