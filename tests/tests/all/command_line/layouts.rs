//! `layout`: chunks, and what reads of them cost.

use frazil_tests::{rainfall::Rainfall, sandbox::Sandbox};
use serde_json::{Value, json};

fn layout(sandbox: &Sandbox, dataset: &str) -> Value {
    serde_json::from_str(&sandbox.succeed(&["layout", dataset, "--format", "json"])).unwrap()
}

#[test]
fn chunks_and_reads_are_counted_as_they_are_stored() {
    let rainfall = Rainfall::of_days(40);
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-02-09"]);
    let found = layout(&rainfall.sandbox, "rain_daily");
    assert_eq!((&found["stored"], &found["periods"]), (&json!(true), &json!(40)));
    let precip = &found["variables"][0];
    assert_eq!(precip["shape"], json!([40, 36, 48]));
    assert_eq!((&precip["chunks"], &precip["chunk-bytes"]), (&json!([30, 36, 48]), &json!(30 * 36 * 48 * 4)));
    assert_eq!((&precip["count"], &precip["objects"]), (&json!(2), &json!(2)));
    // What is stored are the files of the repository that hold chunks, but for those of coordinates.
    let chunks = std::fs::read_dir(rainfall.cube("rain_daily").join("chunks")).unwrap();
    let sizes: Vec<u64> = chunks.map(|file| file.unwrap().metadata().unwrap().len()).collect();
    let stored = precip["stored-bytes"].as_u64().unwrap();
    assert!(sizes.contains(&stored) || stored <= sizes.iter().sum() && stored > 4_096, "{stored} {sizes:?}");
    let read = |what: &str| {
        let reads = precip["reads"].as_array().unwrap().iter();
        let read = reads.filter(|read| read["what"] == what).collect::<Vec<_>>();
        (read[0]["requests"].clone(), read[0]["bytes"].clone(), read[0]["decoded"].clone())
    };
    let chunk = 30 * 36 * 48 * 4;
    assert_eq!(read("one map"), (json!(1), json!(36 * 48 * 4), json!(chunk)));
    assert_eq!(read("one time series"), (json!(2), json!(40 * 4), json!(2 * chunk)));
    assert_eq!(read("a year of a region"), (json!(2), json!(40 * 4 * 5 * 4), json!(2 * chunk)));
    let shown = rainfall.sandbox.succeed(&["layout", "rain_daily"]);
    assert!(shown.contains("rain_daily: 40 periods, as it is stored"), "{shown}");
    assert!(shown.contains("2 chunks of 30 × 36 × 48, 202 KiB each"), "{shown}");
    let (_, errors) = rainfall.sandbox.fail(64, &["layout", "rain_dayly"]);
    assert!(errors.contains("did you mean `rain_daily`"), "{errors}");
    let (_, errors) = rainfall.sandbox.fail(64, &["layout", "rain_monthly"]);
    assert!(errors.contains("nothing is stored of `rain_monthly` yet"), "{errors}");
}

#[test]
fn what_is_only_declared_is_told_with_a_year_of_it() {
    let sandbox = Sandbox::new(&[
        ("frazil.yaml", "frazil: 1\nid: declared\n"),
        (
            "pipelines/points.yaml",
            "frazil: 1
id: maps
datasets:
  points:
    title: Maps in chunks of one period
    time: { step: PT1H, start: \"2024-01-01\" }
    crs: EPSG:4326
    grid: { origin: [0, 10], cell: [0.1, -0.1], shape: [100, 100] }
    variables: { v: { units: mm, cell: total, dtype: float32 } }
    chunks: { time: 1 }
    shards: { time: 24 }
steps:
  missing: { uses: enumerate-periods, with: { dataset: points } }
  read: { uses: fetch, needs: missing, with: { source: file, url: \"in/{{ period.id }}.nc\" } }
  points: { uses: append-commit, needs: read, with: { dataset: points } }
",
        ),
    ]);
    let found = layout(&sandbox, "points");
    assert_eq!((&found["stored"], &found["periods"]), (&json!(false), &json!(8_760)));
    let v = &found["variables"][0];
    assert_eq!((&v["chunks"], &v["shards"]), (&json!([1, 100, 100]), &json!([24, 100, 100])));
    assert_eq!((&v["count"], &v["objects"]), (&json!(8_760), &Value::Null));
    // A series is all chunks, and the index of each shard.
    assert_eq!(v["reads"][1]["requests"], json!(8_760 + 365));
    let advice = v["advice"].to_string();
    assert!(advice.contains("a chunk decodes to 39 KiB only: `time: 2` or more"), "{advice}");
    assert!(advice.contains("a time series asks for 9125 objects, a map for 2"), "{advice}");
    let warned = sandbox.succeed(&["check"]);
    assert!(warned.contains("warning[FZ123]") && warned.contains("write `time: 2` or more"), "{warned}");
}
