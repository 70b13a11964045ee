//! NetCDF 3 and 4, and the time axes in them.

use frazil_engine::data::{Action, Axis, DType, Status};
use serde_json::json;

use super::bench::{Bench, genuine, other, period};

const HOURLY: &str = "era5-land/era5-land-hourly-temp-precip-feb-2025-sierra-leone.nc";
const MONTHLY: &str = "era5-land/era5-land-monthly-temp-precip-1990-2025-sierra-leone.nc";
const GLOBAL: &str = "era5-land/era5-land-monthly-temp-feb-2025-global.nc";
const OISST: &str = "oisst/oisst-avhrr-v02r01.20211025.nc";

#[tokio::test]
async fn a_month_of_hours_by_starts_and_by_ends() {
    let Some(file) = genuine(HOURLY) else { return };
    let variables = json!({ "t2m": { "dtype": "float32" }, "tp": { "dtype": "float32" } });
    let starts = Bench::file("PT1H", &file, json!({}), variables.clone());
    let came = starts.fetch(&["2025-02-01T00/2025-03-02T23"]).await.whole();
    // What the file has; behind its last label is the frontier.
    assert_eq!(came.slices.len(), 672);
    assert_eq!(came.periods().last().map(String::as_str), Some("2025-02-28T23"));
    assert!(came.slices.iter().all(|slice| slice.status == Status::Final));
    assert_eq!(came.slices[0].fields[0].units.as_deref(), Some("K"));
    assert_eq!(came.slices[0].fields[1].units.as_deref(), Some("m"));
    for variable in ["t2m", "tp"] {
        let Some(other) = other(&file, json!({ "engine": "netcdf4", "variable": variable, "plain": true }))
        else {
            return;
        };
        came.same_as(variable, &other);
        came.lies_like(&other, 0.0);
    }
    // Stamps that name ends: the same numbers, an hour earlier; the last label is now T22.
    let ends = Bench::file("PT1H", &file, json!({ "stamp": "end" }), variables);
    let shifted = ends.fetch(&["2025-01-31T23/2025-02-28T23"]).await.whole();
    assert_eq!(shifted.slices.len(), 672);
    assert_eq!(shifted.slices[0].period, period("2025-01-31T23", "PT1H"));
    for (one, other) in shifted.slices.iter().zip(&came.slices) {
        assert_eq!(format!("{:?}", one.fields), format!("{:?}", other.fields));
    }
}

#[tokio::test]
async fn a_label_before_the_first_or_inside_that_lacks_is_a_hole() {
    let Some(file) = genuine(HOURLY) else { return };
    let bench = Bench::file("PT1H", &file, json!({}), json!({ "t2m": {} }));
    let error = bench.refused(&["2025-01-31T23/2025-02-01T00"]).await;
    assert!(error.contains("2025-01-31T23"), "{error}");
    let kept = bench.fetch_as(&["2025-01-31T23"], Action::Revise).await.whole();
    assert_eq!((kept.slices.len(), kept.kept), (0, 1));
}

#[tokio::test]
async fn thirty_five_years_of_months_end_with_preliminary_ones() {
    let Some(file) = genuine(MONTHLY) else { return };
    let bench = Bench::file("P1M", &file, json!({}), json!({ "t2m": { "dtype": "float32" }, "tp": {} }));
    let came = bench.fetch(&["1990-01/2025-12"]).await.whole();
    assert_eq!(came.slices.len(), 428);
    assert_eq!(came.periods().last().map(String::as_str), Some("2025-08"));
    let provisional: Vec<String> = came
        .slices
        .iter()
        .filter(|slice| slice.status == Status::Provisional)
        .map(|slice| slice.period.to_string())
        .collect();
    assert_eq!(provisional, ["2025-07", "2025-08"]);
    assert_eq!(came.grid().y.cell, Some(-0.1));
    let Some(other) = other(&file, json!({ "engine": "netcdf4", "variable": "t2m", "plain": true })) else {
        return;
    };
    came.same_as("t2m", &other);
    came.lies_like(&other, 0.0);
}

#[tokio::test]
async fn a_global_month_is_turned_and_its_window_lies_on_the_regional_grid() {
    let Some(file) = genuine(GLOBAL) else { return };
    let bench = |with| Bench::file("P1M", &file, with, json!({ "t2m": { "dtype": "float32" } }));
    let came = bench(json!({})).fetch(&["2025-02"]).await.whole();
    assert_eq!(came.grid().shape(), (1801, 3600));
    assert_eq!((came.grid().x.centres[0], came.grid().x.centres[3599]), (-180.0, 179.9));
    assert_eq!(came.slices[0].status, Status::Final);
    if let Some(other) = other(&file, json!({ "engine": "netcdf4", "variable": "t2m" })) {
        came.same_as("t2m", &other);
        came.lies_like(&other, 1e-9);
    }
    // Over Greenwich: both sides.
    let bbox = json!([-1.22, 50.0, 2.27, 52.0]);
    let greenwich = bench(json!({ "bbox": bbox })).fetch(&["2025-02"]).await.whole();
    if let Some(other) = other(&file, json!({ "engine": "netcdf4", "variable": "t2m", "bbox": bbox })) {
        greenwich.same_as("t2m", &other);
        greenwich.lies_like(&other, 1e-9);
    }
    // The cells of the regional file.
    let Some(region) = genuine(MONTHLY) else { return };
    let region =
        Bench::file("P1M", &region, json!({}), json!({ "t2m": {} })).fetch(&["2025-02"]).await.whole();
    let cut = bench(json!({ "bbox": [-13.41, 6.89, -10.19, 10.11] })).fetch(&["2025-02"]).await.whole();
    let near = |a: &Axis, b: &Axis| a.centres.iter().zip(&b.centres).all(|(a, b)| (a - b).abs() < 1e-9);
    assert_eq!(cut.grid().shape(), region.grid().shape());
    assert!(near(&cut.grid().y, &region.grid().y) && near(&cut.grid().x, &region.grid().x));
    assert_eq!(cut.grid().x.cell, region.grid().x.cell);
}

#[tokio::test]
async fn packed_sea_surface_temperature_is_unpacked_as_xarray_does_it() {
    let Some(file) = genuine(OISST) else { return };
    let variables = json!({ "sst": { "dtype": "float32" }, "ice": { "dtype": "float32" } });
    // Stamped at noon: the day that holds it.
    let came = Bench::file("P1D", &file, json!({}), variables).fetch(&["2021-10-25"]).await.whole();
    assert_eq!(came.grid().crs.code.as_deref(), Some("EPSG:4326"));
    assert_eq!(came.grid().y.centres.first(), Some(&89.875));
    assert_eq!(came.grid().x.centres.first(), Some(&-179.875));
    for variable in ["sst", "ice"] {
        let Some(other) = other(&file, json!({ "engine": "netcdf4", "variable": variable })) else { return };
        came.same_as(variable, &other);
        came.lies_like(&other, 0.0);
    }
    let bench = Bench::file("P1D", &file, json!({}), json!({ "sst": {} }));
    let before = bench.refused(&["2021-10-24"]).await;
    assert!(before.contains("2021-10-24: it is not in "), "{before}");
    assert!(bench.fetch(&["2021-10-26"]).await.whole().slices.is_empty());
}

#[tokio::test]
async fn netcdf_3_with_a_negative_scale_and_two_dimensions_to_choose_from() {
    let Some(file) = genuine("era/eraint_uvz.nc") else { return };
    let chosen =
        json!({ "variables": { "z": { "level": 500, "band": 2 }, "u": { "level": 850, "band": 1 } } });
    let doubles = json!({ "z": { "dtype": "float64" }, "u": { "dtype": "float64" } });
    // Its `month` is no time axis: the file is the period asked for.
    let came = Bench::file("P1M", &file, chosen.clone(), doubles).fetch(&["2025-07"]).await.whole();
    for spec in [
        json!({ "engine": "netcdf4", "variable": "z", "isel": { "month": 1 }, "sel": { "level": 500 } }),
        json!({ "engine": "netcdf4", "variable": "u", "isel": { "month": 0 }, "sel": { "level": 850 } }),
    ] {
        let variable = spec["variable"].as_str().unwrap().to_owned();
        let Some(other) = other(&file, spec) else { return };
        came.same_as(&variable, &other);
        came.lies_like(&other, 0.0);
    }
    let singles = json!({ "z": { "dtype": "float32" }, "u": { "dtype": "float32" } });
    let rounded = Bench::file("P1M", &file, chosen, singles).fetch(&["2025-07"]).await.whole();
    let (single, double) = (&rounded.slices[0].fields[1].values, &came.slices[0].fields[1].values);
    assert_eq!(single.dtype(), DType::Float32);
    assert!((0..single.len()).all(|at| single.get(at) as f32 == double.get(at) as f32));
    let unchosen = Bench::file("P1M", &file, json!({}), json!({ "z": {} })).refused(&["2025-07"]).await;
    assert!(unchosen.contains("month (2), level (3)"), "{unchosen}");
}

#[tokio::test]
async fn categories_stay_integers() {
    let Some(file) = genuine("ocean/basin_mask.nc") else { return };
    let with = json!({ "variables": { "basin": { "level": 0 } } });
    let bench = Bench::file("P1Y", &file, with, json!({ "basin": { "dtype": "int8" } }));
    let came = bench.fetch(&["2025"]).await.whole();
    let field = &came.slices[0].fields[0];
    assert_eq!((field.values.dtype(), field.fill), (DType::Int8, Some(-100.0)));
    assert_eq!((came.grid().y.centres[0], came.grid().x.centres[0]), (89.5, -179.5));
    let Some(other) = other(&file, json!({ "engine": "netcdf4", "variable": "basin", "sel": { "Z": 0 } }))
    else {
        return;
    };
    for at in 0..field.values.len() {
        let (ours, theirs) = (field.values.get(at), other.values.get(at));
        assert!(ours == theirs || ours == -100.0 && theirs.is_nan(), "cell {at}: {ours} is not {theirs}");
    }
    // Without a time axis it cannot be two years.
    assert!(bench.refused(&["2025/2026"]).await.contains("no time axis"));
}
