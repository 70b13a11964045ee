//! STAC 1.1.0 by the STAC API (core and collections), rendered from the stores when it is asked for.

use std::{io::ErrorKind, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use frazil_engine::{dataset::DatasetInfo, step::StepError};
use frazil_steps::{Hrefs, collection_of, thumbnail_of};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Query, Segments},
    conformance::OPENAPI,
    link::{JSON, Link},
    problem::Problem,
    ranged::{About, answer, part},
    source::Source,
    visitor::Visitor,
};

/// What the API conforms to.
const CONFORMS: [&str; 2] =
    ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/collections"];

/// Collections of a page where nothing is said, and the most that there are.
const PAGE: (usize, usize) = (100, 1_000);

/// Stores that are looked at at a time for one answer.
const AT_A_TIME: usize = 8;

const PNG: &str = "image/png";

/// Addresses of the catalog.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| {
        Operation::new(id, "stac", summary, Role::Anyone).gives_media(200, JSON, "As JSON").gives_media(
            200,
            "text/html",
            "The same for people",
        )
    };
    let landing = of("getStac", "The catalog");
    let conformance = Operation::new("getStacConformance", "stac", "What the API conforms to", Role::Anyone)
        .gives_media(200, JSON, "URIs of conformance classes");
    let list = of("getStacCollections", "Collections of datasets, in the order of their names")
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": PAGE.1 }),
            "Collections of a page",
        )
        .query("after", json!({ "type": "string" }), "The last collection of the page before");
    let one = Operation::new("getStacCollection", "stac", "The collection of a dataset", Role::Viewer)
        .segment("collection", "A dataset")
        .gives_media(200, JSON, "A STAC 1.1.0 collection")
        .gives_media(200, "text/html", "The same for people")
        .refuses(404, "No such dataset, or it holds nothing yet")
        .refuses(502, "The store cannot be read");
    let picture =
        Operation::new("getStacThumbnail", "stac", "The picture that `publish-stac` drew last", Role::Viewer)
            .segment("collection", "A dataset")
            .gives_media(200, PNG, "The picture")
            .gives_nothing(304, "Nothing changed")
            .refuses(404, "No such dataset, or no picture of it");
    Routes::default()
        .get("/stac/collections/{collection}/thumbnail", picture, thumbnail)
        .get("/stac", landing, catalog)
        .get("/stac/conformance", conformance, async || Json(json!({ "conformsTo": CONFORMS })))
        .get("/stac/collections", list, collections)
        .get("/stac/collections/{collection}", one, collection)
}

/// The catalog.
async fn catalog(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Problem> {
    let config = Arc::clone(&app.project().config);
    let title = config.title.clone().unwrap_or_else(|| config.id.clone());
    let at = |path: &str| visitor.base.at(path);
    let mut links = vec![
        Link::json("self", at("/stac")).titled("This catalog"),
        Link::json("root", at("/stac")).titled("This catalog"),
        Link::json("conformance", at("/stac/conformance")).titled("What the API conforms to"),
        Link::json("data", at("/stac/collections")).titled("All collections"),
        Link::to("service-desc", OPENAPI, at("/api")).titled("OpenAPI"),
        Link::to("service-doc", "text/html", at("/?f=html")).titled("For people"),
    ];
    for (id, made) in made_all(&app, &visitor.base, app.readable(&visitor)).await {
        if let Ok(Some(collection)) = made {
            let title = collection["title"].as_str().unwrap_or_default();
            links.push(Link::json("child", at(&format!("/stac/collections/{id}"))).titled(title));
        }
    }
    let catalog = json!({
        "type": "Catalog", "stac_version": "1.1.0", "id": config.id, "title": title,
        "description": format!("Data cubes of {title}."), "conformsTo": CONFORMS, "links": links,
    });
    Ok(Json(catalog).into_response())
}

/// A page of the collections. One that cannot be read hides no other: it is named beside them.
async fn collections(
    State(app): State<Arc<App>>,
    mut query: Query,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let limit = query.number("limit", 1, PAGE.1).unwrap_or(PAGE.0);
    let last = query.one("after", |text| Ok(text.to_owned()));
    query.all_read()?;
    let after = |info: &Arc<DatasetInfo>| last.as_ref().is_none_or(|last| info.id.as_str() > last.as_str());
    let mut infos: Vec<_> = app.readable(&visitor).into_iter().filter(after).collect();
    let more = infos.len() > limit;
    infos.truncate(limit);
    let last = infos.last().map(|info| info.id.to_string());
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for (id, made) in made_all(&app, &visitor.base, infos).await {
        match made {
            Ok(collection) => all.extend(collection),
            Err(error) => {
                tracing::error!(dataset = id, %error, "no collection can be made");
                unreadable.push(id);
            }
        }
    }
    let at = |path: &str| visitor.base.at(path);
    let mut links = vec![
        Link::json("self", at("/stac/collections")),
        Link::json("root", at("/stac")),
        Link::json("parent", at("/stac")),
    ];
    if let (true, Some(last)) = (more, last) {
        links.push(Link::json("next", at(&format!("/stac/collections?limit={limit}&after={last}"))));
    }
    let mut list = json!({ "collections": all, "links": links, "numberReturned": all.len() });
    if !unreadable.is_empty() {
        list["frazil:unreadable"] = json!(unreadable);
    }
    Ok(Json(list).into_response())
}

/// The collection of a dataset.
async fn collection(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    base: Base,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    let made = made(&app, &base, &info).await.map_err(|error| Problem::of_store(&name, &error))?;
    let collection = made.ok_or_else(|| Problem::not_found(format!("`{name}` holds nothing yet")))?;
    Ok(Json(collection).into_response())
}

/// The collections of several datasets, in their order.
async fn made_all(
    app: &Arc<App>,
    base: &Base,
    infos: Vec<Arc<DatasetInfo>>,
) -> Vec<(String, Result<Option<Value>, StepError>)> {
    let one = |info: Arc<DatasetInfo>| async move { (info.id.to_string(), made(app, base, &info).await) };
    stream::iter(infos).map(one).buffered(AT_A_TIME).collect().await
}

/// The collection of a dataset as everyone reads it by now; none where it holds nothing yet.
async fn made(app: &App, base: &Base, info: &DatasetInfo) -> Result<Option<Value>, StepError> {
    let scope = app.scope();
    let Some(outline) = app.shelves.outline(info, &scope).await? else { return Ok(None) };
    let (id, snapshot) = (&info.id, &outline.id);
    let at = |path: String| Some(base.at(&path));
    let (zarr, current, icechunk) = match Source::of(info) {
        Source::Here => {
            (at(format!("/zarr/{id}@{snapshot}")), at(format!("/zarr/{id}")), at(format!("/icechunk/{id}")))
        }
        Source::There(url) => (Some(url.to_owned()), None, (!outline.is_store).then(|| url.to_owned())),
        Source::Nowhere => (None, None, None),
    };
    let picture = tokio::fs::try_exists(thumbnail_of(&scope.project.catalog, id.as_str())).await;
    let hrefs = Hrefs {
        root: base.at("/stac"),
        parent: base.at("/stac"),
        own: base.at(&format!("/stac/collections/{id}")),
        zarr,
        current,
        icechunk,
        thumbnail: picture.unwrap_or(false).then(|| base.at(&format!("/stac/collections/{id}/thumbnail"))),
    };
    collection_of(&outline, &scope, &hrefs).await
}

/// The picture that `publish-stac` drew last.
async fn thumbnail(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    let file = thumbnail_of(&app.project().config.catalog, info.id.as_str());
    let picture = match tokio::fs::read(file).await {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Problem::not_found(format!("`publish-stac` has drawn no picture of `{name}`")));
        }
        Err(error) => {
            tracing::error!(dataset = name, %error, "a thumbnail cannot be read");
            return Err(Problem::internal("the picture cannot be read; the server's log says why"));
        }
    };
    let tag = Sha256::digest(&picture).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let length = picture.len() as u64;
    let about = About { what: name, media: PNG, length, tag: Some(tag), is_fixed: false };
    Ok(answer(about, &method, &headers, move |range| std::future::ready(Ok(part(&picture, &range)))).await)
}
