//! Numbers on their way through a chain: `f64` from the first operation that touches them to the
//! last, then rounded once to the type they came in.

use frazil_engine::data::{DType, Field, Values};

/// A field while operations work on it.
#[derive(Debug, Clone)]
pub(super) struct Working {
    pub(super) name: String,
    pub(super) units: Option<String>,
    fill: Option<f64>,
    /// As they came; they leave bit by bit where nothing touches them.
    values: Values,
    /// Once touched; what is missing is NaN.
    wide: Option<Vec<f64>>,
}

impl Working {
    pub(super) fn new(field: Field) -> Self {
        let Field { name, values, fill, units } = field;
        Self { name, units, fill, values, wide: None }
    }

    /// The numbers, to be changed; what is missing is NaN.
    pub(super) fn numbers(&mut self) -> &mut Vec<f64> {
        let missing = if self.values.dtype().is_float() { None } else { self.fill };
        self.wide.get_or_insert_with(|| widen(&self.values, missing))
    }

    /// Other numbers in the place of its own.
    pub(super) fn replace(&mut self, numbers: Vec<f64>) {
        self.wide = Some(numbers);
    }

    /// The field, in the number type that it came in.
    ///
    /// # Errors
    /// When a number does not fit into an integer type, or is missing and nothing marks that.
    pub(super) fn finish(self) -> Result<Field, String> {
        let values = match self.wide {
            None => self.values,
            Some(wide) => narrow(wide, self.values.dtype(), self.fill)
                .map_err(|error| format!("`{}` {error}", self.name))?,
        };
        Ok(Field { name: self.name, values, fill: self.fill, units: self.units })
    }
}

fn widen(values: &Values, missing: Option<f64>) -> Vec<f64> {
    let numbers = 0..values.len();
    match values {
        Values::Float64(v) => v.clone(),
        Values::Float32(v) => v.iter().map(|x| f64::from(*x)).collect(),
        _ => numbers
            .map(|at| {
                let value = values.get(at);
                if missing == Some(value) { f64::NAN } else { value }
            })
            .collect(),
    }
}

/// Numbers rounded to an integer type, half to even.
macro_rules! whole {
    ($wide:expr, $fill:expr, $rust:ty) => {{
        let (least, most) = (<$rust>::MIN as f64, <$rust>::MAX as f64);
        let number = |value: f64| -> Result<$rust, String> {
            let value = if value.is_nan() {
                $fill.ok_or("has missing numbers, and no `fill` to mark them with")?
            } else {
                value.round_ties_even()
            };
            if value < least || value > most {
                return Err(format!("has {value}, which does not fit into {}", stringify!($rust)));
            }
            Ok(value as $rust)
        };
        Values::from($wide.into_iter().map(number).collect::<Result<Vec<_>, String>>()?)
    }};
}

fn narrow(wide: Vec<f64>, dtype: DType, fill: Option<f64>) -> Result<Values, String> {
    Ok(match dtype {
        DType::Float64 => Values::Float64(wide),
        DType::Float32 => Values::Float32(wide.into_iter().map(|x| x as f32).collect()),
        DType::Int8 => whole!(wide, fill, i8),
        DType::UInt8 => whole!(wide, fill, u8),
        DType::Int16 => whole!(wide, fill, i16),
        DType::UInt16 => whole!(wide, fill, u16),
        DType::Int32 => whole!(wide, fill, i32),
        DType::UInt32 => whole!(wide, fill, u32),
        DType::Int64 => whole!(wide, fill, i64),
        DType::UInt64 => whole!(wide, fill, u64),
    })
}
