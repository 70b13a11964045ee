use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

use crate::{
    data::{NodeId, PipelineId, RunId, Spent},
    event::{Event, RunEvent, RunStatus, VERSION},
    store::{RunQuery, RunStoreError, RunSummary, key_of, opened_at},
};

pub(super) const FILE: &str = "runs.sqlite";

/// What went wrong inside a transaction.
#[derive(Debug)]
pub(super) enum Failed {
    /// SQLite said so.
    Sql(rusqlite::Error),
    /// We said so.
    Known(RunStoreError),
    /// A stored text is not what we wrote.
    Text(String),
    /// A later frazil wrote it.
    Newer {
        /// In this version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// What SQLite said, as what it means to who keeps the history.
pub(super) fn refused(error: &rusqlite::Error, doing: &'static str, place: &Path) -> RunStoreError {
    let (place, why) = (place.display().to_string(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => RunStoreError::Damaged { place, why },
        _ => RunStoreError::Unusable { place, doing, why },
    }
}

/// What the list of runs holds of a log.
#[derive(Debug)]
pub(super) struct Head {
    pipeline: PipelineId,
    instant: DateTime<Utc>,
    accepted: DateTime<Utc>,
    news: News,
    key: Option<String>,
}

/// What events bring that the list of runs holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct News {
    started: Option<DateTime<Utc>>,
    finished: Option<(RunStatus, DateTime<Utc>)>,
}

impl News {
    pub(super) fn of(events: &[RunEvent]) -> Self {
        Self { started: opened_at(events), finished: finish(events) }
    }
}

impl Head {
    pub(super) fn of(events: &[RunEvent]) -> Option<Self> {
        let first = events.first()?;
        let Event::Accepted(accepted) = &first.event else { return None };
        Some(Self {
            pipeline: accepted.pipeline.clone(),
            instant: accepted.instant,
            accepted: first.at,
            news: News::of(events),
            key: key_of(events).map(str::to_owned),
        })
    }
}

/// How and when a log that ends with these events is finished.
fn finish(events: &[RunEvent]) -> Option<(RunStatus, DateTime<Utc>)> {
    events.last().and_then(|event| match event.event {
        Event::Finished { status } => Some((status, event.at)),
        _ => None,
    })
}

/// Lines of the log. An event always encodes: it holds nothing that JSON cannot.
pub(super) fn encode(events: &[RunEvent]) -> Vec<Result<String, String>> {
    events.iter().map(|event| serde_json::to_string(event).map_err(|error| error.to_string())).collect()
}

pub(super) fn create(
    connection: &Connection,
    run: &RunId,
    head: &Head,
    lines: &[Result<String, String>],
) -> Result<(), Failed> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO runs (run, pipeline, instant, accepted, events)
         VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT DO NOTHING",
    )?;
    let inserted = insert.execute(params![
        run.as_str(),
        head.pipeline.as_str(),
        stamp(head.instant),
        stamp(head.accepted),
    ])?;
    if inserted == 0 {
        return Err(Failed::Known(RunStoreError::Exists(run.clone())));
    }
    if let Some(key) = &head.key {
        if let Some(other) = keyed(connection, key)? {
            return Err(Failed::Known(RunStoreError::Asked(other)));
        }
        connection
            .prepare_cached("INSERT INTO keys (key, run) VALUES (?1, ?2)")?
            .execute(params![key, run.as_str()])?;
    }
    append(connection, run, 0, lines, head.news)
}

/// The run that was accepted with a key; none in a history of a version that noted none.
pub(super) fn keyed(connection: &Connection, key: &str) -> Result<Option<RunId>, Failed> {
    if !connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'keys'")?.exists([])? {
        return Ok(None);
    }
    let mut select = connection.prepare_cached("SELECT run FROM keys WHERE key = ?1")?;
    let run: Option<String> = select.query_row([key], |row| row.get(0)).optional()?;
    let bad = |error: crate::data::InvalidId| Failed::Text(error.to_string());
    run.map(|run| run.parse().map_err(bad)).transpose()
}

pub(super) fn append(
    connection: &Connection,
    run: &RunId,
    after: usize,
    lines: &[Result<String, String>],
    News { started, finished }: News,
) -> Result<(), Failed> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT events FROM runs WHERE run = ?1")?
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?;
    let found = found.ok_or_else(|| Failed::Known(RunStoreError::NoRun(run.clone())))?;
    let place = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
    if found != place(after) {
        let found = usize::try_from(found).unwrap_or(0);
        return Err(Failed::Known(RunStoreError::Moved { run: run.clone(), expected: after, found }));
    }
    let mut insert =
        connection.prepare_cached("INSERT INTO events (run, place, line) VALUES (?1, ?2, ?3)")?;
    for (at, line) in (after..).zip(lines) {
        let line = line.as_ref().map_err(|why| Failed::Text(why.clone()))?;
        insert.execute(params![run.as_str(), place(at), line])?;
    }
    connection
        .prepare_cached(
            "UPDATE runs SET events = ?2, status = coalesce(?3, status), finished = coalesce(?4, finished),
                 started = coalesce(started, ?5)
             WHERE run = ?1",
        )?
        .execute(params![
            run.as_str(),
            place(after + lines.len()),
            finished.map(|(status, _)| status.name()),
            finished.map(|(_, at)| stamp(at)),
            started.map(stamp),
        ])?;
    Ok(())
}

/// Adds to what the nodes of a run did.
pub(super) fn spend(connection: &Connection, run: &RunId, spent: &[(NodeId, Spent)]) -> Result<(), Failed> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    for (node, spent) in spent {
        connection
            .prepare_cached(
                "INSERT INTO spent (run, node, periods, requests, bytes, millis) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET periods = periods + ?3, requests = requests + ?4,
                     bytes = bytes + ?5, millis = millis + ?6",
            )?
            .execute(params![
                run.as_str(),
                node.as_str(),
                number(spent.periods),
                number(spent.requests),
                number(spent.bytes),
                number(spent.millis),
            ])?;
    }
    Ok(())
}

/// What nodes of a pipeline did in its newest runs, newest first; nothing in a history of a
/// version that noted none.
pub(super) fn spent(
    connection: &Connection,
    pipeline: &PipelineId,
    runs: usize,
) -> Result<Vec<(NodeId, Spent)>, Failed> {
    if !connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'spent'")?.exists([])? {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(
        "WITH newest AS (
             SELECT run, accepted FROM runs
             WHERE pipeline = ?1 AND EXISTS (SELECT 1 FROM spent WHERE spent.run = runs.run)
             ORDER BY accepted DESC, run DESC LIMIT ?2)
         SELECT node, periods, requests, bytes, millis FROM newest JOIN spent USING (run)
         ORDER BY accepted DESC, run DESC, node",
    )?;
    let mut rows = select.query(params![pipeline.as_str(), i64::try_from(runs).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |at: usize| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or_default());
        let node: String = row.get(0)?;
        let node = node.parse().map_err(|error: crate::data::InvalidId| Failed::Text(error.to_string()))?;
        let (periods, requests, bytes, millis) = (number(1)?, number(2)?, number(3)?, number(4)?);
        found.push((node, Spent { periods, requests, bytes, millis }));
    }
    Ok(found)
}

pub(super) fn remove(connection: &Connection, run: &RunId) -> Result<(), Failed> {
    match connection.prepare_cached("DELETE FROM runs WHERE run = ?1")?.execute([run.as_str()])? {
        0 => Err(Failed::Known(RunStoreError::NoRun(run.clone()))),
        _ => Ok(()),
    }
}

/// Events of a log from the place `after` on.
pub(super) fn load(
    connection: &Connection,
    run: &RunId,
    after: usize,
    most: usize,
) -> Result<Vec<RunEvent>, Failed> {
    let mut select = connection
        .prepare_cached("SELECT line FROM events WHERE run = ?1 AND place >= ?2 ORDER BY place LIMIT ?3")?;
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let lines = select
        .query_map(params![run.as_str(), number(after), number(most)], |row| row.get::<_, String>(0))?;
    let mut events = Vec::new();
    for (place, line) in (after..).zip(lines) {
        let line = line?;
        let event = serde_json::from_str(&line).map_err(|error| match version(&line) {
            Some(found) if found > VERSION.into() => Failed::Newer { found, known: VERSION.into() },
            _ => Failed::Text(format!("event {place} of run `{run}` cannot be read: {error}")),
        })?;
        events.push(event);
    }
    if events.is_empty() {
        // A log holds one event at least; where none follows, it may be that there is no log.
        let mut select = connection.prepare_cached("SELECT 1 FROM runs WHERE run = ?1")?;
        if after == 0 || !select.exists([run.as_str()])? {
            return Err(Failed::Known(RunStoreError::NoRun(run.clone())));
        }
    }
    Ok(events)
}

/// The version that an event says it is of.
fn version(line: &str) -> Option<i64> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("v")?.as_i64()
}

pub(super) fn list(connection: &Connection, query: &RunQuery) -> Result<Vec<RunSummary>, Failed> {
    // Spelled out, so that the index of those that are not finished is found.
    let unfinished = if query.unfinished { "AND status IS NULL" } else { "" };
    let opened = if query.opened { "AND events > 1" } else { "" };
    let columns = columns(connection)?;
    let mut select = connection.prepare_cached(&format!(
        "SELECT {columns} FROM runs
         WHERE (?1 IS NULL OR pipeline = ?1) {unfinished} {opened}
         ORDER BY accepted DESC, run DESC LIMIT ?2",
    ))?;
    let limit = query.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let pipeline = query.pipeline.as_ref().map(PipelineId::as_str);
    let mut rows = select.query(params![pipeline, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(summary(row)?);
    }
    Ok(found)
}

/// One run of the list.
pub(super) fn one(connection: &Connection, run: &RunId) -> Result<RunSummary, Failed> {
    let columns = columns(connection)?;
    let mut select = connection.prepare_cached(&format!("SELECT {columns} FROM runs WHERE run = ?1"))?;
    let mut rows = select.query([run.as_str()])?;
    let row = rows.next()?.ok_or_else(|| Failed::Known(RunStoreError::NoRun(run.clone())))?;
    summary(row)
}

/// What a list is made of; when runs started is not known in a history of a version that did not note it.
fn columns(connection: &Connection) -> Result<String, Failed> {
    let mut select =
        connection.prepare_cached("SELECT 1 FROM pragma_table_info('runs') WHERE name = 'started'")?;
    let started = if select.exists([])? { "started" } else { "NULL" };
    Ok(format!("run, pipeline, instant, accepted, status, finished, events, {started}"))
}

fn summary(row: &Row<'_>) -> Result<RunSummary, Failed> {
    let run: String = row.get(0)?;
    let pipeline: String = row.get(1)?;
    let status: Option<String> = row.get(4)?;
    let finished = match (status, row.get::<_, Option<String>>(5)?) {
        (Some(status), Some(at)) => {
            let status = RunStatus::from_name(&status)
                .ok_or_else(|| Failed::Text(format!("run `{run}` has the status `{status}`")))?;
            Some((status, unstamp(&at)?))
        }
        _ => None,
    };
    let bad = |error: crate::data::InvalidId| Failed::Text(error.to_string());
    Ok(RunSummary {
        run: run.parse().map_err(bad)?,
        pipeline: pipeline.parse().map_err(bad)?,
        instant: unstamp(&row.get::<_, String>(2)?)?,
        accepted: unstamp(&row.get::<_, String>(3)?)?,
        started: row.get::<_, Option<String>>(7)?.map(|at| unstamp(&at)).transpose()?,
        finished,
        events: usize::try_from(row.get::<_, i64>(6)?).unwrap_or_default(),
    })
}

/// Instants as text of one length, so that they sort as they follow each other.
pub(super) fn stamp(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
}

pub(super) fn unstamp(text: &str) -> Result<DateTime<Utc>, Failed> {
    text.parse().map_err(|_| Failed::Text(format!("`{text}` is no instant")))
}
