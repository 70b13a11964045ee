//! Numbers of a field as they are stored: type, packing, missing data.

use frazil_engine::{
    data::{DType, Field, Values},
    step::{ErrorKind, StepError},
};

use super::template::TemplateVariable;

/// The largest integer up to which `float64` holds every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Little-endian bytes of the numbers of `field`, as `variable` stores them.
pub(super) fn stored(field: &Field, variable: &TemplateVariable) -> Result<Vec<u8>, StepError> {
    let same = field.values.dtype() == variable.dtype && !variable.is_packed();
    match &field.values {
        values
            if same && (variable.dtype.is_float() || field.fill.is_none() || field.fill == variable.fill) =>
        {
            Ok(values.bytes().to_vec())
        }
        // The source's numbers may be finer than the dataset declares: each is rounded once.
        Values::Float64(values) if variable.dtype == DType::Float32 && !variable.is_packed() => {
            let mut numbers = Vec::with_capacity(values.len());
            for (at, &value) in values.iter().enumerate() {
                #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float32")]
                let rounded = value as f32;
                if rounded.is_infinite() && value.is_finite() {
                    return Err(unfit(variable, at, value, "is beyond float32"));
                }
                numbers.push(rounded.to_le_bytes());
            }
            Ok(numbers.into_flattened())
        }
        values => converted(values, field.fill, variable),
    }
}

/// One number at a time, exactly or not at all.
fn converted(
    values: &Values,
    missing: Option<f64>,
    variable: &TemplateVariable,
) -> Result<Vec<u8>, StepError> {
    let mut bytes = Vec::with_capacity(values.len() * variable.dtype.size());
    let wide = matches!(values.dtype(), DType::Int64 | DType::UInt64);
    for at in 0..values.len() {
        let value = values.get(at);
        if value.is_nan() || missing == Some(value) {
            put_missing(variable, &mut bytes)?;
            continue;
        }
        if wide && value.abs() >= EXACT {
            return Err(unfit(variable, at, value, "is too large to be converted exactly"));
        }
        let number = if variable.is_packed() {
            ((value - variable.add_offset.unwrap_or(0.0)) / variable.scale_factor.unwrap_or(1.0)).round()
        } else {
            value
        };
        if !put(number, variable.dtype, &mut bytes) {
            let why = if variable.is_packed() {
                format!("is stored as {number}, which does not fit {}", variable.dtype.name())
            } else {
                format!("is no {}", variable.dtype.name())
            };
            return Err(unfit(variable, at, value, &why));
        }
        if variable.fill == Some(number) && !variable.dtype.is_float() {
            return Err(unfit(
                variable,
                at,
                value,
                &format!("is stored as {number}, which marks missing data"),
            ));
        }
    }
    Ok(bytes)
}

/// Appends what marks a missing number.
pub(super) fn put_missing(variable: &TemplateVariable, bytes: &mut Vec<u8>) -> Result<(), StepError> {
    let mark = match (variable.dtype.is_float(), variable.fill) {
        (true, _) => f64::NAN,
        (false, Some(fill)) => fill,
        (false, None) => {
            return Err(StepError::permanent(
                ErrorKind::Data,
                format!(
                    "`{}` has missing data, but its {} has no number for them",
                    variable.name,
                    variable.dtype.name()
                ),
            )
            .help(format!("declare `variables.{}.fill`", variable.name)));
        }
    };
    put(mark, variable.dtype, bytes);
    Ok(())
}

/// Appends a number of this type; false when it is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "compared after the conversion")]
#[expect(clippy::cast_lossless, clippy::cast_precision_loss, reason = "one arm for all types")]
fn put(number: f64, dtype: DType, bytes: &mut Vec<u8>) -> bool {
    macro_rules! put {
        ($rust:ty) => {{
            let converted = number as $rust;
            bytes.extend_from_slice(&converted.to_le_bytes());
            converted as f64 == number || number.is_nan()
        }};
    }
    match dtype {
        DType::Int8 => put!(i8),
        DType::UInt8 => put!(u8),
        DType::Int16 => put!(i16),
        DType::UInt16 => put!(u16),
        DType::Int32 => put!(i32),
        DType::UInt32 => put!(u32),
        // The largest float64 below 2^63 and 2^64 is far below: beyond EXACT nothing is certain.
        DType::Int64 => put!(i64) && number.abs() < EXACT,
        DType::UInt64 => put!(u64) && number < EXACT,
        DType::Float32 => put!(f32),
        DType::Float64 => put!(f64),
    }
}

fn unfit(variable: &TemplateVariable, at: usize, value: f64, why: &str) -> StepError {
    StepError::permanent(ErrorKind::Data, format!("`{}`: {value} at cell {at} {why}", variable.name))
        .help(format!("declare another `variables.{}.dtype` or packing, or mask such values", variable.name))
}

/// Whether any of the stored numbers is not missing.
pub(super) fn any_valid(bytes: &[u8], variable: &TemplateVariable) -> bool {
    match variable.dtype {
        DType::Float32 => {
            bytes.chunks_exact(4).any(|b| b.try_into().is_ok_and(|b| !f32::from_le_bytes(b).is_nan()))
        }
        DType::Float64 => {
            bytes.chunks_exact(8).any(|b| b.try_into().is_ok_and(|b| !f64::from_le_bytes(b).is_nan()))
        }
        dtype => {
            let mut mark = Vec::new();
            match put_missing(variable, &mut mark) {
                Ok(()) => bytes.chunks_exact(dtype.size()).any(|b| b != mark),
                Err(_) => !bytes.is_empty(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn variable(dtype: DType, fill: Option<f64>, packing: Option<(f64, f64)>) -> TemplateVariable {
        TemplateVariable {
            name: "v".to_owned(),
            dtype,
            fill,
            scale_factor: packing.map(|p| p.0),
            add_offset: packing.map(|p| p.1),
            units: None,
            cell: None,
            chunks: vec![1, 1, 1],
            shards: None,
            codecs: Vec::new(),
            attributes: Map::new(),
        }
    }

    fn field(values: impl Into<Values>, fill: Option<f64>) -> Field {
        Field { name: "v".to_owned(), values: values.into(), fill, units: None }
    }

    fn message(field: &Field, variable: &TemplateVariable) -> String {
        stored(field, variable).unwrap_err().to_string()
    }

    #[test]
    fn packing_rounds_and_refuses_what_does_not_fit() {
        let packed = variable(DType::Int16, Some(-32768.0), Some((0.01, 0.0)));
        let bytes = stored(&field(vec![1.006f64, -5.0, f64::NAN, 0.0], None), &packed).unwrap();
        assert_eq!(Values::from_le_bytes(DType::Int16, &bytes), Some(vec![101i16, -500, -32768, 0].into()));
        assert!(message(&field(vec![400.0f64], None), &packed).contains("does not fit int16"));
        assert!(message(&field(vec![-327.68f64], None), &packed).contains("marks missing data"));
        assert_eq!(packed.value(101.0), Some(1.01));
        assert_eq!(packed.value(-32768.0), None);
    }

    #[test]
    fn types_are_converted_exactly_or_refused() {
        let small = variable(DType::UInt8, Some(255.0), None);
        let bytes = stored(&field(vec![7i32, -9999, 0], Some(-9999.0)), &small).unwrap();
        assert_eq!(bytes, [7, 255, 0]);
        assert!(message(&field(vec![256i32], None), &small).contains("is no uint8"));
        assert!(message(&field(vec![1.5f64], None), &small).contains("is no uint8"));
        assert!(message(&field(vec![255i32], None), &small).contains("marks missing data"));
        let single = variable(DType::Float32, None, None);
        assert!(message(&field(vec![16_777_217i32], None), &single).contains("is no float32"));
        assert!(message(&field(vec![1e300f64], None), &single).contains("beyond float32"));
        let bytes = stored(&field(vec![0.1f64, f64::NAN], None), &single).unwrap();
        assert_eq!(bytes[..4], 0.1f32.to_le_bytes());
        let none = variable(DType::Int16, None, None);
        assert!(message(&field(vec![f64::NAN], None), &none).contains("no number for them"));
    }

    #[test]
    fn missing_data_are_told_from_numbers() {
        let float = variable(DType::Float32, None, None);
        assert!(!any_valid(&f32::NAN.to_le_bytes(), &float));
        assert!(any_valid(&0f32.to_le_bytes(), &float));
        let small = variable(DType::UInt8, Some(255.0), None);
        assert!(!any_valid(&[255, 255], &small));
        assert!(any_valid(&[255, 0], &small));
    }
}
