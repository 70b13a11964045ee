//! Datasets as Zarr stores: `/zarr/{dataset}/…` is what everyone reads by now,
//! `/zarr/{dataset}@{snapshot}/…` one state for ever.

use std::{ops::Range, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use bytes::Bytes;
use frazil_engine::{data::SnapshotId, dataset::DatasetInfo, step::StepError};
use frazil_steps::cube::{Entry, Keys, Member, StoredChunk, can_be_snapshot};
use minijinja::context;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Segments},
    pages,
    problem::Problem,
    ranged::{About, answer, part},
    source::Source,
};

/// The snapshot that an answer is of.
const SNAPSHOT: HeaderName = HeaderName::from_static("frazil-snapshot");

/// Addresses of datasets as Zarr.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| {
        Operation::new(id, "data", summary, Role::Viewer)
            .segment("dataset", "A dataset, or `dataset@snapshot` for one state for ever")
            .refuses(404, "No such dataset or key")
            .refuses(410, "The snapshot is not kept, or the dataset is laid out otherwise since")
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
        .refuses(403, "A virtual chunk, which lies elsewhere")
        .refuses(416, "No such range");
    Routes::default().get("/zarr/{dataset}", moved, root).get("/zarr/{dataset}/", group, index).get(
        "/zarr/{dataset}/{*key}",
        key,
        key_of,
    )
}

/// A path without a slash at its end is the group all the same, as an address to begin from.
async fn root(base: Base, Segments(named): Segments<String>) -> Redirect {
    Redirect::permanent(&base.path(&format!("/zarr/{named}/")))
}

/// The members of the root group.
async fn index(
    State(app): State<Arc<App>>,
    Segments(named): Segments<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    entry(&app, &named, "", &method, &headers).await
}

/// A document, a chunk or the members of a group.
async fn key_of(
    State(app): State<Arc<App>>,
    Segments((named, key)): Segments<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    entry(&app, &named, &key, &method, &headers).await
}

async fn entry(
    app: &Arc<App>,
    named: &str,
    key: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (name, snapshot) = match named.split_once('@') {
        Some((name, snapshot)) => (name, Some(snapshot)),
        None => (named, None),
    };
    let (info, base) = (app.dataset(name)?, app.base(headers));
    let unreadable = |error| {
        app.shelves.forget(&info);
        Problem::of_store(name, &error)
    };
    let id = state(app, &info, snapshot).await.map_err(unreadable)??;
    let about = |media, length, tag| About {
        what: name.to_owned(),
        media,
        length,
        tag,
        is_fixed: snapshot.is_some(),
    };
    if let Some((tag, whole)) = app.warm.chunk(&info.location.url, &id, key) {
        let about = about("application/octet-stream", whole.len() as u64, Some(tag));
        let part = move |range| std::future::ready(Ok(part(&whole, &range)));
        let mut response = answer(about, method, headers, part).await;
        told(&mut response, &id, &base.path(&format!("/zarr/{name}@{id}/{key}")));
        return Ok(response);
    }
    let keys = keys(app, &info, &id).await.map_err(unreadable)??;
    let found = keys.find(key).await.map_err(unreadable)?;
    let mut response = match found {
        Some(Entry::Document(document)) => {
            let tag = Some(keys.snapshot().0.clone());
            let about = about("application/json", document.len() as u64, tag);
            let part = move |range| std::future::ready(Ok(part(&document, &range)));
            answer(about, method, headers, part).await
        }
        Some(Entry::Chunk(chunk)) => {
            let about = about("application/octet-stream", chunk.length, Some(chunk.tag.clone()));
            let name = Name { place: info.location.url.clone(), key: key.to_owned() };
            let read = Read { app: Arc::clone(app), keys: Arc::clone(&keys), chunk: Arc::new(chunk), name };
            answer(about, method, headers, move |range| read.clone().part(range)).await
        }
        // Links to members are relative to an address with a slash.
        Some(Entry::Group(_)) if !key.is_empty() && !key.ends_with('/') => {
            Redirect::permanent(&base.path(&format!("/zarr/{named}/{key}/"))).into_response()
        }
        Some(Entry::Group(members)) => group(&base, &info, &keys, key, &members)?,
        // An address of an array without a key: what it is stands in its document.
        Some(Entry::Array) => {
            let array = key.trim_end_matches('/');
            Redirect::temporary(&base.path(&format!("/zarr/{named}/{array}/zarr.json"))).into_response()
        }
        Some(Entry::Elsewhere) => return Err(elsewhere(&info, key)),
        None => return Err(missing(app, &info, &keys, key, snapshot.is_some())),
    };
    told(&mut response, &id, &base.path(&format!("/zarr/{name}@{id}/{key}")));
    Ok(response)
}

/// A chunk that is read while it is sent.
#[derive(Debug, Clone)]
struct Read {
    app: Arc<App>,
    keys: Arc<Keys>,
    chunk: Arc<StoredChunk>,
    name: Name,
}

/// What a chunk is asked for by.
#[derive(Debug, Clone)]
struct Name {
    place: String,
    key: String,
}

impl Read {
    async fn part(self, range: Range<u64>) -> Result<Bytes, StepError> {
        let is_whole = range == (0..self.chunk.length);
        let bytes = self.keys.read(&self.chunk, range).await?;
        if is_whole {
            let asked = (self.name.place.as_str(), self.keys.snapshot(), self.name.key.as_str());
            self.app.warm.keep(asked, &self.chunk.tag, &bytes);
        }
        Ok(bytes)
    }
}

/// The state that is asked for: one by its name, or what everyone reads.
async fn state(
    app: &App,
    info: &DatasetInfo,
    named: Option<&str>,
) -> Result<Result<SnapshotId, Problem>, StepError> {
    if let Some(named) = named {
        let none = || Problem::not_found(format!("`{named}` is no name of a snapshot"));
        return Ok(if can_be_snapshot(named) { Ok(SnapshotId(named.to_owned())) } else { Err(none()) });
    }
    let nothing = || {
        let is_here = Source::of(info) == Source::Here;
        let what = if is_here { "holds nothing yet" } else { "is made elsewhere, and not served here" };
        Problem::not_found(format!("`{}` {what}", info.id))
    };
    Ok(app.shelves.head(info, &app.scope()).await?.ok_or_else(nothing))
}

/// The keys of a state.
async fn keys(
    app: &App,
    info: &DatasetInfo,
    id: &SnapshotId,
) -> Result<Result<Arc<Keys>, Problem>, StepError> {
    let keys = app.shelves.keys(info, id, &app.scope()).await?;
    // Whoever opened it here would take a chunk that is not found for missing data.
    let gone = || Problem::gone(format!("`{}` has no snapshot {id}, or it is not kept any more", info.id));
    Ok(keys.ok_or_else(gone))
}

/// What is said of a virtual chunk. Not that it is not found: for Zarr that is missing data.
fn elsewhere(info: &DatasetInfo, key: &str) -> Problem {
    let detail = format!(
        "`{key}` of `{}` is a virtual chunk, which lies elsewhere: this server fetches nothing because data \
         says so. Icechunk reads it, for those who may: `/icechunk/{}`",
        info.id, info.id
    );
    Problem::plain(StatusCode::FORBIDDEN, detail)
}

/// What is said of a key under which there is nothing.
fn missing(app: &App, info: &DatasetInfo, keys: &Keys, key: &str, is_fixed: bool) -> Problem {
    if !is_fixed && !keys.has_place(key) && app.shelves.showed_chunk(info, key) {
        return Problem::gone(format!(
            "`{}` is laid out otherwise since it was opened: open it again, or read `{}@SNAPSHOT`",
            info.id, info.id
        ));
    }
    Problem::not_found(format!("`{}` has no key `{key}`", info.id))
}

/// Says of which state an answer is, and where that state stays.
fn told(response: &mut Response, id: &SnapshotId, place: &str) {
    for (header, value) in [(SNAPSHOT, id.0.as_str()), (header::CONTENT_LOCATION, place)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(header, value);
        }
    }
}

fn group(
    base: &Base,
    info: &DatasetInfo,
    keys: &Keys,
    group: &str,
    members: &[Member],
) -> Result<Response, Problem> {
    let group = group.trim_matches('/');
    let names: Vec<String> = members.iter().map(|member| format!("{}/", segment(&member.name))).collect();
    pages::page(
        base,
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

/// A name as a segment of a path. Nothing of it means anything in a page, where links stand as they
/// are: programs that list a group by them undo no escapes.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(one).collect()
}
