//! Which cells of a source are laid under a target, and where.
//!
//! Longitudes repeat after 360°, which no raster knows. So columns are taken from the source as
//! the target needs them, round the earth where the source goes round it: neighbours across 180° or
//! Greenwich are then neighbours in memory too, and nothing behind them has to know.

use std::ops::Range;

use frazil_raster_protocol::{FaultKind, Lattice};

use crate::session::{Answer, fault};

/// A full turn, in degrees.
const TURN: f64 = 360.0;

/// Cells without a number that are laid around a source: GDAL counts its outermost cells as covered by
/// what lies less than a cell outside.
const RIM: i64 = 2;

/// Lengths that differ by less than this part of a cell are the same.
const TOLERANCE: f64 = 1e-3;

/// An axis whose cells ascend: its outer edge, the size of a cell, how many there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    pub(super) start: f64,
    pub(super) cell: f64,
    pub(super) len: usize,
    /// Whether what is stored runs the other way.
    pub(super) turned: bool,
}

/// Cells of an axis of the source, each by its place in ascending order; none where the source has a gap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picked {
    /// The outer edge of the first.
    pub(super) start: f64,
    pub(super) cells: Vec<Option<usize>>,
}

impl Line {
    fn new(origin: f64, cell: f64, len: u64) -> Answer<Self> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if !(origin.is_finite() && cell.is_finite()) || cell == 0.0 || len == 0 || len > 1 << 24 {
            return Err(fault(FaultKind::Absent, "a grid without cells"));
        }
        let turned = cell < 0.0;
        #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
        let start = if turned { origin + cell * len as f64 } else { origin };
        Ok(Self { start, cell: cell.abs(), len, turned })
    }

    /// Columns and rows of a grid.
    pub(super) fn of(grid: &Lattice) -> Answer<(Self, Self)> {
        Ok((
            Self::new(grid.origin[0].0, grid.cell[0].0, grid.columns)?,
            Self::new(grid.origin[1].0, grid.cell[1].0, grid.rows)?,
        ))
    }

    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
    pub(super) fn end(&self) -> f64 {
        self.start + self.cell * self.len as f64
    }

    /// Its cells that touch `from` to `to`, `margin` more on either side, and a rim; none of them may.
    pub(super) fn crop(&self, from: f64, to: f64, margin: f64) -> Picked {
        let range = self.touching(from, to, margin);
        let most = i64::try_from(self.len).unwrap_or(i64::MAX);
        let (first, last) = (range.start.clamp(0, most), range.end.clamp(0, most));
        self.rimmed(first..last, |at| usize::try_from(at).ok().filter(|at| *at < self.len))
    }

    /// All its cells, and a rim.
    pub(super) fn whole(&self) -> Picked {
        self.crop(self.start, self.end(), 0.0)
    }

    fn rimmed(&self, range: Range<i64>, cell: impl Fn(i64) -> Option<usize>) -> Picked {
        if range.is_empty() {
            return Picked::NOTHING;
        }
        let range = range.start - RIM..range.end + RIM;
        Picked { start: self.edge(range.start), cells: range.map(cell).collect() }
    }

    /// The same of longitudes: of every turn, in ascending order without a break.
    ///
    /// # Errors
    /// When both ends of a source that does not go round are needed, and the gap between them is no
    /// whole number of cells.
    pub(super) fn around(&self, from: f64, to: f64, margin: f64) -> Answer<Picked> {
        let turn = TURN / self.cell;
        let period = turn.round();
        let whole = (turn - period).abs() <= TOLERANCE;
        #[expect(clippy::cast_possible_truncation, reason = "checked to be a small whole number")]
        let period = if whole && period < 1e9 { period as i64 } else { 0 };
        let wanted = self.touching(from, to, margin);
        if whole {
            // Of a first column that stands there again as the last one, the first is taken.
            let cell = |at: i64| usize::try_from(at.rem_euclid(period)).ok().filter(|at| *at < self.len);
            let first = (wanted.start..wanted.end).find(|at| cell(*at).is_some());
            let last = (wanted.start..wanted.end).rev().find(|at| cell(*at).is_some());
            let (Some(first), Some(last)) = (first, last) else { return Ok(Picked::NOTHING) };
            return Ok(self.rimmed(first..last + 1, cell));
        }
        // Whole turns by which the source is moved to lie under the target.
        let turns: Vec<f64> = (-3..=3)
            .map(|k| f64::from(k) * TURN)
            .filter(|by| self.start + by < to && self.end() + by > from)
            .collect();
        match *turns.as_slice() {
            [] => Ok(Picked::NOTHING),
            [by] => {
                let picked = self.crop(from - by, to - by, margin);
                Ok(Picked { start: picked.start + by, ..picked })
            }
            _ => Err(fault(
                FaultKind::Absent,
                format!(
                    "both ends of the source are needed, from {} to {}°, and no whole number of cells of \
                     {}° lies between them",
                    self.start,
                    self.end(),
                    self.cell
                ),
            )),
        }
    }

    fn edge(&self, at: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
        let cells = at as f64;
        self.start + cells * self.cell
    }

    #[expect(clippy::cast_possible_truncation, reason = "clamped to what an axis may have")]
    fn touching(&self, from: f64, to: f64, margin: f64) -> Range<i64> {
        let place = |x: f64| ((x - self.start) / self.cell).clamp(-1e8, 1e8);
        ((place(from) - margin).floor() as i64)..((place(to) + margin).ceil() as i64)
    }

    /// Whether longitudes go round the earth.
    pub(super) fn goes_round(&self) -> bool {
        (self.end() - self.start) >= TURN - TOLERANCE * self.cell
    }
}

impl Picked {
    const NOTHING: Self = Self { start: 0.0, cells: Vec::new() };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(start: f64, cell: f64, len: usize) -> Line {
        Line { start, cell, len, turned: false }
    }

    /// The centre of each picked cell, and where the cell of the source is, both within one turn.
    fn agrees(line: &Line, picked: &Picked) {
        for (at, cell) in picked.cells.iter().enumerate() {
            let centre = picked.start + (at as f64 + 0.5) * line.cell;
            if let Some(cell) = cell {
                let own = line.start + (*cell as f64 + 0.5) * line.cell;
                let apart = (centre - own).rem_euclid(360.0);
                assert!(apart.min(360.0 - apart) < 1e-6, "{centre} {own}");
            } else {
                // What is left out lies in the gap.
                let inside = (centre - line.start).rem_euclid(360.0);
                assert!(inside > line.cell * line.len as f64, "{centre}");
            }
        }
    }

    /// Without the cells that have no number at either end.
    fn inner(picked: &Picked) -> &[Option<usize>] {
        let there = |cell: &Option<usize>| cell.is_some();
        let first = picked.cells.iter().position(there).unwrap_or(0);
        let last = picked.cells.iter().rposition(there).map_or(first, |last| last + 1);
        &picked.cells[first..last]
    }

    #[test]
    fn a_window_over_greenwich_takes_both_ends_of_a_source_from_0_to_360() {
        let globe = line(0.0, 10.0, 36);
        let picked = globe.around(-20.0, 20.0, 0.0).unwrap();
        let expected = [32, 33, 34, 35, 0, 1, 2, 3].map(Some);
        assert_eq!((picked.start, picked.cells.as_slice()), (-40.0, expected.as_slice()));
        agrees(&globe, &globe.around(-20.0, 20.0, 2.0).unwrap());
        // Over the date line, written either way.
        let west = line(-180.0, 10.0, 36);
        for from in [170.0, -190.0] {
            let picked = west.around(from, from + 20.0, 0.0).unwrap();
            assert_eq!(picked.cells, [33, 34, 35, 0, 1, 2].map(Some));
            agrees(&west, &picked);
        }
    }

    #[test]
    fn what_lies_in_another_turn_is_found_and_gaps_stay_gaps() {
        let strip = line(340.0, 5.0, 4);
        let picked = strip.around(-30.0, 30.0, 0.0).unwrap();
        assert_eq!((picked.start, inner(&picked)), (-30.0, [0, 1, 2, 3].map(Some).as_slice()));
        // All but 30°: the two ends with the gap between them.
        let most = line(-180.0, 10.0, 33);
        let picked = most.around(140.0, 180.0, 0.0).unwrap();
        assert_eq!(inner(&picked), [Some(30), Some(31), Some(32)]);
        let picked = most.around(140.0, 200.0, 0.0).unwrap();
        let gap = [Some(30), Some(31), Some(32), None, None, None, Some(0), Some(1), Some(2), Some(3)];
        assert_eq!(inner(&picked), gap);
        agrees(&most, &picked);
        assert_eq!(strip.around(60.0, 90.0, 1.0).unwrap().cells, []);
        // Cells of 7° do not fill a turn: both ends cannot be had, one can.
        let odd = line(0.0, 7.0, 51);
        assert!(odd.around(-20.0, 20.0, 0.0).is_err());
        assert_eq!(inner(&odd.around(-350.0, -340.0, 0.0).unwrap()), [0, 1, 2, 3, 4].map(Some));
    }

    #[test]
    fn a_column_that_stands_there_twice_counts_once() {
        let twice = line(-180.0, 10.0, 37);
        assert_eq!(twice.around(170.0, 190.0, 0.0).unwrap().cells, [33, 34, 35, 0, 1, 2].map(Some));
    }

    #[test]
    fn an_axis_without_turns_is_cut_to_what_is_touched() {
        let rows = line(-90.0, 10.0, 18);
        assert_eq!(rows.crop(-5.0, 12.0, 0.0).cells, [6, 7, 8, 9, 10, 11, 12].map(Some));
        let edge = rows.crop(-95.0, -85.0, 1.0);
        assert_eq!((edge.start, inner(&edge)), (-110.0, [0, 1, 2, 3].map(Some).as_slice()));
        assert_eq!(rows.crop(95.0, 99.0, 0.0).cells, []);
    }
}
