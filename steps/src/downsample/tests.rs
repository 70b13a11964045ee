//! Against the slow and obvious: the cells of each square at full resolution, gathered one by one.

use frazil_engine::data::Values;
use proptest::prelude::*;

use super::*;

const METHODS: [Method; 6] =
    [Method::Mean, Method::Sum, Method::Min, Method::Max, Method::Mode, Method::Nearest];

/// What a number means; none where it is missing.
fn value(stored: f64, encoding: Encoding) -> Option<f64> {
    let missing = stored.is_nan() || (!encoding.dtype.is_float() && encoding.fill == Some(stored));
    if missing { None } else { Some(stored * encoding.scale + encoding.offset) }
}

/// The value of one cell of a level, from all its cells at full resolution in C order.
fn cell(values: &[Option<f64>], method: Method) -> Option<f64> {
    let there: Vec<f64> = values.iter().copied().flatten().collect();
    let sum: f64 = there.iter().sum();
    match method {
        Method::Nearest => values[0],
        _ if there.is_empty() => None,
        Method::Mean => Some(sum / there.len() as f64),
        Method::Sum => Some(sum),
        Method::Min => there.iter().copied().reduce(f64::min),
        Method::Max => there.iter().copied().reduce(f64::max),
        Method::Mode => {
            let often = |v: &f64| there.iter().filter(|other| *other == v).count();
            let most = there.iter().map(often).max()?;
            there.iter().copied().filter(|v| often(v) == most).reduce(f64::min)
        }
    }
}

/// The stored number of a value of a level; none where its type does not hold it.
fn stored(value: Option<f64>, encoding: Encoding, method: Method) -> Option<f64> {
    let Some(value) = value else { return Some(encoding.fill.unwrap_or(f64::NAN)) };
    let packed = (value - encoding.offset) / encoding.scale;
    if encoding.dtype.is_float() {
        return Some(if encoding.dtype == DType::Float32 { f64::from(packed as f32) } else { packed });
    }
    let rounded = packed.round();
    let exact =
        |n: f64| Values::from_le_bytes(encoding.dtype, &encoding.dtype.le_bytes(n)).unwrap().get(0) == n;
    if !exact(rounded) {
        return None;
    }
    match (encoding.fill == Some(rounded), method) {
        (true, Method::Mean) => {
            let (near, far) = if packed >= rounded { (1.0, -1.0) } else { (-1.0, 1.0) };
            Some(if exact(rounded + near) { rounded + near } else { rounded + far })
        }
        (true, Method::Sum) => None,
        _ => Some(rounded),
    }
}

fn slow(
    source: &Values,
    encoding: Encoding,
    method: Method,
    (rows, columns): (usize, usize),
    count: usize,
) -> Option<Vec<Vec<f64>>> {
    let planes = source.len() / (rows * columns);
    let level = |level: usize| -> Option<Vec<f64>> {
        let side = 1 << level;
        let (height, width) = (rows / side, columns / side);
        let mut out = Vec::new();
        for (plane, row, column) in
            (0..planes).flat_map(|p| (0..height).flat_map(move |r| (0..width).map(move |c| (p, r, c))))
        {
            let cells: Vec<Option<f64>> = (0..side * side)
                .map(|at| {
                    let (y, x) = (row * side + at / side, column * side + at % side);
                    value(source.get((plane * rows + y) * columns + x), encoding)
                })
                .collect();
            out.push(stored(cell(&cells, method), encoding, method)?);
        }
        Some(out)
    };
    (1..=count).map(level).collect()
}

/// Numbers whose sums are exact in any order, so that results may be compared bit by bit.
fn numbers() -> impl Strategy<Value = (Values, Encoding, (usize, usize), usize)> {
    let dtype = prop::sample::select(DType::ALL.to_vec());
    let shape = (1usize..14, 1usize..14, 1usize..3);
    let packing = prop::sample::select(vec![(1.0, 0.0), (0.5, 0.0), (0.25, 8.0), (-0.5, 3.0), (2.0, -6.0)]);
    (dtype, shape, packing, any::<bool>(), 0u8..4, 1usize..5).prop_flat_map(
        |(dtype, (rows, columns, planes), (scale, offset), has_fill, holes, count)| {
            let small = dtype.size() == 1;
            let signed = dtype.le_bytes(-1.0) == vec![0xff; dtype.size()] && dtype != DType::UInt8;
            let range = match (dtype.is_float(), signed || dtype == DType::Int8) {
                (true, _) => -4_000..4_000i64,
                (false, true) => {
                    if small {
                        -12..12
                    } else {
                        -900..900
                    }
                }
                (false, false) => {
                    if small {
                        0..24
                    } else {
                        0..1_800
                    }
                }
            };
            let (scale, offset) = if dtype.is_float() { (1.0, 0.0) } else { (scale, offset) };
            // In the middle of the numbers, so that a mean may come upon it.
            let fill = (!dtype.is_float() && has_fill).then_some(5.0);
            let one = (range, 0u8..4).prop_map(move |(n, hole)| match (dtype.is_float(), hole < holes) {
                (true, true) => f64::NAN,
                (true, false) => n as f64 / 8.0,
                (false, true) => fill.unwrap_or(3.0),
                (false, false) => n as f64,
            });
            let encoding = Encoding { dtype, fill, scale, offset };
            prop::collection::vec(one, rows * columns * planes).prop_map(move |numbers| {
                let bytes: Vec<u8> = numbers.iter().flat_map(|n| dtype.le_bytes(*n)).collect();
                (Values::from_le_bytes(dtype, &bytes).unwrap(), encoding, (rows, columns), count)
            })
        },
    )
}

proptest! {
    #[test]
    fn every_level_is_that_of_the_slow_reference((source, encoding, shape, count) in numbers()) {
        for method in METHODS {
            let expected = slow(&source, encoding, method, shape, count);
            let found = levels(source.bytes(), encoding, method, shape, count);
            match (expected, found) {
                (Some(expected), Ok(found)) => {
                    prop_assert_eq!(expected.len(), found.len());
                    for (level, (expected, found)) in expected.iter().zip(&found).enumerate() {
                        let found = Values::from_le_bytes(encoding.dtype, found).unwrap();
                        prop_assert_eq!(expected.len(), found.len(), "{:?} level {}", method, level + 1);
                        for (at, wanted) in expected.iter().enumerate() {
                            // Without a number for missing ones nothing is missing.
                            let same = found.get(at) == *wanted || (found.get(at).is_nan() && wanted.is_nan());
                            prop_assert!(same, "{:?} {:?} level {} at {}: {} is not {}", method, encoding, level + 1, at, found.get(at), wanted);
                        }
                    }
                }
                (None, Err(_)) => {}
                (expected, found) => prop_assert!(false, "{:?}: {:?} and {:?}", method, expected, found),
            }
        }
    }
}

#[test]
fn a_mean_is_that_of_the_cells_and_not_of_means() {
    let nan = f32::NAN;
    #[rustfmt::skip]
    let plane = Values::from(vec![
        1.0f32, nan, 4.0, 4.0,
        nan,    nan, 4.0, 4.0,
        nan,    nan, 7.0, nan,
        nan,    nan, nan, nan,
    ]);
    let encoding = Encoding { dtype: DType::Float32, fill: None, scale: 1.0, offset: 0.0 };
    let found = levels(plane.bytes(), encoding, Method::Mean, (4, 4), 2).unwrap();
    let first = Values::from_le_bytes(DType::Float32, &found[0]).unwrap();
    assert_eq!((first.get(0), first.get(1), first.get(3)), (1.0, 4.0, 7.0));
    assert!(first.get(2).is_nan());
    // (1 + 4 × 4 + 7) / 6, and not (1 + 4 + 7) / 3.
    assert_eq!(Values::from_le_bytes(DType::Float32, &found[1]), Some(vec![4.0f32].into()));
}

#[test]
fn numbers_of_64_bits_lose_nothing_and_what_does_not_fit_is_refused() {
    let big = i64::MAX - 3;
    let of = |method, numbers: Vec<i64>| {
        let encoding = Encoding { dtype: DType::Int64, fill: None, scale: 1.0, offset: 0.0 };
        levels(Values::from(numbers).bytes(), encoding, method, (2, 2), 1)
    };
    let found = of(Method::Mean, vec![big, big, big + 2, big + 2]).unwrap();
    assert_eq!(Values::from_le_bytes(DType::Int64, &found[0]), Some(vec![big + 1].into()));
    let error = of(Method::Sum, vec![big; 4]).unwrap_err();
    assert!(error.to_string().contains("does not fit int64"), "{error}");
    let encoding = Encoding { dtype: DType::Float32, fill: None, scale: 1.0, offset: 0.0 };
    let error =
        levels(Values::from(vec![f32::MAX; 4]).bytes(), encoding, Method::Sum, (2, 2), 1).unwrap_err();
    assert!(error.to_string().contains("beyond float32"), "{error}");
}
