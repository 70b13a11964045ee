use frazil_engine::data::Values;

use crate::cube::Window as Tile;

/// A field put together from tiles of one type.
#[derive(Debug)]
pub(super) struct Mosaic {
    shape: (usize, usize),
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

impl Mosaic {
    /// A field of this shape, rows and columns.
    pub(super) const fn new(shape: (usize, usize)) -> Self {
        Self { shape, values: None }
    }

    /// Puts a tile where it belongs.
    pub(super) fn put(&mut self, tile: &Tile, part: Values) {
        let (rows, columns) = self.shape;
        if tile.y == (0..rows) && tile.x == (0..columns) {
            self.values = Some(part);
            return;
        }
        let whole = self.values.get_or_insert_with(|| Values::zeros(part.dtype(), rows * columns));
        pairs!(whole, &part; to, from => {
            for (row, line) in tile.y.clone().zip(from.chunks_exact(tile.x.len().max(1))) {
                let at = row * columns + tile.x.start;
                to[at..at + line.len()].copy_from_slice(line);
            }
        }; Int8 UInt8 Int16 UInt16 Int32 UInt32 Int64 UInt64 Float32 Float64);
    }

    /// The field; none when nothing was put.
    pub(super) fn finish(self) -> Option<Values> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_come_where_they_belong() {
        let mut mosaic = Mosaic::new((2, 3));
        mosaic.put(&Tile { y: 0..2, x: 2..3 }, vec![3i16, 6].into());
        mosaic.put(&Tile { y: 0..2, x: 0..2 }, vec![1i16, 2, 4, 5].into());
        assert_eq!(mosaic.finish(), Some(vec![1i16, 2, 3, 4, 5, 6].into()));
    }
}
