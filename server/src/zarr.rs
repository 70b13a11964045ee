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
    link::JSON,
    pages,
    problem::Problem,
    ranged::{About, answer, part},
    source::Source,
};

/// The snapshot that an answer is of.
const SNAPSHOT: HeaderName = HeaderName::from_static("frazil-snapshot");

/// What chunks are to those who do not know their codecs.
const BYTES: &str = "application/octet-stream";

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
        .gives_media(200, BYTES, "The bytes")
        .gives_media(206, BYTES, "The part that was asked for")
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
    Asked::of(&app, &named, "", &method, &headers)?.answer().await
}

/// A document, a chunk or the members of a group.
async fn key_of(
    State(app): State<Arc<App>>,
    Segments((named, key)): Segments<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Asked::of(&app, &named, &key, &method, &headers)?.answer().await
}

/// A key of a dataset, as somebody asks for it.
#[derive(Debug)]
struct Asked<'a> {
    app: &'a Arc<App>,
    info: Arc<DatasetInfo>,
    base: Base,
    /// The name of one state, where the address says one.
    snapshot: Option<&'a str>,
    /// The address up to the key.
    store: String,
    key: &'a str,
    method: &'a Method,
    headers: &'a HeaderMap,
}

impl<'a> Asked<'a> {
    fn of(
        app: &'a Arc<App>,
        named: &'a str,
        key: &'a str,
        method: &'a Method,
        headers: &'a HeaderMap,
    ) -> Result<Self, Problem> {
        let (name, snapshot) = named.split_once('@').map_or((named, None), |(name, id)| (name, Some(id)));
        let (info, base) = (app.dataset(name)?, app.base(headers));
        let store = base.path(&format!("/zarr/{named}"));
        Ok(Self { app, info, base, snapshot, store, key, method, headers })
    }

    async fn answer(self) -> Result<Response, Problem> {
        let id = self.state().await?;
        let mut response = match self.app.warm.chunk(&self.info.location.url, &id, self.key) {
            Some((tag, whole)) => self.bytes(BYTES, whole, tag).await,
            None => self.read(&id).await?,
        };
        let place = self.base.path(&format!("/zarr/{}@{id}/{}", self.info.id, self.key));
        for (header, value) in [(SNAPSHOT, &id.0), (header::CONTENT_LOCATION, &place)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(header, value);
            }
        }
        Ok(response)
    }

    /// The state that is asked for: one by its name, or what everyone reads.
    async fn state(&self) -> Result<SnapshotId, Problem> {
        if let Some(named) = self.snapshot {
            let none = || Problem::not_found(format!("`{named}` is no name of a snapshot"));
            return can_be_snapshot(named).then(|| SnapshotId(named.to_owned())).ok_or_else(none);
        }
        let head = self.app.shelves.head(&self.info, &self.app.scope()).await;
        head.map_err(|error| self.unreadable(&error))?.ok_or_else(|| {
            let is_here = Source::of(&self.info) == Source::Here;
            let what = if is_here { "holds nothing yet" } else { "is made elsewhere, and not served here" };
            Problem::not_found(format!("`{}` {what}", self.info.id))
        })
    }

    /// What lies under the key in a state.
    async fn read(&self, id: &SnapshotId) -> Result<Response, Problem> {
        let keys = self.app.shelves.keys(&self.info, id, &self.app.scope()).await;
        // Whoever opened it here would take a chunk that is not found for missing data.
        let gone =
            || Problem::gone(format!("`{}` has no snapshot {id}, or it is not kept any more", self.info.id));
        let keys = keys.map_err(|error| self.unreadable(&error))?.ok_or_else(gone)?;
        let (store, key) = (&self.store, self.key);
        match keys.find(key).await.map_err(|error| self.unreadable(&error))? {
            Some(Entry::Document(document)) => Ok(self.bytes(JSON, document, id.0.clone()).await),
            Some(Entry::Chunk(chunk)) => {
                let about = self.about(BYTES, chunk.length, chunk.tag.clone());
                let (app, place) = (Arc::clone(self.app), self.info.location.url.clone());
                let read = Read { app, keys, chunk: Arc::new(chunk), place, key: key.to_owned() };
                let part = move |range| read.clone().part(range);
                Ok(answer(about, self.method, self.headers, part).await)
            }
            // Links to members are relative to an address with a slash.
            Some(Entry::Group(_)) if !key.is_empty() && !key.ends_with('/') => {
                Ok(Redirect::permanent(&format!("{store}/{key}/")).into_response())
            }
            Some(Entry::Group(members)) => self.group(id, &members),
            // An address of an array without a key: what it is stands in its document.
            Some(Entry::Array) => {
                let array = key.trim_end_matches('/');
                Ok(Redirect::temporary(&format!("{store}/{array}/zarr.json")).into_response())
            }
            Some(Entry::Elsewhere) => Err(elsewhere(&self.info, key)),
            None => Err(self.missing(&keys)),
        }
    }

    /// Bytes that are in memory.
    async fn bytes(&self, media: &'static str, bytes: Bytes, tag: String) -> Response {
        let about = self.about(media, bytes.len() as u64, tag);
        let part = move |range| std::future::ready(Ok(part(&bytes, &range)));
        answer(about, self.method, self.headers, part).await
    }

    fn about(&self, media: &'static str, length: u64, tag: String) -> About {
        let (what, is_fixed) = (self.info.id.to_string(), self.snapshot.is_some());
        About { what, media, length, tag: Some(tag), is_fixed }
    }

    /// What is said of a store that cannot be read: it may lie elsewhere by now.
    fn unreadable(&self, error: &StepError) -> Problem {
        self.app.shelves.forget(&self.info);
        Problem::of_store(self.info.id.as_str(), error)
    }

    /// What is said of a key under which there is nothing.
    fn missing(&self, keys: &Keys) -> Problem {
        let (id, key) = (&self.info.id, self.key);
        let moves = self.snapshot.is_none();
        if moves && !keys.has_place(key) && self.app.shelves.showed_chunk(&self.info, key) {
            return Problem::gone(format!(
                "`{id}` is laid out otherwise since it was opened: open it again, or read `{id}@SNAPSHOT`"
            ));
        }
        Problem::not_found(format!("`{id}` has no key `{key}`"))
    }

    /// The page of a group.
    fn group(&self, id: &SnapshotId, members: &[Member]) -> Result<Response, Problem> {
        let names: Vec<String> = members.iter().map(|member| format!("{}/", segment(&member.name))).collect();
        let of = context! {
            dataset => self.info.id.to_string(),
            title => self.info.block.title.clone(),
            snapshot => id.0.clone(),
            group => self.key.trim_matches('/'),
            members => names,
        };
        pages::page(&self.base, "group.html", of)
    }
}

/// A chunk that is read while it is sent.
#[derive(Debug, Clone)]
struct Read {
    app: Arc<App>,
    keys: Arc<Keys>,
    chunk: Arc<StoredChunk>,
    /// What it is asked for by.
    place: String,
    key: String,
}

impl Read {
    async fn part(self, range: Range<u64>) -> Result<Bytes, StepError> {
        let is_whole = range == (0..self.chunk.length);
        let bytes = self.keys.read(&self.chunk, range).await?;
        if is_whole {
            let asked = (self.place.as_str(), self.keys.snapshot(), self.key.as_str());
            self.app.warm.keep(asked, &self.chunk.tag, &bytes);
        }
        Ok(bytes)
    }
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

/// A name as a segment of a path. Nothing of it means anything in a page, where links stand as they
/// are: programs that list a group by them undo no escapes.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(one).collect()
}
