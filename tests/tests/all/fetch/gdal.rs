//! Windows of GeoTIFFs of many kinds hold the very numbers that GDAL reads.

use frazil_engine::data::{DType, Values};
use frazil_tests::programs::ask_python;
use serde_json::{Value, json};

use super::stand::{Stand, days, slice};

/// Bits, so that a NaN equals itself.
fn bits(values: &Values) -> Vec<u64> {
    (0..values.len())
        .map(|at| values.get(at))
        .map(|n| if n.is_nan() { u64::MAX } else { n.to_bits() })
        .collect()
}

fn close(found: &[f64], expected: &Value) -> bool {
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
    found.len() == expected.len()
        && found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9 * b.abs().max(1.0))
}

#[tokio::test]
async fn windows_are_those_that_gdal_reads() {
    let mut stand = Stand::new([]);
    let Some(cases) = ask_python("geotiffs.py", &[&stand.folder.path().display().to_string()]) else {
        return;
    };
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 35);
    stand.dataset(
        json!({ "title": "t", "time": { "step": "P1D" }, "variables": { "v": { "nodata": -9999 } } }),
    );
    for case in cases {
        let name = case["name"].as_str().unwrap();
        stand.with["url"] = json!(format!("{}/{}", stand.server.url(), case["file"].as_str().unwrap()));
        stand.with["bbox"] = case["bbox"].clone();
        stand.with["variables"] = json!({ "v": { "band": case["band"] } });
        let (arrived, error) = stand.fetch(&days(1, 1)).await;
        assert_eq!(error, None, "{name}");
        let slice = slice(&arrived[0]);
        let dtype: DType = serde_json::from_value(case["dtype"].clone()).unwrap();
        let raw = std::fs::read(stand.folder.path().join(case["raw"].as_str().unwrap())).unwrap();
        let expected = Values::from_le_bytes(dtype, &raw).unwrap();
        let found = &slice.fields[0].values;
        assert_eq!(found.dtype(), dtype, "{name}");
        assert!(close(&slice.grid.x.centres, &case["x"]), "{name}: x {:?}", slice.grid.x.centres);
        assert!(close(&slice.grid.y.centres, &case["y"]), "{name}: y {:?}", slice.grid.y.centres);
        let differ = bits(found).iter().zip(bits(&expected)).filter(|(a, b)| **a != *b).count();
        assert_eq!((found.len(), differ), (expected.len(), 0), "{name}: numbers that differ");
    }
}
