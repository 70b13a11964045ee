use super::*;
use crate::store::{
    MemoryStore, Notice, Notices, RunQuery, RunStore, SqliteStore, Token, TokenRole, Tokens, conformance,
};

async fn state() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    conformance::check(&store).await.unwrap();
    let created = chrono::DateTime::UNIX_EPOCH;
    let token = Token {
        name: "ada".to_owned(),
        digest: [1; 32],
        role: TokenRole::Admin,
        created,
        expires: None,
        revoked: None,
    };
    assert!(Tokens::in_folder(folder.path()).create(token).await.unwrap());
    (folder, store)
}

#[tokio::test]
async fn a_copy_that_is_made_while_others_write_is_whole_and_can_be_used() {
    let (folder, store) = state().await;
    let copy = folder.path().join("copies with a space.sqlite");
    backup(folder.path(), &copy).await.unwrap();
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
        assert_eq!(mode & 0o777, OWNER);
    }
    let error = backup(folder.path(), &copy).await.unwrap_err();
    assert!(error.to_string().contains("exists"), "never over another copy: {error}");
    // What is written after it is not in it.
    let query = RunQuery::default();
    let before = store.list(&query).await.unwrap();
    store.remove(&before[0].run).await.unwrap();

    let other = tempfile::tempdir().unwrap();
    let state = other.path().join("state");
    assert_eq!(restore(&copy, &state).await.unwrap(), None);
    let restored = SqliteStore::open(&state).await.unwrap();
    assert_eq!(restored.list(&query).await.unwrap(), before);
    let tokens = Tokens::in_folder(&state).list().await.unwrap();
    assert_eq!(tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["ada"]);
    // It goes on being written.
    for run in &before {
        restored.remove(&run.run).await.unwrap();
    }
    conformance::check(&restored).await.unwrap();
    conformance::check(&MemoryStore::new()).await.unwrap();
    assert!(copy.exists(), "a copy can be used again");
}

#[tokio::test]
async fn nothing_is_put_in_place_of_what_somebody_has_open() {
    let (folder, store) = state().await;
    let copy = folder.path().join("copy");
    backup(folder.path(), &copy).await.unwrap();
    let error = restore(&copy, folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("a server or a run has it open"), "{error}");
    let runs = store.list(&RunQuery::default()).await.unwrap();
    store.remove(&runs[0].run).await.unwrap();
    drop(store);
    let aside = restore(&copy, folder.path()).await.unwrap().unwrap();
    let restored = SqliteStore::open(folder.path()).await.unwrap();
    assert_eq!(restored.list(&RunQuery::default()).await.unwrap(), runs);
    // What was there is kept, with what was written last.
    let old = open::open_to_read(Path::new(&aside)).unwrap().unwrap();
    let left: i64 = old.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(usize::try_from(left).unwrap(), runs.len() - 1);
}

#[tokio::test]
async fn what_is_no_copy_replaces_nothing() {
    let (folder, store) = state().await;
    drop(store);
    let file = folder.path().join("file");
    let copy = folder.path().join("copy");
    backup(folder.path(), &copy).await.unwrap();
    let whole = std::fs::read(&copy).unwrap();
    let mut torn = whole.clone();
    torn.truncate(whole.len() / 2);
    let text = b"this is no database, and longer than a header ".repeat(99);
    for bytes in [&torn[..], &text[..], &b"short"[..], &b""[..]] {
        std::fs::write(&file, bytes).unwrap();
        assert!(restore(&file, folder.path()).await.is_err(), "{} bytes", bytes.len());
    }
    assert!(restore(&folder.path().join("nothing"), folder.path()).await.is_err());
    let store = SqliteStore::open(folder.path()).await.unwrap();
    assert!(!store.list(&RunQuery::default()).await.unwrap().is_empty());
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{names:?}");
    let nothing = tempfile::tempdir().unwrap();
    assert!(backup(nothing.path(), &file).await.is_err());
    assert_eq!(std::fs::read_dir(nothing.path()).unwrap().count(), 0, "looking makes nothing");
}

#[tokio::test]
async fn a_damaged_state_is_put_aside_for_a_copy() {
    let (folder, store) = state().await;
    let copy = folder.path().join("copy");
    backup(folder.path(), &copy).await.unwrap();
    drop(store);
    std::fs::write(folder.path().join(tables::FILE), "no database ".repeat(999)).unwrap();
    assert!(restore(&copy, folder.path()).await.unwrap().is_some());
    assert_eq!(Tokens::in_folder(folder.path()).list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_state_that_cannot_be_written_is_noticed() {
    let (folder, _store) = state().await;
    probe(folder.path()).await.unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    assert!(probe(&file.join("state")).await.is_err());
}

#[tokio::test]
async fn notices_are_noted_once_and_kept_until_they_are_settled() {
    let folder = tempfile::tempdir().unwrap();
    let notices = Notices::in_folder(folder.path());
    let at = |seconds| chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds);
    let of = |subject: &str, seconds| Notice {
        subject: subject.to_owned(),
        occasion: "failed".to_owned(),
        target: "t".to_owned(),
        at: at(seconds),
        content: "{}".to_owned(),
        tries: 0,
        next: Some(at(seconds)),
    };
    assert_eq!(notices.note(vec![of("b", 2), of("a", 1)]).await.unwrap(), 2);
    assert_eq!(notices.note(vec![of("a", 9)]).await.unwrap(), 0, "once");
    assert_eq!(notices.waiting().await.unwrap(), [of("a", 1), of("b", 2)]);
    let again = Notice { tries: 1, next: Some(at(5)), ..of("a", 1) };
    notices.tried(&again).await.unwrap();
    assert_eq!(notices.waiting().await.unwrap(), [of("b", 2), again.clone()]);
    notices.tried(&Notice { tries: 2, next: None, ..again }).await.unwrap();
    assert_eq!(notices.waiting().await.unwrap(), [of("b", 2)]);
    assert_eq!(notices.note(vec![of("a", 9)]).await.unwrap(), 0, "nor again when it was settled");
    notices.over("b", "failed").await.unwrap();
    assert_eq!(notices.waiting().await.unwrap(), [of("b", 2)], "what waits is told first");
    notices.over("a", "failed").await.unwrap();
    assert_eq!(notices.note(vec![of("a", 9)]).await.unwrap(), 1);
    notices.tried(&Notice { next: None, ..of("a", 9) }).await.unwrap();
    assert_eq!(notices.since("t", at(1)).await.unwrap(), at(1));
    notices.forget(at(10)).await.unwrap();
    assert_eq!(notices.since("t", at(20)).await.unwrap(), at(1), "for ever");
    assert_eq!(notices.note(vec![of("a", 9), of("b", 2)]).await.unwrap(), 1);
}

#[tokio::test]
async fn who_dies_while_a_copy_is_put_back_leaves_the_state_as_it_was() {
    let (folder, store) = state().await;
    let copy = folder.path().join("copy");
    backup(folder.path(), &copy).await.unwrap();
    let before = store.list(&RunQuery::default()).await.unwrap();
    store.remove(&before[0].run).await.unwrap();
    drop(store);
    let place = folder.path().join(tables::FILE);
    // It died after a part was copied, and again after what was there had been kept.
    std::fs::write(beside(&place, "part"), "half of a copy").unwrap();
    let aside = put_aside(&place).unwrap().unwrap();
    let names = || async {
        let tokens = Tokens::in_folder(folder.path()).list().await.unwrap();
        tokens.into_iter().map(|token| token.name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["ada"]);
    let again = restore(&copy, folder.path()).await.unwrap().unwrap();
    assert_ne!(again, aside);
    assert_eq!(names().await, ["ada"]);
    let restored = SqliteStore::open(folder.path()).await.unwrap();
    assert_eq!(restored.list(&RunQuery::default()).await.unwrap(), before);
    assert!(!beside(&place, "part").exists());
}
