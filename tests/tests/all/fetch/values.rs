//! The numbers that arrive are those of the files, where they lie.

use frazil_engine::data::Values;
use serde_json::json;

use super::stand::{Stand, days, raster, shown, slice};

#[tokio::test]
async fn a_window_is_what_overlaps_the_bbox() {
    let stand = Stand::new([7]);
    let (arrived, error) = stand.fetch(&days(7, 7)).await;
    assert_eq!(error, None);
    let slice = slice(&arrived[0]);
    // 2..4 E and 12..14.5 N of half-degree cells from 0 E, 20 N.
    assert_eq!(slice.grid.x.centres, [2.25, 2.75, 3.25, 3.75]);
    assert_eq!(slice.grid.y.centres, [14.25, 13.75, 13.25, 12.75, 12.25]);
    assert_eq!(slice.grid.crs.code.as_deref(), Some("EPSG:4326"));
    let whole = raster(7);
    let expected: Vec<f32> =
        (11..16).flat_map(|r| (4..8).map(move |c| (r, c))).map(|(r, c)| whole.values[r * 40 + c]).collect();
    assert_eq!(slice.fields[0].values, Values::Float32(expected));
    assert_eq!(slice.fields[0].name, "rain");
}

#[tokio::test]
async fn one_header_and_the_tiles_that_are_needed_are_asked_for() {
    let mut stand = Stand::new([]);
    // 600 × 600 cells: 1,444 tiles of 1 KiB.
    let large =
        frazil_tests::geotiff::GeoTiff::of((0.0, 20.0), 0.05, (600, 600), |r, c| (r * 1000 + c) as f32);
    large.write(&stand.folder.path().join("2024/01/01.tif")).unwrap();
    stand.with["bbox"] = json!([20.0, -5.0, 20.5, -4.5]);
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01", None));
    let ranges: Vec<_> = stand.server.requests().into_iter().map(|request| request.range.unwrap()).collect();
    assert_eq!(ranges.len(), 2, "{ranges:?}");
    assert_eq!(ranges[0], "bytes=0-32767");
    let values = &slice(&arrived[0]).fields[0].values;
    assert_eq!(values.get(0), 490.0 * 1000.0 + 400.0);
    assert_eq!(values.len(), 100);
}

#[tokio::test]
async fn nodata_of_the_tag_and_of_the_dataset_become_nan() {
    let stand = Stand::new([]);
    let mut file = raster(1);
    file.values[11 * 40 + 4] = -9999.0;
    file.values[11 * 40 + 5] = -5.0;
    file.values[11 * 40 + 6] = 0.0;
    file.values[11 * 40 + 7] = -99999.0;
    file.nodata = Some("-99999".to_owned());
    file.write(&stand.folder.path().join("2024/01/01.tif")).unwrap();
    let (arrived, _) = stand.fetch(&days(1, 1)).await;
    let Values::Float32(values) = &slice(&arrived[0]).fields[0].values else { panic!("float32") };
    assert_eq!(format!("{:?}", &values[..4]), "[NaN, -5.0, 0.0, NaN]");
}

#[tokio::test]
async fn files_of_this_machine_are_read_as_well() {
    let mut stand = Stand::new([1, 2, 4]);
    let (remote, _) = stand.fetch(&days(1, 2)).await;
    for url in [
        "2024/01/{{ period | date('%d') }}.tif".to_owned(),
        format!("file://{}/2024/01/{{{{ period | date('%d') }}}}.tif", stand.folder.path().display()),
    ] {
        stand.with["url"] = json!(url);
        let (local, error) = stand.fetch(&days(1, 2)).await;
        assert_eq!((format!("{local:?}"), error), (format!("{remote:?}"), None));
        let (arrived, error) = stand.fetch(&days(1, 4)).await;
        assert_eq!(shown(&arrived), "01 02");
        assert!(error.unwrap().to_string().contains("later periods are there"));
    }
    stand.with["url"] = json!("no-such-folder/{{ period.id }}.tif");
    let (_, error) = stand.fetch(&days(1, 2)).await;
    assert!(error.unwrap().to_string().contains("no-such-folder"));
}

#[tokio::test]
async fn variables_of_several_files_meet_on_one_grid() {
    let mut stand = Stand::new([1, 2]);
    stand.dataset(json!({ "title": "t", "time": { "step": "P1D" } }));
    let other = format!("{}/other/{{{{ period.day }}}}.tif", stand.server.url());
    stand.with["variables"] = json!({ "a": {}, "b": { "url": other } });
    raster(9).write(&stand.folder.path().join("other/1.tif")).unwrap();
    raster(9).write(&stand.folder.path().join("other/3.tif")).unwrap();
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!(error, None);
    let names: Vec<_> = slice(&arrived[0]).fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(slice(&arrived[0]).fields[1].values.get(0), 9.0 * 10_000.0 + 1104.0);
    // A variable missing from a period is a missing period, never zeros.
    let (arrived, error) = stand.fetch(&days(1, 3)).await;
    assert_eq!(shown(&arrived), "01");
    assert!(error.unwrap().to_string().contains("other/2.tif"));

    let shifted = frazil_tests::geotiff::GeoTiff::of((0.25, 20.0), 0.5, (40, 40), |_, _| 1.0);
    shifted.write(&stand.folder.path().join("other/1.tif")).unwrap();
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(error.unwrap().to_string().contains("its grid"));
}

#[tokio::test]
async fn a_stamp_at_the_end_names_the_next_period() {
    let mut stand = Stand::new([2, 3]);
    stand.with["stamp"] = json!("end");
    let (arrived, error) = stand.fetch(&days(1, 9)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02", None));
    assert_eq!(slice(&arrived[0]).fields[0].values.get(0), 2.0 * 10_000.0 + 1104.0);
}

#[tokio::test]
async fn what_lies_elsewhere_or_is_over_the_date_line_is_refused() {
    let mut stand = Stand::new([1]);
    stand.with["bbox"] = json!([100.0, 12.0, 101.0, 14.0]);
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(error.unwrap().to_string().contains("no cell of it overlaps the bbox"));
    stand.with["bbox"] = json!([170.0, 12.0, -170.0, 14.0]);
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(error.unwrap().to_string().contains("date line"));
}
