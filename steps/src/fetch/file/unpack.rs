//! From numbers as they are stored to numbers as they are meant.

use frazil_engine::data::{DType, Values};

/// How the numbers of one variable are stored, and how they are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Packing {
    /// The type in which they are stored.
    pub(super) stored: DType,
    /// Numbers that mark missing data, in terms of what is stored. What the type cannot hold (a
    /// NaN in integers) marks nothing.
    pub(super) missing: Vec<f64>,
    /// Stored × scale …
    pub(super) scale: Option<Factor>,
    /// … + offset.
    pub(super) offset: Option<Factor>,
    /// The type that the dataset declares.
    pub(super) declared: Option<DType>,
    /// What marks missing data among integers in the dataset.
    pub(super) fill: Option<f64>,
    /// Stored wider than the source knows (GRIB): single precision unless the dataset declares more.
    pub(super) single: bool,
}

/// A CF packing attribute: its type decides that of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Factor {
    /// Its value.
    pub(super) value: f64,
    /// The type in which it is written.
    pub(super) dtype: DType,
}

/// Numbers as they are meant.
#[derive(Debug, PartialEq)]
pub(super) struct Unpacked {
    pub(super) values: Values,
    /// What marks missing data among integers.
    pub(super) fill: Option<f64>,
}

impl Packing {
    /// Undoes it: missing numbers become NaN, or the fill among integers that stay integers.
    pub(super) fn unpack(&self, raw: Values) -> Unpacked {
        let integers = !self.stored.is_float()
            && self.scale.is_none()
            && self.offset.is_none()
            && self.declared.is_none_or(|dtype| !dtype.is_float());
        if integers { self.integers(raw) } else { Unpacked { values: self.floats(&raw), fill: None } }
    }

    /// The float type in which xarray computes (2024 and later; `_choose_float_dtype`), so that a
    /// reader of the source and a reader of the cube see the same bits.
    fn arithmetic(&self) -> DType {
        let wide = |dtype: DType| if dtype == DType::Float32 { DType::Float32 } else { DType::Float64 };
        match (self.scale, self.offset) {
            (Some(scale), Some(offset)) if scale.dtype == offset.dtype && scale.dtype.is_float() => {
                // Four-byte integers do not fit into single precision.
                let large = self.stored.size() == 4 && !self.stored.is_float();
                if large { DType::Float64 } else { scale.dtype }
            }
            (_, Some(_)) => DType::Float64,
            (Some(scale), None) => wide(scale.dtype),
            (None, None) if self.stored.is_float() => self.stored,
            (None, None) if self.stored.size() <= 2 => DType::Float32,
            (None, None) => DType::Float64,
        }
    }

    fn floats(&self, raw: &Values) -> Values {
        let declared = self.declared.filter(|dtype| dtype.is_float());
        let single = declared == Some(DType::Float32) || (declared.is_none() && self.single);
        if self.arithmetic() == DType::Float32 {
            let values = self.in_single(raw);
            return if declared == Some(DType::Float64) {
                values.into_iter().map(f64::from).collect::<Vec<_>>().into()
            } else {
                values.into()
            };
        }
        let values = self.in_double(raw);
        #[expect(clippy::cast_possible_truncation, reason = "rounded once, because the dataset says so")]
        if single {
            values.into_iter().map(|value| value as f32).collect::<Vec<_>>().into()
        } else {
            values.into()
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the packing is written in single precision")]
    fn in_single(&self, raw: &Values) -> Vec<f32> {
        let (scale, offset) = (self.scale.map(|f| f.value as f32), self.offset.map(|f| f.value as f32));
        each(raw, &self.marks(), f32::NAN, |value| {
            // Two roundings, as two operations on arrays have them: no fused multiply-add.
            let value = value as f32;
            let value = scale.map_or(value, |scale| value * scale);
            offset.map_or(value, |offset| value + offset)
        })
    }

    fn in_double(&self, raw: &Values) -> Vec<f64> {
        each(raw, &self.marks(), f64::NAN, |value| {
            let value = self.scale.map_or(value, |scale| value * scale.value);
            self.offset.map_or(value, |offset| value + offset.value)
        })
    }

    /// The numbers that mark missing data, as the stored type holds them.
    fn marks(&self) -> Vec<f64> {
        self.missing.iter().filter_map(|mark| held(*mark, self.stored)).collect()
    }

    fn integers(&self, raw: Values) -> Unpacked {
        let marks = self.marks();
        let fill = self.fill.or_else(|| marks.first().copied());
        let dtype = self.declared.unwrap_or(self.stored);
        let unchanged =
            dtype == self.stored && fill.is_none_or(|fill| marks.iter().all(|mark| *mark == fill));
        if unchanged {
            return Unpacked { values: raw, fill };
        }
        // What does not fit stays as it is: whoever stores it says which number and where.
        let values = convert(&raw, &marks, fill, dtype).or_else(|| convert(&raw, &marks, fill, self.stored));
        Unpacked { values: values.unwrap_or(raw), fill }
    }
}

/// `number` as `dtype` holds it; none where it holds nothing like it.
#[expect(clippy::cast_possible_truncation, reason = "the nearest single is what a file of singles holds")]
fn held(number: f64, dtype: DType) -> Option<f64> {
    let whole =
        |low: f64, high: f64| (number.fract() == 0.0 && (low..=high).contains(&number)).then_some(number);
    match dtype {
        DType::Float32 => Some(f64::from(number as f32)),
        DType::Float64 => Some(number),
        DType::Int8 => whole(-128.0, 127.0),
        DType::UInt8 => whole(0.0, 255.0),
        DType::Int16 => whole(-32_768.0, 32_767.0),
        DType::UInt16 => whole(0.0, 65_535.0),
        DType::Int32 => whole(-2_147_483_648.0, 2_147_483_647.0),
        DType::UInt32 => whole(0.0, 4_294_967_295.0),
        DType::Int64 => whole(-9_007_199_254_740_992.0, 9_007_199_254_740_992.0),
        DType::UInt64 => whole(0.0, 9_007_199_254_740_992.0),
    }
}

fn each<T: Copy>(raw: &Values, marks: &[f64], missing: T, meant: impl Fn(f64) -> T) -> Vec<T> {
    (0..raw.len())
        .map(|at| {
            let stored = raw.get(at);
            if marks.contains(&stored) { missing } else { meant(stored) }
        })
        .collect()
}

/// Integers as another integer type; none where one does not fit.
fn convert(raw: &Values, marks: &[f64], fill: Option<f64>, dtype: DType) -> Option<Values> {
    let wanted: Vec<f64> = (0..raw.len())
        .map(|at| match (raw.get(at), fill) {
            (stored, Some(fill)) if marks.contains(&stored) => fill,
            (stored, _) => stored,
        })
        .collect();
    if !wanted.iter().all(|number| held(*number, dtype).is_some()) {
        return None;
    }
    macro_rules! cast {
        ($type:ty) => {{
            let values: Vec<$type> = wanted.iter().map(|number| *number as $type).collect();
            Some(values.into())
        }};
    }
    match dtype {
        DType::Int8 => cast!(i8),
        DType::UInt8 => cast!(u8),
        DType::Int16 => cast!(i16),
        DType::UInt16 => cast!(u16),
        DType::Int32 => cast!(i32),
        DType::UInt32 => cast!(u32),
        DType::Int64 => cast!(i64),
        DType::UInt64 => cast!(u64),
        DType::Float32 | DType::Float64 => None,
    }
}

#[cfg(test)]
mod tests;
