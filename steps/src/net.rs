//! Bytes of sources over HTTP, S3 and local files. Failures are told by what to do next:
//! missing is an answer, not an error; what may pass is transient; the rest is permanent.

mod access;
mod answer;
mod http;
mod local;
mod object;
mod place;

use std::{borrow::Cow, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use frazil_engine::{
    context::{Clock, Context, Progress, Scope, SystemClock, Tick},
    data::Spent,
    step::{ErrorKind, StepError},
};

pub(crate) use access::Access;
pub use access::{Auth, Basic, S3};
pub(crate) use place::Place;

use crate::source_state::FileState;

/// The most that is read whole from a server that does not honour ranges.
const WHOLE_AT_MOST: u64 = 64 << 20;

/// The most that a listing may hold.
const LISTING_AT_MOST: u64 = 32 << 20;

/// The most that one source file may hold.
const FILE_AT_MOST: u64 = 64 << 30;

/// Reads from sources on behalf of one step. All its clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    client: reqwest::Client,
    access: Arc<Access>,
    buckets: Arc<object::Buckets>,
    scope: Scope,
    clock: Arc<dyn Clock>,
    /// Told how many bytes came.
    progress: Progress,
}

/// A part of a source file.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Where in the file it begins: at 0, whatever was asked for, when all of it came.
    pub(crate) start: u64,
    /// Its bytes; fewer than asked for at the end of the file.
    pub(crate) bytes: Bytes,
    /// Bytes of the whole file.
    pub(crate) size: u64,
    /// What the server calls this version of the file.
    pub(crate) tag: Option<String>,
}

/// Which bytes of a source file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Extent {
    /// These.
    Range(Range<u64>),
    /// So many at its end.
    Tail(u64),
}

impl Extent {
    /// Which bytes of a file of so many they are.
    pub(crate) fn of(&self, size: u64) -> Range<u64> {
        match self {
            Self::Range(range) => range.start..range.end.min(size).max(range.start),
            Self::Tail(length) => size.saturating_sub(*length)..size,
        }
    }

    /// As a `Range` header has it.
    fn header(&self) -> String {
        match self {
            Self::Range(range) => format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            Self::Tail(length) => format!("bytes=-{length}"),
        }
    }
}

impl Net {
    /// What the step `cx` needs, with `access` to its sources.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub(crate) fn new(access: Access, cx: &Context) -> Result<Self, StepError> {
        Ok(Self {
            client: http::client(!access.headers.is_empty(), cx.scope.stand_in.is_some())?,
            access: Arc::new(access),
            buckets: Arc::default(),
            scope: cx.scope.clone(),
            clock: Arc::clone(&cx.clock),
            progress: cx.progress.clone(),
        })
    }

    /// The same for a plan, which looks at sources and reads nothing of them.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub(crate) fn looking(access: Access, scope: &Scope) -> Result<Self, StepError> {
        Ok(Self {
            client: http::client(!access.headers.is_empty(), scope.stand_in.is_some())?,
            access: Arc::new(access),
            buckets: Arc::default(),
            scope: scope.clone(),
            clock: Arc::new(SystemClock),
            progress: Progress::none(),
        })
    }

    /// Bytes `range` of a source file; `None` when there is no such file.
    ///
    /// # Errors
    /// Anything but an answer to that; a server that ignores ranges is read whole when the file
    /// is small enough, else refused.
    pub(crate) async fn part(&self, place: &Place, range: Range<u64>) -> Result<Option<Part>, StepError> {
        self.extent(place, &Extent::Range(range)).await
    }

    /// The same of bytes that may be counted from the end.
    ///
    /// # Errors
    /// As [`Net::part`].
    pub(crate) async fn extent(&self, place: &Place, extent: &Extent) -> Result<Option<Part>, StepError> {
        let part = match &*self.asked(place)? {
            Place::Http(url) => self.http_part(place, url, extent).await?,
            Place::S3 { bucket, key } => self.object_part(place, bucket, key, extent).await?,
            Place::File(path) => match local::size(place, path).await? {
                Some(size) => local::part(place, path.clone(), extent.of(size)).await?,
                None => None,
            },
        };
        if part.as_ref().is_some_and(|part| part.size == 0) {
            return Err(self.empty(place));
        }
        let bytes = part.as_ref().map_or(0, |part| part.bytes.len() as u64);
        self.progress.tick(Tick::Spent(Spent { bytes, ..Spent::default() }));
        Ok(part)
    }

    /// Bytes of a source file as its server or folder tells them; `None` when there is no such file,
    /// or nobody says. No bytes of it are read.
    ///
    /// # Errors
    /// When that could not be found out.
    pub(crate) async fn size(&self, place: &Place) -> Result<Option<u64>, StepError> {
        match &*self.asked(place)? {
            Place::Http(url) => self.http_size(place, url).await,
            Place::S3 { bucket, key } => self.object_size(place, bucket, key).await,
            Place::File(path) => local::size(place, path).await,
        }
    }

    /// What tells this version of a source file from another one; `None` when there is no such file. No
    /// bytes of it are read.
    ///
    /// # Errors
    /// When that could not be found out.
    pub(crate) async fn state(&self, place: &Place) -> Result<Option<FileState>, StepError> {
        match &*self.asked(place)? {
            Place::Http(url) => self.http_state(place, url).await,
            Place::S3 { bucket, key } => self.object_state(place, bucket, key).await,
            Place::File(path) => local::state(place, path).await,
        }
    }

    /// Whether there is such a source file. No bytes of it are read.
    ///
    /// # Errors
    /// When that could not be found out.
    pub(crate) async fn exists(&self, place: &Place) -> Result<bool, StepError> {
        match &*self.asked(place)? {
            Place::Http(url) => self.http_exists(place, url).await,
            Place::S3 { bucket, key } => self.object_exists(place, bucket, key).await,
            Place::File(path) => local::exists(place, path).await,
        }
    }

    /// A listing as text, a page too; `None` when there is none.
    ///
    /// # Errors
    /// Anything but an answer to that.
    pub(crate) async fn listing(&self, place: &Place) -> Result<Option<String>, StepError> {
        match &*self.asked(place)? {
            Place::Http(url) => self.http_listing(place, url).await,
            Place::File(path) => local::text(place, path).await,
            Place::S3 { .. } => {
                let message = format!("{place}: a listing is read over HTTP or from a file");
                Err(self.permanent(ErrorKind::Data, message))
            }
        }
    }

    /// A small document, such as the metadata of a store; `None` when there is none.
    ///
    /// # Errors
    /// Anything but an answer to that, and when it is longer than `most` bytes.
    pub(crate) async fn document(&self, place: &Place, most: u64) -> Result<Option<Bytes>, StepError> {
        let bytes = match &*self.asked(place)? {
            Place::Http(url) => self.http_whole(place, url, most, true).await?,
            Place::S3 { bucket, key } => {
                let part = self.object_part(place, bucket, key, &Extent::Range(0..most)).await?;
                part.filter(|part| part.size <= most).map(|part| part.bytes)
            }
            Place::File(path) => local::part(place, path.clone(), 0..most).await?.map(|part| part.bytes),
        };
        if let Some(bytes) = &bytes {
            let bytes = bytes.len() as u64;
            self.progress.tick(Tick::Spent(Spent { requests: 1, bytes, ..Spent::default() }));
        }
        Ok(bytes)
    }

    /// Brings a whole source file to `to`, which is created; `None` when there is no such file.
    /// Gives its length, which is what the server announced.
    ///
    /// # Errors
    /// Anything but an answer to that; `to` may then hold a part.
    pub(crate) async fn download(&self, place: &Place, to: &Path) -> Result<Option<u64>, StepError> {
        let length = match &*self.asked(place)? {
            Place::Http(url) => self.http_download(place, url, to).await?,
            Place::S3 { bucket, key } => self.object_download(place, bucket, key, to).await?,
            Place::File(path) => local::copy(place, path, to).await?,
        };
        if length == Some(0) {
            return Err(self.empty(place));
        }
        if let Some(bytes) = length {
            self.progress.tick(Tick::Spent(Spent { requests: 1, bytes, ..Spent::default() }));
        }
        Ok(length)
    }

    /// A name for the bytes at `place`: that of another URL differs, and that of one asked as
    /// somebody else, who may be told something else.
    pub(crate) fn name(&self, place: &Place) -> String {
        let asked = match place {
            // What is shown of it has no query.
            Place::Http(url) => url.to_string(),
            Place::S3 { .. } | Place::File(_) => place.to_string(),
        };
        // As they are written, secrets by their names.
        let access = format!("{:?}", self.access);
        blake3::hash(format!("{asked}\n{access}").as_bytes()).to_hex().to_string()
    }

    /// Where it is asked for: in tests of a server that stands in for all sources.
    pub(crate) fn asked<'a>(&self, place: &'a Place) -> Result<Cow<'a, Place>, StepError> {
        match &self.scope.stand_in {
            Some(server) => place.at_stand_in(server).map(Cow::Owned),
            None => Ok(Cow::Borrowed(place)),
        }
    }

    fn empty(&self, place: &Place) -> StepError {
        self.transient(format!("{place} is empty"))
    }

    /// An error that may pass, without secrets.
    fn transient(&self, message: impl AsRef<str>) -> StepError {
        StepError::transient(ErrorKind::Network, self.scope.secrets.redact(message.as_ref()))
    }

    /// An error that does not pass, without secrets.
    fn permanent(&self, kind: ErrorKind, message: impl AsRef<str>) -> StepError {
        StepError::permanent(kind, self.scope.secrets.redact(message.as_ref()))
    }
}
