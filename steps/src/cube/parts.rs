//! Which parts of a cube are read together: whole chunks, and enough of them.

use std::ops::Range;

use frazil_engine::data::Grid;

use super::{TemplateVariable, Window as Tile};

/// Bytes that one read gives where chunks are smaller: enough that no time goes into the reading
/// itself, and so few that the numbers are still in the cache when they are added up.
const READ: usize = 1 << 20;

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX).max(1)
}

/// Parts of the grid that are read at a time: whole chunks, as many as fit one read.
pub(crate) fn tiles(variable: &TemplateVariable, grid: &Grid) -> Vec<Tile> {
    let [steps, between @ .., y, x] = variable.unit() else { return Vec::new() };
    let ((rows, columns), steps) = (grid.shape(), size(*steps));
    let (y, x) = (size(*y).min(rows.max(1)), size(*x).min(columns.max(1)));
    let mut planes = vec![Vec::new()];
    let mut together = 1;
    for (n, length) in grid.extra.lengths().zip(between.iter().copied().map(size)) {
        together *= length.min(n);
        let cut = (0..n).step_by(length).map(|at| at..n.min(at + length));
        let with = |plane: &Vec<Range<usize>>, next| plane.iter().cloned().chain([next]).collect();
        planes = planes.iter().flat_map(|plane| cut.clone().map(move |next| with(plane, next))).collect();
    }
    let fits = (READ / steps.saturating_mul(together).saturating_mul(variable.dtype.size())).max(1);
    // First along rows, as they lie.
    let x = (fits / (x * y).max(1)).clamp(1, columns.div_ceil(x)) * x;
    let y = if x >= columns { (fits / (x * y).max(1)).clamp(1, rows.div_ceil(y)) * y } else { y };
    let cut = |length: usize, by: usize| (0..length).step_by(by).map(move |i| i..length.min(i + by));
    let flat: Vec<_> = cut(rows, y).flat_map(|y| cut(columns, x).map(move |x| (y.clone(), x))).collect();
    let tile = |extra: Vec<Range<usize>>| {
        flat.iter().cloned().map(move |(y, x)| Tile { extra: extra.clone(), y, x })
    };
    planes.into_iter().flat_map(tile).collect()
}

/// Cells of a part.
pub(crate) fn cells(tile: &Tile) -> usize {
    tile.extra.iter().map(ExactSizeIterator::len).product::<usize>() * tile.y.len() * tile.x.len()
}

/// Steps that are read at a time: whole chunks, as many as fit one read.
pub(crate) fn span_of(variable: &TemplateVariable, tiles: &[Tile]) -> usize {
    let steps = size(variable.unit()[0]);
    let cells = tiles.iter().map(cells).max().unwrap_or(1).max(1);
    let chunks = READ / steps.saturating_mul(cells).saturating_mul(variable.dtype.size()).max(1);
    steps * chunks.max(1)
}

/// The stretches that are read: what is needed of each span of chunks.
pub(crate) fn units(steps: impl Iterator<Item = Range<usize>>, span: usize) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    for range in steps {
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min((start / span + 1) * span);
            match units.last_mut() {
                Some(last) if last.start / span == start / span => last.end = end,
                _ => units.push(start..end),
            }
            start = end;
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_is_read_once() {
        assert_eq!(units([3..30, 30..61, 70..75].into_iter(), 30), vec![3..30, 30..60, 60..75]);
        assert_eq!(units([0..31, 31..59].into_iter(), 100), vec![0..59]);
        assert_eq!(units(std::iter::empty(), 7), Vec::<Range<usize>>::new());
    }
}
