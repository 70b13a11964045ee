//! Repositories as they lie in their stores: `/icechunk/{dataset}/…`, for readers that know Icechunk.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use frazil_steps::cube::RawObjects;
use serde_json::json;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Segments},
    link::{JSON, Link, ZARR},
    problem::Problem,
    ranged::{About, answer},
    source::Source,
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
    let index_of = |id| {
        Operation::new(id, "data", "Where a repository lies, and how to open it", Role::Viewer)
            .segment("dataset", "A dataset")
            .gives_media(200, JSON, "Its newest commit, and links")
            .gives_media(200, "text/html", "The same for people")
            .refuses(404, "No such dataset, or no repository of it here")
            .refuses(502, "The store cannot be read")
    };
    Routes::default()
        .get("/icechunk/{dataset}", index_of("getIcechunk"), index)
        .get("/icechunk/{dataset}/", index_of("getIcechunkRoot"), index)
        .get("/icechunk/{dataset}/{*path}", object_of, object)
}

fn not_here(name: &str) -> Problem {
    Problem::not_found(format!("`{name}` is made elsewhere, and no repository of it is served here"))
}

/// A repository as a whole, which readers ask for by the paths in it.
async fn index(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    base: Base,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    if Source::of(&info) != Source::Here {
        return Err(not_here(&name));
    }
    let head =
        app.shelves.head(&info, &app.scope()).await.map_err(|error| Problem::of_store(&name, &error))?;
    let head = head.ok_or_else(|| Problem::not_found(format!("`{name}` holds nothing yet")))?;
    let own = base.at(&format!("/icechunk/{name}"));
    let links = [
        Link::json("self", &own).titled("This repository"),
        Link::json("collection", base.at(&format!("/stac/collections/{name}"))).titled("STAC collection"),
        Link::json("version-history", base.at(&format!("/datasets/{name}/snapshots"))).titled("Its commits"),
        Link::to("alternate", ZARR, base.at(&format!("/zarr/{name}@{head}/")))
            .titled("Its newest state as Zarr"),
    ];
    let open = format!("icechunk.Repository.open(icechunk.http_storage(\"{own}\"))");
    let about = json!({
        "dataset": name, "title": info.block.title, "branch": "main", "snapshot": head, "python": open, "links": links,
    });
    Ok(Json(about).into_response())
}

/// An object of a repository.
async fn object(
    State(app): State<Arc<App>>,
    Segments((name, path)): Segments<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    if Source::of(&info) != Source::Here {
        return Err(not_here(&name));
    }
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
