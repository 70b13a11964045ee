//! Which cells of a grid are kept, and the numbers in them.

use std::ops::Range;

use frazil_engine::data::{Axis, Grid, Values};

use crate::{
    crs,
    cube::Window,
    fetch::window::{Cells, Pick, columns, proper, rows},
};

/// A coordinate that arithmetic on an axis gives is the stored one if it is as near as this part of
/// a cell: then the stored one is taken, bit for bit.
const SAME: f64 = 1e-3;

/// The cells that are kept of a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// The rows and columns that hold all of them.
    pub(super) window: Window,
    /// The rows of the window, in the order in which they are wanted.
    rows: Vec<usize>,
    /// Its columns, likewise.
    columns: Vec<usize>,
}

/// The cells of `grid` that overlap the bbox, north to south and west to east, on axes of these
/// names (y, x).
pub(super) fn cut(grid: &Grid, bbox: Option<[f64; 4]>, names: &[String; 2]) -> Result<(Cut, Grid), String> {
    let globe = crs::is_geographic(&grid.crs);
    if let Some(bbox) = bbox {
        proper(bbox)?;
        if !globe {
            let code = grid.crs.code.as_deref().unwrap_or("a projection");
            return Err(format!("its grid is in {code}, the bbox in degrees: leave `bbox` out"));
        }
    }
    let (south_north, west_east) = match bbox {
        Some([west, south, east, north]) => (Some((south, north)), Some((west, east))),
        None => (None, None),
    };
    let down = rows(cells(&grid.y), south_north, &names[0])?;
    let across = columns(cells(&grid.x), west_east, globe, &names[1])?;
    let (y, x) = (indices(&down), indices(&across));
    let (tall, wide) = (span(&y), span(&x));
    let kept = Grid {
        crs: grid.crs.clone(),
        y: stored(down.axis, &y, &grid.y),
        x: stored(across.axis, &x, &grid.x),
        extra: grid.extra.clone(),
    };
    let within = |list: Vec<usize>, span: &Range<usize>| list.into_iter().map(|at| at - span.start).collect();
    let (rows, columns) = (within(y, &tall), within(x, &wide));
    Ok((Cut { window: Window { y: tall, x: wide, extra: Vec::new() }, rows, columns }, kept))
}

fn cells(axis: &Axis) -> Cells<'_> {
    match (axis.cell, axis.centres.first()) {
        (Some(cell), Some(first)) => {
            Cells::Regular { origin: first - cell / 2.0, cell, len: axis.centres.len() }
        }
        _ => Cells::Centres(&axis.centres),
    }
}

/// The cells of a source that are kept, in their order.
fn indices(pick: &Pick) -> Vec<usize> {
    let mut all: Vec<usize> = pick.runs.iter().cloned().flatten().collect();
    if pick.flipped {
        all.reverse();
    }
    all
}

fn span(indices: &[usize]) -> Range<usize> {
    let start = indices.iter().min().copied().unwrap_or(0);
    start..indices.iter().max().map_or(start, |last| last + 1)
}

/// The axis with the centres that are stored, where arithmetic says the same.
fn stored(mut axis: Axis, indices: &[usize], source: &Axis) -> Axis {
    let near = SAME * source.cell.map_or(1.0, f64::abs);
    for (centre, at) in axis.centres.iter_mut().zip(indices) {
        if (source.centres[*at] - *centre).abs() <= near {
            *centre = source.centres[*at];
        }
    }
    axis
}

impl Cut {
    /// The kept cells of one step of numbers that were read of the window, of shape (steps, planes,
    /// rows, columns).
    pub(super) fn step(&self, values: &Values, step: usize, planes: usize) -> Values {
        macro_rules! each {
            ($($name:ident)*) => {
                match values { $(Values::$name(v) => Values::$name(self.pick(v, step * planes..(step + 1) * planes)),)* }
            };
        }
        each!(Int8 UInt8 Int16 UInt16 Int32 UInt32 Int64 UInt64 Float32 Float64)
    }

    fn pick<T: Copy>(&self, values: &[T], planes: Range<usize>) -> Vec<T> {
        let (height, width) = (self.window.y.len(), self.window.x.len());
        let whole = self.columns.iter().copied().eq(0..width);
        let mut kept = Vec::with_capacity(planes.len() * self.rows.len() * self.columns.len());
        for (plane, row) in planes.flat_map(|plane| self.rows.iter().map(move |row| (plane, row))) {
            let start = (plane * height + row) * width;
            let line = &values[start..start + width];
            if whole {
                kept.extend_from_slice(line);
            } else {
                kept.extend(self.columns.iter().map(|column| line[*column]));
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(west: f64, rows: usize, columns: usize, up: bool) -> Grid {
        let y =
            if up { Axis::regular("lat", 0.0, 0.5, rows) } else { Axis::regular("lat", 10.0, -0.5, rows) };
        Grid {
            crs: crs::epsg(4326).unwrap(),
            y,
            x: Axis::regular("lon", west, 0.5, columns),
            extra: Default::default(),
        }
    }

    proptest! {
        /// Each kept number is the one at the centre that the kept grid says.
        #[test]
        fn numbers_stay_with_their_coordinates(
            west in prop::sample::select(vec![-20.0, 0.0, 170.0]), up: bool,
            rows in 1usize..12, columns in 1usize..40, steps in 1usize..3,
            corner in (0usize..12, 0usize..40), size in (1usize..12, 1usize..40),
        ) {
            let grid = grid(west, rows, columns, up);
            let (row, column) = (corner.0 % rows, corner.1 % columns);
            let to = ((row + size.0).min(rows), (column + size.1).min(columns));
            let turned = |lon: f64| if lon >= 180.0 { lon - 360.0 } else { lon };
            let band = |axis: &Axis, from: usize, to: usize| {
                let (a, b) = (axis.centres[from], axis.centres[to - 1]);
                (a.min(b) - 0.2, a.max(b) + 0.2)
            };
            let (south, north) = band(&grid.y, row, to.0);
            let (left, right) = band(&grid.x, column, to.1);
            prop_assume!(turned(left) < turned(right));
            let bbox = [turned(left), south, turned(right), north];
            let (cut, kept) = cut(&grid, Some(bbox), &["y".to_owned(), "x".to_owned()]).unwrap();
            prop_assert_eq!(kept.shape(), (to.0 - row, to.1 - column));
            prop_assert!(kept.y.centres.windows(2).all(|pair| pair[0] > pair[1]));
            prop_assert!(kept.x.centres.windows(2).all(|pair| pair[0] < pair[1]));
            // A number says where it lies.
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            let of = |step: usize, lat: f64, lon: f64| step as f64 * 1e6 + lat * 1e3 + turned(lon);
            let window = &cut.window;
            let read: Vec<f64> = (0..steps).flat_map(|step| {
                let grid = &grid;
                window.y.clone().flat_map(move |y| {
                    window.x.clone().map(move |x| of(step, grid.y.centres[y], grid.x.centres[x]))
                })
            }).collect();
            for step in 0..steps {
                let Values::Float64(got) = cut.step(&read.clone().into(), step, 1) else { panic!() };
                let want: Vec<f64> = kept.y.centres.iter()
                    .flat_map(|lat| kept.x.centres.iter().map(move |lon| of(step, *lat, *lon))).collect();
                prop_assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-9) && got.len() == want.len());
            }
        }
    }

    #[test]
    fn stored_coordinates_are_kept_bit_for_bit() {
        let mut grid = grid(-13.5, 4, 6, false);
        grid.x.centres[2] += 1e-9;
        let (_, kept) = cut(&grid, None, &["y".to_owned(), "x".to_owned()]).unwrap();
        assert_eq!(kept.x.centres, grid.x.centres);
        assert_eq!((kept.y.name.as_str(), kept.x.name.as_str()), ("y", "x"));
        assert!(cut(&grid, Some([50.0, 0.0, 60.0, 5.0]), &["y".to_owned(), "x".to_owned()]).is_err());
    }
}
