//! A dataset of ours as the source of another: cut by a bbox, under another name.

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::{Value, json};

use super::stand::project;

const COAST: &str = "frazil: 1
id: coast
datasets:
  rain_coast:
    title: Rainfall of the coast alone
    time: { step: P1D }
    variables: { rain: { units: mm, cell: total, dtype: float32 } }
    chunks: { time: 7, y: 5 }
triggers: [ { dataset: rain_daily } ]
steps:
  daily: { uses: open-dataset, with: { dataset: rain_daily } }
  missing: { uses: enumerate-periods, needs: daily, with: { dataset: rain_coast, batch: 7 } }
  slices:
    uses: fetch
    needs: missing
    with: { source: dataset, dataset: rain_daily, bbox: [-13.1, 8.6, -12.0, 9.8], variables: { rain: { from: precip } } }
  coast: { uses: append-commit, needs: slices, with: { dataset: rain_coast } }
";

fn cut(rainfall: &Rainfall) -> Option<Value> {
    let path = |id: &str| rainfall.cube(id).to_string_lossy().into_owned();
    let (source, made) = (path("rain_daily"), path("rain_coast"));
    ask_python("check_cut.py", &[&source, "precip", &made, "rain", "-13.1", "8.6", "-12.0", "9.8"])
}

fn plan(rainfall: &Rainfall) -> String {
    rainfall.sandbox.succeed(&["plan", "coast"])
}

/// Another value for a day, from the source on.
fn revise(rainfall: &Rainfall, day: &str, like: &str) {
    let file = |day: &str| rainfall.sandbox.path(format!("input/2024/rain.2024.01.{day}.tif"));
    std::fs::copy(file(like), file(day)).unwrap();
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace("end: \"{{ params.end }}\" }", "end: \"{{ params.end }}\", only: all }"),
    )
    .unwrap();
    let day = format!("2024-01-{day}");
    rainfall.sandbox.succeed(&[
        "run",
        "rain_daily",
        "-p",
        &format!("start={day}"),
        "-p",
        &format!("end={day}"),
    ]);
    std::fs::write(&path, text).unwrap();
}

#[test]
fn a_cut_follows_its_source_and_reads_what_changed_alone() {
    let rainfall = project(45, &[("coast", COAST)]);
    rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", "end=2024-01-31"]);
    let requests = rainfall.server.requests().len();
    if let Some(found) = cut(&rainfall) {
        assert_eq!(
            (&found["periods"], &found["wrong"], &found["statuses"]),
            (&json!(31), &json!([]), &json!([0])),
            "{found}"
        );
        assert_eq!((&found["same_x"], &found["same_y"]), (&json!(true), &json!(true)), "{found}");
        assert_eq!(found["shape"], json!([31, 24, 22]), "{found}");
    }
    assert!(plan(&rainfall).contains("coast: nothing to do"), "{}", plan(&rainfall));
    // A day again and days more: just these.
    revise(&rainfall, "05", "20");
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-02-03"]);
    let planned = plan(&rainfall);
    assert!(
        planned.contains("2024-01-05 (1 stored period): the source dataset changed since it was read"),
        "{planned}"
    );
    assert!(planned.contains("2024-02-01/2024-02-03 (3 periods): not on the axis yet"), "{planned}");
    let before = rainfall.server.requests().len();
    rainfall.sandbox.succeed(&["run", "coast"]);
    assert!(
        before > requests && rainfall.server.requests().len() == before,
        "the source of the source was asked"
    );
    assert!(plan(&rainfall).contains("coast: nothing to do"), "{}", plan(&rainfall));
    let Some(found) = cut(&rainfall) else { return };
    assert_eq!((&found["periods"], &found["wrong"]), (&json!(34), &json!([])), "{found}");
    let told = rainfall.sandbox.succeed(&["explain", "rain_coast", "--period", "2024-01-05"]);
    assert!(told.contains("made again") && told.contains("from rain_daily at"), "{told}");
}

#[test]
fn a_run_that_died_half_way_knows_of_which_state_each_half_is() {
    let rainfall = project(31, &[("coast", COAST)]);
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-01-31"]);
    let died =
        rainfall.sandbox.command(&["run", "coast"]).env("FRAZIL_ABORT_AFTER", "committed").output().unwrap();
    assert!(died.status.code().is_none(), "it should have died: {}", died.status);
    let first = rainfall.sandbox.succeed(&["explain", "rain_coast"]);
    assert!(first.contains("holds") && !first.contains("31: "), "{first}");
    // A day that stands already and one that does not change meanwhile.
    revise(&rainfall, "02", "20");
    revise(&rainfall, "30", "21");
    let planned = plan(&rainfall);
    assert!(
        planned.contains("2024-01-02 (1 stored period): the source dataset changed since it was read"),
        "{planned}"
    );
    rainfall.sandbox.succeed(&["run", "coast"]);
    assert!(plan(&rainfall).contains("coast: nothing to do"), "{}", plan(&rainfall));
    let Some(found) = cut(&rainfall) else { return };
    assert_eq!((&found["periods"], &found["wrong"]), (&json!(31), &json!([])), "{found}");
}

#[test]
fn a_cascade_through_a_cut_is_planned_forward() {
    let rainfall = project(31, &[("coast", COAST)]);
    let planned = rainfall.sandbox.succeed(&["plan", "rain_daily+", "-p", "end=2024-01-20"]);
    assert!(
        planned.contains("missing: 2024-01-01/2024-01-20 (20 periods): not on the axis yet"),
        "{planned}"
    );
    assert!(!rainfall.cube("rain_coast").exists());
    let wrong = COAST.replace(
        "needs: daily, with: { dataset: rain_coast, batch: 7 }",
        "with: { dataset: rain_coast, start: \"2024-01-01\" }",
    );
    rainfall.sandbox.write("pipelines/coast.yaml", &wrong);
    let (problems, _) = rainfall.sandbox.fail(1, &["check"]);
    assert!(
        problems.contains("error[FZ311]") && problems.contains("write `needs: daily` at `missing`"),
        "{problems}"
    );
}
