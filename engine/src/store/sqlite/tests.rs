use super::*;
use crate::store::{MemoryStore, Seen, Token, TokenRole, Tokens, conformance};

#[tokio::test]
async fn memory_conforms() {
    conformance::check(&MemoryStore::new()).await.unwrap();
}

#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::check(&SqliteStore::open(folder.path()).await.unwrap()).await.unwrap();
}

/// What was appended is there for another process, and after the first is gone.
#[tokio::test]
async fn what_is_appended_outlives_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let query = RunQuery::default();
    let first = SqliteStore::open(folder.path()).await.unwrap();
    conformance::check(&first).await.unwrap();
    let before = first.list(&query).await.unwrap();
    let second = SqliteStore::open(folder.path()).await.unwrap();
    assert_eq!(second.list(&query).await.unwrap(), before);
    drop(first);
    let third = SqliteStore::open_to_read(folder.path()).await.unwrap().unwrap();
    assert_eq!(third.list(&query).await.unwrap(), before);
    let run = &before[0].run;
    assert_eq!(third.load(run).await.unwrap(), second.load(run).await.unwrap());
}

#[tokio::test]
async fn looking_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    assert!(SqliteStore::open_to_read(&state).await.unwrap().is_none());
    assert!(!state.exists());
}

#[tokio::test]
async fn what_cannot_be_read_is_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(tables::FILE),
        "this is no database, and longer than a header ".repeat(99),
    )
    .unwrap();
    let error = SqliteStore::open_to_read(folder.path()).await.unwrap_err();
    assert!(matches!(error, RunStoreError::Damaged { .. }), "{error}");

    let later = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(later.path()).await.unwrap());
    let connection = Connection::open(later.path().join(tables::FILE)).unwrap();
    connection.pragma_update(None, "user_version", open::SCHEMA + 1).unwrap();
    for opened in [
        SqliteStore::open(later.path()).await.map(|_| ()),
        SqliteStore::open_to_read(later.path()).await.map(|_| ()),
    ] {
        let error = opened.unwrap_err();
        let newer = matches!(error, RunStoreError::Newer { found, known, .. } if found == known + 1);
        assert!(newer, "{error}");
    }
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "in the way").unwrap();
    let error = SqliteStore::open(&folder.path().join("file/state")).await.unwrap_err();
    assert!(matches!(error, RunStoreError::Unusable { doing: "open", .. }), "{error}");
    assert!(error.to_string().contains("file/state"), "{error}");
}

#[tokio::test]
async fn a_line_that_is_not_ours_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    conformance::check(&store).await.unwrap();
    let connection = Connection::open(folder.path().join(tables::FILE)).unwrap();
    connection.execute("UPDATE events SET line = '{}' WHERE run = 'order' AND place = 3", []).unwrap();
    let error = store.load(&"order".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("event 3 of run `order`"), "{error}");
}

/// Two stores on one file, each with its own writer: nobody is told that the file is locked.
#[tokio::test(flavor = "multi_thread")]
async fn two_writers_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let seed = SqliteStore::open(folder.path()).await.unwrap();
    conformance::check(&seed).await.unwrap();
    let template = seed.load(&"order".parse().unwrap()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let store = Arc::new(SqliteStore::open(folder.path()).await.unwrap());
        for n in 0..4 {
            let (store, template) = (Arc::clone(&store), template.clone());
            tasks.spawn(async move {
                let run: RunId = format!("w{writer}-{n}").parse().unwrap();
                store.create(&run, &template[..1]).await.unwrap();
                for at in 1..template.len() {
                    store.append(&run, at, &template[at..=at]).await.unwrap();
                }
                assert_eq!(store.load(&run).await.unwrap(), template);
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// A history of each older version, with a run that is finished and one that is not.
const OLDER: [&str; 6] = [
    include_str!("fixtures/v1.sql"),
    include_str!("fixtures/v2.sql"),
    include_str!("fixtures/v3.sql"),
    include_str!("fixtures/v4.sql"),
    include_str!("fixtures/v5.sql"),
    include_str!("fixtures/v6.sql"),
];

#[tokio::test]
async fn every_older_version_is_read_as_it_is_and_brought_up_to_date() {
    assert_eq!(OLDER.len() + 1, open::MIGRATIONS.len(), "each version that was gets a fixture");
    for (text, version) in OLDER.iter().zip(1i64..) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(tables::FILE);
        let old = Connection::open(&place).unwrap();
        old.execute_batch(text).unwrap();
        let found = |connection: &Connection| -> i64 {
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(found(&old), version);
        let query = RunQuery::default();
        let read = SqliteStore::open_to_read(folder.path()).await.unwrap().unwrap();
        let before = read.list(&query).await.unwrap();
        assert_eq!(before.len(), 2, "version {version}");
        let rainfall = "rainfall".parse().unwrap();
        let noted = usize::from(version > 2);
        assert_eq!(read.spent(&rainfall, 9).await.unwrap().len(), noted, "version {version}");
        assert_eq!(read.keyed("none").await.unwrap(), None);
        assert!(Seen::in_folder(folder.path()).all().await.unwrap().is_empty());
        assert_eq!(read.summary(&before[0].run).await.unwrap(), before[0]);
        assert_eq!(Tokens::in_folder(folder.path()).list().await.unwrap(), []);
        assert_eq!(found(&old), version, "looking changes nothing");
        let store = SqliteStore::open(folder.path()).await.unwrap();
        assert_eq!(found(&old), open::SCHEMA);
        assert!(before.iter().all(|run| run.started.is_none()), "it was not noted then");
        let after = store.list(&query).await.unwrap();
        let unlike = |run: &RunSummary| RunSummary { started: None, ..run.clone() };
        assert_eq!(after.iter().map(unlike).collect::<Vec<_>>(), before);
        for run in after {
            let events = store.load(&run.run).await.unwrap();
            let state = crate::event::RunState::fold(&events).unwrap();
            assert_eq!(state.finished, run.finished);
            assert_eq!(run.started, crate::store::opened_at(&events), "version {version}");
            assert!(run.started.is_some());
            if run.finished.is_none() {
                let event = RunEvent::new(run.accepted, crate::event::Event::Opened { process: 1 });
                store.append(&run.run, events.len(), &[event]).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn what_triggers_have_seen_is_kept_by_pipeline_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::in_folder(folder.path());
    assert!(seen.all().await.unwrap().is_empty());
    assert!(!folder.path().join(tables::FILE).exists(), "looking makes nothing");
    let store = SqliteStore::open(folder.path()).await.unwrap();
    let (rain, snow): (PipelineId, PipelineId) = ("rain".parse().unwrap(), "snow".parse().unwrap());
    for (pipeline, trigger, what) in
        [(&rain, "daily", "1"), (&snow, "daily", "2"), (&rain, "dataset ice", "S"), (&rain, "daily", "3")]
    {
        seen.note(pipeline, trigger, what).await.unwrap();
    }
    seen.forget(&rain, "dataset ice").await.unwrap();
    let name = |pipeline: &PipelineId| (pipeline.clone(), "daily".to_owned());
    let all: std::collections::BTreeMap<_, _> = [(name(&rain), "3".into()), (name(&snow), "2".into())].into();
    assert_eq!(seen.all().await.unwrap(), all);
    drop(store);
    std::fs::write(folder.path().join(tables::FILE), "no database").unwrap();
    assert!(seen.all().await.is_err(), "what cannot be read is not empty");
}

/// What a migration makes is what a new history has.
#[tokio::test]
async fn a_history_that_was_brought_up_to_date_is_like_a_new_one() {
    let tables = |folder: &Path| -> Vec<String> {
        let connection = Connection::open(folder.join(tables::FILE)).unwrap();
        let mut select =
            connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
        let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|sql| sql.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let new = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(new.path()).await.unwrap());
    for (text, version) in OLDER.iter().zip(1..) {
        let old = tempfile::tempdir().unwrap();
        Connection::open(old.path().join(tables::FILE)).unwrap().execute_batch(text).unwrap();
        drop(SqliteStore::open(old.path()).await.unwrap());
        assert_eq!(tables(old.path()), tables(new.path()), "version {version}");
    }
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join(tables::FILE)).unwrap();
    connection.execute_batch("CREATE TABLE photos (name TEXT)").unwrap();
    let error = SqliteStore::open(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    let count: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn an_event_of_a_later_frazil_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    conformance::check(&store).await.unwrap();
    let connection = Connection::open(folder.path().join(tables::FILE)).unwrap();
    let line = r#"{"v":7,"at":"2030-01-01T00:00:00Z","event":{"dreamt":{"of":"snow"}}}"#;
    connection.execute("UPDATE events SET line = ?1 WHERE run = 'order' AND place = 3", [line]).unwrap();
    let error = store.load(&"order".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, RunStoreError::Newer { found: 7, .. }), "{error}");
}

#[tokio::test]
async fn what_was_opened_to_be_read_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    conformance::check(&SqliteStore::open(folder.path()).await.unwrap()).await.unwrap();
    let read = SqliteStore::open_to_read(folder.path()).await.unwrap().unwrap();
    let error = read.remove(&"order".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, RunStoreError::Unusable { doing: "write", .. }), "{error}");
}

/// Transactions in the log that SQLite keeps beside the file: the last frame of each says how many
/// pages there are.
fn transactions(place: &Path) -> usize {
    let mut log = place.as_os_str().to_owned();
    log.push("-wal");
    let bytes = std::fs::read(PathBuf::from(log)).unwrap();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let frame = 24 + number(8) as usize;
    let frames = (32..).step_by(frame).take_while(|at| at + frame <= bytes.len());
    // Frames of an earlier round of the log have another salt.
    frames.filter(|at| bytes[at + 8..at + 16] == bytes[16..24] && number(at + 4) > 0).count()
}

/// What waits while a transaction is synced is synced together.
#[tokio::test]
async fn what_waits_is_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(tables::FILE);
    let store = SqliteStore::open(folder.path()).await.unwrap();
    conformance::check(&store).await.unwrap();
    let first = store.load(&"order".parse().unwrap()).await.unwrap().remove(0);
    // Somebody else is at work, so that the writer cannot go on yet.
    let other = Connection::open(&place).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = transactions(&place);
    let runs: Vec<RunId> = (0..40).map(|n| format!("together-{n}").parse().unwrap()).collect();
    let events = [first];
    let mut creates: Vec<_> = runs.iter().map(|run| store.create(run, &events)).collect();
    for create in &mut creates {
        assert!(futures::poll!(create).is_pending());
    }
    other.execute_batch("ROLLBACK").unwrap();
    for created in futures::future::join_all(creates).await {
        created.unwrap();
    }
    // The first of them may have been taken before the others came.
    assert!(transactions(&place) - before <= 2, "{}", transactions(&place) - before);
}

#[test]
fn many_open_a_new_history_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(tables::FILE);
        let ready = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    ready.wait();
                    open::open(&place).unwrap();
                });
            }
        });
    }
}

fn token(name: &str, digest: u8) -> Token {
    let created = chrono::DateTime::UNIX_EPOCH;
    let role = TokenRole::Operator;
    Token { name: name.to_owned(), digest: [digest; 32], role, created, expires: None, revoked: None }
}

#[tokio::test]
async fn tokens_are_kept_beside_the_runs_and_never_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let tokens = Tokens::in_folder(&state);
    assert_eq!(tokens.list().await.unwrap(), []);
    assert!(!state.exists(), "looking makes nothing");
    let at = |days| chrono::DateTime::UNIX_EPOCH + chrono::Days::new(days);
    let short = Token { expires: Some(at(2)), ..token("short", 2) };
    assert!(tokens.create(token("ada", 1)).await.unwrap());
    assert!(tokens.create(short.clone()).await.unwrap());
    assert!(!tokens.create(token("ada", 3)).await.unwrap(), "a name is taken once");
    assert_eq!(tokens.list().await.unwrap(), [token("ada", 1), short.clone()]);
    assert!(short.is_good(at(1)) && !short.is_good(at(2)));
    assert!(tokens.revoke("ada", at(3)).await.unwrap());
    assert!(!tokens.revoke("ada", at(4)).await.unwrap());
    assert!(!tokens.revoke("nobody", at(4)).await.unwrap());
    assert!(!tokens.create(token("ada", 3)).await.unwrap(), "a name that ended is not taken again");
    let ended = Token { revoked: Some(at(3)), ..token("ada", 1) };
    assert!(!ended.is_good(at(1)));
    assert_eq!(tokens.list().await.unwrap(), [ended, short]);
    drop(SqliteStore::open(&state).await.unwrap());
}

/// What cannot be read is not "no tokens": that would open a server to everybody.
#[tokio::test]
async fn tokens_that_cannot_be_read_are_not_none() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = Tokens::in_folder(folder.path());
    tokens.create(token("ada", 1)).await.unwrap();
    let connection = Connection::open(folder.path().join(tables::FILE)).unwrap();
    connection.execute("UPDATE tokens SET role = 'god'", []).unwrap();
    assert!(tokens.list().await.unwrap_err().to_string().contains("`god` is not a role"));
    connection.execute("UPDATE tokens SET role = 'viewer', digest = x'00'", []).unwrap();
    assert!(tokens.list().await.unwrap_err().to_string().contains("cut short"));
    drop(connection);
    std::fs::write(folder.path().join(tables::FILE), "no database at all, longer than a header".repeat(99))
        .unwrap();
    assert!(tokens.list().await.is_err());
}
