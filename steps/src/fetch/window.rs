//! Which cells of a source are kept: those that overlap the bbox, turned so that y descends and
//! longitudes ascend from -180 to 180.

use std::ops::Range;

use frazil_engine::data::Axis;

/// A cell that reaches into the bbox by less than this part of itself does not overlap it: edges
/// computed from an origin and a cell size are off by some rounding.
const SLIVER: f64 = 1e-3;

/// The cells of an axis of a source, in its own order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cells<'a> {
    /// All of one size.
    Regular {
        /// Outer edge of the first.
        origin: f64,
        /// Signed size.
        cell: f64,
        /// How many there are.
        len: usize,
    },
    /// By their centres, in one direction; edges lie half-way between neighbours.
    Centres(&'a [f64]),
}

/// What is wanted of each axis in degrees; all of it where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sides {
    pub(crate) south_north: Option<(f64, f64)>,
    pub(crate) west_east: Option<(f64, f64)>,
}

/// The cells that are kept of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pick {
    /// Ranges of cells of the source: one after the other, then turned round if `flipped`, they
    /// are the cells of `axis`.
    pub(crate) runs: Vec<Range<usize>>,
    /// Whether the source runs the other way.
    pub(crate) flipped: bool,
    /// The axis that is left.
    pub(crate) axis: Axis,
}

impl Cells<'_> {
    fn len(self) -> usize {
        match self {
            Self::Regular { len, .. } => len,
            Self::Centres(centres) => centres.len(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
    fn centre(self, at: usize) -> f64 {
        match self {
            Self::Regular { origin, cell, .. } => origin + (at as f64 + 0.5) * cell,
            Self::Centres(centres) => centres[at],
        }
    }

    /// Lower and upper edge.
    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
    fn edges(self, at: usize) -> (f64, f64) {
        let (a, b) = match self {
            Self::Regular { origin, cell, .. } => {
                (origin + at as f64 * cell, origin + (at as f64 + 1.0) * cell)
            }
            Self::Centres(centres) => {
                let here = centres[at];
                let before = at.checked_sub(1).map(|i| (here - centres[i]) / 2.0);
                let after = centres.get(at + 1).map(|next| (next - here) / 2.0);
                let (before, after) = match (before, after) {
                    (Some(before), Some(after)) => (before, after),
                    (Some(half), None) | (None, Some(half)) => (half, half),
                    (None, None) => (0.0, 0.0),
                };
                (here - before, here + after)
            }
        };
        (a.min(b), a.max(b))
    }

    fn ascending(self) -> Result<bool, String> {
        match self {
            Self::Regular { cell, .. } if cell.is_finite() && cell != 0.0 => Ok(cell > 0.0),
            Self::Regular { cell, .. } => Err(format!("cells of size {cell}")),
            Self::Centres(centres) => {
                let up = centres.windows(2).all(|pair| pair[0] < pair[1]);
                let down = centres.windows(2).all(|pair| pair[0] > pair[1]);
                if up || down {
                    Ok(up)
                } else {
                    Err("coordinates that neither rise nor fall throughout".to_owned())
                }
            }
        }
    }

    /// Distance of neighbours where it is the same everywhere, in the source's direction.
    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
    fn step(self) -> Option<f64> {
        match self {
            Self::Regular { cell, .. } => Some(cell),
            Self::Centres(centres) => {
                let mean = (centres.last()? - centres.first()?) / (centres.len().checked_sub(1)?) as f64;
                let even = |pair: &[f64]| (pair[1] - pair[0] - mean).abs() <= SLIVER * mean.abs();
                (centres.len() > 1 && centres.windows(2).all(even)).then_some(mean)
            }
        }
    }
}

/// Whether four numbers are a bbox in degrees that can be cut out in one piece.
pub(crate) fn proper([west, south, east, north]: [f64; 4]) -> Result<(), String> {
    if ![west, south, east, north].iter().all(|n| n.is_finite()) {
        return Err("a bbox is four finite numbers".to_owned());
    }
    if south > north || south < -90.0 || north > 90.0 {
        return Err(format!(
            "a bbox reaches from south to north between -90 and 90, not from {south} to {north}"
        ));
    }
    if west > east || west < -180.0 || east > 180.0 {
        return Err(format!(
            "a bbox reaches from west to east between -180 and 180, not from {west} to {east}; one over the date line has to be split in two datasets"
        ));
    }
    Ok(())
}

fn overlaps((low, high): (f64, f64), (from, to): (f64, f64)) -> bool {
    let sliver = (high - low) * SLIVER;
    low < to - sliver && high > from + sliver
}

/// The rows that overlap `band` (south, north), from north to south.
pub(crate) fn rows(cells: Cells<'_>, band: Option<(f64, f64)>, name: &str) -> Result<Pick, String> {
    let up = cells.ascending().map_err(|what| format!("its rows have {what}"))?;
    let kept = select(cells, band, |at| (cells.centre(at), cells.edges(at)));
    pick(cells, kept, up, name)
}

/// The columns that overlap `band` (west, east), from west to east. On a globe longitudes are
/// turned into -180 up to 180 first.
pub(crate) fn columns(
    cells: Cells<'_>,
    band: Option<(f64, f64)>,
    globe: bool,
    name: &str,
) -> Result<Pick, String> {
    let up = cells.ascending().map_err(|what| format!("its columns have {what}"))?;
    let turned = |at: usize| {
        let (centre, (low, high)) = (cells.centre(at), cells.edges(at));
        let turns = if globe { ((centre + 180.0) / 360.0).floor() * 360.0 } else { 0.0 };
        (centre - turns, (low - turns, high - turns))
    };
    let mut kept = select(cells, band, turned);
    if !up {
        kept.reverse();
    }
    // Turning makes at most one place where the longitudes fall: there the source is cut.
    let falls = kept.windows(2).position(|pair| pair[0].1 >= pair[1].1);
    if let Some(at) = falls {
        kept.rotate_left(at + 1);
    }
    if kept.windows(2).any(|pair| pair[0].1 >= pair[1].1) {
        return Err("its longitudes repeat".to_owned());
    }
    if !up {
        kept.reverse();
    }
    pick(cells, kept, !up, name)
}

/// The cells that overlap `band`, by index, with their centres.
fn select(
    cells: Cells<'_>,
    band: Option<(f64, f64)>,
    of: impl Fn(usize) -> (f64, (f64, f64)),
) -> Vec<(usize, f64)> {
    let all = 0..cells.len();
    let Some(band) = band else { return all.map(|at| (at, of(at).0)).collect() };
    let kept: Vec<_> = all
        .clone()
        .filter_map(|at| {
            let (centre, edges) = of(at);
            overlaps(edges, band).then_some((at, centre))
        })
        .collect();
    if !kept.is_empty() {
        return kept;
    }
    // A bbox thinner than a sliver, on the edge of two cells: the one that holds its middle.
    let middle = f64::midpoint(band.0, band.1);
    all.filter_map(|at| {
        let (centre, (low, high)) = of(at);
        (low <= middle && middle < high).then_some((at, centre))
    })
    .take(1)
    .collect()
}

fn pick(cells: Cells<'_>, kept: Vec<(usize, f64)>, flipped: bool, name: &str) -> Result<Pick, String> {
    if kept.is_empty() {
        return Err("no cell of it overlaps the bbox".to_owned());
    }
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in &kept {
        match runs.last_mut() {
            Some(run) if run.end == *at => run.end += 1,
            _ => runs.push(*at..at + 1),
        }
    }
    let mut centres: Vec<f64> = kept.into_iter().map(|(_, centre)| centre).collect();
    let mut cell = cells.step();
    if flipped {
        centres.reverse();
        cell = cell.map(|cell| -cell);
    }
    Ok(Pick { runs, flipped, axis: Axis { name: name.to_owned(), centres, cell } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn indices(pick: &Pick) -> Vec<usize> {
        let mut all: Vec<usize> = pick.runs.iter().cloned().flatten().collect();
        if pick.flipped {
            all.reverse();
        }
        all
    }

    /// Every cell asked one by one, at every turn of the globe; then sorted.
    fn slowly(origin: f64, cell: f64, len: usize, (west, east): (f64, f64)) -> Vec<usize> {
        let mut kept: Vec<(f64, usize)> = Vec::new();
        for at in 0..len {
            let centre = origin + (at as f64 + 0.5) * cell;
            for turn in [-720.0, -360.0, 0.0, 360.0, 720.0] {
                let centre = centre + turn;
                let (low, high) = (centre - cell.abs() / 2.0, centre + cell.abs() / 2.0);
                let deep = 0.01 * cell.abs();
                if (-180.0..180.0).contains(&centre) && high - west > deep && east - low > deep {
                    kept.push((centre, at));
                }
            }
        }
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.into_iter().map(|(_, at)| at).collect()
    }

    proptest! {
        /// Columns agree with the slow way, whatever the origin of the source and its direction.
        #[test]
        fn columns_overlap(
            shift in 0i32..1440, len in 1usize..=1440, west in -7200i32..7200, width in 1i32..4000, down: bool,
        ) {
            // Cells of 1/4 degree; bounds in 1/40, so that no bound is within a sliver of an edge.
            let (cell, origin) = (0.25, f64::from(shift) * 0.25 - 180.0);
            let (west, east) = (f64::from(west) / 40.0, f64::from((west + width).min(7200)) / 40.0);
            let (origin, cell) =
                if down { (origin + len as f64 * cell, -cell) } else { (origin, cell) };
            let expected = slowly(origin, cell, len, (west, east));
            let found = columns(Cells::Regular { origin, cell, len }, Some((west, east)), true, "x");
            match found {
                Ok(pick) => {
                    prop_assert_eq!(indices(&pick), expected);
                    prop_assert!(pick.axis.centres.windows(2).all(|pair| pair[0] < pair[1]));
                    prop_assert!(pick.runs.len() <= 2);
                    prop_assert_eq!(pick.axis.cell, Some(0.25));
                    let centres: Vec<f64> =
                        (0..len).map(|i| origin + (i as f64 + 0.5) * cell).collect();
                    if len > 1 {
                        let same = columns(Cells::Centres(&centres), Some((west, east)), true, "x").unwrap();
                        prop_assert_eq!(same, pick);
                    }
                }
                Err(_) => prop_assert_eq!(expected, Vec::<usize>::new()),
            }
        }

        /// Rows come from north to south, and are those that the band touches.
        #[test]
        fn rows_overlap(len in 1usize..200, south in -100i32..200, height in 1i32..150, down: bool) {
            let (band, count) = ((f64::from(south) / 10.0 + 0.05, f64::from(south + height) / 10.0), len as f64);
            let (origin, cell) = if down { (count * 0.5, -0.5) } else { (0.0, 0.5) };
            let found = rows(Cells::Regular { origin, cell, len }, Some(band), "y");
            let mut expected: Vec<usize> = (0..len).filter(|at| {
                let low = if down { (len - at - 1) as f64 } else { *at as f64 } * 0.5;
                low < band.1 - 1e-9 && low + 0.5 > band.0 + 1e-9
            }).collect();
            if !down { expected.reverse(); }
            match found {
                Ok(pick) => {
                    prop_assert_eq!(indices(&pick), expected);
                    prop_assert!(pick.axis.centres.windows(2).all(|pair| pair[0] > pair[1]));
                }
                Err(_) => prop_assert!(expected.is_empty()),
            }
        }
    }

    #[test]
    fn greenwich_is_no_border_of_a_source_from_0_to_360() {
        let source = Cells::Regular { origin: 0.0, cell: 1.0, len: 360 };
        let pick = columns(source, Some((-2.0, 3.0)), true, "x").unwrap();
        assert_eq!(pick.runs, [358..360, 0..3]);
        assert_eq!(pick.axis.centres, [-1.5, -0.5, 0.5, 1.5, 2.5]);
        let all = columns(source, None, true, "x").unwrap();
        assert_eq!(all.runs, [180..360, 0..180]);
        assert_eq!(all.axis.centres.first(), Some(&-179.5));
        let flat = columns(source, None, false, "x").unwrap();
        assert_eq!(flat.runs.first(), Some(&(0..360)));
    }

    #[test]
    fn a_bbox_inside_one_cell_is_one_cell_and_none_outside() {
        let source = Cells::Regular { origin: -20.0, cell: 0.05, len: 400 };
        let one = |west, east| columns(source, Some((west, east)), true, "x").map(|pick| indices(&pick));
        assert_eq!(one(-13.49, -13.46).unwrap(), [130]);
        assert_eq!(one(-13.48, -13.48).unwrap(), [130]);
        assert_eq!(one(-13.5, -13.5).unwrap().len(), 1);
        // Bounds on edges take no cell more, whatever the rounding.
        assert_eq!(one(-13.5, -13.45).unwrap(), [130]);
        assert_eq!(one(-13.5, -10.1).unwrap().len(), 68);
        assert!(one(10.0, 11.0).is_err());
        assert!(columns(Cells::Regular { origin: 0.0, cell: 1.0, len: 361 }, None, true, "x").is_err());
        assert!(rows(Cells::Centres(&[1.0, 3.0, 2.0]), None, "y").is_err());
    }

    #[test]
    fn a_bbox_over_the_date_line_is_refused() {
        assert!(proper([170.0, -20.0, -170.0, 20.0]).unwrap_err().contains("date line"));
        assert!(proper([-13.5, 6.8, -10.1, 10.1]).is_ok());
        assert!(proper([-13.5, 10.1, -10.1, 6.8]).is_err());
        assert!(proper([-13.5, f64::NAN, -10.1, 6.8]).is_err());
    }
}
