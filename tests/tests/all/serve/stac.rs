//! The STAC API, judged by the schemas and read by pystac.

use frazil_tests::{programs, serving::Serving};
use serde_json::{Value, json};

use super::stand::Stand;

fn href<'a>(document: &'a Value, rel: &str) -> &'a str {
    let links = document["links"].as_array().unwrap();
    links.iter().find(|link| link["rel"] == rel).unwrap()["href"].as_str().unwrap()
}

/// What a reader finds who knows nothing but the address.
fn read(serving: &Serving) -> Option<Value> {
    let schemas = programs::root().join("tests/data/stac").to_string_lossy().into_owned();
    programs::ask_python("read_stac_api.py", &[&schemas, &serving.url])
}

#[test]
fn the_catalog_is_valid_and_leads_to_data_of_one_state() {
    let stand = Stand::made();
    let serving = stand.serve();
    if let Some(found) = read(&serving) {
        assert_eq!(found["problems"], json!([]), "{found}");
        assert_eq!(found["collections"], json!(["dem", "pop", "snow"]));
        assert_eq!(found["opened"]["snow"], json!({ "time": 4, "y": 41, "x": 36 }));
        assert_eq!(found["opened"]["dem"], json!({ "y": 20, "x": 24 }));
    }
    let root = serving.get("/stac").expect(200).json();
    assert_eq!(root["conformsTo"], serving.get("/stac/conformance").expect(200).json()["conformsTo"]);
    let snow = serving.get("/stac/collections/snow").expect(200).json();
    let head = serving.get("/zarr/snow/zarr.json").header("frazil-snapshot").unwrap().to_owned();
    assert_eq!(snow["assets"]["zarr"]["href"], format!("{}/zarr/snow@{head}", serving.url));
    assert_eq!(snow["assets"]["zarr"]["type"], "application/vnd.zarr; version=3; profile=multiscales");
    assert_eq!(snow["assets"]["icechunk"]["icechunk:snapshot_id"], json!(head));
    for query in ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2"] {
        serving.get(&format!("/stac/collections?{query}")).expect(400);
    }
    // The picture is shown once there is one.
    assert_eq!(snow["assets"]["thumbnail"], Value::Null);
    serving.get("/stac/collections/snow/thumbnail").expect(404);
    stand.sandbox.succeed(&["run", "catalog"]);
    let drawn = serving.get("/stac/collections/snow").expect(200).json();
    let picture = serving.get(drawn["assets"]["thumbnail"]["href"].as_str().unwrap()).expect(200);
    assert_eq!(picture.header("content-type"), Some("image/png"));
    let file = stand.sandbox.path("stac/collections/snow/thumbnail.png");
    assert_eq!(picture.body, std::fs::read(file).unwrap());
    let tag = [("If-None-Match", picture.header("etag").unwrap())];
    serving.ask("GET", "/stac/collections/snow/thumbnail", &tag, b"").expect(304);
    // What is published later is told at once.
    stand.run("2024-01-05");
    let later = serving.get("/stac/collections/snow").expect(200).json();
    assert_eq!(later["cube:variables"]["snow"]["shape"], json!([5, 41, 36]));
    assert_ne!(later["assets"]["zarr"]["href"], snow["assets"]["zarr"]["href"]);
}

#[test]
fn collections_come_in_pages_and_what_cannot_be_read_hides_no_other() {
    let stand = Stand::made();
    let serving = stand.serve();
    let (mut names, mut next) = (Vec::new(), Some("/stac/collections?limit=2".to_owned()));
    while let Some(address) = next.take() {
        let page = serving.get(&address).expect(200).json();
        let found = page["collections"].as_array().unwrap();
        assert!(found.len() <= 2);
        names.extend(found.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        let links = page["links"].as_array().unwrap();
        next = links.iter().find(|l| l["rel"] == "next").map(|l| l["href"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["dem", "pop", "snow"]);
    serving.get("/stac/collections/nothing").expect(404);
    std::fs::write(stand.sandbox.path("cubes/pop/repo"), "no repository").unwrap();
    drop(serving);
    let broken = stand.serve();
    let page = broken.get("/stac/collections").expect(200).json();
    assert_eq!(page["collections"].as_array().unwrap().len(), 2);
    assert_eq!(page["frazil:unreadable"], json!(["pop"]));
    broken.get("/stac/collections/pop").expect(502);
}

#[test]
fn a_dataset_without_commits_has_no_collection_yet() {
    let stand = Stand::new();
    let serving = stand.serve();
    assert_eq!(serving.get("/stac/collections").expect(200).json()["collections"], json!([]));
    serving.get("/stac/collections/snow").expect(404);
    stand.run("2024-01-01");
    let collection = serving.get("/stac/collections/snow").expect(200).json();
    assert_eq!(href(&collection, "self"), format!("{}/stac/collections/snow", serving.url));
    assert_eq!(href(&collection, "root"), format!("{}/stac", serving.url));
}
