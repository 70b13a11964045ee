use std::sync::Arc;

use frazil_engine::data::{Axis, Crs, DType, Field, Frequency, Grid, Period, Slice, Status, Values};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const HOUR: Frequency = Frequency::Minutes(60);

fn transform(operations: Value) -> Transform {
    serde_json::from_value(json!({ "do": operations })).unwrap()
}

fn grid(cells: usize) -> Arc<Grid> {
    Arc::new(Grid {
        crs: Crs { code: Some("EPSG:4326".to_owned()), wkt: String::new() },
        y: Axis::regular("y", 10.0, -1.0, 1),
        x: Axis::regular("x", 0.0, 1.0, cells),
        extra: Default::default(),
    })
}

fn field(name: &str, units: &str, values: impl Into<Values>) -> Field {
    let units = (!units.is_empty()).then(|| units.to_owned());
    Field { name: name.to_owned(), values: values.into(), fill: None, units }
}

fn slice(period: Period, fields: Vec<Field>) -> Slice {
    let cells = fields.first().map_or(1, |f| f.values.len());
    let status = if fields.is_empty() { Status::Gap } else { Status::Final };
    Slice { period, status, context: false, grid: grid(cells), fields }
}

fn hour(text: &str) -> Period {
    Period::parse(text, HOUR).unwrap()
}

fn once(operations: Value, fields: Vec<Field>) -> Result<Vec<Field>, StepError> {
    let slice = slice(hour("2025-02-01T05"), fields);
    apply(&transform(operations).operations, slice, &mut Memory::default()).map(|s| s.fields)
}

fn apply(operations: &[Operation], slice: Slice, memory: &mut Memory) -> Result<Slice, StepError> {
    let mut work = Work::begin(slice, memory);
    work.numbers(operations, 0..operations.len(), memory)?;
    work.finish(memory)
}

fn floats(field: &Field) -> Vec<f32> {
    match &field.values {
        Values::Float32(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

fn message(result: Result<Vec<Field>, StepError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_chain_rounds_once() {
    let kelvin = 273.159_97_f32;
    let done = once(
        json!([
            { "convert": { "t2m": "degC" } },
            { "scale-offset": { "t2m": { "scale": 3.0, "units": "1" } } },
        ]),
        vec![field("t2m", "K", vec![kelvin, f32::NAN])],
    );
    let done = done.unwrap();
    let exact = ((f64::from(kelvin) - 273.15) * 3.0) as f32;
    assert_eq!(floats(&done[0])[0], exact);
    assert_ne!(exact, ((f64::from(kelvin) - 273.15) as f32) * 3.0, "the example tells the two apart");
    assert!(floats(&done[0])[1].is_nan());
    assert_eq!(done[0].units.as_deref(), Some("1"));
}

#[test]
fn a_unit_is_converted_once() {
    let twice = json!([{ "convert": { "t2m": "degC" } }, { "convert": { "t2m": "celsius" } }]);
    let done = once(twice, vec![field("t2m", "K", vec![300.0_f32])]).unwrap();
    assert_eq!(floats(&done[0]), [(300.0 - 273.15) as f32]);
    let there =
        once(json!([{ "convert": { "t2m": "degC" } }]), vec![field("t2m", "°C", vec![3.3_f32])]).unwrap();
    assert_eq!((floats(&there[0]), there[0].units.as_deref()), (vec![3.3], Some("degC")));
}

#[test]
fn what_cannot_be_converted_is_refused_by_name() {
    let to_mm = json!([{ "convert": { "pr": "mm" } }]);
    let rate = message(once(to_mm.clone(), vec![field("pr", "kg m-2 s-1", vec![1.0_f32])]));
    assert!(
        rate.contains("2025-02-01T05") && rate.contains("`kg m-2 s-1`") && rate.contains("is a rate"),
        "{rate}"
    );
    let none = once(to_mm, vec![field("pr", "", vec![1.0_f32])]).unwrap_err();
    assert!(none.failure().unwrap().help.as_deref().unwrap().contains("scale-offset"), "{none}");
    // By hand, or as what a flux of water is.
    for how in [
        json!([{ "scale-offset": { "pr": { "scale": 86400, "units": "mm/day" } } }]),
        json!([{ "convert": { "pr": "mm/day" } }]),
    ] {
        let done = once(how, vec![field("pr", "kg m-2 s-1", vec![0.001_f32])]).unwrap();
        assert_eq!(floats(&done[0]), [(f64::from(0.001_f32) * 86_400.0) as f32]);
        assert_eq!(done[0].units.as_deref(), Some("mm/day"));
    }
}

#[test]
fn masked_numbers_are_missing_and_the_rest_stays() {
    let masks = json!([{ "mask": { "precip": { "below": 0, "above": 100, "equal": 5 } } }]);
    let done =
        once(masks.clone(), vec![field("precip", "mm", vec![-0.1_f32, 0.0, 5.0, 100.0, 100.5])]).unwrap();
    let masked: Vec<bool> = floats(&done[0]).iter().map(|v| v.is_nan()).collect();
    assert_eq!(masked, [true, false, true, false, true]);
    assert_eq!(floats(&done[0])[1], 0.0);
    let whole = |fill| Field { fill, ..field("precip", "mm", vec![-3_i16, 7, -9999]) };
    let done = once(masks.clone(), vec![whole(Some(-9999.0))]).unwrap();
    assert_eq!(done[0].values, Values::Int16(vec![-9999, 7, -9999]));
    assert!(message(once(masks, vec![whole(None)])).contains("no `fill`"));
}

#[test]
fn integers_round_to_even_and_refuse_what_does_not_fit() {
    let half = json!([{ "scale-offset": { "n": { "scale": 0.5 } } }]);
    let done = once(half, vec![field("n", "1", vec![1_u8, 3, 5])]).unwrap();
    assert_eq!((&done[0].values, done[0].units.as_deref()), (&Values::UInt8(vec![0, 2, 2]), None));
    let too_far = json!([{ "scale-offset": { "n": { "offset": 300 } } }]);
    assert!(message(once(too_far, vec![field("n", "1", vec![1_u8])])).contains("301"));
}

#[test]
fn names_change_all_at_once_and_must_exist() {
    let fields = || vec![field("a", "1", vec![1_i64]), field("b", "1", vec![2_i64])];
    let swapped = once(json!([{ "rename": { "a": "b", "b": "a" } }]), fields()).unwrap();
    let names: Vec<_> = swapped.iter().map(|f| (f.name.as_str(), f.values.get(0))).collect();
    assert_eq!(names, [("b", 1.0), ("a", 2.0)]);
    assert!(message(once(json!([{ "rename": { "a": "b" } }]), fields())).contains("two variables"));
    let missing = message(once(json!([{ "mask": { "c": { "below": 0 } } }]), fields()));
    assert!(missing.contains("no variable `c`") && missing.contains("`a`, `b`"), "{missing}");
    // What no arithmetic touches passes bit by bit, also beyond what f64 holds.
    let exact = i64::MAX - 1;
    let done = once(json!([{ "rename": { "a": "z" } }]), vec![field("a", "1", vec![exact])]).unwrap();
    assert_eq!(done[0].values, Values::Int64(vec![exact]));
}

fn rain(operations: Value) -> Vec<Operation> {
    transform(operations).operations
}

fn era5() -> Value {
    json!([{ "deaccumulate": { "variables": ["tp"], "reset": "01:00" } }, { "convert": { "tp": "mm" } }])
}

/// Amounts by period out of totals in metres, through one memory.
fn run(operations: &[Operation], totals: &[(&str, Option<f64>)]) -> Vec<Result<Option<f64>, String>> {
    let mut memory = Memory::default();
    totals
        .iter()
        .map(|(period, total)| {
            let fields = total.map_or_else(Vec::new, |t| vec![field("tp", "m", vec![t])]);
            let done = apply(operations, slice(hour(period), fields), &mut memory);
            done.map(|s| s.fields.first().map(|f| f.values.get(0))).map_err(|e| e.to_string())
        })
        .collect()
}

#[test]
fn the_stamp_at_midnight_is_the_last_hour_of_its_day() {
    // Stamps 23, 00, 01, 02: labelled by their starts, 22, 23, 00, 01.
    let totals = [
        ("2025-02-01T22", Some(0.004)),
        ("2025-02-01T23", Some(0.0045)),
        ("2025-02-02T00", Some(0.001)),
        ("2025-02-02T01", Some(0.003)),
    ];
    let amounts: Vec<f64> = run(&rain(era5()), &totals).into_iter().map(|r| r.unwrap().unwrap()).collect();
    assert!(amounts[0].is_nan(), "nothing before it");
    assert_eq!(amounts[1..], [(0.0045 - 0.004) * 1000.0, 1.0, (0.003 - 0.001) * 1000.0]);
}

#[test]
fn stamps_at_the_start_reset_an_hour_later_on_the_axis() {
    let by_start = json!([{ "deaccumulate": { "variables": ["tp"], "reset": "01:00", "stamp": "start" } }]);
    let totals = [("2025-02-02T00", Some(4.0)), ("2025-02-02T01", Some(1.0)), ("2025-02-02T02", Some(3.0))];
    let amounts: Vec<f64> = run(&rain(by_start), &totals).into_iter().map(|r| r.unwrap().unwrap()).collect();
    assert!(amounts[0].is_nan());
    assert_eq!(amounts[1..], [1.0, 2.0]);
}

#[test]
fn nothing_is_differenced_across_a_break_or_a_gap() {
    let totals = [
        ("2025-02-01T03", Some(0.001)),
        ("2025-02-01T05", Some(0.003)),
        ("2025-02-01T06", None),
        ("2025-02-01T07", Some(0.004)),
        ("2025-02-01T08", Some(0.005)),
    ];
    let amounts: Vec<_> = run(&rain(era5()), &totals).into_iter().map(Result::unwrap).collect();
    assert!(amounts[1].unwrap().is_nan() && amounts[3].unwrap().is_nan());
    assert_eq!(amounts[2], None);
    assert_eq!(amounts[4], Some((0.005 - 0.004) * 1000.0));
}

#[test]
fn a_small_fall_is_rounding_and_a_larger_one_an_error_in_the_unit_of_the_result() {
    let falls = |by: f64| {
        let totals = [("2025-02-01T03", Some(0.001)), ("2025-02-01T04", Some(0.001 - by))];
        run(&rain(era5()), &totals).pop().unwrap()
    };
    assert_eq!(falls(0.000_009), Ok(Some(0.0)));
    let error = falls(0.000_02).unwrap_err();
    assert!(error.contains("2025-02-01T04") && error.contains("-0.0") && error.contains("mm"), "{error}");
    // In metres the same fall is far below 0.01.
    let metres = rain(json!([{ "deaccumulate": { "variables": ["tp"], "reset": "01:00" } }]));
    let totals = [("2025-02-01T03", Some(0.001)), ("2025-02-01T04", Some(0.000_5))];
    assert_eq!(run(&metres, &totals).pop().unwrap(), Ok(Some(0.0)));
}

#[tokio::test]
async fn the_stream_keeps_its_order_and_ends_with_its_error() {
    let step = transform(era5());
    assert_eq!(step.halo(), 1);
    assert_eq!(transform(json!([{ "rename": { "a": "b" } }])).halo(), 0);
    let arrive =
        |text: &str, total: f64| Ok(Arrival::Slice(slice(hour(text), vec![field("tp", "m", vec![total])])));
    let arrivals = vec![
        arrive("2025-02-01T03", 0.001),
        arrive("2025-02-01T04", 0.002),
        Ok(Arrival::Kept(hour("2025-02-01T05"))),
        arrive("2025-02-01T06", 0.003),
        arrive("2025-02-01T07", 0.001),
        arrive("2025-02-01T08", 0.002),
    ];
    let dir = tempfile::tempdir().unwrap();
    let cx = crate::testing::context(dir.path(), Datasets::new());
    let out: Vec<_> = step.apply(Slices(Box::pin(stream::iter(arrivals))), &cx).0.collect().await;
    let seen: Vec<String> = out
        .iter()
        .map(|arrival| match arrival {
            Ok(Arrival::Slice(s)) => format!("{} {}", s.period, s.fields[0].values.get(0)),
            Ok(Arrival::Kept(p)) => format!("{p} kept"),
            Err(error) => format!("error {}", error.failure().unwrap().period.as_deref().unwrap()),
        })
        .collect();
    assert_eq!(
        seen,
        [
            "2025-02-01T03 NaN",
            "2025-02-01T04 1",
            "2025-02-01T05 kept",
            "2025-02-01T06 NaN",
            "error 2025-02-01T07",
        ]
    );
}

#[test]
fn check_knows_names_and_units_before_any_number_is_read() {
    let datasets = crate::testing::datasets(
        std::path::Path::new("."),
        json!({
            "rain": { "title": "r", "time": { "step": "PT1H" }, "variables": { "tp": { "units": "mm" }, "t2m": { "units": "degC" } } }
        }),
    );
    let found = |operations: Value| -> Vec<String> {
        let found = transform(operations).check(&datasets);
        found.iter().map(|f| format!("{}: {}", f.pointer, f.message)).collect()
    };
    assert_eq!(found(era5()), Vec::<String>::new());
    assert_eq!(
        found(json!([{ "rename": { "2t": "t2m" } }, { "convert": { "t2m": "degC" } }])),
        Vec::<String>::new()
    );
    for (operations, pointer, words) in [
        (json!([]), "/do", "nothing to do"),
        (json!([{ "mask": { "tpp": { "below": 0 } } }]), "/do/0/mask/tpp", "of no dataset"),
        (json!([{ "convert": { "tp": "furlong" } }]), "/do/0/convert/tp", "nothing is known that gives"),
        (json!([{ "convert": { "t2m": "K" } }]), "/do/0/convert/t2m", "wants `degC`"),
        (
            json!([{ "scale-offset": { "tp": { "units": "kg m-2 s-1" } } }, { "convert": { "tp": "mm" } }]),
            "/do/1/convert/tp",
            "`kg m-2 s-1` here",
        ),
        (
            json!([{ "rename": { "a": "tp" } }, { "mask": { "a": { "below": 0 } } }]),
            "/do/1/mask/a",
            "renamed before",
        ),
        (json!([{ "rename": { "a": "tp", "b": "tp" } }]), "/do/0/rename/b", "two variables"),
        (json!([{ "mask": { "tp": {} } }]), "/do/0/mask/tp", "which numbers"),
        (
            json!([{ "deaccumulate": { "variables": [], "reset": "01:00" } }]),
            "/do/0/deaccumulate/variables",
            "no variable",
        ),
    ] {
        let found = found(operations.clone());
        assert!(
            found.iter().any(|f| f.starts_with(&format!("{pointer}: ")) && f.contains(words)),
            "{operations}: {found:?}"
        );
    }
}

#[test]
fn settings_that_are_none_are_refused() {
    for bad in [
        json!([{ "convert": { "t": 3 } }]),
        json!([{ "deaccumulate": { "variables": ["tp"], "reset": "1:00" } }]),
        json!([{ "deaccumulate": { "variables": ["tp"], "reset": "25:00" } }]),
        json!([{ "deaccumulate": { "variables": ["tp"] } }]),
        json!([{ "mask": { "a": { "under": 0 } } }]),
        json!([{ "regrid": {} }]),
    ] {
        assert!(serde_json::from_value::<Transform>(json!({ "do": bad })).is_err(), "{bad}");
    }
}

proptest! {
    /// Totals made out of amounts give the amounts back, whatever the step, the clock, the type, and
    /// wherever the stream begins or breaks.
    #[test]
    fn amounts_come_back_out_of_their_totals(
        step in prop::sample::select(vec![60u32, 180, 360]),
        reset in 0u32..24,
        ends in any::<bool>(),
        first in 0i64..100,
        amounts in prop::collection::vec(0u32..1000, 1..60),
        breaks in prop::collection::vec(0usize..60, 0..4),
        wide in any::<bool>(),
    ) {
        let frequency = Frequency::Minutes(step);
        let stamp = if ends { "end" } else { "start" };
        let operations = rain(json!([{ "deaccumulate": {
            "variables": ["tp"], "reset": format!("{reset:02}:00"), "stamp": stamp } }]));
        let origin = Period::containing("2025-01-01T00:00:00Z".parse().unwrap(), frequency).plus(first);
        let stamp_of = |p: Period| if ends { p.end() } else { p.start() };
        // The slow way: walk the minutes from the stamp before to this one and look at the clock.
        let resets = |p: Period| {
            let before = stamp_of(p.plus(-1));
            (1..=i64::from(step)).any(|m| {
                let t = before + chrono::Duration::minutes(m);
                t.format("%H:%M").to_string() == format!("{reset:02}:00")
            })
        };
        let mut memory = Memory::default();
        let (mut total, mut before): (f64, Option<Period>) = (0.0, None);
        for (i, amount) in amounts.iter().enumerate() {
            let period = origin.plus(i64::try_from(i).unwrap());
            let amount = f64::from(*amount);
            total = if resets(period) { amount } else { total + amount };
            if breaks.contains(&i) { continue; }
            let values: Values = if wide { vec![total, f64::NAN].into() } else { vec![total as f32, f32::NAN].into() };
            let done = apply(&operations, slice(period, vec![field("tp", "mm", values)]), &mut memory).unwrap();
            let got = &done.fields[0];
            prop_assert_eq!(got.values.dtype(), if wide { DType::Float64 } else { DType::Float32 });
            if resets(period) || before == Some(period.plus(-1)) {
                prop_assert_eq!(got.values.get(0), amount);
            } else {
                prop_assert!(got.values.get(0).is_nan());
            }
            prop_assert!(got.values.get(1).is_nan());
            before = Some(period);
        }
    }
}
