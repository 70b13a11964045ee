use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::tables::{Failed, refused};
use crate::store::RunStoreError;

/// Longest wait for another process's transaction. They last milliseconds; a disk that syncs
/// slowly under load may take seconds.
const BUSY: Duration = Duration::from_secs(30);

/// Until opening is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// What brings the tables from one version to the next, from none on. The version stands in
/// `user_version`. What was released is never changed: a new version is a new text at the end.
pub(super) const MIGRATIONS: [&str; 7] = [
    "
    CREATE TABLE runs (
        run TEXT PRIMARY KEY,
        pipeline TEXT NOT NULL,
        instant TEXT NOT NULL,
        accepted TEXT NOT NULL,
        status TEXT,
        finished TEXT,
        events INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX runs_by_time ON runs (accepted DESC, run DESC);
    CREATE TABLE events (
        run TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        line TEXT NOT NULL,
        PRIMARY KEY (run, place)
    );
    ",
    // Each run begins by looking for dead ones of its pipeline.
    "
    CREATE INDEX runs_unfinished ON runs (pipeline, accepted DESC) WHERE status IS NULL;
    ",
    // Plans are measured by what earlier runs took, without reading their logs.
    "
    CREATE TABLE spent (
        run TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
        node TEXT NOT NULL,
        periods INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        millis INTEGER NOT NULL,
        PRIMARY KEY (run, node)
    ) WITHOUT ROWID;
    ",
    // Who asks again with a key is told of the run that it has.
    "
    CREATE TABLE keys (
        key TEXT PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE
    ) WITHOUT ROWID;
    CREATE INDEX keys_by_run ON keys (run);
    ",
    // Who may ask over HTTP, and who was told of what: a server that was restarted tells nobody twice.
    "
    CREATE TABLE tokens (
        name TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        role TEXT NOT NULL,
        created TEXT NOT NULL,
        expires TEXT,
        revoked TEXT
    ) WITHOUT ROWID;
    CREATE TABLE notices (
        subject TEXT NOT NULL,
        occasion TEXT NOT NULL,
        target TEXT NOT NULL,
        at TEXT NOT NULL,
        content TEXT NOT NULL,
        tries INTEGER NOT NULL,
        next TEXT,
        PRIMARY KEY (subject, occasion, target)
    ) WITHOUT ROWID;
    ",
    // A server that was restarted starts nothing twice, and nothing is lost.
    "
    CREATE TABLE triggers (
        pipeline TEXT NOT NULL,
        trigger TEXT NOT NULL,
        seen TEXT NOT NULL,
        PRIMARY KEY (pipeline, trigger)
    ) WITHOUT ROWID;
    ",
    // How long runs took is told without reading their logs.
    "
    ALTER TABLE runs ADD COLUMN started TEXT;
    UPDATE runs SET started = (
        SELECT json_extract(line, '$.at') FROM events
        WHERE events.run = runs.run AND json_type(line, '$.event.opened') IS NOT NULL
        ORDER BY place LIMIT 1);
    ",
];

/// The version of the tables that this frazil writes.
pub(super) const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// Pages that are held, in negative KiB: an append touches the last ones alone, so that more would only
/// let long runs take more memory.
const CACHE: i64 = -512;

/// The least length of a SQLite file that holds anything.
const PAGE: u64 = 512;

/// Opens a connection that writes; makes the tables where there are none, and brings those of an
/// older version up to date.
pub(super) fn open(place: &Path) -> Result<Connection, RunStoreError> {
    whole(place)?;
    let open = || {
        let mut connection = Connection::open(place)?;
        connection.busy_timeout(BUSY)?;
        look(&connection)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", CACHE)?;
        migrate(&mut connection)?;
        Ok(connection)
    };
    let began = Instant::now();
    loop {
        match open() {
            // Where several turn a new file into one with a log SQLite answers at once, whatever its timeout.
            Err(Failed::Sql(error)) if is_busy(&error) && began.elapsed() < BUSY => std::thread::sleep(PAUSE),
            opened => return opened.map_err(|failed: Failed| failed.at("open", place)),
        }
    }
}

/// Opens a connection that writes nothing, not even the files that SQLite keeps beside the history,
/// if it may not. Tables of an older version are read as they are. None where there are no tables.
pub(super) fn open_to_read(place: &Path) -> Result<Option<Connection>, RunStoreError> {
    whole(place)?;
    let open = |uri: String| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.busy_timeout(BUSY)?;
        let version = look(&connection)?;
        Ok((version > 0).then_some(connection))
    };
    let opened = match open(uri(place, "mode=ro")) {
        // The folder is read-only, so that nobody writes; with nothing in its log the file is whole.
        Err(Failed::Sql(error)) if is_shut(&error) && !has_log(place) => open(uri(place, "immutable=1")),
        opened => opened,
    };
    opened.map_err(|failed: Failed| failed.at("read", place))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn is_shut(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Whether there is anything that was not brought into the file itself yet.
fn has_log(place: &Path) -> bool {
    let mut log = place.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(PathBuf::from(log)).is_ok_and(|about| about.len() > 0)
}

/// A path as SQLite reads it in a URI.
fn uri(place: &Path, options: &str) -> String {
    let path = place.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?{options}")
}

/// SQLite takes what is shorter than a page for a new file and would write over it.
fn whole(place: &Path) -> Result<(), RunStoreError> {
    let length = std::fs::metadata(place).map_or(0, |about| about.len());
    if (1..PAGE).contains(&length) {
        let (place, why) = (place.display().to_string(), format!("it is cut short, to {length} bytes"));
        return Err(RunStoreError::Damaged { place, why });
    }
    Ok(())
}

/// The version of the tables; 0 where there are none.
fn look(connection: &Connection) -> Result<i64, Failed> {
    // In one transaction: somebody else may be making the tables.
    known(&*connection.unchecked_transaction()?)
}

/// As [`look`], inside a transaction.
fn known(connection: &Connection) -> Result<i64, Failed> {
    let found = version(connection)?;
    if found > SCHEMA {
        return Err(Failed::Newer { found, known: SCHEMA });
    }
    if !(0..=SCHEMA).contains(&found) || (found == 0 && !is_empty(connection)?) {
        return Err(Failed::Text("it is the database of another program".to_owned()));
    }
    Ok(found)
}

fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn is_empty(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn migrate(connection: &mut Connection) -> Result<(), Failed> {
    if version(connection)? == SCHEMA {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it while this one waited.
    let found = known(&transaction)?;
    for (migration, from) in MIGRATIONS.iter().zip(0i64..) {
        if from >= found {
            transaction.execute_batch(migration)?;
        }
    }
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()?;
    Ok(())
}

impl Failed {
    pub(super) fn at(self, doing: &'static str, place: &Path) -> RunStoreError {
        let shown = place.display().to_string();
        match self {
            Self::Known(error) => error,
            Self::Text(why) => RunStoreError::Damaged { place: shown, why },
            Self::Newer { found, known } => RunStoreError::Newer { place: shown, found, known },
            Self::Sql(error) => refused(&error, doing, place),
        }
    }
}
