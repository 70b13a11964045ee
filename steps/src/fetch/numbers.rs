//! Numbers as a source stores them, turned into those of a dataset.

use frazil_engine::data::{DType, Values};

use super::source::Wanted;

/// How a source packs numbers: stored × scale + offset is the value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Packing {
    /// Multiplies.
    pub(crate) scale: f64,
    /// Is added.
    pub(crate) offset: f64,
}

impl Packing {
    /// The packing, unless it changes nothing.
    pub(crate) fn new(scale: Option<f64>, offset: Option<f64>) -> Option<Self> {
        let packing = Self { scale: scale.unwrap_or(1.0), offset: offset.unwrap_or(0.0) };
        (packing != Self { scale: 1.0, offset: 0.0 }).then_some(packing)
    }
}

/// Numbers with their missing ones marked: NaN in floats, the fill that is given in integers.
/// `nodata` is what the source itself says; the dataset's `nodata` counts beside it. Both match
/// exactly, in the source's own number type. The type is the dataset's where that loses nothing.
pub(crate) fn settle(
    raw: Values,
    nodata: Option<f64>,
    packing: Option<Packing>,
    wanted: &Wanted,
) -> (Values, Option<f64>) {
    let block = wanted.block.as_ref();
    let declared = block.and_then(|block| block.dtype);
    let sentinels: Vec<f64> = [nodata, block.and_then(|block| block.nodata)].into_iter().flatten().collect();
    if let Some(packing) = packing {
        return (unpacked(&raw, &sentinels, packing, declared), None);
    }
    match raw {
        Values::Float32(mut values) => {
            // A pass for each of the few sentinels is one that vector instructions do.
            for sentinel in sentinels.iter().map(|n| *n as f32) {
                for value in &mut values {
                    *value = if *value == sentinel { f32::NAN } else { *value };
                }
            }
            let values = match declared {
                Some(DType::Float64) => Values::Float64(values.into_iter().map(f64::from).collect()),
                _ => Values::Float32(values),
            };
            (values, None)
        }
        Values::Float64(mut values) => {
            for sentinel in &sentinels {
                for value in &mut values {
                    *value = if value == sentinel { f64::NAN } else { *value };
                }
            }
            (Values::Float64(values), None)
        }
        integers => match declared {
            Some(dtype) if dtype.is_float() => (floats(&integers, &sentinels, dtype), None),
            _ => filled(integers, &sentinels, declared, block.and_then(|block| block.fill)),
        },
    }
}

/// Stored × scale + offset in `float64`, then in the declared float type.
fn unpacked(raw: &Values, sentinels: &[f64], packing: Packing, declared: Option<DType>) -> Values {
    let of = |at: usize| {
        let stored = raw.get(at);
        let missing = if let Values::Float32(values) = raw {
            sentinels.iter().any(|n| *n as f32 == values[at])
        } else {
            sentinels.contains(&stored)
        };
        if missing { f64::NAN } else { stored * packing.scale + packing.offset }
    };
    match declared {
        Some(DType::Float32) => Values::Float32((0..raw.len()).map(|at| of(at) as f32).collect()),
        _ => Values::Float64((0..raw.len()).map(of).collect()),
    }
}

/// Integers as floats: `float32` where it holds all numbers of their type, else `float64`.
fn floats(raw: &Values, sentinels: &[f64], declared: DType) -> Values {
    let of = |at: usize| {
        let stored = raw.get(at);
        if sentinels.contains(&stored) { f64::NAN } else { stored }
    };
    if declared == DType::Float32 && raw.dtype().size() <= 2 {
        Values::Float32((0..raw.len()).map(|at| of(at) as f32).collect())
    } else {
        Values::Float64((0..raw.len()).map(of).collect())
    }
}

/// Integers whose missing ones are all the same fill, in the declared type where it is wider.
fn filled(
    mut raw: Values,
    sentinels: &[f64],
    declared: Option<DType>,
    fill: Option<f64>,
) -> (Values, Option<f64>) {
    if let Some(declared) = declared
        && let Some(wider) = widened(&raw, declared)
    {
        raw = wider;
    }
    let dtype = raw.dtype();
    let fill = fill
        .filter(|fill| holds(dtype, *fill))
        .or_else(|| sentinels.iter().copied().find(|sentinel| holds(dtype, *sentinel)));
    let Some(fill) = fill else { return (raw, None) };
    let others: Vec<f64> = sentinels.iter().copied().filter(|n| *n != fill && holds(dtype, *n)).collect();
    if !others.is_empty() {
        replace(&mut raw, &others, fill);
    }
    (raw, Some(fill))
}

macro_rules! integers {
    ($($variant:ident $type:ty),* $(,)?) => {
        /// Whether integers of a type can be `n`.
        fn holds(dtype: DType, n: f64) -> bool {
            match dtype {
                $(DType::$variant => (n as $type) as f64 == n && (n as $type) as i128 == n as i128,)*
                DType::Float32 | DType::Float64 => true,
            }
        }

        /// Turns all of `others` into `fill`; they fit the type.
        fn replace(values: &mut Values, others: &[f64], fill: f64) {
            match values {
                $(Values::$variant(values) => {
                    let others: Vec<$type> = others.iter().map(|n| *n as $type).collect();
                    for value in values.iter_mut().filter(|value| others.contains(value)) {
                        *value = fill as $type;
                    }
                })*
                Values::Float32(_) | Values::Float64(_) => {}
            }
        }

        /// The same integers in another type; `None` when one does not fit.
        fn widened(values: &Values, dtype: DType) -> Option<Values> {
            fn all<T: TryFrom<i128>>(numbers: impl Iterator<Item = i128>) -> Option<Vec<T>> {
                numbers.map(|n| T::try_from(n).ok()).collect()
            }
            let numbers: Box<dyn Iterator<Item = i128> + '_> = match values {
                $(Values::$variant(values) => Box::new(values.iter().map(|n| i128::from(*n))),)*
                Values::Float32(_) | Values::Float64(_) => return None,
            };
            Some(match dtype {
                $(DType::$variant => Values::$variant(all(numbers)?),)*
                DType::Float32 | DType::Float64 => return None,
            })
        }
    };
}

integers! {
    Int8 i8, UInt8 u8, Int16 i16, UInt16 u16, Int32 i32, UInt32 u32, Int64 i64, UInt64 u64,
}

#[cfg(test)]
mod tests {
    use frazil_engine::dataset::Variable;
    use serde_json::json;

    use super::*;
    use crate::fetch::{Selection, Stamp};

    fn wanted(block: serde_json::Value) -> Wanted {
        let block: Variable = serde_json::from_value(block).unwrap();
        Wanted {
            name: "v".into(),
            select: Selection::default(),
            stamp: Stamp::Start,
            block: Some(block),
            inside: Vec::new(),
            lead: None,
            plane: 0,
        }
    }

    fn shown(found: (Values, Option<f64>)) -> String {
        format!("{:?} {:?}", found.0, found.1)
    }

    #[test]
    fn sentinels_match_exactly_in_the_type_of_the_source() {
        let raw = Values::Float32(vec![-9999.0, -9998.9, -5.0, 0.0, 3.4e38, f32::NAN]);
        let found = settle(raw, Some(3.4e38), None, &wanted(json!({ "nodata": -9999, "dtype": "float32" })));
        assert_eq!(shown(found), "Float32([NaN, -9998.9, -5.0, 0.0, NaN, NaN]) None");
        let tenth = Values::Float32(vec![0.1, 0.2]);
        assert_eq!(shown(settle(tenth, Some(0.1), None, &wanted(json!({})))), "Float32([NaN, 0.2]) None");
    }

    #[test]
    fn integers_keep_an_integer_fill() {
        let raw = || Values::Int16(vec![-999, -1, 7, -32768]);
        let both = settle(raw(), Some(-999.0), None, &wanted(json!({ "nodata": -32768, "fill": -1 })));
        assert_eq!(shown(both), "Int16([-1, -1, 7, -1]) Some(-1.0)");
        let tag = settle(raw(), Some(-999.0), None, &wanted(json!({})));
        assert_eq!(shown(tag), "Int16([-999, -1, 7, -32768]) Some(-999.0)");
        let outside = settle(raw(), Some(1e9), None, &wanted(json!({ "nodata": 0.5 })));
        assert_eq!(shown(outside), "Int16([-999, -1, 7, -32768]) None");
        let wider =
            settle(raw(), None, None, &wanted(json!({ "dtype": "int32", "nodata": -999, "fill": 100000 })));
        assert_eq!(shown(wider), "Int32([100000, -1, 7, -32768]) Some(100000.0)");
        let narrower = settle(raw(), None, None, &wanted(json!({ "dtype": "uint8" })));
        assert_eq!(shown(narrower), "Int16([-999, -1, 7, -32768]) None");
    }

    #[test]
    fn integers_become_floats_where_the_dataset_wants_them() {
        let found =
            settle(Values::UInt8(vec![0, 255]), Some(255.0), None, &wanted(json!({ "dtype": "float32" })));
        assert_eq!(shown(found), "Float32([0.0, NaN]) None");
        let wide =
            settle(Values::Int32(vec![16_777_217]), None, None, &wanted(json!({ "dtype": "float32" })));
        assert_eq!(shown(wide), "Float64([16777217.0]) None");
    }

    #[test]
    fn packing_is_undone_after_the_sentinel_was_looked_for() {
        let packing = Packing::new(Some(0.01), Some(273.15));
        let found = settle(Values::Int16(vec![-999, 1500]), Some(-999.0), packing, &wanted(json!({})));
        assert_eq!(shown(found), format!("Float64([NaN, {:?}]) None", 1500.0 * 0.01 + 273.15));
        assert_eq!(Packing::new(Some(1.0), None), None);
    }
}
