//! Tiles and strips: where they are, and the numbers in them.

use std::ops::Range;

use async_tiff::tags::Predictor;
use frazil_engine::data::Values;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{blocks::Blocks, layout::Layout, unpack::unpack};
use crate::fetch::window::Pick;

/// A stretch of cells along one axis: in the source, and where it goes.
#[derive(Debug, Clone, PartialEq)]
struct Stretch {
    from: Range<usize>,
    to: usize,
}

/// The tiles along one axis that hold picked cells, each with what it holds.
fn along(pick: &Pick, tile: usize) -> Vec<(usize, Vec<Stretch>)> {
    let mut tiles: Vec<(usize, Vec<Stretch>)> = Vec::new();
    let mut to = 0;
    for run in &pick.runs {
        let mut from = run.start;
        while from < run.end {
            let at = from / tile;
            let end = run.end.min((at + 1) * tile);
            let stretch = Stretch { from: from..end, to };
            match tiles.iter_mut().find(|(known, _)| *known == at) {
                Some((_, stretches)) => stretches.push(stretch),
                None => tiles.push((at, vec![stretch])),
            }
            to += end - from;
            from = end;
        }
    }
    tiles
}

/// The bytes that hold the picked cells of a band.
pub(super) fn ranges(layout: &Layout, rows: &Pick, columns: &Pick, band: usize) -> Vec<Range<u64>> {
    let across = along(columns, layout.tile_width);
    along(rows, layout.tile_height)
        .iter()
        .flat_map(|(ty, _)| across.iter().map(|(tx, _)| bytes_of(layout, layout.index(*tx, *ty, band))))
        .filter(|range| !range.is_empty())
        .collect()
}

fn bytes_of(layout: &Layout, index: usize) -> Range<u64> {
    let start = layout.offsets[index];
    start..start.saturating_add(layout.counts[index])
}

/// The picked cells of a band, as they are stored but for the order of rows and columns.
pub(super) fn decode(
    layout: &Layout,
    blocks: &Blocks,
    rows: &Pick,
    columns: &Pick,
    band: usize,
) -> Result<Values, String> {
    let cells = rows.axis.centres.len() * columns.axis.centres.len();
    let mut values = Values::zeros(layout.dtype, cells);
    fill(values.bytes_mut(), layout, blocks, rows, columns, band)?;
    Ok(values)
}

/// Fills in the bytes of the picked cells, low bytes first.
fn fill(
    out: &mut [u8],
    layout: &Layout,
    blocks: &Blocks,
    rows: &Pick,
    columns: &Pick,
    band: usize,
) -> Result<(), String> {
    let (height, width) = (rows.axis.centres.len(), columns.axis.centres.len());
    let size = layout.dtype.size();
    let across = along(columns, layout.tile_width);
    // Rows of tiles fill bands of rows, each its own: they are decoded side by side, over all files
    // on as many threads as there are cores.
    bands(out, along(rows, layout.tile_height), width * size, rows.flipped).into_par_iter().try_for_each(
        |Band { ty, down, first, bytes }| {
            for (tx, across) in &across {
                let tile = Tile::decode(layout, blocks, (*tx, ty), band, &down)?;
                for row in down.iter().flat_map(|s| s.from.clone().zip(s.to..)) {
                    let to_row = if rows.flipped { height - 1 - row.1 } else { row.1 } - first;
                    for stretch in across {
                        let at = (to_row * width + stretch.to) * size;
                        let cells = stretch.from.len() * size;
                        tile.copy(
                            row.0 - ty * layout.tile_height,
                            stretch.from.start - tx * layout.tile_width,
                            &mut bytes[at..at + cells],
                        );
                    }
                }
            }
            Ok::<(), String>(())
        },
    )?;
    if columns.flipped {
        for row in out.chunks_exact_mut(width * size) {
            row.reverse();
            row.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
    }
    Ok(())
}

/// The rows that a row of tiles fills.
struct Band<'a> {
    /// The row of tiles.
    ty: usize,
    /// What it holds.
    down: Vec<Stretch>,
    /// The first of the rows.
    first: usize,
    /// Their cells.
    bytes: &'a mut [u8],
}

/// Cuts the cells of a window into bands: rows of tiles follow one another, downwards or upwards.
fn bands(mut out: &mut [u8], tiles: Vec<(usize, Vec<Stretch>)>, row: usize, flipped: bool) -> Vec<Band<'_>> {
    let mut bands = Vec::with_capacity(tiles.len());
    let mut above = 0;
    for (ty, down) in tiles {
        let rows: usize = down.iter().map(|stretch| stretch.from.len()).sum();
        let (first, bytes);
        if flipped {
            (out, bytes) = out.split_at_mut(out.len() - rows * row);
            first = out.len() / row;
        } else {
            (bytes, out) = out.split_at_mut(rows * row);
            first = above;
        }
        above += rows;
        bands.push(Band { ty, down, first, bytes });
    }
    bands
}

/// A decoded tile; its numbers have their low bytes first.
struct Tile {
    bytes: Vec<u8>,
    /// Bytes of a row, of a cell, and where the band is in it.
    stride: usize,
    cell: usize,
    offset: usize,
    size: usize,
}

impl Tile {
    /// Decodes a tile, of which only `rows` (in the source) will be asked for.
    fn decode(
        layout: &Layout,
        blocks: &Blocks,
        (tx, ty): (usize, usize),
        band: usize,
        rows: &[Stretch],
    ) -> Result<Self, String> {
        let size = layout.dtype.size();
        let samples = if layout.planar { 1 } else { layout.samples };
        let stride = layout.tile_width * samples * size;
        let first = ty * layout.tile_height;
        let height =
            if layout.strips { layout.tile_height.min(layout.height - first) } else { layout.tile_height };
        let range = bytes_of(layout, layout.index(tx, ty, band));
        let bytes = if range.is_empty() {
            unstored(layout, height * stride)
        } else {
            let stored = blocks.get(&range).ok_or("a tile was not brought")?;
            // A last strip may be stored as long as the others.
            let mut bytes = unpack(layout.compression, &stored, layout.tile_height * stride)?;
            if bytes.len() < height * stride {
                return Err(format!("a tile holds {} bytes, not {}", bytes.len(), height * stride));
            }
            for stretch in rows {
                let rows = (stretch.from.start - first) * stride..(stretch.from.end - first) * stride;
                for row in bytes[rows].chunks_exact_mut(stride) {
                    unpredict(layout, row, samples)?;
                }
            }
            bytes
        };
        let offset = if layout.planar { 0 } else { band * size };
        Ok(Self { bytes, stride, cell: samples * size, offset, size })
    }

    /// Copies the cells of `row` from `column` on until `to` is full.
    fn copy(&self, row: usize, column: usize, to: &mut [u8]) {
        let from = &self.bytes[row * self.stride + column * self.cell..];
        if self.cell == self.size {
            to.copy_from_slice(&from[..to.len()]);
            return;
        }
        for (to, from) in to.chunks_exact_mut(self.size).zip(from.chunks(self.cell)) {
            to.copy_from_slice(&from[self.offset..self.offset + self.size]);
        }
    }
}

/// A tile that is not stored holds nodata, or zero where there is none.
fn unstored(layout: &Layout, length: usize) -> Vec<u8> {
    let value = layout.nodata.unwrap_or(0.0);
    let number = layout.dtype.le_bytes(value);
    number.iter().copied().cycle().take(length).collect()
}

/// Undoes what was done to a row before compression (TIFF 6.0, section 14; TIFF technical note 3),
/// and puts low bytes first.
fn unpredict(layout: &Layout, row: &mut [u8], samples: usize) -> Result<(), String> {
    let size = layout.dtype.size();
    if layout.predictor == Predictor::FloatingPoint {
        return float_row(row, samples, size);
    }
    if layout.big_endian {
        row.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    match layout.predictor {
        Predictor::None => Ok(()),
        Predictor::Horizontal => horizontal(row, samples, size),
        other => Err(format!("its numbers are predicted in a way that is not known ({other:?})")),
    }
}

/// Numbers stored as differences from their left neighbours.
fn horizontal(row: &mut [u8], samples: usize, size: usize) -> Result<(), String> {
    macro_rules! add {
        ($type:ty) => {{
            let step = samples * size;
            for at in (step..row.len()).step_by(size) {
                let mut left = [0; size_of::<$type>()];
                let mut here = left;
                left.copy_from_slice(&row[at - step..at - step + size]);
                here.copy_from_slice(&row[at..at + size]);
                let sum = <$type>::from_le_bytes(left).wrapping_add(<$type>::from_le_bytes(here));
                row[at..at + size].copy_from_slice(&sum.to_le_bytes());
            }
        }};
    }
    match size {
        1 => add!(u8),
        2 => add!(u16),
        4 => add!(u32),
        8 => add!(u64),
        _ => return Err(format!("numbers of {size} bytes")),
    }
    Ok(())
}

/// Floats whose bytes are stored plane by plane, highest first, as differences.
fn float_row(row: &mut [u8], samples: usize, size: usize) -> Result<(), String> {
    if samples == 1 {
        // A sum in a register: one read back from the row would wait for its own writing.
        let mut sum = 0u8;
        for byte in &mut *row {
            sum = sum.wrapping_add(*byte);
            *byte = sum;
        }
    } else {
        for at in samples..row.len() {
            row[at] = row[at].wrapping_add(row[at - samples]);
        }
    }
    match size {
        2 => interleave::<2>(row),
        4 => interleave::<4>(row),
        8 => interleave::<8>(row),
        _ => return Err(format!("floats of {size} bytes")),
    }
    Ok(())
}

/// Puts together numbers whose bytes lie in planes, highest first.
fn interleave<const SIZE: usize>(row: &mut [u8]) {
    let planes = row.to_vec();
    let (numbers, _) = row.as_chunks_mut::<SIZE>();
    // A length that is known to fit each plane: no index is looked at twice.
    let length = numbers.len();
    let planes: [&[u8]; SIZE] = std::array::from_fn(|byte| &planes[byte * length..][..length]);
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = std::array::from_fn(|byte| planes[SIZE - 1 - byte][at]);
    }
}
