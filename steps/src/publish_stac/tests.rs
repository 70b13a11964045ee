use std::{path::PathBuf, process::Command, sync::Arc};

use frazil_engine::{
    data::{Action, Axis, Field, Grid, Item, Period, PeriodRange, Periods, Slice},
    step::{Batch, Ended},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    crs::epsg,
    cube::{BatchWriter, CommitNotes, commit},
    testing,
};

fn blocks() -> Value {
    json!({
        "rain": {
            "title": "Rain", "description": "Rain of a day", "keywords": ["rain"], "license": "CC-BY-4.0",
            "links": [{ "href": "https://example.org/rain", "rel": "about", "title": "More" }],
            "providers": [{ "name": "Office", "roles": ["producer"], "url": "https://example.org" }],
            "citation": "Office (2024)",
            "time": { "step": "P1D" }, "chunks": { "time": 4, "y": 4, "x": 8 },
            "variables": { "rain": { "units": "mm", "dtype": "float32", "long-name": "rain of a day" } },
            "display": { "colormap": "blues", "range": [0, 50] },
        },
        "snow": {
            "title": "Snow", "time": { "step": "dekad" }, "variables": { "rain": { "units": "mm" } },
        },
        "none": { "title": "Nothing yet", "time": { "step": "P1M" } },
    })
}

/// Three periods, of which the newest has no values, in a system of this code.
async fn fill(cx: &Context, id: &str, first: &str, code: u32) -> Snapshot {
    let info = Arc::clone(cx.scope.datasets.get(id).unwrap());
    let frazil_engine::dataset::TimeAxis::Regular(time) = &info.block.time else { panic!("static") };
    let first = Period::parse(first, time.frequency()).unwrap();
    let range = PeriodRange { first, last: first.plus(2) };
    let periods = Periods {
        dataset: info.id.clone(),
        step: time.frequency(),
        base: None,
        items: vec![Item { range, action: Action::Add }],
        batches: vec![vec![range]],
        source: None,
        release: None,
    };
    let scale = if code == 4326 { 0.5 } else { 10_000.0 };
    let north = if code == 4326 { 10.0 } else { 7_000_000.0 };
    let grid = Arc::new(Grid {
        crs: epsg(code).unwrap(),
        y: Axis::regular("y", north, -scale, 6),
        x: Axis::regular("x", -scale * 27.0, scale, 8),
        extra: Default::default(),
    });
    let mut writer = BatchWriter::begin(&info, &cx.scope, Batch { index: 0, periods }).await.unwrap();
    for period in range.iter() {
        let is_gap = period == range.last;
        let values: Vec<f32> = (0..48_u8).map(|i| if i == 3 { f32::NAN } else { f32::from(i) }).collect();
        let units = Some("mm".to_owned());
        let field = Field { name: "rain".to_owned(), values: values.into(), fill: None, units };
        let fields = if is_gap { Vec::new() } else { vec![field] };
        let status = if is_gap { Status::Gap } else { Status::Final };
        writer.put(Slice { period, status, context: false, grid: Arc::clone(&grid), fields }).await.unwrap();
    }
    let written = writer.finish(Ended::Whole).await.unwrap();
    commit(&info, cx, vec![written], CommitNotes::default()).await.unwrap()
}

fn read(cx: &Context, path: &str) -> Value {
    let path = cx.scope.project.catalog.join(path);
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
        .unwrap()
}

fn nothing(id: &str) -> Snapshot {
    Snapshot {
        dataset: id.parse().unwrap(),
        repository: "x".to_owned(),
        branch: "main".to_owned(),
        id: None,
        base: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_say_what_the_cubes_hold_and_pass_the_published_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let cx = testing::context(folder.path(), testing::datasets(folder.path(), blocks()));
    let rain = fill(&cx, "rain", "2024-02-27", 4326).await;
    let snow = fill(&cx, "snow", "2024-01-D3", 32_633).await;
    let outcome = PublishStac {}.run(vec![rain.clone(), snow, nothing("none")], &cx).await;
    assert_eq!((outcome.output, outcome.error), (Some(()), None));

    let collection = read(&cx, "collections/rain/collection.json");
    assert_eq!(collection["extent"]["spatial"]["bbox"], json!([[-13.5, 7.0, -9.5, 10.0]]));
    let interval = json!(["2024-02-27T00:00:00Z", "2024-03-01T00:00:00Z"]);
    assert_eq!(collection["extent"]["temporal"]["interval"], json!([interval]));
    assert_eq!(collection["cube:dimensions"]["time"]["step"], "P1D");
    assert_eq!(collection["cube:dimensions"]["y"]["extent"], json!([7.0, 10.0]));
    assert_eq!(collection["cube:dimensions"]["x"]["reference_system"], 4326);
    let variable = &collection["cube:variables"]["rain"];
    assert_eq!((&variable["shape"], &variable["chunks"]), (&json!([3, 6, 8]), &json!([4, 4, 8])));
    assert_eq!(variable["unit"], "mm");
    assert_eq!(collection["assets"]["icechunk"]["icechunk:snapshot_id"], json!(rain.id));
    assert_eq!(collection["assets"]["zarr"]["proj:transform"], json!([0.5, 0.0, -13.5, 0.0, -0.5, 10.0]));
    assert_eq!(collection["renders"]["rain"]["rescale"], json!([[0.0, 50.0]]));
    assert!(collection["assets"]["thumbnail"].is_object());

    let snow = read(&cx, "collections/snow/collection.json");
    assert_eq!(snow["license"], "other");
    assert_eq!(snow["cube:dimensions"]["time"]["step"], Value::Null);
    assert_eq!(snow["extent"]["temporal"]["interval"][0][1], "2024-02-21T00:00:00Z");
    assert!(snow["assets"]["thumbnail"].is_null() && snow["renders"].is_null());
    let west = snow["extent"]["spatial"]["bbox"][0][0].as_f64().unwrap();
    assert!((0.0..5.0).contains(&west), "{west}");
    assert!(!cx.scope.project.catalog.join("collections/none").exists());
    validate(&cx.scope.project.catalog);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_published_is_and_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cx = testing::context(folder.path(), testing::datasets(folder.path(), blocks()));
    let rain = fill(&cx, "rain", "2024-02-27", 4326).await;
    let broken = Snapshot { id: Some(SnapshotId("0123".to_owned())), ..nothing("snow") };
    let outcome = PublishStac {}.run(vec![broken, rain.clone()], &cx).await;
    assert_eq!(outcome.output, Some(()));
    assert!(outcome.error.is_some());
    let path = cx.scope.project.catalog.join("collections/rain/collection.json");
    let before = std::fs::metadata(&path).unwrap().modified().unwrap();
    let again = PublishStac {}.run(vec![rain], &cx).await;
    assert_eq!(again.error, None);
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[tokio::test]
async fn nothing_at_all_is_an_empty_catalog() {
    let folder = tempfile::tempdir().unwrap();
    let cx = testing::context(folder.path(), testing::datasets(folder.path(), blocks()));
    let outcome = PublishStac {}.run(vec![nothing("none")], &cx).await;
    assert_eq!(outcome.error, None);
    assert_eq!(read(&cx, "catalog.json")["links"].as_array().unwrap().len(), 2);
}

/// Judges a catalog by the published schemas, with pystac.
fn validate(catalog: &Path) {
    let python = std::env::var_os("FRAZIL_PYTHON").map(PathBuf::from).filter(|path| path.is_file());
    let Some(python) = python else {
        assert!(std::env::var_os("CI").is_none(), "FRAZIL_PYTHON names no interpreter");
        println!("skipped: FRAZIL_PYTHON names no interpreter (`make test` sets it)");
        return;
    };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests");
    let output = Command::new(python)
        .arg(tests.join("python/validate_stac.py"))
        .arg(tests.join("data/stac"))
        .arg(catalog)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), r#"{"collections": ["rain", "snow"], "problems": []}"#);
}
