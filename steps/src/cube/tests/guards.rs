//! Each guard refuses, says what differs, and leaves the store as it was.

use std::sync::Arc;

use frazil_engine::{
    data::{Action, Axis, Crs, Grid, Slice, Status},
    step::{StepError, Written},
};
use serde_json::json;

use super::support::{Bench, bench, day, field, finals, grid, numbers, slice};

async fn stored() -> (Bench, Option<String>) {
    let bench = bench(json!({}));
    bench.add(1, 6).await;
    let head = bench.head().await;
    (bench, head)
}

async fn put(bench: &Bench, slice: Slice) -> Result<Written, StepError> {
    bench.write(0, Action::Add, vec![slice]).await
}

fn with_grid(change: impl FnOnce(&mut Grid)) -> Slice {
    let mut own = grid();
    change(&mut own);
    Slice { grid: Arc::new(own), ..slice(day(7), Status::Final, 0.0) }
}

#[tokio::test]
async fn another_grid_is_refused() {
    let (bench, head) = stored().await;
    let flipped = with_grid(|g| g.y = Axis::regular("y", 7.0, 0.5, 6));
    bench.refused(put(&bench, flipped).await, &head, "`y` runs the other way").await;
    let rolled = with_grid(|g| g.x.centres.rotate_left(2));
    bench.refused(put(&bench, rolled).await, &head, "`x` is rolled by").await;
    let half = with_grid(|g| g.x = Axis::regular("x", -13.25, 0.5, 8));
    bench.refused(put(&bench, half).await, &head, "0.5 of a cell").await;
    let one = with_grid(|g| g.y.centres[2] += 0.1);
    bench.refused(put(&bench, one).await, &head, "`y` at 2 is").await;
    let crs = with_grid(|g| g.crs = Crs { code: Some("EPSG:32629".to_owned()), wkt: String::new() });
    bench.refused(put(&bench, crs).await, &head, "the grid is in EPSG:32629, the dataset in EPSG:4326").await;
    assert_eq!(bench.contents().await, finals(1..=6));
}

#[tokio::test]
async fn a_grid_is_read_back_as_it_was_written_and_stays() {
    let fine = |by: f64| Grid {
        y: Axis::regular("y", 9.7 + by, -0.05, 6),
        x: Axis::regular("x", -13.5 - by, 0.05, 8),
        crs: crate::crs::epsg(4326).unwrap(),
        extra: Default::default(),
    };
    let bench = bench(json!({}));
    for (n, by) in [(1, 0.0), (2, 8.1e-13)] {
        let own = Slice { grid: Arc::new(fine(by)), ..slice(day(n), Status::Final, 0.0) };
        let written = put(&bench, own).await.unwrap();
        bench.commit(vec![written]).await.unwrap();
        let cube = bench.cube().await.unwrap();
        assert_eq!((cube.axis().len() as i64, &cube.template().grid), (n, &fine(0.0)));
    }
    let head = bench.head().await;
    let half = Slice { grid: Arc::new(fine(0.025)), ..slice(day(3), Status::Final, 0.0) };
    bench.refused(put(&bench, half).await, &head, "shifted by").await;
}

#[tokio::test]
async fn other_variables_types_and_units_are_refused() {
    let (bench, head) = stored().await;
    let with = |fields| Slice { fields, ..slice(day(7), Status::Final, 0.0) };
    bench.refused(put(&bench, with(vec![])).await, &head, "holds no variable").await;
    let other = with(vec![field("snow", numbers(day(7), 0.0))]);
    bench.refused(put(&bench, other).await, &head, "holds `snow`, which rain does not (rain)").await;
    let twice = with(vec![field("rain", numbers(day(7), 0.0)), field("rain", numbers(day(7), 0.0))]);
    bench.refused(put(&bench, twice).await, &head, "twice").await;
    let integers = with(vec![field("rain", vec![16_777_217i32; 48])]);
    bench.refused(put(&bench, integers).await, &head, "is no float32").await;
    let short = with(vec![field("rain", vec![1f32; 47])]);
    bench.refused(put(&bench, short).await, &head, "has 47 numbers, the grid 48 cells").await;
    let mut metres = field("rain", numbers(day(7), 0.0));
    metres.units = Some("m".to_owned());
    bench.refused(put(&bench, with(vec![metres])).await, &head, "is in `m`, the dataset in `mm`").await;
}

#[tokio::test]
async fn a_missing_variable_is_refused() {
    let two = json!({ "variables": {
        "rain": { "units": "mm", "dtype": "float32" }, "snow": { "units": "mm", "dtype": "float32" },
    } });
    let bench = bench(two);
    bench.refused(put(&bench, slice(day(1), Status::Final, 0.0)).await, &None, "`snow` is missing").await;
}

#[tokio::test]
async fn order_duplicates_and_labels_outside_the_request_are_refused() {
    let (bench, head) = stored().await;
    let periods: Vec<_> = (7..=9).map(day).collect();
    for (days, text) in [
        (vec![8, 7], "2024-01-07 arrived after 2024-01-08"),
        (vec![7, 7], "2024-01-07 arrived twice"),
        (vec![7, 10], "2024-01-10 is not one of the periods that were asked for"),
        (vec![6], "2024-01-06 is not one of the periods"),
    ] {
        let batch = bench.batch(0, &periods, Action::Add).await;
        let slices = days.into_iter().map(|n| slice(day(n), Status::Final, 0.0)).collect();
        bench.refused(bench.write_batch(batch, slices).await, &head, text).await;
    }
}

#[tokio::test]
async fn a_hole_in_the_axis_is_refused() {
    let (bench, head) = stored().await;
    let written = put(&bench, slice(day(8), Status::Final, 0.0)).await.unwrap();
    let text = "2024-01-08 does not follow 2024-01-06";
    bench.refused(bench.commit(vec![written]).await, &head, text).await;
}

#[tokio::test]
async fn missing_data_never_overwrite_numbers() {
    let (bench, head) = stored().await;
    let empty =
        Slice { fields: vec![field("rain", vec![f32::NAN; 48])], ..slice(day(3), Status::Final, 0.0) };
    let result = bench.write(0, Action::Revise, vec![empty]).await;
    bench.refused(result, &head, "nothing but missing data").await;
    let gap = bench.write(0, Action::Revise, vec![slice(day(3), Status::Gap, 0.0)]).await;
    bench.refused(gap, &head, "nothing but missing data").await;
    // Of a new period they are what the source says.
    let empty =
        Slice { fields: vec![field("rain", vec![f32::NAN; 48])], ..slice(day(7), Status::Final, 0.0) };
    let written = put(&bench, empty).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    assert_eq!(bench.cube().await.unwrap().axis().len(), 7);
}

#[tokio::test]
async fn a_batch_on_what_somebody_else_changed_is_refused() {
    let (bench, _) = stored().await;
    let days = |from: i64, to: i64| (from..=to).map(|n| slice(day(n), Status::Final, 0.0)).collect();
    // Both go on in the chunk of days 5 to 8.
    let ours = bench.write(0, Action::Add, days(7, 9)).await.unwrap();
    let theirs = bench.write(0, Action::Add, days(7, 7)).await.unwrap();
    bench.commit(vec![theirs]).await.unwrap();
    let head = bench.head().await;
    bench
        .refused(bench.commit(vec![ours]).await, &head, "is not the one that the batch was written over")
        .await;
    // A batch in chunks of its own stands, though the head moved.
    let ours = bench.write(0, Action::Add, days(8, 8)).await.unwrap();
    bench.commit(vec![ours]).await.unwrap();
    let ours = bench.write(0, Action::Add, days(9, 12)).await.unwrap();
    let revised =
        bench.write(0, Action::Revise, vec![slice(day(1), Status::Provisional, 3.0)]).await.unwrap();
    bench.commit(vec![revised]).await.unwrap();
    bench.commit(vec![ours]).await.unwrap();
    assert_eq!(bench.contents().await[1..], finals(2..=12));
}

#[tokio::test]
async fn another_layout_than_the_one_written_for_is_refused() {
    let (bench, head) = stored().await;
    let mut written = put(&bench, slice(day(7), Status::Final, 0.0)).await.unwrap();
    written.body["layout"] = json!("another");
    bench.refused(bench.commit(vec![written]).await, &head, "the stored layout is not the one").await;
}

#[tokio::test]
async fn gaps_before_the_first_slice_wait_for_its_grid() {
    let undeclared = json!({ "variables": {} });
    let bench = bench(undeclared);
    let slices = vec![slice(day(1), Status::Gap, 0.0), slice(day(2), Status::Final, 0.0)];
    let written = bench.write(0, Action::Add, slices).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    let expected = super::support::expected(&[(1, Status::Gap, 0.0), (2, Status::Final, 0.0)]);
    assert_eq!(bench.contents().await, expected);
}

impl Bench {
    pub(super) fn batch_of_nothing(&self) -> frazil_engine::step::Batch {
        let periods = frazil_engine::data::Periods {
            dataset: self.info.id.clone(),
            step: frazil_engine::data::Frequency::Day,
            base: None,
            items: Vec::new(),
            batches: Vec::new(),
            source: None,
            release: None,
        };
        frazil_engine::step::Batch { index: 0, periods }
    }
}
