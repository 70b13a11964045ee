//! A source whose cells or variables became others: what is derived is made anew beside `main`.

use frazil_engine::{data::Status, step::StepError};
use serde_json::json;

use super::{Desk, day, month, months, number};
use crate::cube::{self, Mark};

const FINAL: Status = Status::Final;

#[tokio::test]
async fn another_grid_of_the_source_is_followed_at_once() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-02-29", FINAL, 0.0).await;
    let first = desk.run().await.unwrap();
    let before = desk.contents().await;
    desk.begin_anew((3, 5), "2024-03-31").await;
    let (items, reasons) = desk.plan().await;
    assert_eq!(items, ["Revise P1M:2024-01/2024-02", "Add P1M:2024-03"]);
    assert!(
        reasons[0].contains("`y` has 3 cells") && reasons[0].contains("(0 windows are there)"),
        "{reasons:?}"
    );
    assert_eq!(reasons[1..], ["2024-01/2024-03: made"]);

    // It is stopped on its way: readers see what was there, whole.
    assert_eq!(desk.run_and_stop_after(2).await, Err(StepError::Cancelled));
    assert_eq!(desk.contents().await, before);
    assert_eq!(desk.branches().await.len(), 2);
    let (items, reasons) = desk.plan().await;
    assert_eq!(items, ["Revise P1M:2024-01/2024-02", "Add P1M:2024-03"], "all of it changes for readers");
    assert!(reasons[0].contains("(2 windows are there)"), "{reasons:?}");
    assert_eq!(reasons[1..], ["2024-03: made"], "what is there is not made again");
    // A day changes meanwhile: its month is made again before anything is published.
    desk.write("2024-01-07", "2024-01-07", FINAL, 0.5).await;
    let second = desk.run().await.unwrap();
    assert_eq!(second.base, first.id);
    let all = ["2024-01", "2024-02", "2024-03"].map(|m| (m, FINAL));
    assert_eq!(desk.contents().await, months(&desk, &all));
    assert_eq!(desk.branches().await, ["main"]);
    let history = desk.target().await.unwrap().commits(|_| true).await.unwrap();
    assert!(
        history.iter().any(|commit| Some(&commit.id) == first.id.as_ref()),
        "no commit leaves the ancestry"
    );
    assert_eq!(desk.plan().await, (Vec::new(), Vec::new()));
    assert_eq!(desk.run().await.unwrap().id, second.id);
}

#[tokio::test]
async fn what_hangs_from_it_follows_too() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    let yearly = desk.derive("yearly", "P1Y", json!({ "method": "max" }));
    desk.write("2024-01-01", "2024-12-31", FINAL, 0.0).await;
    desk.run().await.unwrap();
    desk.run_step(&yearly, "monthly").await.unwrap();
    desk.begin_anew((2, 4), "2024-12-31").await;
    desk.run().await.unwrap();
    desk.run_step(&yearly, "monthly").await.unwrap();
    let made = cube::Cube::open(&desk.info("yearly"), &desk.cx.scope).await.unwrap().unwrap();
    assert_eq!((made.template().grid.shape(), made.axis().len()), ((2, 4), 1));
}

#[tokio::test]
async fn variables_that_differ_are_another_layout_too() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-02-29", FINAL, 0.0).await;
    desk.run().await.unwrap();
    desk.step(json!({ "variables": {
        "rain": { "from": "rain", "method": "sum" }, "most": { "from": "rain", "method": "max" } } }));
    desk.define("monthly", "d2");
    let (items, reasons) = desk.plan().await;
    assert_eq!(items, ["Revise P1M:2024-01/2024-02"]);
    assert!(reasons[0].contains("its variables are most, rain, rain are stored"), "{reasons:?}");
    desk.run().await.unwrap();
    let cube = desk.target().await.unwrap();
    let most = cube.read("most", 0..1, None).await.unwrap();
    assert_eq!(most.bytes()[..4], number(day("2024-01-31"), 0, 0.0).to_le_bytes());
    assert_eq!(desk.plan().await.0, Vec::<String>::new());
}

#[tokio::test]
async fn a_layout_that_is_not_wanted_any_more_leaves_no_branch() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-03-31", FINAL, 0.0).await;
    desk.run().await.unwrap();
    desk.begin_anew((3, 5), "2024-03-31").await;
    assert_eq!(desk.run_and_stop_after(1).await, Err(StepError::Cancelled));
    // Another one still: that branch is begun anew.
    desk.begin_anew((4, 4), "2024-03-31").await;
    let (_, reasons) = desk.plan().await;
    assert!(reasons[0].contains("is not wanted any more"), "{reasons:?}");
    assert_eq!(desk.run_and_stop_after(1).await, Err(StepError::Cancelled));
    assert_eq!(desk.branches().await.len(), 2);
    // And back to what is stored.
    desk.begin_anew((6, 8), "2024-03-31").await;
    desk.run().await.unwrap();
    assert_eq!(desk.branches().await, ["main"]);
    let all = ["2024-01", "2024-02", "2024-03"].map(|m| (m, FINAL));
    assert_eq!(desk.contents().await, months(&desk, &all));
}

#[tokio::test]
async fn a_window_that_was_taken_out_stays_out() {
    let mut desk = Desk::new(json!({ "method": "sum" }));
    desk.write("2024-01-01", "2024-03-31", FINAL, 0.0).await;
    desk.run().await.unwrap();
    desk.begin_anew((3, 5), "2024-03-31").await;
    assert_eq!(desk.run_and_stop_after(1).await, Err(StepError::Cancelled));
    // The first is on the branch already, the third is not.
    let periods = vec![month("2024-01"), month("2024-03")];
    let mark = Mark { periods, status: Status::Withdrawn, reason: None };
    let marked = cube::mark(&desk.info("monthly"), &mark, false, &desk.cx).await.unwrap();
    assert!(marked.release.is_some(), "{marked:?}");
    assert_eq!(desk.branches().await.len(), 2, "it moves nothing");
    desk.run().await.unwrap();
    let all = [("2024-01", Status::Withdrawn), ("2024-02", FINAL), ("2024-03", Status::Withdrawn)];
    assert_eq!(desk.contents().await, months(&desk, &all));
    assert_eq!(desk.plan().await.0, Vec::<String>::new());
}
