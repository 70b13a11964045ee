//! Over cubes in a temporary folder.

mod anew;
mod support;

use frazil_engine::{
    data::{Frequency, Period, Status},
    dataset::CellMethod,
    step::{ErrorKind, StepError},
};
use serde_json::json;
use support::{Desk, day, month, number};

use crate::cube::Cube;

/// What a month of whole days sums to, cell by cell, the slow way.
fn summed(desk: &Desk, window: Period) -> Vec<Option<f32>> {
    (0..desk.cells())
        .map(|cell| {
            let days = window.parts(Frequency::Day);
            let there: Vec<f64> = days
                .iter()
                .map(|d| number(d, cell, desk.salt(d)))
                .filter(|v| !v.is_nan())
                .map(f64::from)
                .collect();
            #[expect(clippy::cast_possible_truncation, reason = "rounded once")]
            (!there.is_empty()).then(|| there.iter().fold(0.0, |a, b| a + b) as f32)
        })
        .collect()
}

fn months(desk: &Desk, list: &[(&str, Status)]) -> Vec<(Period, Status, Vec<Option<f32>>)> {
    list.iter()
        .map(|&(text, status)| {
            let values =
                if status.has_values() { summed(desk, month(text)) } else { vec![None; desk.cells().into()] };
            (month(text), status, values)
        })
        .collect()
}

#[tokio::test]
async fn months_are_made_once_and_again_when_a_day_changes() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-04-10", Status::Final, 0.0).await;
    let planned = desk.plan().await;
    assert_eq!(planned.0, ["Add P1M:2024-01/2024-03"]);
    assert!(
        planned.1.iter().any(|r| r.starts_with("2024-04: waits for 2024-04-11/2024-04-30")),
        "{planned:?}"
    );
    let first = desk.run().await.unwrap();
    let expected = [("2024-01", Status::Final), ("2024-02", Status::Final), ("2024-03", Status::Final)];
    assert_eq!(desk.contents().await, months(&desk, &expected));
    // Nothing new: no commit.
    let second = desk.run().await.unwrap();
    assert_eq!(second.id, first.id);
    assert_eq!(desk.plan().await.0, Vec::<String>::new());
    // One day again: one month.
    desk.write("2024-02-05", "2024-02-05", Status::Provisional, 0.5).await;
    assert_eq!(desk.plan().await.0, ["Revise P1M:2024-02"]);
    let third = desk.run().await.unwrap();
    assert_eq!(third.base, second.id);
    assert_ne!(third.id, second.id);
    let expected = [("2024-01", Status::Final), ("2024-02", Status::Provisional), ("2024-03", Status::Final)];
    assert_eq!(desk.contents().await, months(&desk, &expected));
    let cube = desk.target().await.unwrap();
    let source = &cube.provenance().sources[&desk.source.id];
    assert_eq!(Some(&source.snapshot), desk.head(&desk.source).await.as_ref());
    let stored = cube.template().variable("rain").unwrap();
    assert_eq!((stored.units.as_deref(), stored.cell), (Some("mm"), Some(CellMethod::Total)));
    assert_eq!(stored.chunks, [12, 4, 8]);
}

#[tokio::test]
async fn a_gap_makes_its_month_incomplete_until_it_is_filled() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-02-09", Status::Final, 0.0).await;
    desk.write("2024-02-10", "2024-02-10", Status::Gap, 0.0).await;
    desk.write("2024-02-11", "2024-03-31", Status::Final, 0.0).await;
    desk.run().await.unwrap();
    let expected = [("2024-01", Status::Final), ("2024-02", Status::Incomplete), ("2024-03", Status::Final)];
    assert_eq!(desk.contents().await, months(&desk, &expected));
    desk.write("2024-02-10", "2024-02-10", Status::Final, 0.0).await;
    assert_eq!(desk.plan().await.0, ["Fill P1M:2024-02"]);
    desk.run().await.unwrap();
    let expected = [("2024-01", Status::Final), ("2024-02", Status::Final), ("2024-03", Status::Final)];
    assert_eq!(desk.contents().await, months(&desk, &expected));
}

#[tokio::test]
async fn what_the_source_took_back_is_no_longer_there() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-02-29", Status::Final, 0.0).await;
    desk.run().await.unwrap();
    desk.write("2024-01-04", "2024-01-04", Status::Withdrawn, 0.0).await;
    desk.run().await.unwrap();
    let expected = [("2024-01", Status::Incomplete), ("2024-02", Status::Final)];
    assert_eq!(desk.contents().await, months(&desk, &expected));
}

#[tokio::test]
async fn a_run_that_is_stopped_leaves_the_rest_to_the_next() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-05-31", Status::Final, 0.0).await;
    assert_eq!(desk.run_and_stop_after(2).await, Err(StepError::Cancelled));
    let expected = [("2024-01", Status::Final), ("2024-02", Status::Final)];
    assert_eq!(desk.contents().await, months(&desk, &expected));
    assert_eq!(desk.plan().await.0, ["Add P1M:2024-03/2024-05"]);
    desk.run().await.unwrap();
    // The same where all stand already and are made again.
    desk.write("2024-01-01", "2024-05-31", Status::Final, 0.25).await;
    assert_eq!(desk.run_and_stop_after(3).await, Err(StepError::Cancelled));
    assert_eq!(desk.plan().await.0, ["Revise P1M:2024-04/2024-05"]);
    // One of those that are done changes meanwhile.
    desk.write("2024-01-31", "2024-01-31", Status::Final, 0.75).await;
    assert_eq!(desk.plan().await.0, ["Revise P1M:2024-01", "Revise P1M:2024-04/2024-05"]);
    desk.run().await.unwrap();
    assert_eq!(desk.plan().await.0, Vec::<String>::new());
    let all = ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"].map(|m| (m, Status::Final));
    assert_eq!(desk.contents().await, months(&desk, &all));
}

#[tokio::test]
async fn earlier_months_come_in_by_whole_chunks() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.block("monthly", json!({ "chunks": { "time": 2 } }));
    desk.write("2024-03-01", "2024-03-31", Status::Final, 0.0).await;
    desk.run().await.unwrap();
    // Days before: the source's own chunk is a day long here.
    desk.write("2023-12-01", "2024-02-29", Status::Final, 0.0).await;
    let error = desk.run().await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.kind, ErrorKind::Refused);
    assert!(failure.message.contains("2023-12 come before the first window"), "{failure:?}");
    let expected = ["2024-01", "2024-02", "2024-03"].map(|m| (m, Status::Final));
    assert_eq!(desk.contents().await, months(&desk, &expected));
    desk.write("2023-11-01", "2023-11-30", Status::Final, 0.0).await;
    desk.run().await.unwrap();
    let expected = ["2023-11", "2023-12", "2024-01", "2024-02", "2024-03"].map(|m| (m, Status::Final));
    assert_eq!(desk.contents().await, months(&desk, &expected));
}

#[tokio::test]
async fn another_definition_makes_all_again_at_once() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-02-29", Status::Final, 0.0).await;
    desk.run().await.unwrap();
    desk.step(json!({ "method": "max" }));
    desk.define("monthly", "d2");
    let (items, reasons) = desk.plan().await;
    assert_eq!(items, ["Revise P1M:2024-01/2024-02"]);
    assert!(reasons[0].contains("definition"), "{reasons:?}");
    let before = desk.contents().await;
    assert_eq!(desk.run_and_stop_after(1).await, Err(StepError::Cancelled));
    assert_eq!(desk.contents().await, before, "half of a remake shows");
    desk.run().await.unwrap();
    let after = desk.contents().await;
    assert_eq!(after[0].2[0], Some(number(day("2024-01-31"), 0, 0.0)));
    assert_eq!(desk.plan().await.0, Vec::<String>::new());
}

#[tokio::test]
async fn a_source_that_was_made_anew_changes_only_what_differs() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-02-29", Status::Final, 0.0).await;
    desk.run().await.unwrap();
    let before = desk.contents().await;
    std::fs::remove_dir_all(&desk.source.location.url).unwrap();
    desk.write("2024-01-01", "2024-02-29", Status::Final, 0.0).await;
    let (items, reasons) = desk.plan().await;
    assert_eq!(items, ["Revise P1M:2024-01/2024-02"]);
    assert!(reasons[0].contains("not known any more"), "{reasons:?}");
    desk.run().await.unwrap();
    assert_eq!(desk.contents().await, before);
    assert_eq!(desk.plan().await.0, Vec::<String>::new(), "it is computed once, not each night");
}

#[tokio::test]
async fn variables_of_their_own_and_a_chain() {
    let mut desk = Desk::new(json!({ "variables": {
        "most": { "from": "rain", "method": "max" },
        "days": { "from": "rain", "method": "count" },
    } }));
    desk.write("2024-01-01", "2024-03-31", Status::Final, 0.0).await;
    desk.run().await.unwrap();
    let cube = desk.target().await.unwrap();
    let read = |name: &'static str| cube.read(name, 0..3, None);
    let (most, days) = (read("most").await.unwrap(), read("days").await.unwrap());
    assert_eq!(most.get(48), f64::from(number(day("2024-02-29"), 0, 0.0)));
    assert_eq!((days.get(48), days.get(3)), (29.0, 0.0));
    assert_eq!(days.dtype(), frazil_engine::data::DType::Int32);
    // A quarter out of the months.
    let quarter = desk.derive(
        "quarterly",
        "P3M",
        json!({ "variables": {
        "most": { "from": "most", "method": "max" },
        "days": { "from": "days", "method": "sum" },
    } }),
    );
    desk.run_step(&quarter, "monthly").await.unwrap();
    let info = desk.info("quarterly");
    let cube = Cube::open(&info, &desk.cx.scope).await.unwrap().unwrap();
    assert_eq!(cube.read("days", 0..1, None).await.unwrap().get(0), 91.0);
    let most = cube.read("most", 0..1, None).await.unwrap();
    assert_eq!(most.get(0), f64::from(number(day("2024-03-31"), 0, 0.0)));
}

#[tokio::test]
async fn a_source_that_does_not_exist_yet_is_nothing_to_do() {
    let desk = Desk::new(json!({ "method": "sum" }));
    let head = desk.run().await.unwrap();
    assert_eq!((head.id, head.dataset.as_str()), (None, "monthly"));
    assert!(desk.target().await.is_none());
    assert!(!std::path::Path::new(&desk.info("monthly").location.url).exists());
}

#[tokio::test]
async fn a_mean_of_totals_is_refused_before_anything_is_written() {
    let mut desk = Desk::new(json!({ "method": "mean" }));
    desk.write("2024-01-01", "2024-01-31", Status::Final, 0.0).await;
    let error = desk.run().await.unwrap_err();
    assert!(error.to_string().contains("total over its period"), "{error}");
    assert!(desk.target().await.is_none());
}
