//! `frazil status`: what is there, what should be, and how the last run ended.

use frazil_tests::rainfall::Rainfall;
use serde_json::{Value, json};

use super::versioned;

fn status(rainfall: &Rainfall, code: i32, args: &[&str]) -> Vec<Value> {
    versioned(&rainfall.sandbox.fail(code, &[&["status", "--format", "json"][..], args].concat()).0)
}

/// Days that appear two days later and are late after five, and months of them.
fn with_calendar() -> Rainfall {
    let rainfall = Rainfall::of_days(10);
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let time = "time: { step: P1D, start: \"2024-01-01\", available: { lag: 2d }, late: 5d }";
    std::fs::write(&path, text.replace("time: { step: P1D }", time)).unwrap();
    rainfall
}

#[test]
fn a_dataset_stands_against_its_calendar() {
    let rainfall = with_calendar();
    let now = ["--as-of", "2024-01-12T06:00:00Z"];
    // Nothing is there yet; looking makes nothing.
    let standing = status(&rainfall, 0, &now);
    let (daily, monthly) = (&standing[0], &standing[1]);
    assert_eq!((&daily["dataset"], standing.len()), (&json!("rain_daily"), 2));
    assert_eq!((&daily["newest"], &daily["expected"]), (&Value::Null, &json!("2024-01-09")));
    assert_eq!(daily["missing"], json!({ "count": 9, "first": "2024-01-01", "last": "2024-01-09" }));
    assert_eq!((&daily["late"], &daily["run"]), (&json!(true), &Value::Null));
    assert_eq!(daily["due-since"], "2024-01-04T00:00:00Z");
    assert_eq!(daily["behind-seconds"], 8 * 86_400 + 6 * 3_600);
    // The first month waits for its last day to be had.
    assert_eq!((&monthly["expected"], &monthly["missing"]), (&Value::Null, &Value::Null));
    let february = &status(&rainfall, 0, &["rain_monthly", "--as-of", "2024-02-03T00:00:00Z"])[0];
    assert_eq!((&february["expected"], &february["late"]), (&json!("2024-01"), &json!(false)));
    assert!(!rainfall.sandbox.path(".frazil").exists(), "looking made a state folder");

    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-07"]);
    let daily = &status(&rainfall, 0, &now)[0];
    assert_eq!((&daily["newest"], &daily["late"]), (&json!("2024-01-07"), &json!(false)), "{daily}");
    assert_eq!(daily["missing"], json!({ "count": 2, "first": "2024-01-08", "last": "2024-01-09" }));
    let runs = versioned(&rainfall.sandbox.succeed(&["runs", "--format", "json"]));
    assert_eq!((&daily["run"]["run"], &daily["run"]["status"]), (&runs[0]["run"], &json!("successful")));
    let human = rainfall.sandbox.succeed(&["status", "rain_daily", "--as-of", "2024-01-12T06:00:00Z"]);
    assert!(human.contains("behind by 2 periods, for 1 d") && human.contains("successful"), "{human}");
    assert!(!human.contains("rain_monthly"), "{human}");
    let human = rainfall.sandbox.succeed(&["status", "--as-of", "2024-01-10T00:00:00Z"]);
    assert!(human.contains("up to date"), "{human}");
}

#[test]
fn what_is_late_ends_with_1_and_a_run_that_failed_is_told() {
    let rainfall = with_calendar();
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-07"]);
    // 8 January ends with its day, and is late five days later.
    let eve = ["--late", "--as-of", "2024-01-13T23:59:59Z"];
    assert_eq!(status(&rainfall, 0, &eve), Vec::<Value>::new());
    let late = status(&rainfall, 1, &["--late", "--as-of", "2024-01-14T00:00:00Z"]);
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!((&late[0]["dataset"], &late[0]["late"]), (&json!("rain_daily"), &json!(true)));
    let (human, _) = rainfall.sandbox.fail(1, &["status", "--late", "--as-of", "2024-01-14T00:00:00Z"]);
    assert!(human.contains("late by 4 periods, for 3 d"), "{human}");

    // A file that is no raster.
    std::fs::write(rainfall.sandbox.path("input/2024/rain.2024.01.08.tif"), "no raster").unwrap();
    rainfall.sandbox.fail(1, &["run", "rainfall", "-p", "end=2024-01-08"]);
    let daily = &status(&rainfall, 0, &["rain_daily", "--as-of", "2024-01-12T00:00:00Z"])[0];
    assert_eq!((&daily["run"]["status"], &daily["newest"]), (&json!("failed"), &json!("2024-01-07")));
}

#[test]
fn what_cannot_be_read_is_not_nothing() {
    let rainfall = Rainfall::of_days(2);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-02"]);
    let repo = rainfall.cube("rain_daily").join("repo");
    let (_, errors) = rainfall.sandbox.fail(64, &["status", "rain_dayly"]);
    assert!(errors.contains("did you mean `rain_daily`?"), "{errors}");
    assert!(repo.exists(), "the layout of a repository is another one now");
    std::fs::write(&repo, "damaged").unwrap();
    for args in [&["status"][..], &["status", "--late"]] {
        let output = rainfall.sandbox.run(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{errors}");
        assert!(errors.contains("error: rain_daily: "), "{errors}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("cannot be read"));
    }
}
