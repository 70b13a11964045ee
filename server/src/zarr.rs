//! Datasets as Zarr stores: `/zarr/{dataset}/…` is what everyone reads by now,
//! `/zarr/{dataset}@{snapshot}/…` one state for ever.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    response::{IntoResponse, Redirect, Response},
};
use bytes::Bytes;
use frazil_engine::{data::SnapshotId, dataset::DatasetInfo};
use frazil_steps::cube::{Entry, Keys, Member};
use minijinja::context;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    pages,
    problem::Problem,
    ranged::{About, answer},
};

/// The snapshot that an answer is of.
const SNAPSHOT: HeaderName = HeaderName::from_static("frazil-snapshot");

/// Addresses of datasets as Zarr.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| {
        Operation::new(id, "data", summary, Role::Viewer)
            .segment("dataset", "A dataset, or `dataset@snapshot` for one state for ever")
            .refuses(404, "No such dataset, snapshot or key")
            .refuses(502, "The store cannot be read")
    };
    let group = of("getZarrRoot", "The members of the root group").gives_media(200, "text/html", "Members");
    let moved = of("getZarr", "The same without a slash").gives_nothing(308, "To the address with a slash");
    let key = of("getZarrKey", "A document, a chunk, or the members of a group")
        .segment("key", "A key of the Zarr store")
        .header("Range", "A part of the bytes")
        .gives_media(200, "application/octet-stream", "The bytes")
        .gives_media(206, "application/octet-stream", "The part that was asked for")
        .gives_nothing(304, "Nothing changed")
        .gives_nothing(307, "What an array is stands in its document")
        .refuses(416, "No such range");
    Routes::default().get("/zarr/{dataset}", moved, root).get("/zarr/{dataset}/", group, index).get(
        "/zarr/{dataset}/{*key}",
        key,
        key_of,
    )
}

/// A path without a slash at its end is the group all the same, as an address to begin from.
async fn root(Path(named): Path<String>) -> Redirect {
    Redirect::permanent(&format!("/zarr/{named}/"))
}

/// The members of the root group.
async fn index(
    State(app): State<Arc<App>>,
    Path(named): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    entry(&app, &named, "", &method, &headers).await
}

/// A document, a chunk or the members of a group.
async fn key_of(
    State(app): State<Arc<App>>,
    Path((named, key)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    entry(&app, &named, &key, &method, &headers).await
}

async fn entry(
    app: &App,
    named: &str,
    key: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (name, snapshot) = match named.split_once('@') {
        Some((name, snapshot)) => (name, Some(SnapshotId(snapshot.to_owned()))),
        None => (named, None),
    };
    let info = app.dataset(name)?;
    let keys = app.shelves.keys(&info, snapshot.as_ref(), &app.scope()).await;
    let keys = keys.map_err(|error| Problem::of_store(name, &error))?.ok_or_else(|| match &snapshot {
        Some(snapshot) => Problem::not_found(format!("`{name}` has no snapshot {snapshot}")),
        None => Problem::not_found(format!("`{name}` holds nothing yet")),
    })?;
    let found = keys.find(key).await.map_err(|error| Problem::of_store(name, &error))?;
    let is_fixed = snapshot.is_some();
    let mut response = match found {
        Some(Entry::Document(document)) => {
            let tag = Some(keys.snapshot().0.clone());
            let about = About {
                what: name.to_owned(),
                media: "application/json",
                length: document.len() as u64,
                tag,
                is_fixed,
            };
            let part = move |range: std::ops::Range<u64>| {
                let part = slice(&document, &range);
                async move { Ok(part) }
            };
            answer(about, method, headers, part).await
        }
        Some(Entry::Chunk(chunk)) => {
            let about = About {
                what: name.to_owned(),
                media: "application/octet-stream",
                length: chunk.length,
                tag: chunk.tag.clone(),
                is_fixed,
            };
            let (of, chunk) = (Arc::clone(&keys), Arc::new(chunk));
            let part = move |range| {
                let (keys, chunk) = (Arc::clone(&of), Arc::clone(&chunk));
                async move { keys.read(&chunk, range).await }
            };
            answer(about, method, headers, part).await
        }
        Some(Entry::Group(members)) => group(&info, &keys, key, &members)?,
        // An address of an array without a key: what it is stands in its document.
        Some(Entry::Array) => Redirect::temporary(&format!("/zarr/{named}/{key}/zarr.json")).into_response(),
        None => return Err(Problem::not_found(format!("`{name}` has no key `{key}`"))),
    };
    if let Ok(value) = HeaderValue::from_str(&keys.snapshot().0) {
        response.headers_mut().insert(SNAPSHOT, value);
    }
    Ok(response)
}

fn slice(document: &Bytes, range: &std::ops::Range<u64>) -> Bytes {
    let end = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(document.len());
    document.slice(end(range.start)..end(range.end))
}

fn group(info: &DatasetInfo, keys: &Keys, group: &str, members: &[Member]) -> Result<Response, Problem> {
    let group = group.trim_matches('/');
    let names: Vec<String> = members
        .iter()
        .map(|member| if member.is_group { format!("{}/", member.name) } else { member.name.clone() })
        .collect();
    pages::page(
        "group.html",
        context! {
            dataset => info.id.to_string(),
            title => info.block.title.clone(),
            snapshot => keys.snapshot().0.clone(),
            group,
            members => names,
        },
    )
}
