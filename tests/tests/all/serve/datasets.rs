//! What a console shows of datasets, and the pages for people.

use std::process::Command;

use frazil_tests::{programs, serving::Serving};
use serde_json::{Value, json};

use super::stand::Stand;

fn states(serving: &Serving, query: &str) -> Vec<(String, String)> {
    let found = serving.get(&format!("/datasets/snow/periods{query}")).expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let periods = found["periods"].as_array().unwrap();
    periods.iter().map(|one| (text(&one["period"]), text(&one["state"]))).collect()
}

#[test]
fn a_dataset_says_what_it_is_and_how_it_stands() {
    let stand = Stand::made();
    let serving = stand.serve();
    let all = serving.get("/datasets").expect(200).json();
    let names: Vec<&str> =
        all["datasets"].as_array().unwrap().iter().map(|one| one["dataset"].as_str().unwrap()).collect();
    assert_eq!(names, ["dem", "pop", "snow"]);
    let listed = &all["datasets"][2];
    assert_eq!((&listed["newest"], &listed["late"]), (&json!("2024-01-04"), &json!(true)));

    let snow = serving.get("/datasets/snow").expect(200).json();
    // The same words as on the command line.
    let said = stand.sandbox.succeed(&["status", "snow", "--format", "json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    for key in ["dataset", "newest", "expected", "late", "state", "pipeline"] {
        assert_eq!(snow[key], said[key], "{key}");
    }
    assert_eq!(snow["run"]["run"], said["run"]["run"]);
    assert_eq!(snow["periods"]["by-status"], json!({ "final": 4 }));
    assert_eq!(snow["made-by"], json!({ "pipeline": "snow_daily", "step": "snow", "uses": "append-commit" }));
    assert_eq!(snow["grid"]["bbox"], json!([-2.0, -15.5, 16.0, 5.0]));
    assert_eq!(snow["levels"][0], json!({ "group": "1", "shape": [20, 18] }));
    assert_eq!(snow["variables"][0]["chunks"], json!([3, 16, 20]));
    assert!(snow["stored"]["bytes"].as_u64().unwrap() > 1_000);
    let head = serving.get("/zarr/snow/zarr.json").header("frazil-snapshot").unwrap().to_owned();
    assert_eq!(snow["snapshot"], json!(head));
    let text = serving.get("/datasets/snow").text();
    assert!(!text.contains(stand.sandbox.path("").to_str().unwrap()), "no place of this machine: {text}");

    let dem = serving.get("/datasets/dem").expect(200).json();
    assert_eq!((&dem["state"], &dem["step"]), (&json!("there"), &Value::Null));
    serving.get("/datasets/dem/periods").expect(400);
    serving.get("/datasets/nothing").expect(404);
}

#[test]
fn periods_are_had_missing_late_failed_withdrawn_or_not_yet() {
    let stand = Stand::new();
    stand.run("2024-01-03");
    stand.sandbox.succeed(&["mark", "snow", "--period", "2024-01-02"]);
    // The fourth cannot be read, so the newest run failed at it.
    stand.sandbox.write("input/20240104.tif", "no raster");
    let ran = stand.sandbox.run(&["run", "snow_daily", "-p", "end=2024-01-06"]);
    assert!(!ran.status.success());
    let serving = stand.serve();
    let named = |text: &str, state: &str| (text.to_owned(), state.to_owned());
    assert_eq!(
        states(&serving, "?from=2024-01-01&to=2024-01-05"),
        [
            named("2024-01-01", "have"),
            named("2024-01-02", "withdrawn"),
            named("2024-01-03", "have"),
            named("2024-01-04", "failed"),
            named("2024-01-05", "late"),
        ]
    );
    let coming = states(&serving, "?from=2999-12&to=2999-12");
    assert_eq!((coming.len(), coming[0].1.as_str()), (31, "not-yet"));
    // What nobody asks for in particular ends with what could be there by now.
    let usual = states(&serving, "");
    assert!(usual.len() == 400 && usual.last().unwrap().1 != "not-yet", "{}", usual.len());
    for query in ["?from=2024-01-05&to=2024-01-01", "?from=1800&to=2200", "?from=yesterday", "?to=2024-13"] {
        serving.get(&format!("/datasets/snow/periods{query}")).expect(400);
    }
}

#[test]
fn the_history_comes_in_pages_with_what_each_commit_did() {
    let stand = Stand::new();
    for end in ["2024-01-01", "2024-01-02", "2024-01-03"] {
        stand.run(end);
    }
    let serving = stand.serve();
    let first = serving.get("/datasets/snow/snapshots?limit=2").expect(200).json();
    let added = |page: &Value| -> Vec<Value> {
        page["snapshots"].as_array().unwrap().iter().map(|one| one["added"].clone()).collect()
    };
    assert_eq!(added(&first), [json!(["P1D:2024-01-03"]), json!(["P1D:2024-01-02"])]);
    let next = first["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").unwrap();
    let last = serving.get(next["href"].as_str().unwrap()).expect(200).json();
    assert_eq!(added(&last), [json!(["P1D:2024-01-01"])]);
    assert!(last["links"].as_array().unwrap().iter().all(|link| link["rel"] != "next"));
    // Each is there to be read.
    let zarr = last["snapshots"][0]["zarr"].as_str().unwrap();
    let document = serving.get(&format!("{zarr}snow/zarr.json")).expect(200).json();
    assert_eq!(document["shape"], json!([1, 41, 36]));
    serving.get("/datasets/snow/snapshots?before=NOTHING").expect(404);
    for query in ["limit=0", "limit=1001", "limit=1&limit=2"] {
        serving.get(&format!("/datasets/snow/snapshots?{query}")).expect(400);
    }
}

#[test]
fn the_graph_is_that_of_the_command_line() {
    let stand = Stand::new();
    let serving = stand.serve();
    for (query, args) in
        [("", &[][..]), ("?select=snow%2B", &["snow+"]), ("?select=dem,pop", &["dem", "pop"])]
    {
        let args = [&["graph", "--format", "json"], args].concat();
        let mut said: Value = serde_json::from_str(&stand.sandbox.succeed(&args)).unwrap();
        for dataset in said["datasets"].as_array_mut().unwrap() {
            dataset.as_object_mut().unwrap().remove("location");
        }
        assert_eq!(serving.get(&format!("/graph{query}")).expect(200).json(), said, "{query}");
    }
    serving.get("/graph?select=nothing").expect(404);
}

/// A page for everything that a console shows.
const PAGES: [&str; 20] = [
    "/",
    "/datasets",
    "/datasets/dem",
    "/datasets/snow",
    "/datasets/snow/snapshots",
    "/datasets/snow/periods",
    "/datasets/dem/audit",
    "/graph",
    "/health",
    "/icechunk/snow",
    "/stac",
    "/stac/collections",
    "/stac/collections/dem",
    "/stac/collections/snow",
    "/zarr/dem/",
    "/zarr/snow/1/",
    "/processes",
    "/processes/snow_daily",
    "/jobs",
    "/jobs/JOB",
];

/// Looks at pages in a browser: on the screen of a phone, by day and in the dark.
fn look(serving: &Serving, pages: &[String]) {
    let (Some(modules), Some(browser)) = (programs::node_modules(), programs::browser()) else { return };
    let mut node = Command::new("node");
    node.env("FRAZIL_CHROMIUM", browser).arg(programs::root().join("tests/node/look_at_pages.mjs"));
    node.arg(modules).arg(&serving.url).args(pages);
    let seen = programs::succeeded("look_at_pages.mjs", &node.output().unwrap());
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["wrong"], json!([]), "{seen}");
}

#[test]
fn every_resource_has_a_page_for_phones_and_the_dark_and_what_it_shows_is_escaped() {
    let stand = Stand::made();
    let pipeline = std::fs::read_to_string(stand.sandbox.path("pipelines/dem.yaml")).unwrap();
    let pipeline = pipeline.replace("title: Elevation", "title: \"<script>alert(1)</script>\"");
    stand.sandbox.write("pipelines/dem.yaml", &pipeline);
    stand.sandbox.succeed(&["run", "catalog"]);
    let serving = stand.serve();
    let jobs = serving.get("/jobs").expect(200).json();
    let job = format!("/jobs/{}", jobs["jobs"][0]["jobID"].as_str().unwrap());
    let browser = [("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")];
    let pages = PAGES.map(|path| path.replace("/jobs/JOB", &job));
    for path in pages.iter().map(String::as_str) {
        let page = serving.ask("GET", path, &browser, b"").expect(200);
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{path}");
        let text = page.text();
        assert!(text.starts_with("<!doctype html>") && text.contains("<h1>"), "{path}: {text}");
        assert!(!text.contains("<script>alert"), "{path}");
        if !path.starts_with("/zarr") {
            let json = serving.ask("GET", &format!("{path}?f=json"), &browser, b"").expect(200);
            assert!(json.json().is_object(), "{path}");
            let page = serving.get(&format!("{path}?f=html")).expect(200);
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        }
    }
    let page = serving.ask("GET", "/datasets/dem", &browser, b"").text();
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    let strip = serving.ask("GET", "/datasets/snow", &browser, b"").text();
    assert!(strip.contains("<i class=\"late\""), "{strip}");
    look(&serving, &pages);
}
