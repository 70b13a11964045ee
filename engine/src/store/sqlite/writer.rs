use std::{
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::tables::{self, Failed, Head, News};
use crate::{
    data::{NodeId, RunId, Spent},
    store::RunStoreError,
};

/// Changes that wait while a transaction is synced. More than a scheduler ever has under way; who
/// finds it full waits.
const WAITING: usize = 64;

/// A change to the run history.
#[derive(Debug)]
pub(super) enum Change {
    Create {
        run: RunId,
        head: Head,
        lines: Vec<Result<String, String>>,
    },
    Append {
        run: RunId,
        after: usize,
        lines: Vec<Result<String, String>>,
        news: News,
        spent: Vec<(NodeId, Spent)>,
    },
    Remove {
        run: RunId,
    },
}

type Answer = oneshot::Sender<Result<(), RunStoreError>>;

/// The one thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    changes: Option<mpsc::Sender<(Change, Answer)>>,
    thread: Option<JoinHandle<()>>,
    place: PathBuf,
}

impl Writer {
    pub(super) fn start(connection: Connection, place: PathBuf) -> Result<Self, RunStoreError> {
        let (changes, waiting) = mpsc::channel(WAITING);
        let at = place.clone();
        let thread = std::thread::Builder::new()
            .name("run-log".to_owned())
            .spawn(move || write(connection, waiting, &at))
            .map_err(|error| RunStoreError::Unusable {
                place: place.display().to_string(),
                doing: "write",
                why: error.to_string(),
            })?;
        Ok(Self { changes: Some(changes), thread: Some(thread), place })
    }

    /// Makes a change; durable on return.
    pub(super) async fn submit(&self, change: Change) -> Result<(), RunStoreError> {
        let (answer, answered) = oneshot::channel();
        let gone = || RunStoreError::Unusable {
            place: self.place.display().to_string(),
            doing: "write",
            why: "its writer has stopped".to_owned(),
        };
        let changes = self.changes.as_ref().ok_or_else(gone)?;
        changes.send((change, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.changes.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(place = %self.place.display(), "the writer of the run history failed");
        }
    }
}

fn write(mut connection: Connection, mut waiting: mpsc::Receiver<(Change, Answer)>, place: &Path) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < WAITING
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        for (answer, result) in commit(&mut connection, group, place) {
            // Who asked may have been told to stop meanwhile; the change stands all the same.
            if answer.send(result).is_err() {
                tracing::debug!("nobody waits for a change of the run history any more");
            }
        }
    }
}

/// One transaction for all; a change that is refused leaves no trace and does not hinder the others.
fn commit(
    connection: &mut Connection,
    group: Vec<(Change, Answer)>,
    place: &Path,
) -> Vec<(Answer, Result<(), RunStoreError>)> {
    let (changes, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let results = match transact(connection, &changes) {
        Ok(results) => {
            results.into_iter().map(|result| result.map_err(|failed| failed.at("write", place))).collect()
        }
        Err(error) => {
            let failed = |_| tables::refused(&error, "write", place);
            answers.iter().map(failed).map(Err).collect::<Vec<_>>()
        }
    };
    answers.into_iter().zip(results).collect()
}

fn transact(
    connection: &mut Connection,
    changes: &[Change],
) -> Result<Vec<Result<(), Failed>>, rusqlite::Error> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(changes.len());
    for change in changes {
        let savepoint = transaction.savepoint()?;
        let result = apply(&savepoint, change);
        if result.is_ok() {
            savepoint.commit()?;
        } else {
            savepoint.finish()?;
        }
        results.push(result);
    }
    transaction.commit()?;
    Ok(results)
}

fn apply(connection: &Connection, change: &Change) -> Result<(), Failed> {
    match change {
        Change::Create { run, head, lines } => tables::create(connection, run, head, lines),
        Change::Append { run, after, lines, news, spent } => {
            tables::append(connection, run, *after, lines, *news)?;
            tables::spend(connection, run, spent)
        }
        Change::Remove { run } => tables::remove(connection, run),
    }
}
