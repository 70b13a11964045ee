use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{
    blocking, open,
    tables::{self, Failed, stamp, unstamp},
};
use crate::store::{RunStoreError, tokens::Token};

/// Tokens by name; none where there is no history, or one of before there were tokens.
pub(in crate::store) async fn list(state: &Path) -> Result<Vec<Token>, RunStoreError> {
    let place = state.join(tables::FILE);
    blocking("read", place.clone(), move || {
        match place.try_exists() {
            Ok(true) => {}
            Ok(false) => return Ok(Vec::new()),
            Err(error) => return Err(unusable(&place, "read", error.to_string())),
        }
        let Some(connection) = open::open_to_read(&place)? else { return Ok(Vec::new()) };
        listed(&connection).map_err(|failed| failed.at("read", &place))
    })
    .await
}

fn unusable(place: &Path, doing: &'static str, why: String) -> RunStoreError {
    RunStoreError::Unusable { place: place.display().to_string(), doing, why }
}

fn listed(connection: &Connection) -> Result<Vec<Token>, Failed> {
    if !connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'tokens'")?.exists([])? {
        return Ok(Vec::new());
    }
    let mut select = connection
        .prepare("SELECT name, digest, role, created, expires, revoked FROM tokens ORDER BY name")?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let digest: Vec<u8> = row.get(1)?;
        let digest = <[u8; 32]>::try_from(digest)
            .map_err(|_| Failed::Text(format!("the digest of token `{name}` is cut short")))?;
        let role: String = row.get(2)?;
        let instant = |text: Option<String>| text.as_deref().map(unstamp).transpose();
        found.push(Token {
            role: role.parse().map_err(Failed::Text)?,
            created: unstamp(&row.get::<_, String>(3)?)?,
            expires: instant(row.get(4)?)?,
            revoked: instant(row.get(5)?)?,
            name,
            digest,
        });
    }
    Ok(found)
}

pub(in crate::store) async fn create(state: &Path, token: Token) -> Result<bool, RunStoreError> {
    written(state, move |connection| {
        let mut insert = connection.prepare(
            "INSERT INTO tokens (name, digest, role, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO NOTHING",
        )?;
        let made = insert.execute(params![
            token.name,
            token.digest.as_slice(),
            token.role.name(),
            stamp(token.created),
            token.expires.map(stamp)
        ])?;
        Ok(made > 0)
    })
    .await
}

pub(in crate::store) async fn revoke(
    state: &Path,
    name: String,
    now: DateTime<Utc>,
) -> Result<bool, RunStoreError> {
    written(state, move |connection| {
        let mut update =
            connection.prepare("UPDATE tokens SET revoked = ?2 WHERE name = ?1 AND revoked IS NULL")?;
        Ok(update.execute(params![name, stamp(now)])? > 0)
    })
    .await
}

/// Makes the history where there is none, and changes it.
pub(super) async fn written<T: Send + 'static>(
    state: &Path,
    change: impl FnOnce(&Connection) -> Result<T, Failed> + Send + 'static,
) -> Result<T, RunStoreError> {
    let place: PathBuf = state.join(tables::FILE);
    let state = state.to_owned();
    blocking("write", place.clone(), move || {
        std::fs::create_dir_all(&state).map_err(|error| unusable(&place, "open", error.to_string()))?;
        change(&open::open(&place)?).map_err(|failed| failed.at("write", &place))
    })
    .await
}
