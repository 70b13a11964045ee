use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// Numbers lie in memory as they are stored: nothing is turned on the way.
const _: () = assert!(cfg!(target_endian = "little"), "frazil is made for little-endian machines");

macro_rules! values {
    ($($variant:ident $name:literal $rust:ty),* $(,)?) => {
        /// The number type of a variable, by its Zarr name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum DType {
            $(#[doc = concat!("`", $name, "`")] $variant),*
        }

        impl DType {
            /// All number types.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The Zarr name: `float32`, `int16` and so on.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Bytes of one number.
            #[must_use]
            pub const fn size(self) -> usize {
                match self { $(Self::$variant => size_of::<$rust>()),* }
            }

            /// The number of this type nearest to `value`, in little-endian bytes.
            #[must_use]
            pub fn le_bytes(self, value: f64) -> Vec<u8> {
                match self { $(Self::$variant => (value as $rust).to_le_bytes().to_vec()),* }
            }
        }

        /// Numbers of one type, in C order.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Values {
            $(#[doc = concat!("`", $name, "`")] $variant(Vec<$rust>)),*
        }

        impl Values {
            /// The number type.
            #[must_use]
            pub const fn dtype(&self) -> DType {
                match self { $(Self::$variant(_) => DType::$variant),* }
            }

            /// How many numbers there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self { $(Self::$variant(v) => v.len()),* }
            }

            /// Whether there is none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Number `at`, as a `float64`; exact but for 64-bit integers beyond 2^53.
            ///
            /// # Panics
            /// When `at` is not inside.
            #[must_use]
            #[expect(clippy::cast_lossless, clippy::cast_precision_loss, reason = "one arm for all types")]
            pub fn get(&self, at: usize) -> f64 {
                match self { $(Self::$variant(v) => v[at] as f64),* }
            }

            /// So many zeros.
            #[must_use]
            pub fn zeros(dtype: DType, len: usize) -> Self {
                match dtype { $(DType::$variant => Self::$variant(vec![<$rust>::default(); len])),* }
            }

            /// Numbers that there is memory for.
            #[must_use]
            pub fn capacity(&self) -> usize {
                match self { $(Self::$variant(v) => v.capacity()),* }
            }

            /// Makes it so many numbers; those that are new are zero.
            pub fn resize(&mut self, len: usize) {
                match self { $(Self::$variant(v) => v.resize(len, <$rust>::default())),* }
            }

            /// Leaves the numbers at `range`; its memory stays.
            pub fn keep(&mut self, range: Range<usize>) {
                match self {
                    $(Self::$variant(v) => {
                        v.truncate(range.end);
                        v.drain(..range.start.min(v.len()));
                    })*
                }
            }

            /// The numbers as little-endian bytes.
            #[must_use]
            pub fn bytes(&self) -> &[u8] {
                match self { $(Self::$variant(v) => bytemuck::cast_slice(v)),* }
            }

            /// The numbers as little-endian bytes, to be written over.
            pub fn bytes_mut(&mut self) -> &mut [u8] {
                match self { $(Self::$variant(v) => bytemuck::cast_slice_mut(v)),* }
            }
        }
        $(
            impl From<Vec<$rust>> for Values {
                fn from(values: Vec<$rust>) -> Self {
                    Self::$variant(values)
                }
            }
        )*
    };
}

values! {
    Int8 "int8" i8,
    UInt8 "uint8" u8,
    Int16 "int16" i16,
    UInt16 "uint16" u16,
    Int32 "int32" i32,
    UInt32 "uint32" u32,
    Int64 "int64" i64,
    UInt64 "uint64" u64,
    Float32 "float32" f32,
    Float64 "float64" f64,
}

impl Values {
    /// Reads little-endian bytes; none when their length is no multiple of the size.
    #[must_use]
    pub fn from_le_bytes(dtype: DType, bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(dtype.size()) {
            return None;
        }
        let mut values = Self::zeros(dtype, bytes.len() / dtype.size());
        values.bytes_mut().copy_from_slice(bytes);
        Some(values)
    }
}

impl DType {
    /// Whether it is `float32` or `float64`.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_is_what_stood_there(length in 0..20usize, a in 0..20usize, b in 0..20usize, to in 0..30usize) {
            let (a, b) = (a.min(b).min(length), a.max(b).min(length));
            let numbers: Vec<i16> = (1..).take(length).collect();
            let mut values = Values::from(numbers.clone());
            values.keep(a..b);
            prop_assert_eq!(&values, &Values::from(numbers[a..b].to_vec()));
            prop_assert!(values.capacity() >= length);
            values.resize(to);
            let padded: Vec<i16> = numbers[a..b].iter().copied().chain(std::iter::repeat(0)).take(to).collect();
            prop_assert_eq!(values, Values::from(padded));
        }

        #[test]
        fn bytes_become_numbers_and_bytes_again(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for dtype in DType::ALL.iter().copied() {
                let size = dtype.size();
                let Some(values) = Values::from_le_bytes(dtype, &bytes) else {
                    prop_assert!(bytes.len() % size != 0);
                    continue;
                };
                prop_assert_eq!((values.dtype(), values.len()), (dtype, bytes.len() / size));
                prop_assert_eq!(values.bytes(), &bytes[..]);
                if dtype.is_float() || size < 8 {
                    // A NaN's payload is its own.
                    let own: Vec<u8> = (0..values.len()).flat_map(|at| dtype.le_bytes(values.get(at))).collect();
                    let same = |at: usize| values.get(at).is_nan() || own[at * size..][..size] == bytes[at * size..][..size];
                    prop_assert!((0..values.len()).all(same));
                }
            }
        }
    }
}
