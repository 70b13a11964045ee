//! What another writer, or another declaration, makes of the time axis is refused or followed.

use frazil_engine::{
    data::{Action, Status},
    step::StepError,
};
use serde_json::{Value, json};

use super::support::{Bench, bench, day, finals, slice};
use crate::cube::{BatchWriter, creation::shape, path, repo};

/// The head of `main`, also of what is no cube any more.
async fn main_of(bench: &Bench) -> String {
    let repository = repo::open(&bench.info, &bench.cx.scope).await.unwrap().unwrap();
    repository.lookup_branch(repo::MAIN).await.unwrap().to_string()
}

/// Another writer changes the metadata of arrays.
async fn edit(bench: &Bench, names: &[&str], change: impl Fn(&mut Value)) {
    let cube = bench.cube().await.unwrap();
    let mut session = cube.repository.writable_session(repo::MAIN).await.unwrap();
    for name in names {
        let mut document = cube.nodes[*name].clone();
        change(&mut document);
        let (lengths, dimensions) = shape(&document).unwrap();
        let bytes = document.to_string().into_bytes().into();
        session.update_array(&path(name).unwrap(), lengths, Some(dimensions), bytes).await.unwrap();
    }
    session.commit("edited").execute().await.unwrap();
}

/// Neither a batch is begun nor one committed, and the snapshot stays.
async fn refused(bench: &Bench, written: frazil_engine::step::Written, text: &str) {
    let before = main_of(bench).await;
    let batch = bench.batch_of_nothing();
    let begun = BatchWriter::begin(&bench.info, &bench.cx.scope, batch).await.map(|_| ());
    let committed = bench.commit(vec![written]).await.map(|_| ());
    for result in [begun, committed] {
        let error: StepError = result.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.failure().unwrap().help.is_some(), "{error}");
    }
    assert_eq!(main_of(bench).await, before);
}

async fn seventh(bench: &Bench) -> frazil_engine::step::Written {
    bench.add(1, 6).await;
    bench.write(0, Action::Add, vec![slice(day(7), Status::Final, 0.0)]).await.unwrap()
}

#[tokio::test]
async fn another_calendar_is_refused_by_name() {
    let bench = bench(json!({}));
    let written = seventh(&bench).await;
    edit(&bench, &["/time"], |time| time["attributes"]["calendar"] = json!("noleap")).await;
    refused(&bench, written, "`time` is in calendar `noleap`").await;
}

#[tokio::test]
async fn another_unit_of_time_is_refused() {
    let bench = bench(json!({}));
    let written = seventh(&bench).await;
    edit(&bench, &["/time"], |time| time["attributes"]["units"] = json!("hours since 1970-01-01")).await;
    refused(&bench, written, "`time` is in `hours since 1970-01-01`").await;
}

#[tokio::test]
async fn another_step_than_the_declared_one_is_refused() {
    let mut bench = bench(json!({}));
    let written = seventh(&bench).await;
    bench.info.block.time = serde_json::from_value(json!({ "step": "PT1H" })).unwrap();
    refused(&bench, written, "`time` is in `days since 1970-01-01`").await;
}

#[tokio::test]
async fn an_axis_that_others_made_shorter_is_not_gone_on_from() {
    let bench = bench(json!({}));
    let written = seventh(&bench).await;
    edit(&bench, &["/time", "/period_status", "/rain"], |array| array["shape"][0] = json!(4)).await;
    let head = bench.head().await;
    let text = "2024-01-07 does not follow 2024-01-04";
    bench.refused(bench.commit(vec![written]).await, &head, text).await;
    assert_eq!(bench.contents().await, finals(1..=4));
}

#[tokio::test]
async fn a_repository_that_is_made_anew_is_begun_anew() {
    let bench = bench(json!({}));
    bench.add(1, 6).await;
    std::fs::remove_dir_all(&bench.info.location.url).unwrap();
    assert_eq!(bench.head().await, None);
    bench.add(3, 4).await;
    assert_eq!(bench.contents().await, finals(3..=4));
}
