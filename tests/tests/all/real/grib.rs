//! GRIB 1 and 2.

use serde_json::json;

use super::bench::{Bench, genuine, other};

#[tokio::test]
async fn a_month_of_744_messages() {
    let Some(file) = genuine("era5-grib/era5-2mt-2019-03-uk.grib") else { return };
    let with = json!({ "variables": { "t2m": { "from": "2t" } } });
    let bench = Bench::file("PT1H", &file, with, json!({ "t2m": { "dtype": "float32" } }));
    let came = bench.fetch(&["2019-03-01T00/2019-04-01T12"]).await.whole();
    assert_eq!(came.slices.len(), 744);
    assert_eq!(came.slices[0].fields[0].units.as_deref(), Some("K"));
    assert_eq!(came.grid().crs.code.as_deref(), Some("EPSG:4326"));
    let Some(other) = other(&file, json!({ "engine": "cfgrib", "variable": "t2m" })) else { return };
    came.same_as("t2m", &other);
    came.lies_like(&other, 1e-9);
}

#[tokio::test]
async fn jpeg_2000_is_decoded_and_kelvin_stays_kelvin() {
    let Some(file) = genuine("nwp/CMC_glb_TMP_TGL_2_latlon.15x.15_2020081000_P000.grib2") else { return };
    let with = json!({ "variables": { "t2m": { "from": "2t" } } });
    let bench = Bench::file("PT6H", &file, with, json!({ "t2m": { "dtype": "float32" } }));
    let came = bench.fetch(&["2020-08-10T00"]).await.whole();
    let values = &came.slices[0].fields[0].values;
    assert!((0..values.len()).all(|at| (150.0..350.0).contains(&values.get(at))));
    let reader = |engine| other(&file, json!({ "engine": engine, "variable": "t2m" }));
    let (Some(gdal), Some(eccodes)) = (reader("rasterio"), reader("cfgrib")) else { return };
    came.lies_like(&eccodes, 1e-9);
    // GDAL computes the values of edition 2 in single precision, ecCodes in double.
    came.nearly("t2m", &eccodes);
    let single = gdal.single();
    came.same_as("t2m", &single);
}

#[tokio::test]
async fn cells_outside_a_bitmap_are_missing() {
    let Some(file) = genuine("era5-grib/fields_with_missing_values.grib") else { return };
    let with = json!({ "variables": { "t2m": { "from": "2t" } } });
    let bench = Bench::file("PT12H", &file, with, json!({ "t2m": { "dtype": "float32" } }));
    let came = bench.fetch(&["2017-10-18T00/2017-10-18T12"]).await.whole();
    let values = &came.slices[0].fields[0].values;
    assert!((0..values.len()).any(|at| values.get(at).is_nan()));
    let Some(other) = other(&file, json!({ "engine": "cfgrib", "variable": "t2m" })) else { return };
    came.same_as("t2m", &other);
}

#[tokio::test]
async fn members_are_not_taken_for_one_another() {
    let Some(file) = genuine("era5-grib/era5-levels-members.grib") else { return };
    let bench =
        |select| Bench::file("PT12H", &file, json!({ "variables": { "t": select } }), json!({ "t": {} }));
    let levels = bench(json!({})).refused(&["2017-01-01T00"]).await;
    assert!(levels.contains("500-ISBL, 850-ISBL"), "{levels}");
    let members = bench(json!({ "level": 500 })).refused(&["2017-01-01T00"]).await;
    assert!(members.contains("10 of its steps are the one period 2017-01-01T00"), "{members}");
    assert!(bench(json!({ "level": 700 })).refused(&["2017-01-01T00"]).await.contains("not at level 700"));
    assert!(bench(json!({ "from": "q" })).refused(&["2017-01-01T00"]).await.contains("only of T, Z"));
    assert!(bench(json!({ "band": 161 })).refused(&["2017-01-01T00"]).await.contains("160 messages"));
    assert_eq!(bench(json!({ "band": 1 })).fetch(&["2017-01-01T00"]).await.whole().slices.len(), 1);
}

#[tokio::test]
async fn a_projected_grid_keeps_its_projection() {
    let Some(file) = genuine("nwp/nam.t00z.awp21100.tm00.grib2") else { return };
    let with = json!({ "variables": { "msl": { "from": "prmsl" }, "t": { "from": "TMP", "level": 500 } } });
    let bench = Bench::file(
        "PT6H",
        &file,
        with,
        json!({ "msl": { "dtype": "float32" }, "t": { "dtype": "float32" } }),
    );
    let came = bench.fetch(&["2018-09-17T00"]).await.whole();
    assert!(came.grid().crs.wkt.contains("Lambert Conic Conformal"), "{}", came.grid().crs.wkt);
    assert_eq!((came.grid().y.cell, came.grid().x.cell), (Some(-81_271.0), Some(81_271.0)));
    for (name, filter, variable) in [
        ("msl", json!({ "shortName": "prmsl" }), "prmsl"),
        ("t", json!({ "shortName": "t", "typeOfLevel": "isobaricInhPa", "level": 500 }), "t"),
    ] {
        let spec = json!({ "engine": "cfgrib", "variable": variable, "filter": filter });
        let Some(mut other) = other(&file, spec) else { return };
        // Without coordinates of one dimension the other reader leaves the scan's order: south first.
        let (rows, columns) = came.grid().shape();
        other.turn(rows, columns);
        came.nearly(name, &other);
    }
}
