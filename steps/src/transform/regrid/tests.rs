use std::{path::Path, sync::Arc};

use frazil_engine::{
    data::{
        Arrival, Axis, Crs, Dimension, Dimensions, Field, Frequency, Grid, Label, Period, Slice, Slices,
        Status, Values,
    },
    step::{Filter, Step, StepError},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{testing, transform::Transform};

/// 4 × 4 cells of 10° from 0° E, 40° N, as in `target`'s halves.
fn grid(extra: Dimensions) -> Arc<Grid> {
    Arc::new(Grid {
        crs: Crs { code: Some("EPSG:4326".to_owned()), wkt: String::new() },
        y: Axis::regular("lat", 40.0, -10.0, 4),
        x: Axis::regular("lon", 0.0, 10.0, 4),
        extra,
    })
}

fn blocks() -> Value {
    let variables = json!({
        "v": { "units": "K", "dtype": "float32" }, "cover": { "dtype": "uint8", "fill": 255, "categories": { "1": "forest" } },
        "people": { "units": "1", "long-name": "people of a cell" },
    });
    json!({
        "coarse": {
            "title": "t", "time": { "step": "P1D" }, "variables": variables,
            "grid": { "origin": [0, 40], "cell": [20, -20], "shape": [2, 2] },
        },
        "upwards": {
            "title": "t", "time": { "step": "P1D" },
            "grid": { "origin": [0, 0], "cell": [20, 20], "shape": [2, 2], "names": ["y", "x"] },
        },
        "loose": { "title": "t", "time": { "step": "P1D" } },
    })
}

fn transform(operations: Value) -> Transform {
    serde_json::from_value(json!({ "do": operations })).unwrap()
}

fn slice(day: i64, grid: &Arc<Grid>, fields: Vec<(&str, Values, Option<f64>)>) -> Slice {
    let period = Period::parse("2024-01-01", Frequency::Day).unwrap().plus(day);
    let field = |(name, values, fill): (&str, Values, Option<f64>)| Field {
        name: name.to_owned(),
        values,
        fill,
        units: None,
    };
    let fields = fields.into_iter().map(field).collect();
    Slice { period, status: Status::Final, context: day < 0, grid: Arc::clone(grid), fields }
}

async fn done(operations: Value, slices: Vec<Slice>) -> Vec<Result<Slice, StepError>> {
    let cx = testing::context(Path::new("/nowhere"), testing::datasets(Path::new("/nowhere"), blocks()));
    let arrivals: Vec<_> = slices.into_iter().map(|slice| Ok(Arrival::Slice(slice))).collect();
    let out = transform(operations).apply(Slices(Box::pin(stream::iter(arrivals))), &cx).0;
    let slice = |arrival: Result<Arrival, StepError>| {
        arrival.map(|arrival| match arrival {
            Arrival::Slice(slice) => slice,
            Arrival::Kept(period) => panic!("{period} was kept"),
        })
    };
    out.map(slice).collect().await
}

fn numbers(slice: &Slice, at: usize) -> Vec<f64> {
    (0..slice.fields[at].values.len()).map(|n| slice.fields[at].values.get(n)).collect()
}

#[tokio::test]
async fn variables_and_planes_are_brought_each_by_itself_context_too() {
    let sex =
        Dimension { name: "sex".to_owned(), labels: vec![Label::Text("f".into()), Label::Text("m".into())] };
    let grid = grid(Dimensions(vec![sex]));
    let v: Vec<f32> = (0..32).map(|n| if n == 0 { f32::NAN } else { n as f32 }).collect();
    let mut cover: Vec<u8> = vec![1, 1, 2, 2, 1, 3, 2, 4, 7, 7, 8, 9, 6, 7, 9, 9];
    cover.extend([255; 16]);
    let fields =
        || vec![("v", Values::from(v.clone()), None), ("cover", Values::from(cover.clone()), Some(255.0))];
    let operations =
        json!([{ "regrid": { "onto": "coarse", "method": "average", "variables": { "cover": "mode" } } }]);
    let found = done(operations, vec![slice(-1, &grid, fields()), slice(0, &grid, fields())]).await;
    let slices: Vec<&Slice> = found.iter().map(|slice| slice.as_ref().unwrap()).collect();
    for slice in &slices {
        assert_eq!(slice.grid.lengths(), [2, 2, 2]);
        assert_eq!(slice.grid.names().collect::<Vec<_>>(), ["sex", "lat", "lon"]);
        assert_eq!(
            (slice.grid.x.centres.clone(), slice.grid.y.centres.clone()),
            (vec![10.0, 30.0], vec![30.0, 10.0])
        );
        // Of the first cell three of four are there.
        assert_eq!(
            numbers(slice, 0),
            [10.0 / 3.0, 4.5, 10.5, 12.5, 18.5, 20.5, 26.5, 28.5].map(|n: f64| f64::from(n as f32))
        );
        assert_eq!(slice.fields[1].values, Values::from(vec![1u8, 2, 7, 9, 255, 255, 255, 255]));
    }
    assert!(slices[0].context && !slices[1].context);
    assert!(Arc::ptr_eq(&slices[0].grid, &slices[1].grid), "one grid for all slices of a source");
}

#[tokio::test]
async fn rows_that_run_the_other_way_and_operations_around_it_keep_their_places() {
    let grid = grid(Dimensions::default());
    let v: Vec<f64> = (0..16).map(f64::from).collect();
    let operations = json!([
        { "scale-offset": { "v": { "scale": 2 } } },
        { "regrid": { "onto": "upwards", "method": "sum" } },
        { "rename": { "v": "w" } },
    ]);
    let found = done(operations, vec![slice(0, &grid, vec![("v", Values::from(v), None)])]).await;
    let slice = found[0].as_ref().unwrap();
    assert_eq!((slice.fields[0].name.as_str(), slice.grid.y.name.as_str()), ("w", "y"));
    assert_eq!(numbers(slice, 0), [84.0, 100.0, 20.0, 36.0]);
}

#[tokio::test]
async fn categories_of_any_number_stay_what_they_are() {
    let grid = grid(Dimensions::default());
    let big = 4_000_000_000.0;
    let v: Vec<f64> = [1.0, 1.0, 2.0, 2.0, 1.0, 3.0, 2.0, 4.0, 7.0, 7.0, 8.0, 9.0, 6.0, 7.0, 9.0, 9.0]
        .map(|n| n + big)
        .into();
    let operations = json!([{ "regrid": { "onto": "coarse", "method": "mode" } }]);
    let found = done(operations, vec![slice(0, &grid, vec![("v", Values::from(v), None)])]).await;
    assert_eq!(numbers(found[0].as_ref().unwrap(), 0), [1.0, 2.0, 7.0, 9.0].map(|n| n + big));
}

#[tokio::test]
async fn what_has_no_even_cells_is_refused() {
    let mut bent = (*grid(Dimensions::default())).clone();
    bent.y = Axis { name: "lat".to_owned(), centres: vec![40.0, 30.0, 25.0, 0.0], cell: None };
    let v = Values::from(vec![0.0; 16]);
    let operations = json!([{ "regrid": { "onto": "coarse", "method": "nearest" } }]);
    let found = done(operations, vec![slice(0, &Arc::new(bent), vec![("v", v, None)])]).await;
    let said = found[0].as_ref().unwrap_err().to_string();
    assert!(said.contains("`lat` is not evenly spaced"), "{said}");
}

#[test]
fn what_numbers_do_not_bear_is_found_before_anything_is_read() {
    let datasets = testing::datasets(Path::new("/nowhere"), blocks());
    let found = |operations: Value| -> Vec<String> {
        transform(operations)
            .check(&datasets)
            .into_iter()
            .map(|f| format!("{} {}: {}", f.code, f.pointer, f.message))
            .collect()
    };
    let average = found(json!([{ "regrid": { "onto": "coarse", "method": "average" } }]));
    assert_eq!(
        average,
        [
            "FZ536 /do/0/regrid/method: `cover` holds categories, of which there is no `average`",
            "FZ536 /do/0/regrid/method: `people` counts, and `average` changes how many there are",
        ]
    );
    let fits = json!([
        { "regrid": { "onto": "coarse", "method": "average", "variables": { "lc": "mode", "people": "sum" } } },
        { "rename": { "lc": "cover" } },
    ]);
    assert_eq!(found(fits), [""; 0]);
    let sum = found(
        json!([{ "regrid": { "onto": "coarse", "method": "sum", "variables": { "cover": "nearest" } } }]),
    );
    assert_eq!(
        sum,
        ["FZ536 /do/0/regrid/method: `v` is in `K`, and numbers of neighbouring cells do not add up"]
    );
    let nowhere = found(json!([{ "reproject": { "onto": "loose", "method": "nearest" } }]));
    assert_eq!(
        nowhere,
        [
            "FZ502 /do/0/reproject/onto: `loose` declares no `grid`",
            "FZ502 /do/0/reproject/onto: `loose` declares no `crs`",
        ]
    );
}
