use super::*;
use crate::store::{MemoryStore, conformance};

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
    let third = SqliteStore::open_existing(folder.path()).await.unwrap().unwrap();
    assert_eq!(third.list(&query).await.unwrap(), before);
    let run = &before[0].run;
    assert_eq!(third.load(run).await.unwrap(), second.load(run).await.unwrap());
}

#[tokio::test]
async fn looking_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    assert!(SqliteStore::open_existing(&state).await.unwrap().is_none());
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
    let error = SqliteStore::open_existing(folder.path()).await.unwrap_err();
    assert!(matches!(error, RunStoreError::Damaged { .. }), "{error}");

    let later = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(later.path()).await.unwrap());
    let connection = Connection::open(later.path().join(tables::FILE)).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    let error = SqliteStore::open(later.path()).await.unwrap_err();
    assert!(matches!(error, RunStoreError::Newer { found: 2, known: 1, .. }), "{error}");
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
