//! Raw numbers of successive steps, and the fields cut from them.

use std::ops::Range;

use frazil_engine::data::{DType, Values};

use crate::fetch::window::Pick;

/// The numbers of one variable over some steps, as they came.
#[derive(Debug)]
pub(super) struct Block {
    /// The steps of the file that are inside.
    pub(super) steps: Range<usize>,
    /// Their type.
    pub(super) dtype: DType,
    /// One part per pair of a run of rows and a run of columns; rows vary slowest.
    pub(super) parts: Vec<Part>,
}

/// The numbers of a rectangle over some steps.
#[derive(Debug)]
pub(super) struct Part {
    /// Little-endian numbers.
    pub(super) bytes: Vec<u8>,
    /// How many numbers lie between successive steps, rows and columns.
    pub(super) strides: [usize; 3],
}

impl Block {
    /// The numbers of one step, in the order of the grid: `None` when fewer came than were asked for.
    pub(super) fn field(&self, step: usize, rows: &Pick, columns: &Pick) -> Option<Values> {
        let size = self.dtype.size();
        let step = step.checked_sub(self.steps.start)?;
        let (row_order, column_order) = (order(rows), order(columns));
        let mut bytes = Vec::with_capacity(row_order.len() * column_order.len() * size);
        for (row_run, row) in row_order {
            let parts = self.parts.get(row_run * columns.runs.len()..)?;
            if !columns.flipped && parts.iter().take(columns.runs.len()).all(|part| part.strides[2] == 1) {
                for (part, run) in parts.iter().zip(&columns.runs) {
                    let start = (step * part.strides[0] + row * part.strides[1]) * size;
                    bytes.extend_from_slice(part.bytes.get(start..start + run.len() * size)?);
                }
                continue;
            }
            for (column_run, column) in &column_order {
                let part = parts.get(*column_run)?;
                let [steps, rows, columns] = part.strides;
                let start = (step * steps + row * rows + column * columns) * size;
                bytes.extend_from_slice(part.bytes.get(start..start + size)?);
            }
        }
        Values::from_le_bytes(self.dtype, &bytes)
    }
}

/// The cells of a pick in the order of its axis: the run, and the place in it.
fn order(pick: &Pick) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize)> = pick
        .runs
        .iter()
        .enumerate()
        .flat_map(|(at, run)| (0..run.len()).map(move |place| (at, place)))
        .collect();
    if pick.flipped {
        all.reverse();
    }
    all
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::Axis;
    use proptest::prelude::*;

    use super::*;

    fn pick(runs: &[(usize, usize)], flipped: bool) -> Pick {
        let runs = runs.iter().map(|(start, end)| *start..*end).collect();
        Pick { runs, flipped, axis: Axis { name: "a".into(), centres: Vec::new(), cell: None } }
    }

    fn cells(pick: &Pick) -> Vec<usize> {
        let mut all: Vec<usize> = pick.runs.iter().cloned().flatten().collect();
        if pick.flipped {
            all.reverse();
        }
        all
    }

    proptest! {
        /// Whatever the order of dimensions, the runs and the directions: every number stands where
        /// its step, row and column say.
        #[test]
        fn fields_are_cut_where_they_lie(
            first in 0usize..3, flip_rows: bool, flip_columns: bool, seam in 1usize..6, split: bool,
            order in Just([0usize, 1, 2]).prop_shuffle(),
        ) {
            let (steps, height, width) = (first..first + 3, 4, 7);
            let rows = pick(&[(1, height)], flip_rows);
            let columns = if split { pick(&[(seam, width), (0, seam)], flip_columns) } else { pick(&[(0, seam)], flip_columns) };
            let number = |step: usize, row: usize, column: usize| (step * 100 + row * 10 + column) as i16;
            let parts = rows.runs.iter().flat_map(|r| columns.runs.iter().map(move |c| (r.clone(), c.clone())))
                .map(|(r, c)| {
                    let ranges = [steps.clone(), r, c];
                    let mut strides = [0; 3];
                    let mut stride = 1;
                    for at in order.iter().rev() { strides[*at] = stride; stride *= ranges[*at].len(); }
                    let mut numbers = vec![0i16; stride];
                    for (i, s) in ranges[0].clone().enumerate() { for (j, r) in ranges[1].clone().enumerate() { for (k, c) in ranges[2].clone().enumerate() {
                        numbers[i * strides[0] + j * strides[1] + k * strides[2]] = number(s, r, c);
                    } } }
                    Part { bytes: numbers.iter().flat_map(|n| n.to_le_bytes()).collect(), strides }
                })
                .collect();
            let block = Block { steps: steps.clone(), dtype: DType::Int16, parts };
            for step in steps {
                let expected: Vec<i16> = cells(&rows).into_iter()
                    .flat_map(|r| cells(&columns).into_iter().map(move |c| number(step, r, c))).collect();
                prop_assert_eq!(block.field(step, &rows, &columns), Some(expected.into()));
            }
        }
    }

    #[test]
    fn what_did_not_come_is_noticed() {
        let block = Block {
            steps: 0..1,
            dtype: DType::Int16,
            parts: vec![Part { bytes: vec![0; 6], strides: [4, 2, 1] }],
        };
        assert_eq!(block.field(0, &pick(&[(0, 2)], false), &pick(&[(0, 2)], false)), None);
    }
}
