use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::{
    tables::{stamp, unstamp},
    tokens::written,
};
use crate::store::{RunStoreError, notices::Notice};

/// Notices that are read at once: who is told is a handful, and each is tried by itself.
const AT_ONCE: i64 = 100;

pub(in crate::store) async fn note(state: &Path, notices: Vec<Notice>) -> Result<usize, RunStoreError> {
    written(state, move |connection| {
        let mut new = 0;
        for one in &notices {
            new += connection
                .prepare_cached(
                    "INSERT INTO notices (subject, occasion, target, at, content, tries, next)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    one.subject,
                    one.occasion,
                    one.target,
                    stamp(one.at),
                    one.content,
                    one.tries,
                    one.next.map(stamp)
                ])?;
        }
        Ok(new)
    })
    .await
}

/// What stands where others have a subject and an occasion: when a target was first heard of.
const SINCE: [&str; 2] = ["", "since"];

pub(in crate::store) async fn since(
    state: &Path,
    target: String,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, RunStoreError> {
    written(state, move |connection| {
        let [subject, occasion] = SINCE;
        connection.execute(
            "INSERT INTO notices (subject, occasion, target, at, content, tries)
             VALUES (?1, ?2, ?3, ?4, '', 0) ON CONFLICT DO NOTHING",
            params![subject, occasion, target, stamp(now)],
        )?;
        let sql = "SELECT at FROM notices WHERE subject = ?1 AND occasion = ?2 AND target = ?3";
        let at: String = connection.query_row(sql, params![subject, occasion, target], |row| row.get(0))?;
        unstamp(&at)
    })
    .await
}

pub(in crate::store) async fn waiting(state: &Path) -> Result<Vec<Notice>, RunStoreError> {
    written(state, move |connection| {
        let mut select = connection.prepare(
            "SELECT subject, occasion, target, at, content, tries, next FROM notices
             WHERE next IS NOT NULL ORDER BY next LIMIT ?1",
        )?;
        let mut rows = select.query([AT_ONCE])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let next: Option<String> = row.get(6)?;
            found.push(Notice {
                subject: row.get(0)?,
                occasion: row.get(1)?,
                target: row.get(2)?,
                at: unstamp(&row.get::<_, String>(3)?)?,
                content: row.get(4)?,
                tries: row.get(5)?,
                next: next.as_deref().map(unstamp).transpose()?,
            });
        }
        Ok(found)
    })
    .await
}

pub(in crate::store) async fn tried(state: &Path, notice: Notice) -> Result<(), RunStoreError> {
    written(state, move |connection| {
        connection.execute(
            "UPDATE notices SET tries = ?4, next = ?5 WHERE subject = ?1 AND occasion = ?2 AND target = ?3",
            params![notice.subject, notice.occasion, notice.target, notice.tries, notice.next.map(stamp)],
        )?;
        Ok(())
    })
    .await
}

pub(in crate::store) async fn over(
    state: &Path,
    subject: String,
    occasion: String,
) -> Result<(), RunStoreError> {
    written(state, move |connection| {
        connection.execute(
            "DELETE FROM notices WHERE subject = ?1 AND occasion = ?2 AND next IS NULL",
            params![subject, occasion],
        )?;
        Ok(())
    })
    .await
}

pub(in crate::store) async fn forget(state: &Path, before: DateTime<Utc>) -> Result<(), RunStoreError> {
    written(state, move |connection| {
        let sql = "DELETE FROM notices WHERE next IS NULL AND at < ?1 AND subject <> ?2";
        connection.execute(sql, params![stamp(before), SINCE[0]])?;
        Ok(())
    })
    .await
}
