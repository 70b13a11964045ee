//! Genuine files, written as Zarr by xarray and zarr-python as they stand, and read back.

use frazil_tests::programs::ask_python;
use serde_json::{Value, json};

use super::bench::{Bench, Came, genuine};

/// What two readings of the same numbers have in common: all.
fn same(one: &Came, other: &Came, what: &str) {
    assert_eq!(one.periods(), other.periods(), "{what}");
    assert_eq!(one.grid(), other.grid(), "{what}");
    for (one, other) in one.slices.iter().zip(&other.slices) {
        assert_eq!(one.status, other.status, "{what}");
        for (a, b) in one.fields.iter().zip(&other.fields) {
            assert_eq!((&a.name, &a.units, a.fill), (&b.name, &b.units, b.fill), "{what}");
            if a.values.dtype() != b.values.dtype() {
                // JSON knows no scale in single precision: as in xarray the numbers are doubles then.
                let single = |values: &frazil_engine::data::Values, at| values.get(at) as f32;
                let near = |at| {
                    let (one, other) = (single(&a.values, at), single(&b.values, at));
                    one.is_nan() && other.is_nan() || (one - other).abs() <= one.abs() * 2.0 * f32::EPSILON
                };
                assert!(
                    a.values.len() == b.values.len() && (0..a.values.len()).all(near),
                    "{what}: {}",
                    a.name
                );
                continue;
            }
            let bits = |values: &frazil_engine::data::Values| -> Vec<u64> {
                let number = |at| values.get(at);
                (0..values.len()).map(number).map(|n| if n.is_nan() { 0 } else { n.to_bits() }).collect()
            };
            assert!(bits(&a.values) == bits(&b.values), "{what}: {}", one.period);
        }
    }
}

#[tokio::test]
async fn what_was_a_file_reads_the_same_as_a_store() {
    let single = json!({ "t2m": { "dtype": "float32" }, "tp": { "dtype": "float32" } });
    let land = "era5-land/era5-land";
    let cases: [(String, &str, &str, Value, Value); 4] = [
        (
            format!("{land}-hourly-temp-precip-feb-2025-sierra-leone.nc"),
            "PT1H",
            "2025-02-01T00/2025-03-01T23",
            single.clone(),
            json!({}),
        ),
        (
            format!("{land}-monthly-temp-precip-1990-2025-sierra-leone.nc"),
            "P1M",
            "1990-01/2025-12",
            single,
            json!({}),
        ),
        (
            format!("{land}-monthly-temp-feb-2025-global.nc"),
            "P1M",
            "2025-02",
            json!({ "t2m": {} }),
            json!({ "bbox": [-5.0, 40.0, 5.0, 60.0] }),
        ),
        (
            "oisst/oisst-avhrr-v02r01.20211025.nc".to_owned(),
            "P1D",
            "2021-10-25",
            json!({ "sst": {}, "ice": {} }),
            json!({}),
        ),
    ];
    for (file, step, range, variables, with) in cases {
        let Some(file) = genuine(&file) else { return };
        let folder = tempfile::tempdir().unwrap();
        let what = file.display().to_string();
        let whole = Bench::file(step, &file, with.clone(), variables.clone()).fetch(&[range]).await.whole();
        for version in ["2", "3"] {
            let store = folder.path().join(format!("v{version}.zarr"));
            if ask_python("write_zarr.py", &[&what, &store.display().to_string(), version]).is_none() {
                return;
            }
            let mut with = with.clone();
            with["source"] = json!("zarr");
            let read = Bench::file(step, &store, with, variables.clone()).fetch(&[range]).await.whole();
            same(&whole, &read, &format!("{what} {version}"));
        }
    }
}
