//! A source file for each combination of labels.

use std::{path::Path, time::Duration};

use frazil_engine::data::Values;
use frazil_tests::{geotiff::GeoTiff, server::Fault};
use serde_json::{Value, json};

use super::stand::{Stand, days, shown, slice};

/// A number that tells the file and the cell.
fn number(day: u32, sex: &str, age: u32, salt: u32, cell: usize) -> f32 {
    let sex = if sex == "f" { 0 } else { 1 };
    (day * 10_000 + salt * 5_000 + sex * 1_000 + age * 100) as f32 + cell as f32
}

fn write(folder: &Path, name: &str, (day, sex, age): (u32, &str, u32), salt: u32) {
    let raster = GeoTiff::of((0.0, 20.0), 0.5, (2, 3), |r, c| number(day, sex, age, salt, r * 3 + c));
    raster.write(&folder.join(format!("{name}/{day}_{sex}_{age}.tif"))).unwrap();
}

/// Days of files of all combinations, under this name.
fn files(folder: &Path, name: &str, days: impl IntoIterator<Item = u32>, salt: u32) {
    for day in days {
        for (sex, age) in [("f", 0), ("f", 5), ("m", 0), ("m", 5)] {
            write(folder, name, (day, sex, age), salt);
        }
    }
}

fn url(stand: &Stand, name: &str) -> Value {
    json!(format!("{}/{name}/{{{{ period.day }}}}_{{{{ sex }}}}_{{{{ age }}}}.tif", stand.server.url()))
}

/// Reads `pop` of these days, which are there in full.
fn stand(there: std::ops::RangeInclusive<u32>) -> Stand {
    let mut stand = Stand::new([]);
    files(stand.folder.path(), "main", there, 0);
    stand.with["url"] = url(&stand, "main");
    stand.with["over"] = json!({ "sex": ["f", "m"], "age": [0, 5] });
    stand.with.as_object_mut().unwrap().remove("bbox");
    stand
}

fn path(day: u32, sex: &str, age: u32) -> String {
    format!("/main/{day}_{sex}_{age}.tif")
}

fn forget(stand: &Stand, day: u32, sex: &str, age: u32) {
    std::fs::remove_file(stand.folder.path().join(&path(day, sex, age)[1..])).unwrap();
}

/// The numbers of a day with its planes in the order of these combinations.
fn expected(day: u32, combinations: &[(&str, u32)], salt: u32) -> Values {
    let plane = |(sex, age): &(&str, u32)| {
        let (sex, age) = (sex.to_string(), *age);
        (0..6).map(move |cell| number(day, &sex, age, salt, cell))
    };
    combinations.iter().flat_map(plane).collect::<Vec<f32>>().into()
}

const BY_SEX: &[(&str, u32)] = &[("f", 0), ("f", 5), ("m", 0), ("m", 5)];

#[tokio::test]
async fn combinations_are_planes_of_one_slice() {
    let stand = stand(1..=3);
    let (arrived, error) = stand.fetch(&days(1, 3)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02 03", None));
    for (day, arrival) in (1..).zip(&arrived) {
        let slice = slice(arrival);
        assert_eq!(
            serde_json::to_value(&slice.grid.extra).unwrap(),
            json!({ "sex": ["f", "m"], "age": [0, 5] })
        );
        assert_eq!((slice.fields.len(), slice.grid.cells()), (1, 24));
        assert_eq!(slice.fields[0].values, expected(day, BY_SEX, 0));
    }
    let planned = stand.plan(&days(1, 3)).await;
    assert_eq!((planned.requests, planned.in_flight), (12, 4));
    assert_eq!(stand.server.requests().len() % 12, 0, "{}", stand.asked());
}

#[tokio::test]
async fn whole_files_are_read_by_the_same_few_helpers() {
    let mut stand = stand(1..=2);
    stand.with["source"] = json!("file");
    let (arrived, error) = stand.fetch(&days(1, 2)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02", None));
    for (day, arrival) in (1..).zip(&arrived) {
        assert_eq!(slice(arrival).fields[0].values, expected(day, BY_SEX, 0));
    }
}

#[tokio::test]
async fn the_dataset_says_the_order() {
    let mut stand = stand(1..=1);
    stand.dataset(json!({
        "title": "rain", "time": { "step": "P1D" }, "dimensions": { "age": [5, 0], "sex": ["m", "f"] },
        "variables": { "rain": { "units": "mm", "dtype": "float32" } },
    }));
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!(error, None);
    let turned = [("m", 5), ("f", 5), ("m", 0), ("f", 0)];
    assert_eq!(slice(&arrived[0]).fields[0].values, expected(1, &turned, 0));
}

#[tokio::test]
async fn a_period_is_there_when_all_its_combinations_are() {
    let stand = stand(1..=4);
    forget(&stand, 4, "m", 0);
    let (arrived, error) = stand.fetch(&days(1, 9)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02 03", None), "not yet");
    forget(&stand, 2, "f", 5);
    let (arrived, error) = stand.fetch(&days(1, 9)).await;
    let error = error.unwrap().to_string();
    assert_eq!(shown(&arrived), "01");
    assert!(error.starts_with("2024-01-02: the source does not have"), "{error}");
    assert!(error.contains("/main/2_f_5.tif (age 5, sex f), although later periods are there"), "{error}");
}

#[tokio::test]
async fn a_hole_of_one_combination_is_a_gap_of_the_period() {
    let mut stand = stand(1..=3);
    stand.with["on-missing"] = json!("gap");
    forget(&stand, 2, "m", 5);
    let (arrived, error) = stand.fetch(&days(1, 3)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02:gap 03", None));
    assert_eq!(slice(&arrived[1]).grid.cells(), 24);
}

#[tokio::test]
async fn an_alternative_is_one_choice_for_all_combinations() {
    let mut stand = stand(1..=2);
    files(stand.folder.path(), "other", 1..=2, 1);
    stand.with["alternatives"] = json!([{ "url": url(&stand, "other"), "provisional": true }]);
    forget(&stand, 2, "m", 0);
    let (arrived, error) = stand.fetch(&days(1, 2)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02:provisional", None));
    assert_eq!(slice(&arrived[0]).fields[0].values, expected(1, BY_SEX, 0));
    assert_eq!(slice(&arrived[1]).fields[0].values, expected(2, BY_SEX, 1));
}

#[tokio::test]
async fn files_are_counted_and_tried_again_one_by_one() {
    for (in_flight, most) in [(1, 1), (3, 3), (6, 6)] {
        let mut stand = stand(1..=6);
        stand.with["in-flight"] = json!(in_flight);
        stand.server.slow(Duration::from_millis(5));
        stand.server.first(&path(2, "m", 0), [Fault::Status(503, None)]);
        let (arrived, error) = stand.fetch(&days(1, 6)).await;
        assert_eq!((shown(&arrived).as_str(), error), ("01 02 03 04 05 06", None));
        assert_eq!(slice(&arrived[1]).fields[0].values, expected(2, BY_SEX, 0));
        assert!(stand.server.most_at_a_time() <= most, "{} of {most}", stand.server.most_at_a_time());
        assert_eq!(stand.server.count(&path(2, "f", 0)) + 1, stand.server.count(&path(2, "m", 0)));
    }
}

#[tokio::test]
async fn two_combinations_are_never_one_file() {
    let mut stand = stand(1..=1);
    stand.with["url"] = json!(format!("{}/main/1_{{{{ sex }}}}_0.tif", stand.server.url()));
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    let error = error.unwrap().to_string();
    assert_eq!(arrived.len(), 0);
    assert!(error.contains("is the file of two combinations: age 0, sex f and age 5, sex f"), "{error}");
}

#[tokio::test]
async fn another_grid_in_one_combination_is_refused() {
    let stand = stand(1..=1);
    let wider = GeoTiff::of((0.0, 20.0), 0.5, (2, 4), |_, _| 0.0);
    wider.write(&stand.folder.path().join("main/1_m_5.tif")).unwrap();
    let (_, error) = stand.fetch(&days(1, 1)).await;
    let error = error.unwrap().to_string();
    assert!(error.contains("1_m_5.tif: its grid (2 × 4) is not that of the other files"), "{error}");
}
