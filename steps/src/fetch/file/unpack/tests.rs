use super::*;

fn packing(stored: DType) -> Packing {
    Packing {
        stored,
        missing: Vec::new(),
        scale: None,
        offset: None,
        declared: None,
        fill: None,
        single: false,
    }
}

const fn factor(value: f64, dtype: DType) -> Option<Factor> {
    Some(Factor { value, dtype })
}

fn floats(values: &Values) -> Vec<f64> {
    (0..values.len()).map(|at| values.get(at)).collect()
}

#[test]
fn single_precision_packing_is_computed_in_single_precision() {
    let oisst = Packing {
        missing: vec![-999.0],
        scale: factor(f64::from(0.01f32), DType::Float32),
        offset: factor(0.0, DType::Float32),
        ..packing(DType::Int16)
    };
    let unpacked = oisst.unpack(vec![-180i16, -999, 1_234].into());
    let Values::Float32(values) = unpacked.values else { panic!("not single") };
    assert_eq!(values[0].to_bits(), (-180f32 * 0.01f32).to_bits());
    assert!(values[1].is_nan());
    assert_eq!(values[2].to_bits(), (1_234f32 * 0.01f32).to_bits());
}

#[test]
fn a_negative_scale_in_double_precision_is_computed_in_double_precision() {
    let eraint = Packing {
        missing: vec![f64::NAN],
        scale: factor(-1.725_027_467_496_795_4, DType::Float64),
        offset: factor(66_825.5, DType::Float64),
        ..packing(DType::Int16)
    };
    let raw = [-32_767i16, 0, 17, 32_766];
    let meant: Vec<f64> = raw.iter().map(|r| f64::from(*r) * -1.725_027_467_496_795_4 + 66_825.5).collect();
    // The NaN that marks missing data in a file of integers marks nothing: 0 stays.
    assert_eq!(eraint.unpack(raw.to_vec().into()).values, Values::Float64(meant.clone()));
    let single = Packing { declared: Some(DType::Float32), ..eraint };
    let rounded: Vec<f32> = meant.iter().map(|v| *v as f32).collect();
    assert_eq!(single.unpack(raw.to_vec().into()).values, Values::Float32(rounded));
}

#[test]
fn the_type_of_the_arithmetic_is_xarrays() {
    use DType::{Float32, Float64, Int8, Int16, Int32, UInt32};
    for (stored, scale, offset, expected) in [
        (Int16, Some(Float32), Some(Float32), Float32),
        (Int32, Some(Float32), Some(Float32), Float64),
        (Int16, Some(Float32), Some(Float64), Float64),
        (Int16, None, Some(Float32), Float64),
        (Int16, Some(Float32), None, Float32),
        (Int16, Some(Float64), None, Float64),
        (Int8, None, None, Float32),
        (UInt32, None, None, Float64),
        (Float32, None, None, Float32),
        (Float64, None, None, Float64),
    ] {
        let as_factor = |dtype: DType| Factor { value: 1.0, dtype };
        let packing =
            Packing { scale: scale.map(as_factor), offset: offset.map(as_factor), ..packing(stored) };
        assert_eq!(packing.arithmetic(), expected, "{stored:?} {scale:?} {offset:?}");
    }
}

#[test]
fn the_sentinel_is_matched_exactly() {
    let rain = Packing { missing: vec![-9_999.0], ..packing(DType::Float32) };
    let values = rain.unpack(vec![-9_999f32, -5.0, 0.0, -9_998.999].into()).values;
    let values = floats(&values);
    assert!(values[0].is_nan());
    assert_eq!(&values[1..3], [-5.0, 0.0]);
    assert!(!values[3].is_nan());
    // Written in decimals that a single does not hold: the nearest single is what the file holds.
    let senorge = Packing { missing: vec![-999.99], ..packing(DType::Float32) };
    assert!(floats(&senorge.unpack(vec![-999.99f32].into()).values)[0].is_nan());
}

#[test]
fn integers_stay_integers_with_an_integer_fill() {
    let basins = Packing { missing: vec![-100.0], declared: Some(DType::Int8), ..packing(DType::Int16) };
    let unpacked = basins.unpack(vec![1i16, -100, 58].into());
    assert_eq!(unpacked, Unpacked { values: vec![1i8, -100, 58].into(), fill: Some(-100.0) });
    let other = Packing { fill: Some(0.0), ..basins.clone() };
    assert_eq!(other.unpack(vec![1i16, -100, 58].into()).values, Values::Int8(vec![1, 0, 58]));
    // What does not fit is not bent.
    assert_eq!(basins.unpack(vec![300i16].into()).values, Values::Int16(vec![300]));
    let floats = Packing { declared: Some(DType::Float32), ..basins };
    let Values::Float32(values) = floats.unpack(vec![7i16, -100].into()).values else { panic!("not single") };
    assert!(values[0] == 7.0 && values[1].is_nan());
}

#[test]
fn what_is_decoded_wider_than_it_was_is_single_unless_more_is_declared() {
    let grib = Packing { missing: vec![9_999.0], single: true, ..packing(DType::Float64) };
    let Values::Float32(values) = grib.unpack(vec![273.150_000_1, 9_999.0].into()).values else { panic!() };
    assert!(values[0] == 273.150_000_1f64 as f32 && values[1].is_nan());
    let double = Packing { declared: Some(DType::Float64), ..grib };
    assert_eq!(floats(&double.unpack(vec![273.150_000_1].into()).values), [273.150_000_1]);
}
