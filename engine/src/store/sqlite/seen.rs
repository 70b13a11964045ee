use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, params};

use super::{
    blocking, open,
    tables::{self, Failed},
};
use crate::{data::PipelineId, store::RunStoreError};

type All = BTreeMap<(PipelineId, String), String>;

/// Nothing where there is no history, or one of a version that noted none.
pub(in crate::store) async fn all(state: &Path) -> Result<All, RunStoreError> {
    let place = state.join(tables::FILE);
    blocking("read", place.clone(), move || {
        match place.try_exists() {
            Ok(true) => {}
            Ok(false) => return Ok(All::new()),
            Err(error) => {
                let (place, why) = (place.display().to_string(), error.to_string());
                return Err(RunStoreError::Unusable { place, doing: "read", why });
            }
        }
        let Some(connection) = open::open_to_read(&place)? else { return Ok(All::new()) };
        listed(&connection).map_err(|failed| failed.at("read", &place))
    })
    .await
}

fn listed(connection: &Connection) -> Result<All, Failed> {
    if !connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'triggers'")?.exists([])? {
        return Ok(All::new());
    }
    let mut select = connection.prepare("SELECT pipeline, trigger, seen FROM triggers")?;
    let mut rows = select.query([])?;
    let mut found = All::new();
    while let Some(row) = rows.next()? {
        let pipeline: String = row.get(0)?;
        let pipeline =
            pipeline.parse().map_err(|error: crate::data::InvalidId| Failed::Text(error.to_string()))?;
        found.insert((pipeline, row.get(1)?), row.get(2)?);
    }
    Ok(found)
}

pub(in crate::store) async fn note(
    state: &Path,
    pipeline: PipelineId,
    trigger: String,
    seen: String,
) -> Result<(), RunStoreError> {
    change(state, move |connection| {
        connection.execute(
            "INSERT INTO triggers (pipeline, trigger, seen) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET seen = ?3",
            params![pipeline.as_str(), trigger, seen],
        )
    })
    .await
}

pub(in crate::store) async fn forget(
    state: &Path,
    pipeline: PipelineId,
    trigger: String,
) -> Result<(), RunStoreError> {
    change(state, move |connection| {
        let delete = "DELETE FROM triggers WHERE pipeline = ?1 AND trigger = ?2";
        connection.execute(delete, params![pipeline.as_str(), trigger])
    })
    .await
}

async fn change(
    state: &Path,
    change: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
) -> Result<(), RunStoreError> {
    let place = state.join(tables::FILE);
    blocking("write", place.clone(), move || {
        let connection = open::open(&place)?;
        change(&connection).map(drop).map_err(|error| tables::refused(&error, "write", &place))
    })
    .await
}
