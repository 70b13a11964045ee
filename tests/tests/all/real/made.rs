//! Files made for one question each, as other writers write them.

use std::path::PathBuf;

use frazil_engine::data::{Status, Values};
use frazil_tests::programs::ask_python;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bench::{Bench, other};

/// A made file in a folder of its own; `None`, said in a line, without a Python to make it.
fn made(case: &str) -> Option<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{case}.nc"));
    ask_python("make_netcdf.py", &[case, path.to_str().unwrap()])?;
    Some((folder, path))
}

fn daily(path: &std::path::Path, with: Value) -> Bench {
    Bench::file("P1D", path, with, json!({ "v": {} }))
}

#[tokio::test]
async fn what_would_shift_or_mix_periods_is_refused_by_name() {
    for (case, range, said) in [
        ("noleap", "2025-02-01", "noleap"),
        ("three_sixty", "2025-02-01", "360_day"),
        ("doubled", "2025-02-01", "2 of its steps are the one period 2025-02-02"),
        ("months", "2025-02-01", "months since"),
        ("two_experiments", "2025-02-01", "expver (2)"),
        ("curved", "2025-02-01", "no coordinate of one dimension"),
        ("date_line", "2025-02-01", "gap between -175.5 and 175.5"),
        ("nowhere", "2025-02-01", "does not name its reference system"),
    ] {
        let Some((_folder, path)) = made(case) else { return };
        let error = daily(&path, json!({})).refused(&[range]).await;
        assert!(error.contains(said) && error.contains(&format!("{case}.nc")), "{case}: {error}");
    }
}

#[tokio::test]
async fn stamps_at_six_belong_to_their_day_and_a_hole_is_seen() {
    for case in ["six_utc", "six_utc_3"] {
        let Some((_folder, path)) = made(case) else { return };
        let range = ["2025-02-01/2025-02-06"];
        let stopped = daily(&path, json!({})).fetch(&range).await;
        assert_eq!(stopped.periods(), ["2025-02-01"]);
        assert!(stopped.error.unwrap().to_string().contains("2025-02-02"));
        let came = daily(&path, json!({ "on-missing": "gap" })).fetch(&range).await.whole();
        assert_eq!(came.periods(), ["2025-02-01", "2025-02-02", "2025-02-03", "2025-02-04"]);
        assert_eq!(came.slices[1].status, Status::Gap);
        assert_eq!(came.slices[3].fields[0].values.get(0), 40.0);
    }
}

#[tokio::test]
async fn a_time_of_zero_is_not_believed_and_other_coordinates_are_no_axis() {
    let Some((_folder, path)) = made("zero") else { return };
    assert_eq!(daily(&path, json!({})).fetch(&["2025-02-09"]).await.whole().periods(), ["2025-02-09"]);
    let Some((_folder, path)) = made("beside") else { return };
    let came = daily(&path, json!({})).fetch(&["2025-02-01/2025-02-05"]).await.whole();
    assert_eq!(came.periods(), ["2025-02-01", "2025-02-02", "2025-02-03"]);
}

#[tokio::test]
async fn any_order_of_dimensions_is_turned_north_up() {
    let Some((_folder, path)) = made("turned") else { return };
    let spec = |bbox: Value| json!({ "engine": "netcdf4", "variable": "v", "bbox": bbox });
    for bbox in [json!([-180, -90, 180, 90]), json!([-50, -1, 40, 1.5]), json!([30, -1, 31, -0.9])] {
        let came = daily(&path, json!({ "bbox": bbox })).fetch(&["2025-02-01/2025-02-03"]).await.whole();
        let Some(other) = other(&path, spec(bbox)) else { return };
        came.same_as("v", &other);
        came.lies_like(&other, 1e-9);
    }
}

#[tokio::test]
async fn a_projected_grid_with_upper_case_names_keeps_its_code() {
    let Some((_folder, path)) = made("projected") else { return };
    let came = Bench::file("P1D", &path, json!({}), json!({ "rr": {} })).fetch(&["2025-02-01"]).await.whole();
    assert_eq!(came.grid().crs.code.as_deref(), Some("EPSG:32633"));
    assert_eq!(came.grid().y.centres, [6_602_500.0, 6_601_500.0, 6_600_500.0]);
    assert_eq!((came.grid().y.name.as_str(), came.grid().x.name.as_str()), ("y", "x"));
    let Values::Float32(values) = &came.slices[0].fields[0].values else { panic!("not single") };
    assert_eq!(format!("{values:?}"), "[4.0, 5.0, 2.0, NaN, 0.0, 1.0]");
}

#[tokio::test]
async fn a_bbox_on_one_side_of_the_date_line_is_cut() {
    let Some((_folder, path)) = made("date_line") else { return };
    let came = daily(&path, json!({ "bbox": [-180, 0, -177, 3] })).fetch(&["2025-02-01"]).await.whole();
    assert_eq!(came.grid().x.centres, [-179.5, -178.5, -177.5]);
    assert_eq!(came.slices[0].fields[0].values.get(0), 5.0);
    let error = daily(&path, json!({ "bbox": [0, 0, 10, 3] })).refused(&["2025-02-01"]).await;
    assert!(error.contains("no cell of it overlaps the bbox"), "{error}");
}

#[tokio::test]
async fn helper_dimensions_fall_away_and_expver_sets_the_status() {
    let Some((_folder, path)) = made("experiments") else { return };
    let came = daily(&path, json!({})).fetch(&["2025-02-01/2025-02-03"]).await.whole();
    let statuses: Vec<Status> = came.slices.iter().map(|slice| slice.status).collect();
    assert_eq!(statuses, [Status::Final, Status::Final, Status::Provisional]);
    assert_eq!(came.slices[2].fields[0].values.get(0), 40.0);
}

#[tokio::test]
async fn members_and_levels_of_a_file_are_found_by_their_coordinates() {
    let Some((_folder, path)) = made("members") else { return };
    let dimensions = json!({ "level": [850, 500], "number": [7, 0] });
    let bench = Bench { dimensions: dimensions.clone(), ..daily(&path, json!({})) };
    let came = bench.fetch(&["2025-02-01/2025-02-03"]).await.whole();
    assert_eq!(came.periods(), ["2025-02-01", "2025-02-02", "2025-02-03"]);
    assert_eq!(serde_json::to_value(&came.grid().extra).unwrap(), dimensions);
    for (time, slice) in came.slices.iter().enumerate() {
        // As the file has them: number, time, level, y, x.
        let plane = |level: usize, number: usize| {
            (0..20).map(move |cell| ((((number * 3 + time) * 2 + level) * 20 + cell) % 97) as f32)
        };
        let planes = [(1, 2), (1, 0), (0, 2), (0, 0)];
        let expected: Vec<f32> =
            planes.into_iter().flat_map(|(level, number)| plane(level, number)).collect();
        assert_eq!((slice.fields.len(), &slice.fields[0].values), (1, &expected.into()), "{time}");
    }
    for (dimensions, said) in [
        (json!({ "level": [500], "number": [5] }), "`number` has no 5, only 0, 3, 7"),
        (json!({ "level": [500] }), "more dimensions than time, y and x: number (3)"),
        (
            json!({ "level": [500], "number": [0], "member": [0] }),
            "`v` has no dimension `member`, only number",
        ),
        (json!({ "level": [500], "number": ["a"] }), "the labels of `number` are texts"),
    ] {
        let bench = Bench { dimensions, ..daily(&path, json!({})) };
        let error = bench.refused(&["2025-02-01"]).await;
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn every_packing_is_undone_as_xarray_does_it() {
    let Some((_folder, path)) = made("packed") else { return };
    for name in
        ["single", "double", "mixed", "scaled", "shifted", "large", "bare", "bytes", "floats", "doubles"]
    {
        let Some(other) = other(&path, json!({ "engine": "netcdf4", "variable": name, "plain": true }))
        else {
            return;
        };
        let declared = json!({ name: { "dtype": other.dtype } });
        let came = Bench::file("P1D", &path, json!({}), declared).fetch(&["2025-02-01"]).await.whole();
        came.same_as(name, &other);
    }
}

#[tokio::test]
async fn a_file_that_is_no_file_or_cut_short_is_an_error_that_names_it() {
    let Some((folder, path)) = made("packed") else { return };
    let bytes = std::fs::read(&path).unwrap();
    for (name, bytes, said) in [
        (
            "page.nc",
            &b"<!DOCTYPE html><title>Not here</title>"[..],
            "is no GeoTIFF, NetCDF, HDF5 or GRIB file",
        ),
        ("empty.nc", &b""[..], "is no GeoTIFF"),
        ("cut.nc", &bytes[..bytes.len() / 2], "cut.nc"),
        ("cut.tif", &b"II*\0\x08\0\0\0\xff\xff"[..], "cut.tif"),
        ("cut.grib", &b"GRIB\0\0\x10\x01"[..], "cut.grib"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let bench = Bench::file("P1D", &path, json!({}), json!({ "single": {} }));
        let error = bench.refused(&["2025-02-01"]).await;
        assert!(error.contains(said) && error.contains(name), "{error}");
    }
}
