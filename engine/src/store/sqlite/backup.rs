use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use chrono::Utc;
use rusqlite::{Connection, TransactionBehavior};

use super::{
    blocking, open,
    tables::{self, Failed},
    tokens::written,
};
use crate::store::RunStoreError;

/// Who may read a copy: it holds digests of tokens.
#[cfg(unix)]
const OWNER: u32 = 0o600;

pub(in crate::store) async fn backup(state: &Path, to: &Path) -> Result<(), RunStoreError> {
    let (place, to) = (state.join(tables::FILE), to.to_owned());
    blocking("read", place.clone(), move || {
        let none = || unusable(&place, "read", io::Error::from(io::ErrorKind::NotFound));
        let connection = open::open_to_read(&place)?.ok_or_else(none)?;
        if to.try_exists().map_err(|error| unusable(&to, "write", error))? {
            return Err(unusable(&to, "write", io::Error::from(io::ErrorKind::AlreadyExists)));
        }
        // Under its name there is never half a copy.
        let part = beside(&to, "part");
        private(&part).map_err(|error| unusable(&part, "write", error))?;
        let copied = copy(&connection, &part, &place).and_then(|()| settle(&part, &to));
        if copied.is_err() {
            // What failed says why; the rest of it is of no use.
            drop(std::fs::remove_file(&part));
        }
        copied
    })
    .await
}

/// A new empty file, which SQLite then fills.
fn private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER);
    options.open(path).map(drop)
}

/// One state of the history, however much is written meanwhile.
fn copy(connection: &Connection, part: &Path, place: &Path) -> Result<(), RunStoreError> {
    let copied = connection.execute("VACUUM INTO ?1", [part.to_string_lossy()]);
    copied.map_err(|error| Failed::Sql(error).at("read", place))?;
    whole(part)
}

/// Sees to it that a file is a whole history of a version that is known.
fn whole(file: &Path) -> Result<(), RunStoreError> {
    let damaged = |why: String| RunStoreError::Damaged { place: file.display().to_string(), why };
    let connection = open::open_to_read(file)?.ok_or_else(|| damaged("it is empty".to_owned()))?;
    let found: Result<String, _> = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match found {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(damaged(said)),
        Err(error) => Err(Failed::Sql(error).at("read", file)),
    }
}

/// Gives a file its name once all of it is on the disk.
fn settle(part: &Path, to: &Path) -> Result<(), RunStoreError> {
    let settled = || {
        File::open(part)?.sync_all()?;
        std::fs::rename(part, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    settled().map_err(|error| unusable(to, "write", error))
}

pub(in crate::store) async fn restore(from: &Path, state: &Path) -> Result<Option<String>, RunStoreError> {
    let (from, state) = (from.to_owned(), state.to_owned());
    let place = state.join(tables::FILE);
    blocking("write", place.clone(), move || {
        match from.try_exists() {
            Ok(true) => whole(&from)?,
            Ok(false) => return Err(unusable(&from, "read", io::Error::from(io::ErrorKind::NotFound))),
            Err(error) => return Err(unusable(&from, "read", error)),
        }
        std::fs::create_dir_all(&state).map_err(|error| unusable(&state, "write", error))?;
        let part = beside(&place, "part");
        private(&part).map_err(|error| unusable(&part, "write", error))?;
        let copied = std::fs::copy(&from, &part).map_err(|error| unusable(&part, "write", error));
        let put = copied.and_then(|_| {
            let kept = put_aside(&place)?;
            settle(&part, &place)?;
            Ok(kept)
        });
        if put.is_err() {
            drop(std::fs::remove_file(&part));
        }
        put
    })
    .await
}

/// Keeps the history that is there under another name too, if nobody has it open. It keeps its own until
/// another takes its place: who dies in between leaves a state as it was, and never none, in which nobody would
/// be asked for a token.
fn put_aside(place: &Path) -> Result<Option<String>, RunStoreError> {
    if !place.try_exists().map_err(|error| unusable(place, "read", error))? {
        return Ok(None);
    }
    // A file that is damaged is moved all the same: who restores may do so because of that.
    if let Err(busy) = alone(place)
        && busy.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
    {
        let why = "a server or a run has it open; stop it first".to_owned();
        return Err(RunStoreError::Unusable { place: place.display().to_string(), doing: "write", why });
    }
    let aside = beside(place, &format!("before-{}", Utc::now().format("%Y%m%dT%H%M%S%.3fZ")));
    std::fs::hard_link(place, &aside).map_err(|error| unusable(&aside, "write", error))?;
    // Of a damaged file something may be left that SQLite would take for part of the new one.
    for end in ["-wal", "-shm"] {
        let rest = with_end(place, end);
        if rest.exists() {
            std::fs::rename(&rest, with_end(&aside, end)).map_err(|error| unusable(&rest, "write", error))?;
        }
    }
    Ok(Some(aside.display().to_string()))
}

/// Whether nobody else has a history open; brings all of it into its file.
fn alone(place: &Path) -> Result<(), rusqlite::Error> {
    let mut connection = Connection::open(place)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    connection.transaction_with_behavior(TransactionBehavior::Exclusive)?.commit()?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

pub(in crate::store) async fn probe(state: &Path) -> Result<(), RunStoreError> {
    written(state, |connection| {
        // A page is written and synced, as for any event.
        connection.pragma_update(None, "user_version", open::SCHEMA)?;
        Ok(())
    })
    .await
}

/// `name.end` beside a file.
fn beside(path: &Path, end: &str) -> PathBuf {
    with_end(path, &format!(".{end}"))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn unusable(place: &Path, doing: &'static str, error: impl ToString) -> RunStoreError {
    RunStoreError::Unusable { place: place.display().to_string(), doing, why: error.to_string() }
}

#[cfg(test)]
mod tests;
