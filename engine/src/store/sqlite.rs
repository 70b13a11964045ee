//! Run logs in SQLite: one writer thread per process that gathers what waits into one transaction,
//! and processes kept apart by `BEGIN IMMEDIATE` with a busy timeout.

pub(super) mod backup;
pub(super) mod notices;
mod open;
pub(super) mod seen;
mod tables;
pub(super) mod tokens;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use rusqlite::Connection;

use super::{RunQuery, RunStore, RunStoreError, RunSummary, spent_of};
use crate::{
    data::{NodeId, PipelineId, RunId, Spent},
    event::RunEvent,
};
use writer::{Change, Writer};

/// Run logs in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    place: Arc<PathBuf>,
    reader: Arc<Mutex<Connection>>,
    /// None where it was opened to be read.
    writer: Option<Writer>,
}

impl SqliteStore {
    /// Opens the run history in a state folder; makes both where they are not there.
    ///
    /// # Errors
    /// When the folder cannot be written, or the file is damaged or of a later version.
    pub async fn open(state: &Path) -> Result<Self, RunStoreError> {
        let state = state.to_owned();
        blocking("open", state.join(tables::FILE), move || {
            std::fs::create_dir_all(&state).map_err(|error| RunStoreError::Unusable {
                place: state.display().to_string(),
                doing: "open",
                why: error.to_string(),
            })?;
            Self::connect(state.join(tables::FILE))
        })
        .await
    }

    /// Opens the run history in a state folder to be read, if there is one: looking makes and
    /// changes nothing, and needs no right to.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub async fn open_to_read(state: &Path) -> Result<Option<Self>, RunStoreError> {
        let place = state.join(tables::FILE);
        blocking("open", place.clone(), move || match place.try_exists() {
            Ok(false) => Ok(None),
            Ok(true) => Ok(open::open_to_read(&place)?.map(|reader| Self::over(place, reader, None))),
            Err(error) => Err(RunStoreError::Unusable {
                place: place.display().to_string(),
                doing: "open",
                why: error.to_string(),
            }),
        })
        .await
    }

    fn connect(place: PathBuf) -> Result<Self, RunStoreError> {
        let writer = Writer::start(open::open(&place)?, place.clone())?;
        let reader = open::open(&place)?;
        Ok(Self::over(place, reader, Some(writer)))
    }

    fn over(place: PathBuf, reader: Connection, writer: Option<Writer>) -> Self {
        Self { place: Arc::new(place), reader: Arc::new(Mutex::new(reader)), writer }
    }

    async fn submit(&self, change: Change) -> Result<(), RunStoreError> {
        match &self.writer {
            Some(writer) => writer.submit(change).await,
            None => Err(RunStoreError::Unusable {
                place: self.place.display().to_string(),
                doing: "write",
                why: "it was opened to be read".to_owned(),
            }),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, tables::Failed> + Send + 'static,
    ) -> Result<T, RunStoreError> {
        let (reader, place) = (Arc::clone(&self.reader), Arc::clone(&self.place));
        blocking("read", self.place.to_path_buf(), move || {
            let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
            read(&connection).map_err(|failed| failed.at("read", &place))
        })
        .await
    }
}

/// Runs file work on a thread that may wait.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    place: PathBuf,
    work: impl FnOnce() -> Result<T, RunStoreError> + Send + 'static,
) -> Result<T, RunStoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(RunStoreError::Unusable { place: place.display().to_string(), doing, why: error.to_string() })
    })
}

#[async_trait]
impl RunStore for SqliteStore {
    async fn create(&self, run: &RunId, events: &[RunEvent]) -> Result<(), RunStoreError> {
        let summary = tables::Head::of(events).ok_or(RunStoreError::NotAccepted)?;
        self.submit(Change::Create { run: run.clone(), head: summary, lines: tables::encode(events) }).await
    }

    async fn append(&self, run: &RunId, after: usize, events: &[RunEvent]) -> Result<(), RunStoreError> {
        let news = tables::News::of(events);
        let lines = tables::encode(events);
        let spent = spent_of(events);
        self.submit(Change::Append { run: run.clone(), after, lines, news, spent }).await
    }

    async fn load(&self, run: &RunId) -> Result<Vec<RunEvent>, RunStoreError> {
        self.load_after(run, 0).await
    }

    async fn load_after(&self, run: &RunId, after: usize) -> Result<Vec<RunEvent>, RunStoreError> {
        let run = run.clone();
        self.read(move |connection| tables::load(connection, &run, after, usize::MAX)).await
    }

    async fn load_part(
        &self,
        run: &RunId,
        after: usize,
        most: usize,
    ) -> Result<Vec<RunEvent>, RunStoreError> {
        let run = run.clone();
        self.read(move |connection| tables::load(connection, &run, after, most)).await
    }

    async fn spent(&self, pipeline: &PipelineId, runs: usize) -> Result<Vec<(NodeId, Spent)>, RunStoreError> {
        let pipeline = pipeline.clone();
        self.read(move |connection| tables::spent(connection, &pipeline, runs)).await
    }

    async fn list(&self, query: &RunQuery) -> Result<Vec<RunSummary>, RunStoreError> {
        let query = query.clone();
        self.read(move |connection| tables::list(connection, &query)).await
    }

    async fn summary(&self, run: &RunId) -> Result<RunSummary, RunStoreError> {
        let run = run.clone();
        self.read(move |connection| tables::one(connection, &run)).await
    }

    async fn keyed(&self, key: &str) -> Result<Option<RunId>, RunStoreError> {
        let key = key.to_owned();
        self.read(move |connection| tables::keyed(connection, &key)).await
    }

    async fn remove(&self, run: &RunId) -> Result<(), RunStoreError> {
        self.submit(Change::Remove { run: run.clone() }).await
    }
}

#[cfg(test)]
mod tests;
