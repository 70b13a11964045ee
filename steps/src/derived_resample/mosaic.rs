use std::ops::Range;

use frazil_engine::data::Values;

use crate::cube::Window as Tile;

/// A field put together from tiles of one type.
#[derive(Debug)]
pub(super) struct Mosaic<'a> {
    /// Lengths of its dimensions, rows and columns last.
    shape: &'a [usize],
    values: Option<Values>,
}

macro_rules! pairs {
    ($a:expr, $b:expr; $v:ident, $w:ident => $body:expr; $($name:ident)*) => {
        match ($a, $b) {
            $((Values::$name($v), Values::$name($w)) => $body,)*
            _ => {}
        }
    };
}

impl<'a> Mosaic<'a> {
    /// A field of this shape, rows and columns last.
    pub(super) const fn new(shape: &'a [usize]) -> Self {
        Self { shape, values: None }
    }

    /// Puts a tile where it belongs.
    pub(super) fn put(&mut self, tile: &Tile, part: Values) {
        let ranges: Vec<&Range<usize>> = tile.extra.iter().chain([&tile.y, &tile.x]).collect();
        if ranges.iter().zip(self.shape).all(|(range, length)| **range == (0..*length)) {
            self.values = Some(part);
            return;
        }
        let whole =
            self.values.get_or_insert_with(|| Values::zeros(part.dtype(), self.shape.iter().product()));
        let starts = starts(&ranges, self.shape);
        pairs!(whole, &part; to, from => {
            for (at, line) in starts.into_iter().zip(from.chunks_exact(tile.x.len().max(1))) {
                to[at..at + line.len()].copy_from_slice(line);
            }
        }; Int8 UInt8 Int16 UInt16 Int32 UInt32 Int64 UInt64 Float32 Float64);
    }

    /// The field; none when nothing was put.
    pub(super) fn finish(self) -> Option<Values> {
        self.values
    }
}

/// Where each row of a part begins in the whole, in C order.
fn starts(ranges: &[&Range<usize>], shape: &[usize]) -> Vec<usize> {
    let mut starts = vec![0];
    let last = ranges.len() - 1;
    for (at, (range, length)) in ranges.iter().zip(shape).enumerate() {
        let along = if at == last { range.start..range.start + 1 } else { (*range).clone() };
        starts = starts.iter().flat_map(|s| along.clone().map(move |i| s * length + i)).collect();
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_come_where_they_belong() {
        let mut mosaic = Mosaic::new(&[2, 3]);
        mosaic.put(&Tile { y: 0..2, x: 2..3, extra: Vec::new() }, vec![3i16, 6].into());
        mosaic.put(&Tile { y: 0..2, x: 0..2, extra: Vec::new() }, vec![1i16, 2, 4, 5].into());
        assert_eq!(mosaic.finish(), Some(vec![1i16, 2, 3, 4, 5, 6].into()));
    }

    #[test]
    fn planes_come_where_they_belong() {
        let mut mosaic = Mosaic::new(&[2, 3, 1, 2]);
        let mut number = 0i16;
        for (first, second, x) in
            [(1, 0..2, 0..1), (0, 0..3, 1..2), (1, 2..3, 0..2), (0, 0..3, 0..1), (1, 0..2, 1..2)]
        {
            let part: Vec<i16> = (0..second.len() * x.len())
                .map(|_| {
                    number += 1;
                    number
                })
                .collect();
            mosaic.put(&Tile { extra: vec![first..first + 1, second], y: 0..1, x }, part.into());
        }
        assert_eq!(mosaic.finish(), Some(vec![8i16, 3, 9, 4, 10, 5, 1, 11, 2, 12, 6, 7].into()));
    }
}
