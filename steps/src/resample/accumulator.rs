use std::ops::Range;

use frazil_engine::data::{DType, Values};

pub use weighted::Share;

use super::Method;

/// Cells worked on at a time: the sums of a block and one row of its numbers stay in the first
/// cache while all steps of a chunk pass.
const BLOCK: usize = 1_024;

/// How the stored numbers are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoding {
    /// Their type.
    pub dtype: DType,
    /// What marks a missing number, besides NaN.
    pub fill: Option<f64>,
    /// CF `scale_factor`, 1 where there is none.
    pub scale: f64,
    /// CF `add_offset`, 0 where there is none.
    pub offset: f64,
}

impl Encoding {
    /// Numbers that stand for themselves.
    #[must_use]
    pub const fn plain(dtype: DType, fill: Option<f64>) -> Self {
        Self { dtype, fill, scale: 1.0, offset: 0.0 }
    }

    #[expect(clippy::float_cmp, reason = "1 and 0 are exact: they stand for no packing")]
    fn packed(&self) -> bool {
        self.scale != 1.0 || self.offset != 0.0
    }

    fn decode(&self, stored: f64) -> f64 {
        if self.packed() { stored * self.scale + self.offset } else { stored }
    }
}

/// A result that its number type cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{value} is no {} number", .dtype.name())]
pub struct Unfit {
    /// The result.
    pub value: f64,
    /// The type.
    pub dtype: DType,
}

/// One window of one variable over a block of the grid, while its periods pass by in time order.
///
/// Sums are kept in `float64`; what is picked keeps its stored type and is exact.
#[derive(Debug, Clone)]
pub struct Accumulator {
    method: Method,
    encoding: Encoding,
    state: State,
    seen: Vec<u32>,
    /// Where shares were taken: what was taken of each cell in all.
    weights: Option<Vec<f64>>,
}

#[derive(Debug, Clone)]
enum State {
    Total(Vec<f64>),
    Picked(Values),
    Counted,
}

/// A number type whose numbers may be missing.
trait Number: Copy + PartialOrd {
    /// The fill in this type, when it is one of its numbers.
    fn of_fill(fill: f64) -> Option<Self>;
    fn wide(self) -> f64;
    fn is_nan(self) -> bool;
    /// Whether it is the fill, matched exactly.
    fn is_fill(self, fill: Self) -> bool {
        self == fill
    }
}

macro_rules! numbers {
    ($($int:ty)*; $($float:ty)*) => {
        $(impl Number for $int {
            #[expect(clippy::float_cmp, reason = "a fill is matched exactly")]
            fn of_fill(fill: f64) -> Option<Self> {
                let stored = fill as $int;
                (stored as f64 == fill).then_some(stored)
            }
            fn wide(self) -> f64 { self as f64 }
            fn is_nan(self) -> bool { false }
        })*
        $(impl Number for $float {
            fn of_fill(fill: f64) -> Option<Self> {
                (!fill.is_nan()).then_some(fill as $float)
            }
            fn wide(self) -> f64 { f64::from(self) }
            fn is_nan(self) -> bool { <$float>::is_nan(self) }
        })*
    };
}

numbers!(i8 u8 i16 u16 i32 u32 i64 u64; f32 f64);

/// Runs `$body` with `$v` bound to the numbers of `$values`, whatever their type.
macro_rules! each_type {
    ($values:expr, $v:ident => $body:expr) => {
        match $values {
            Values::Int8($v) => $body,
            Values::UInt8($v) => $body,
            Values::Int16($v) => $body,
            Values::UInt16($v) => $body,
            Values::Int32($v) => $body,
            Values::UInt32($v) => $body,
            Values::Int64($v) => $body,
            Values::UInt64($v) => $body,
            Values::Float32($v) => $body,
            Values::Float64($v) => $body,
        }
    };
}

/// As `each_type!`, for two that have the same type; nothing where they have not.
macro_rules! same_type {
    ($a:expr, $b:expr; $v:ident, $w:ident => $body:expr; $($name:ident)*) => {
        match ($a, $b) {
            $((Values::$name($v), Values::$name($w)) => $body,)*
            _ => {}
        }
    };
}

// Below the macros that it uses.
mod weighted;

impl Accumulator {
    /// Nothing seen yet of `cells` cells.
    #[must_use]
    pub fn new(method: Method, encoding: Encoding, cells: usize) -> Self {
        let state = match method {
            Method::Sum | Method::Mean => State::Total(vec![0.0; cells]),
            Method::Count => State::Counted,
            Method::Min | Method::Max | Method::First | Method::Last => {
                State::Picked(Values::zeros(encoding.dtype, cells))
            }
        };
        Self { method, encoding, state, seen: vec![0; cells], weights: None }
    }

    /// Forgets what it has seen, for the next window: its memory is used again.
    pub fn clear(&mut self) {
        match &mut self.state {
            State::Total(sum) => sum.fill(0.0),
            // What is not seen is not looked at.
            State::Picked(_) | State::Counted => {}
        }
        self.seen.fill(0);
        self.weights = None;
    }

    /// Bytes that one cell takes while a window is open, by shares or whole.
    #[must_use]
    pub const fn bytes_per_cell(method: Method, dtype: DType, shares: bool) -> usize {
        size_of::<u32>()
            + match method {
                Method::Sum | Method::Mean if shares => 2 * size_of::<f64>(),
                Method::Sum | Method::Mean => size_of::<f64>(),
                Method::Count => 0,
                Method::Min | Method::Max | Method::First | Method::Last => dtype.size(),
            }
    }

    /// Takes `steps` of `values`, whose shape is (steps, cells), in time order. `values` are of the
    /// type that the encoding names.
    pub fn add(&mut self, values: &Values, steps: Range<usize>) {
        let Self { method, encoding, state, seen, .. } = self;
        match state {
            State::Total(sum) => each_type!(values, v => total(sum, seen, v, steps, encoding)),
            State::Counted => each_type!(values, v => count(seen, v, steps, encoding)),
            State::Picked(best) => {
                same_type!(best, values; b, v => pick(*method, b, seen, v, steps, encoding);
                Int8 UInt8 Int16 UInt16 Int32 UInt32 Int64 UInt64 Float32 Float64)
            }
        }
    }

    /// Cells without a number.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.seen.iter().filter(|n| **n == 0).count()
    }

    /// The results, decoded, as numbers of `dtype`. What is missing is NaN in floats and `fill` in
    /// integers.
    ///
    /// # Errors
    /// When an integer type cannot hold a result: it is no whole number, too large, or the fill.
    pub fn finish(&self, dtype: DType, fill: Option<f64>) -> Result<Values, Unfit> {
        let Self { method, encoding, state, seen, weights } = self;
        if let State::Picked(values) = state {
            if values.dtype() == dtype && !encoding.packed() {
                return Ok(filled(values.clone(), seen, fill));
            }
            return cast(dtype, fill, seen.len(), |at| {
                if seen[at] == 0 { f64::NAN } else { encoding.decode(values.get(at)) }
            });
        }
        let State::Total(sum) = state else {
            return cast(dtype, None, seen.len(), |at| f64::from(seen[at]));
        };
        cast(dtype, fill, seen.len(), |at| match seen[at] {
            0 => f64::NAN,
            n if *method == Method::Mean => sum[at] / weights.as_ref().map_or(f64::from(n), |w| w[at]),
            _ => sum[at],
        })
    }
}

/// Calls `row` with the range of each block of cells and the numbers of each step in it. Blocks
/// outside and steps inside: each block meets its steps in time order.
fn blocks<T>(cells: usize, values: &[T], steps: Range<usize>, mut row: impl FnMut(Range<usize>, &[T])) {
    for first in (0..cells).step_by(BLOCK) {
        let block = first..cells.min(first + BLOCK);
        for step in steps.clone() {
            row(block.clone(), &values[step * cells + block.start..step * cells + block.end]);
        }
    }
}

/// Runs one of two bodies, so that the common case of no fill costs no comparison.
macro_rules! by_fill {
    ($encoding:expr, $t:ty, $missing:ident => $body:expr) => {
        match $encoding.fill.and_then(<$t>::of_fill) {
            None => {
                let $missing = |v: $t| v.is_nan();
                $body
            }
            Some(fill) => {
                let $missing = |v: $t| v.is_nan() || v == fill;
                $body
            }
        }
    };
}

fn total<T: Number>(
    sum: &mut [f64],
    seen: &mut [u32],
    values: &[T],
    steps: Range<usize>,
    encoding: &Encoding,
) {
    let (scale, offset) = (encoding.scale, encoding.offset);
    if encoding.packed() {
        by_fill!(encoding, T, missing => add_up(sum, seen, values, steps, missing, |v| v.wide() * scale + offset));
    } else {
        by_fill!(encoding, T, missing => add_up(sum, seen, values, steps, missing, Number::wide));
    }
}

fn add_up<T: Number>(
    sum: &mut [f64],
    seen: &mut [u32],
    values: &[T],
    steps: Range<usize>,
    missing: impl Fn(T) -> bool,
    decode: impl Fn(T) -> f64,
) {
    blocks(sum.len(), values, steps, |block, row| {
        let cells = sum[block.clone()].iter_mut().zip(&mut seen[block]);
        for ((sum, seen), &v) in cells.zip(row) {
            let gone = missing(v);
            // Both sides are computed, so that the loop has no branch.
            *sum += if gone { 0.0 } else { decode(v) };
            *seen += u32::from(!gone);
        }
    });
}

fn count<T: Number>(seen: &mut [u32], values: &[T], steps: Range<usize>, encoding: &Encoding) {
    by_fill!(encoding, T, missing => blocks(seen.len(), values, steps, |block, row| {
        for (seen, &v) in seen[block].iter_mut().zip(row) {
            *seen += u32::from(!missing(v));
        }
    }));
}

fn pick<T: Number>(
    method: Method,
    best: &mut [T],
    seen: &mut [u32],
    values: &[T],
    steps: Range<usize>,
    encoding: &Encoding,
) {
    // A negative scale turns the order of the stored numbers around.
    let method = match method {
        Method::Min if encoding.scale < 0.0 => Method::Max,
        Method::Max if encoding.scale < 0.0 => Method::Min,
        other => other,
    };
    by_fill!(encoding, T, missing => match method {
        Method::Min => choose(best, seen, values, steps, missing, |new, old| new < old),
        Method::Max => choose(best, seen, values, steps, missing, |new, old| new > old),
        Method::Last => choose(best, seen, values, steps, missing, |_, _| true),
        _ => choose(best, seen, values, steps, missing, |_, _| false),
    });
}

fn choose<T: Number>(
    best: &mut [T],
    seen: &mut [u32],
    values: &[T],
    steps: Range<usize>,
    missing: impl Fn(T) -> bool,
    better: impl Fn(T, T) -> bool,
) {
    blocks(best.len(), values, steps, |block, row| {
        let cells = best[block.clone()].iter_mut().zip(&mut seen[block]);
        for ((best, seen), &v) in cells.zip(row) {
            let here = !missing(v);
            let take = here & ((*seen == 0) | better(v, *best));
            *best = if take { v } else { *best };
            *seen += u32::from(here);
        }
    });
}

/// The picked numbers with what marks the missing ones.
fn filled(mut values: Values, seen: &[u32], fill: Option<f64>) -> Values {
    fn put<T: Copy>(values: &mut [T], seen: &[u32], fill: Option<T>) {
        let Some(fill) = fill else { return };
        for (value, n) in values.iter_mut().zip(seen) {
            if *n == 0 {
                *value = fill;
            }
        }
    }
    match &mut values {
        Values::Float32(v) => put(v, seen, Some(f32::NAN)),
        Values::Float64(v) => put(v, seen, Some(f64::NAN)),
        other => each_type!(other, v => put(v, seen, fill.and_then(Number::of_fill))),
    }
    values
}

/// `cells` numbers of `dtype`; those that `at` gives as NaN are missing.
fn cast(dtype: DType, fill: Option<f64>, cells: usize, at: impl Fn(usize) -> f64) -> Result<Values, Unfit> {
    macro_rules! whole {
        ($int:ty) => {
            (0..cells)
                .map(|i| {
                    let value = at(i);
                    if value.is_nan() {
                        return Ok(fill.and_then(<$int as Number>::of_fill).unwrap_or(0));
                    }
                    let number = <$int as Number>::of_fill(value).filter(|_| fill != Some(value));
                    number.ok_or(Unfit { value, dtype })
                })
                .collect::<Result<Vec<$int>, Unfit>>()?
                .into()
        };
    }
    Ok(match dtype {
        #[expect(clippy::cast_possible_truncation, reason = "rounded once, from the sum in float64")]
        DType::Float32 => (0..cells).map(|i| at(i) as f32).collect::<Vec<_>>().into(),
        DType::Float64 => (0..cells).map(at).collect::<Vec<_>>().into(),
        DType::Int8 => whole!(i8),
        DType::UInt8 => whole!(u8),
        DType::Int16 => whole!(i16),
        DType::UInt16 => whole!(u16),
        DType::Int32 => whole!(i32),
        DType::UInt32 => whole!(u32),
        DType::Int64 => whole!(i64),
        DType::UInt64 => whole!(u64),
    })
}

#[cfg(test)]
mod tests;
