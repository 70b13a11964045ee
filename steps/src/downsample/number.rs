//! Number types, and sums of them that lose nothing on the way.

use super::{Encoding, Unfit};

/// A number that is stored.
pub(super) trait Number: bytemuck::Pod + PartialOrd {
    /// What a sum of up to 65,536 of them is kept in: exact for integers.
    type Sum: Copy + Default + std::ops::Add<Output = Self::Sum>;

    /// The number that marks a missing one.
    fn fill(fill: Option<f64>) -> Option<Self>;
    /// Whether it marks a missing one.
    fn is_missing(self, fill: Option<Self>) -> bool;
    /// The number as a sum of one.
    fn widen(self) -> Self::Sum;
    /// Sum ÷ count, `count` > 0.
    fn mean(sum: Self::Sum, count: u32, fill: Option<Self>) -> Self;
    /// The stored number of a sum of `count` values.
    fn sum(sum: Self::Sum, count: u32, fill: Option<Self>, encoding: Encoding) -> Result<Self, Unfit>;
    /// What marks a missing number; only asked for where one was found.
    fn missing(fill: Option<Self>) -> Self;
}

macro_rules! float {
    ($rust:ty) => {
        impl Number for $rust {
            type Sum = f64;

            fn fill(_: Option<f64>) -> Option<Self> {
                None
            }

            #[inline(always)]
            fn is_missing(self, _: Option<Self>) -> bool {
                self.is_nan()
            }

            #[inline(always)]
            fn widen(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn mean(sum: f64, count: u32, _: Option<Self>) -> Self {
                (sum / f64::from(count)) as Self
            }
            fn sum(sum: f64, _: u32, _: Option<Self>, _: Encoding) -> Result<Self, Unfit> {
                let stored = sum as Self;
                if stored.is_infinite() && sum.is_finite() {
                    return Err(Unfit(format!(
                        "the sum {sum} of an overview is beyond {}",
                        stringify!($rust).replace('f', "float")
                    )));
                }
                Ok(stored)
            }

            #[inline(always)]
            fn missing(_: Option<Self>) -> Self {
                Self::NAN
            }
        }
    };
}

float!(f32);
float!(f64);

macro_rules! integer {
    ($($rust:ty, $wide:ty);* $(;)?) => {$(
        impl Number for $rust {
            type Sum = $wide;
            fn fill(fill: Option<f64>) -> Option<Self> {
                fill.map(|fill| fill as Self)
            }

            #[inline(always)]
            fn is_missing(self, fill: Option<Self>) -> bool {
                fill == Some(self)
            }

            #[inline(always)]
            fn widen(self) -> $wide {
                <$wide>::from(self)
            }

            /// A mean that would be read as missing is the next number towards the exact one.
            fn mean(sum: $wide, count: u32, fill: Option<Self>) -> Self {
                let count = <$wide>::from(count);
                let half = if sum < 0 { -count } else { count };
                let mean = ((2 * sum + half) / (2 * count)) as Self;
                if fill != Some(mean) {
                    return mean;
                }
                let above = sum >= count * <$wide>::from(mean);
                let (near, far) = (mean.checked_add(1), mean.checked_sub(1));
                let (near, far) = if above { (near, far) } else { (far, near) };
                near.or(far).unwrap_or(mean)
            }
            fn sum(sum: $wide, count: u32, fill: Option<Self>, encoding: Encoding) -> Result<Self, Unfit> {
                // The sum of values s × scale + offset, packed again.
                let stored = if encoding.offset == 0.0 {
                    sum
                } else {
                    (sum as f64 + f64::from(count - 1) * encoding.offset / encoding.scale).round() as $wide
                };
                let kind = stringify!($rust).replace('i', "int").replace('u', "uint");
                let number = Self::try_from(stored)
                    .map_err(|_| Unfit(format!("the sum of an overview is stored as {stored}, which does not fit {kind}")))?;
                if fill == Some(number) {
                    return Err(Unfit(format!("the sum of an overview is stored as {number}, which marks missing data")));
                }
                Ok(number)
            }

            #[inline(always)]
            fn missing(fill: Option<Self>) -> Self {
                fill.unwrap_or_default()
            }
        }
    )*};
}

integer!(
    i8, i64; u8, i64; i16, i64; u16, i64; i32, i64; u32, i64; i64, i128; u64, i128;
);
