use proptest::prelude::*;

use super::*;

/// The slow and obvious way: gather a cell's numbers that are not missing, then reduce the list.
fn slowly(method: Method, cell: &[f64]) -> Option<f64> {
    let there: Vec<f64> = cell.iter().copied().filter(|v| !v.is_nan()).collect();
    if method == Method::Count {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        return Some(there.len() as f64);
    }
    let first = *there.first()?;
    let sum = there.iter().fold(0.0, |sum, v| sum + v);
    Some(match method {
        Method::Sum => sum,
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        Method::Mean => sum / there.len() as f64,
        Method::Min => there.iter().fold(first, |a, b| if *b < a { *b } else { a }),
        Method::Max => there.iter().fold(first, |a, b| if *b > a { *b } else { a }),
        Method::First => first,
        _ => there[there.len() - 1],
    })
}

const METHODS: [Method; 7] =
    [Method::Sum, Method::Mean, Method::Min, Method::Max, Method::Count, Method::First, Method::Last];

/// Streams the steps through in the given cuts and gives what comes out.
fn stream(
    method: Method,
    encoding: Encoding,
    values: &Values,
    cells: usize,
    cuts: &[usize],
    to: (DType, Option<f64>),
) -> Result<Values, Unfit> {
    let mut acc = Accumulator::new(method, encoding, cells);
    // One that was used before is as good as a new one.
    acc.add(values, 0..values.len() / cells);
    acc.clear();
    let mut from = 0;
    for &cut in cuts.iter().chain([&(values.len() / cells)]) {
        acc.add(values, from..cut.max(from));
        from = cut.max(from);
    }
    acc.finish(to.0, to.1)
}

fn bits(values: &Values) -> Vec<u64> {
    (0..values.len())
        .map(|i| values.get(i))
        .map(|v| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() })
        .collect()
}

/// Rain, holes and the awkward numbers.
fn float() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1e4f32..1e4,
        2 => Just(f32::NAN),
        1 => prop::sample::select(vec![0.0, -0.0, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, -9999.0]),
    ]
}

proptest! {
    /// Floats, bit for bit, however the stream is cut and however many blocks there are.
    #[test]
    fn floats_are_those_of_the_slow_way(
        cells in prop_oneof![1usize..5, Just(BLOCK - 1), Just(BLOCK + 1)],
        pool in prop::collection::vec(float(), 1..200),
        steps in 0usize..8,
        mut cuts in prop::collection::vec(0usize..8, 0..3),
        fill in prop::option::of(Just(-9999.0)),
    ) {
        cuts.sort_unstable();
        cuts.retain(|c| *c <= steps);
        let values: Vec<f32> = (0..steps * cells).map(|i| pool[(i * 7 + i / 5) % pool.len()]).collect();
        let encoding = Encoding::plain(DType::Float32, fill);
        for method in METHODS {
            for (dtype, narrow) in [(DType::Float32, true), (DType::Float64, false)] {
                let got = stream(method, encoding, &values.clone().into(), cells, &cuts, (dtype, None)).unwrap();
                let want: Vec<f64> = (0..cells).map(|c| {
                    let cell: Vec<f64> = (0..steps).map(|s| f64::from(values[s * cells + c]))
                        .map(|v| if Some(v) == fill { f64::NAN } else { v }).collect();
                    let v = slowly(method, &cell).unwrap_or(f64::NAN);
                    #[expect(clippy::cast_possible_truncation, reason = "the reference rounds once too")]
                    if narrow { f64::from(v as f32) } else { v }
                }).collect();
                prop_assert_eq!(bits(&got), bits(&want.into()), "{:?}", method);
            }
        }
    }

    /// Packed integers are decoded before they are added or compared; fill is no number.
    #[test]
    fn packed_integers_are_those_of_the_slow_way(
        raw in prop::collection::vec(prop_oneof![3 => any::<i16>(), 1 => Just(-999)], 12),
        scale in prop::sample::select(vec![1.0, 0.01, -0.5]),
        offset in prop::sample::select(vec![0.0, 25.0]),
    ) {
        let encoding = Encoding { dtype: DType::Int16, fill: Some(-999.0), scale, offset };
        for method in METHODS {
            let got = stream(method, encoding, &raw.clone().into(), 3, &[1, 2], (DType::Float64, None)).unwrap();
            let want: Vec<f64> = (0..3).map(|c| {
                let cell: Vec<f64> = (0..4).map(|s| raw[s * 3 + c]).map(|v| {
                    if v == -999 { f64::NAN } else if encoding.packed() { f64::from(v) * scale + offset }
                    else { f64::from(v) }
                }).collect();
                slowly(method, &cell).unwrap_or(f64::NAN)
            }).collect();
            prop_assert_eq!(bits(&got), bits(&want.into()), "{:?}", method);
        }
    }

    /// Shares, bit for bit: sums take the part of each number, means weigh by the time, and what is
    /// missing takes and weighs nothing.
    #[test]
    fn shares_are_those_of_the_slow_way(
        cells in prop_oneof![1usize..5, Just(BLOCK + 1)],
        pool in prop::collection::vec(float(), 1..200),
        shares in prop::collection::vec((0.01f64..=1.0, 1.0f64..20_000.0), 0..8),
        fill in prop::option::of(Just(-9999.0)),
    ) {
        let values: Vec<f32> = (0..shares.len() * cells).map(|i| pool[(i * 7 + i / 5) % pool.len()]).collect();
        let encoding = Encoding::plain(DType::Float32, fill);
        for method in METHODS {
            let mut acc = Accumulator::new(method, encoding, cells);
            for (step, &(part, time)) in shares.iter().enumerate() {
                acc.add_share(&values.clone().into(), step, Share { part, time });
            }
            let got = acc.finish(DType::Float64, None).unwrap();
            let want: Vec<f64> = (0..cells).map(|c| {
                let cell: Vec<(f64, f64, f64)> = shares.iter().enumerate()
                    .map(|(s, (part, time))| (f64::from(values[s * cells + c]), *part, *time))
                    .filter(|(v, ..)| !v.is_nan() && Some(*v) != fill).collect();
                let plain: Vec<f64> = cell.iter().map(|(v, ..)| *v).collect();
                match method {
                    Method::Sum if !cell.is_empty() => cell.iter().fold(0.0, |sum, (v, part, _)| sum + v * part),
                    Method::Mean if !cell.is_empty() => {
                        let sum = cell.iter().fold(0.0, |sum, (v, _, time)| sum + v * time);
                        sum / cell.iter().fold(0.0, |sum, (.., time)| sum + time)
                    }
                    _ => slowly(method, &plain).unwrap_or(f64::NAN),
                }
            }).collect();
            prop_assert_eq!(bits(&got), bits(&want.into()), "{:?}", method);
        }
    }

    /// What is picked from 64-bit integers is one of them, beyond what `float64` can tell apart.
    #[test]
    fn picked_integers_are_exact(raw in prop::collection::vec(any::<i64>(), 5)) {
        let encoding = Encoding::plain(DType::Int64, None);
        let of = |method| stream(method, encoding, &raw.clone().into(), 1, &[2], (DType::Int64, None)).unwrap();
        prop_assert_eq!(of(Method::Min), vec![*raw.iter().min().unwrap()].into());
        prop_assert_eq!(of(Method::Max), vec![*raw.iter().max().unwrap()].into());
        prop_assert_eq!(of(Method::First), vec![raw[0]].into());
        prop_assert_eq!(of(Method::Last), vec![raw[4]].into());
    }
}

#[test]
fn missing_integers_come_out_as_the_fill() {
    let encoding = Encoding::plain(DType::UInt8, Some(255.0));
    let values: Values = vec![255u8, 1, 255, 2].into();
    for method in [Method::Sum, Method::Max, Method::Last] {
        let got = stream(method, encoding, &values, 2, &[], (DType::UInt8, Some(255.0))).unwrap();
        let second = if method == Method::Sum { 3 } else { 2 };
        assert_eq!(got, vec![255u8, second].into(), "{method:?}");
    }
    let count = stream(Method::Count, encoding, &values, 2, &[], (DType::Int32, Some(-1.0))).unwrap();
    assert_eq!(count, vec![0i32, 2].into());
}

#[test]
fn what_an_integer_cannot_hold_is_refused() {
    let of = |values: Vec<u8>, method, dtype, fill| {
        let encoding = Encoding::plain(DType::UInt8, None);
        stream(method, encoding, &values.into(), 1, &[], (dtype, fill))
    };
    assert_eq!(of(vec![200, 100], Method::Sum, DType::UInt16, None), Ok(vec![300u16].into()));
    assert_eq!(
        of(vec![200, 100], Method::Sum, DType::UInt8, None),
        Err(Unfit { value: 300.0, dtype: DType::UInt8 })
    );
    assert!(of(vec![1, 2], Method::Mean, DType::Int32, None).is_err(), "1.5 is no whole number");
    assert!(of(vec![5, 4], Method::Sum, DType::Int16, Some(9.0)).is_err(), "9 would read as missing");
}
