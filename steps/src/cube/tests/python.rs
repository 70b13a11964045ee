//! What libraries that we did not write see of a cube. `make test` names the interpreter in
//! `FRAZIL_PYTHON`; without one these tests say that they were skipped, but fail in CI.

use std::{path::Path, process::Command};

use frazil_engine::data::{Action, Frequency, Grid, Period, Slice, Status};
use serde_json::{Value, json};

use super::support::{Bench, bench, day, field, grid, numbers, slice};

fn read(bench: &Bench) -> Option<Value> {
    let Some(python) = std::env::var_os("FRAZIL_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "FRAZIL_PYTHON names no interpreter");
        println!("skipped: FRAZIL_PYTHON names no interpreter (`make test` sets it)");
        return None;
    };
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python");
    let mut command = Command::new(python);
    command.arg(scripts.join("run.py")).arg(scripts.join("read_cube.py")).arg(&bench.info.location.url);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test]
async fn xarray_sees_times_statuses_values_and_reference() {
    let bench = bench(json!({ "description": "Rain of a test.", "license": "CC-BY-4.0" }));
    let slices =
        (1..=6).map(|n| slice(day(n), if n == 3 { Status::Gap } else { Status::Final }, 0.0)).collect();
    let written = bench.write(0, Action::Add, slices).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    bench.add(7, 9).await;
    let Some(seen) = read(&bench) else { return };
    let days: Vec<String> = (1..=9).map(|n| format!("{}T00:00:00", day(n))).collect();
    assert_eq!(seen["time"], json!(days));
    assert_eq!(seen["status"], json!([0, 0, 2, 0, 0, 0, 0, 0, 0]));
    assert_eq!(seen["coordinates"], json!(["period_status", "spatial_ref", "time", "x", "y"]));
    assert_eq!(seen["mean_has_status"], json!(false));
    let rain = &seen["variables"]["rain"];
    assert_eq!((&rain["dims"], &rain["dtype"]), (&json!(["time", "y", "x"]), &json!("float32")));
    for n in 1..=9i64 {
        let stored = &rain["values"][usize::try_from(n - 1).unwrap()];
        for (at, value) in numbers(day(n), 0.0).into_iter().enumerate() {
            let expected = if n == 3 || value.is_nan() { Value::Null } else { json!(f64::from(value)) };
            assert_eq!(stored[at / 8][at % 8].as_f64(), expected.as_f64(), "{n} {at}");
        }
    }
    let reference = &seen["spatial_ref"];
    assert_eq!(reference["GeoTransform"], "-13.5 0.5 0 10 0 -0.5");
    assert!(reference["crs_wkt"].as_str().unwrap().starts_with("GEOGCRS[\"WGS 84\""));
    let root = &seen["attributes"];
    assert_eq!(root["time_coverage_start"], "2024-01-01T00:00:00Z");
    assert_eq!(root["time_coverage_end"], "2024-01-10T00:00:00Z");
    assert_eq!(root["time_coverage_duration"], "P9D");
    assert_eq!(root["spatial:transform"], json!([0.5, 0.0, -13.5, 0.0, -0.5, 10.0]));
    assert_eq!(root["spatial:bbox"], json!([-13.5, 7.0, -9.5, 10.0]));
    assert_eq!((&root["proj:code"], &root["spatial:shape"]), (&json!("EPSG:4326"), &json!([6, 8])));
    assert_eq!((&root["geospatial_lat_max"], &root["title"]), (&json!(10.0), &json!("Rain")));
    let keys = seen["raw"]["rain"]["attributes"].as_array().unwrap();
    assert!(!keys.contains(&json!("_zarrs")) && keys.contains(&json!("grid_mapping")), "{keys:?}");
    assert_eq!(seen["raw"]["rain"]["fill"], Value::Null);
    let commit = &seen["commits"][0];
    assert_eq!(commit["message"], "add 2024-01-07/2024-01-09");
    assert_eq!(commit["properties"]["periods"]["added"], json!(["P1D:2024-01-07/2024-01-09"]));
    assert_eq!(
        (&commit["properties"]["run"], &commit["properties"]["values"]),
        (&json!("r1"), &json!("changed"))
    );
}

#[tokio::test]
async fn xarray_unpacks_and_masks_integers() {
    let block = json!({ "variables": {
        "rain": { "units": "mm", "dtype": "int16", "scale-factor": 0.1, "add-offset": 5, "fill": -32768 },
        "kind": { "units": "1", "dtype": "uint8", "fill": 255, "categories": { "0": "bare soil", "1": "water" } },
    } });
    let bench = bench(block);
    let mut kind = field("kind", (0..48u8).map(|c| if c == 5 { 9 } else { c % 2 }).collect::<Vec<_>>());
    (kind.fill, kind.units) = (Some(9.0), Some("1".to_owned()));
    let rain: Vec<f64> = (0..48).map(|c| if c == 3 { f64::NAN } else { f64::from(c) / 10.0 }).collect();
    let one = Slice { fields: vec![field("rain", rain), kind], ..slice(day(1), Status::Final, 0.0) };
    let written = bench.write(0, Action::Add, vec![one]).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    let Some(seen) = read(&bench) else { return };
    let raw = &seen["raw"];
    assert_eq!((&raw["rain"]["dtype"], &raw["kind"]["dtype"]), (&json!("int16"), &json!("uint8")));
    let rain = &seen["variables"]["rain"]["values"][0];
    let kind = &seen["variables"]["kind"];
    for c in 0..48usize {
        let value = rain[c / 8][c % 8].as_f64();
        assert_eq!(value.map(|v| (v * 10.0).round()), (c != 3).then_some(c as f64), "{c}");
        let value = kind["values"][0][c / 8][c % 8].as_f64();
        assert_eq!(value, (c != 5).then_some((c % 2) as f64), "{c}");
    }
    assert_eq!(kind["attributes"]["flag_meanings"], "bare_soil water");
    assert_eq!(kind["attributes"]["flag_values"], json!([0, 1]));
}

#[tokio::test]
async fn xarray_finds_combinations_by_their_labels() {
    let bench = bench(json!({ "chunks": { "time": 2 } }));
    let extra = json!({ "member": [0, 5, 9], "sex": ["f", "m", "autre é"] });
    let own = std::sync::Arc::new(Grid { extra: serde_json::from_value(extra).unwrap(), ..grid() });
    let one = |n: i64| {
        let plane = |plane: usize| (0..48).map(move |cell| (n * 1000) as f32 + (plane * 50 + cell) as f32);
        let values: Vec<f32> = (0..9).flat_map(plane).collect();
        let fields = vec![field("rain", values)];
        Slice { grid: std::sync::Arc::clone(&own), fields, ..slice(day(n), Status::Final, 0.0) }
    };
    let written = bench.write(0, Action::Add, (1..=3).map(one).collect()).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    let Some(seen) = read(&bench) else { return };
    assert_eq!(seen["labels"]["member"], json!([0, 5, 9]));
    assert_eq!(seen["labels"]["sex"], json!(["f", "m", "autre é"]));
    assert_eq!(seen["raw"]["rain"]["chunks"], json!([2, 1, 1, 6, 8]));
    let rain = &seen["variables"]["rain"];
    assert_eq!(rain["dims"], json!(["time", "member", "sex", "y", "x"]));
    for (n, plane, cell) in [(0usize, 0usize, 0usize), (1, 4, 17), (2, 8, 47)] {
        let value = &rain["values"][n][plane / 3][plane % 3][cell / 8][cell % 8];
        assert_eq!(value.as_f64(), Some(((n + 1) * 1000 + plane * 50 + cell) as f64));
    }
}

#[tokio::test]
async fn hours_stay_hours() {
    let bench = bench(json!({ "time": { "step": "PT1H" }, "chunks": { "time": 5 } }));
    let first = Period::parse("2024-02-28T22", Frequency::Minutes(60)).unwrap();
    for (index, range) in [0..4, 4..30].into_iter().enumerate() {
        let slices =
            range.map(|n| Slice { period: first.plus(n), ..slice(day(1), Status::Final, 0.0) }).collect();
        let written = bench.write(index, Action::Add, slices).await.unwrap();
        bench.commit(vec![written]).await.unwrap();
    }
    let Some(seen) = read(&bench) else { return };
    let hours: Vec<String> =
        (0..30).map(|n| first.plus(n).start().format("%Y-%m-%dT%H:%M:%S").to_string()).collect();
    assert_eq!(seen["time"], json!(hours));
}
