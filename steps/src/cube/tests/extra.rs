//! Dimensions between time and y, against a plain list of numbers.

use std::sync::Arc;

use frazil_engine::data::{Action, Axis, Dimensions, Field, Grid, Slice, Status, Values};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{Bench, bench, day, grid, slice};
use crate::cube::Window;

/// A grid of `rows` × `columns` with these dimensions.
fn with(extra: &Value, rows: usize, columns: usize) -> Arc<Grid> {
    Arc::new(Grid {
        y: Axis::regular("y", 10.0, -0.5, rows),
        x: Axis::regular("x", -13.5, 0.5, columns),
        extra: serde_json::from_value(extra.clone()).unwrap(),
        ..grid()
    })
}

/// A number that tells period and cell.
#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn number(period: i64, salt: usize, cell: usize) -> f32 {
    (period as usize * 10_000 + salt * 5_000 + cell) as f32
}

fn one(grid: &Arc<Grid>, n: i64, salt: usize) -> Slice {
    let values: Vec<f32> = (0..grid.cells()).map(|cell| number(n, salt, cell)).collect();
    let units = Some("mm".to_owned());
    let field = Field { name: "rain".to_owned(), values: values.into(), fill: None, units };
    Slice { grid: Arc::clone(grid), fields: vec![field], ..slice(day(n), Status::Final, 0.0) }
}

async fn put(bench: &Bench, action: Action, slices: Vec<Slice>) {
    let written = bench.write(0, action, slices).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
}

fn labels(length: usize, texts: bool) -> Value {
    (0..length).map(|at| if texts { json!(format!("lå{at}")) } else { json!(at * 5) }).collect()
}

#[derive(Debug, Clone)]
struct Case {
    extra: Value,
    lengths: Vec<usize>,
    chunks: Value,
    shards: Value,
    ranges: Vec<(usize, usize)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let dimension = (1usize..4, any::<bool>(), 1u64..4);
    let dimensions = prop::collection::vec(dimension, 0..3);
    let space = (1usize..5, 1u64..6, 1usize..6, 1u64..7);
    let ranges = prop::collection::vec((0usize..9, 1usize..9), 5);
    (dimensions, space, 1u64..4, any::<bool>(), ranges).prop_map(
        |(dimensions, space, time, sharded, ranges)| {
            let (rows, y, columns, x) = space;
            let names = ["age", "sex"];
            let mut extra = json!({});
            let mut chunks = json!({ "time": time, "y": y, "x": x });
            let mut shards = json!({ "time": time * 2, "x": x * 2 });
            let mut lengths = vec![7];
            for (name, (length, texts, chunk)) in names.iter().zip(dimensions) {
                extra[name] = labels(length, texts);
                chunks[name] = json!(chunk);
                shards[name] = json!(chunk.min(length as u64) * 2);
                lengths.push(length);
            }
            lengths.extend([rows, columns]);
            // A shard is of whole chunks, which are no longer than the dimension.
            shards["x"] = json!(x.min(columns as u64) * 2);
            let shards = if sharded { shards } else { json!({}) };
            Case { extra, lengths, chunks, shards, ranges }
        },
    )
}

/// The numbers of a block, one by one.
fn slowly(case: &Case, ranges: &[std::ops::Range<usize>]) -> Vec<f32> {
    let mut places: Vec<Vec<usize>> = vec![Vec::new()];
    for range in ranges {
        places =
            places.iter().flat_map(|p| range.clone().map(move |i| [p.as_slice(), &[i]].concat())).collect();
    }
    let cell =
        |place: &[usize]| place[1..].iter().zip(&case.lengths[1..]).fold(0, |cell, (i, n)| cell * n + i);
    let salt = |period: usize| usize::from(period == 2);
    let period = |place: &[usize]| i64::try_from(place[0]).unwrap() + 1;
    places.iter().map(|p| number(period(p), salt(p[0]), cell(p))).collect()
}

async fn matches(case: &Case) {
    let bench = bench(json!({ "chunks": case.chunks, "shards": case.shards }));
    let (rows, columns) = (case.lengths[case.lengths.len() - 2], case.lengths[case.lengths.len() - 1]);
    let grid = with(&case.extra, rows, columns);
    for days in [1..=3, 4..=7] {
        put(&bench, Action::Add, days.map(|n| one(&grid, n, 0)).collect()).await;
    }
    put(&bench, Action::Revise, vec![one(&grid, 3, 1)]).await;
    let cube = bench.cube().await.unwrap();
    assert_eq!(cube.template().grid.extra, grid.extra);
    let whole: Vec<_> = case.lengths.iter().map(|n| 0..*n).collect();
    assert_eq!(cube.read("rain", 0..7, None).await.unwrap(), slowly(case, &whole).into());
    let part: Vec<_> = case
        .lengths
        .iter()
        .zip(&case.ranges)
        .map(|(n, (start, length))| {
            let start = start % n;
            start..(start + length).min(*n)
        })
        .collect();
    let [time, extra @ .., y, x] = part.as_slice() else { unreachable!() };
    let window = Window { extra: extra.to_vec(), y: y.clone(), x: x.clone() };
    let read = cube.read("rain", time.clone(), Some(&window)).await.unwrap();
    assert_eq!(read, slowly(case, &part).into());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever the dimensions, their labels, chunks and shards: what was written, and written over,
    /// is read whole and in parts.
    #[test]
    fn numbers_stand_where_their_labels_say(case in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(matches(&case));
    }
}

#[tokio::test]
async fn other_labels_are_refused() {
    let bench = bench(json!({ "dimensions": { "age": [0, 1], "sex": ["f", "m"] } }));
    let stored = json!({ "age": [0, 1], "sex": ["f", "m"] });
    // The first is compared with what is declared, the others with what is stored.
    for (n, (other, text)) in (1..).zip([
        (json!({}), "between time and y are none; those of the dataset are age, sex"),
        (json!({ "sex": ["f", "m"], "age": [0, 1] }), "are sex, age; those"),
        (
            json!({ "age": [0, 5], "sex": ["f", "m"] }),
            "`age` has the labels 0, 5; those of the dataset are 0, 1",
        ),
    ]) {
        let head = bench.head().await;
        let slices = vec![one(&with(&other, 2, 2), n, 0)];
        bench.refused(bench.write(0, Action::Add, slices).await, &head, text).await;
        put(&bench, Action::Add, vec![one(&with(&stored, 2, 2), n, 0)]).await;
    }
}

#[tokio::test]
async fn a_gap_is_missing_in_all_combinations() {
    let bench = bench(json!({}));
    let grid = with(&json!({ "age": [0, 1, 2] }), 2, 2);
    let gap = Slice { status: Status::Gap, fields: Vec::new(), ..one(&grid, 2, 0) };
    put(&bench, Action::Add, vec![one(&grid, 1, 0), gap, one(&grid, 3, 0)]).await;
    let cube = bench.cube().await.unwrap();
    let Values::Float32(values) = cube.read("rain", 1..3, None).await.unwrap() else { panic!() };
    assert!(
        values[..12].iter().all(|v| v.is_nan()) && values[12..].iter().all(|v| !v.is_nan()),
        "{values:?}"
    );
    assert_eq!(Dimensions::default().combinations(), 1);
}
