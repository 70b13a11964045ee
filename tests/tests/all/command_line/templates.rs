//! `template`: the metadata of datasets, kept for review.

use frazil_tests::rainfall::Rainfall;
use serde_json::{Value, json};

const KEPT: &str = "datasets/rain_daily.json";

fn change(rainfall: &Rainfall, from: &str, to: &str) {
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from));
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

fn head(rainfall: &Rainfall) -> String {
    rainfall.sandbox.succeed(&["status", "--format", "json"]);
    rainfall.sandbox.succeed(&["plan", "rain_daily", "-p", "end=2024-01-03", "--format", "json"])
}

#[test]
fn what_the_block_says_is_shown_and_what_the_first_slice_says_is_not() {
    let rainfall = Rainfall::of_days(3);
    let shown: Value = serde_json::from_str(&rainfall.sandbox.succeed(&["template", "rain_daily"])).unwrap();
    let precip = &shown["arrays"]["precip"];
    assert_eq!((&shown["dataset"], &precip["data_type"]), (&json!("rain_daily"), &json!("float32")));
    assert_eq!(precip["attributes"]["units"], json!("mm"));
    // Chunks are never longer than the grid, which nobody knows yet.
    assert_eq!(precip["chunk_grid"]["configuration"]["chunk_shape"], json!([30, null, null]));
    assert_eq!(shown["arrays"]["time"]["attributes"]["units"], json!("days since 1970-01-01"));
    assert_eq!((&shown["attributes"]["license"], &precip["shape"]), (&json!("CC0-1.0"), &Value::Null));
    for unknown in ["geospatial_bounds", "proj:code", "time_coverage_start"] {
        assert_eq!(shown["attributes"][unknown], Value::Null, "{unknown}");
    }
    assert_eq!(shown["attributes"]["spatial:bbox"], json!([null, null, null, null]));
    assert!(!rainfall.sandbox.path("datasets").exists(), "it was only shown");
    let (_, errors) = rainfall.sandbox.fail(64, &["template", "rain_monthly"]);
    assert!(errors.contains("no dataset `rain_monthly` that `append-commit` makes"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["template", "--write"]);
    assert!(errors.contains("nothing is kept here yet"), "{errors}");
}

#[test]
fn what_is_kept_is_what_the_block_and_the_cube_say() {
    let rainfall = Rainfall::of_days(5);
    rainfall.sandbox.succeed(&["template", "rain_daily", "--write"]);
    let kept = std::fs::read_to_string(rainfall.sandbox.path(KEPT)).unwrap();
    assert_eq!(rainfall.sandbox.succeed(&["template"]), kept);
    // The cube is created as it is kept, and the next run finds it so.
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-01-02"]);
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-01-03"]);
    let before = head(&rainfall);

    change(&rainfall, "long-name: Daily rainfall", "long-name: Rainfall of a day");
    let (problems, _) = rainfall.sandbox.fail(1, &["check"]);
    assert!(
        problems.contains("`datasets/rain_daily.json` is not what the block of `rain_daily` says"),
        "{problems}"
    );
    assert!(
        problems.contains("/arrays/precip/attributes/long_name is \"Daily rainfall\" there"),
        "{problems}"
    );
    assert!(problems.contains("frazil template rain_daily --write"), "{problems}");
    let (shown, errors) = rainfall.sandbox.fail(1, &["template"]);
    assert!(shown.contains("Rainfall of a day") && errors.contains("differs"), "{errors}");
    rainfall.sandbox.fail(1, &["run", "rain_daily", "-p", "end=2024-01-05"]);

    // Kept anew it is what the block says, and not what the cube says.
    rainfall.sandbox.succeed(&["template", "--write"]);
    rainfall.sandbox.succeed(&["check"]);
    rainfall.server.forget();
    for command in ["run", "plan"] {
        let said = rainfall.sandbox.run(&[command, "rain_daily", "-p", "end=2024-01-05"]);
        let told = [said.stdout, said.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(said.status.code(), Some(4), "{told}");
        assert!(
            told.contains("keeps /arrays/precip/attributes/long_name as \"Rainfall of a day\""),
            "{told}"
        );
        assert!(told.contains("it is \"Daily rainfall\" in "), "{told}");
    }
    assert_eq!(rainfall.server.requests().len(), 0, "refused before the first request");
    change(&rainfall, "long-name: Rainfall of a day", "long-name: Daily rainfall");
    rainfall.sandbox.succeed(&["template", "--write"]);
    let strip = |text: &str| {
        let plan: Value = serde_json::from_str(text).unwrap();
        plan["pipelines"][0]["heads"].clone()
    };
    assert_eq!(strip(&head(&rainfall)), strip(&before), "the snapshot is the one that it was");
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-01-05"]);
}
