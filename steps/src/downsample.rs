//! The arithmetic of overviews: cells of one level become fewer cells of the next.
//!
//! Every level is made from the numbers at full resolution. A mean of means is no mean where cells
//! are missing, so sums and counts are carried from level to level and divided for each; `mode`
//! counts the cells themselves.

mod method;
mod number;
mod plane;

pub use method::Method;

pub use crate::resample::Encoding;

use frazil_engine::data::DType;

use number::Number;

/// A number of a level that its type does not hold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

/// Levels of `count` halvings of planes of `rows` × `columns` numbers, as little-endian bytes like
/// `source`. A last row or column without a partner is dropped. Holds the levels, which are a third
/// of the source at most, and the sums of one plane.
///
/// # Errors
/// When a sum does not fit the type of the numbers.
pub fn levels(
    source: &[u8],
    encoding: Encoding,
    method: Method,
    (rows, columns): (usize, usize),
    count: usize,
) -> Result<Vec<Vec<u8>>, Unfit> {
    macro_rules! typed {
        ($($variant:ident $rust:ty),* $(,)?) => {
            match encoding.dtype { $(DType::$variant => of::<$rust>(source, encoding, method, (rows, columns), count)),* }
        };
    }
    typed!(
        Int8 i8, UInt8 u8, Int16 i16, UInt16 u16, Int32 i32, UInt32 u32,
        Int64 i64, UInt64 u64, Float32 f32, Float64 f64,
    )
}

fn of<T: Number>(
    source: &[u8],
    encoding: Encoding,
    method: Method,
    (rows, columns): (usize, usize),
    count: usize,
) -> Result<Vec<Vec<u8>>, Unfit> {
    let copied;
    let numbers: &[T] = match bytemuck::try_cast_slice(source) {
        Ok(numbers) => numbers,
        // Memory that is not aligned for the type: none that frazil makes.
        Err(_) => {
            copied = bytemuck::pod_collect_to_vec::<u8, T>(source);
            &copied
        }
    };
    let size = rows * columns;
    let planes = numbers.len().checked_div(size).unwrap_or_default();
    let shapes: Vec<(usize, usize)> = (1..=count).map(|level| (rows >> level, columns >> level)).collect();
    let mut levels: Vec<Vec<T>> = shapes.iter().map(|(r, c)| Vec::with_capacity(planes * r * c)).collect();
    let mut work = plane::Work::new(T::fill(encoding.fill), encoding);
    for plane in numbers.chunks_exact(size.max(1)) {
        work.plane(plane, (rows, columns), method, &mut levels)?;
    }
    Ok(levels.into_iter().map(|level| bytemuck::cast_slice(&level).to_vec()).collect())
}

#[cfg(test)]
mod tests;
