//! The way through the windows: of each source as much is read as the next window needs.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use frazil_engine::{
    context::{Context, Tick},
    data::{Field, Slice, Values},
    step::StepError,
};
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};

use super::{AHEAD, Open, Resampling};
use crate::{
    cube::{BatchWriter, parts::units},
    derived_resample::decide::Window,
    resample::Accumulator,
};

/// What was read: the steps, the place among the reads of a unit, the numbers.
pub(super) type Read = (Range<usize>, usize, Values);

/// The way through the windows of one source.
struct Walk<'a> {
    of: &'a Resampling<'a>,
    slots: Vec<(usize, usize)>,
    open: VecDeque<Open>,
    /// By place among the slots, sums of windows that are done, for those to come: never more than were
    /// open at a time.
    closed: Vec<Vec<Vec<Accumulator>>>,
    reads: BoxStream<'a, Result<Read, StepError>>,
    /// Steps of the source that are added up.
    passed: usize,
}

impl Walk<'_> {
    /// The variables of the next window; reads no further than that needs.
    async fn next(&mut self, cx: &Context) -> Result<Vec<Field>, StepError> {
        while self.open.front().is_some_and(|o| o.steps.last().is_some_and(|last| last.end > self.passed)) {
            if cx.cancel.is_cancelled() {
                return Err(StepError::Cancelled);
            }
            match self.reads.try_next().await? {
                Some((unit, at, values)) => {
                    self.of
                        .add(&mut self.open, &mut self.closed[at], &unit, at, self.slots[at], values)
                        .await?;
                    // What ends in this unit is whole once its last read is in.
                    if at + 1 == self.slots.len() {
                        self.passed = unit.end;
                    }
                }
                None => break,
            }
        }
        match self.open.pop_front() {
            Some(done) => {
                let (fields, sums) = self.of.finish(done, &self.slots).await?;
                for (sums, closed) in sums.into_iter().zip(&mut self.closed) {
                    closed.extend((!sums.is_empty()).then_some(sums));
                }
                Ok(fields)
            }
            None => Ok(Vec::new()),
        }
    }
}

/// Makes the windows, ascending, each out of all its sources, and puts it to the writer. With an
/// error, those before it are put; `put` counts them.
pub(in crate::derived_resample) async fn make(
    sources: &[Resampling<'_>],
    windows: &[Window],
    writer: &mut BatchWriter,
    put: &mut usize,
    cx: &Context,
) -> Result<(), StepError> {
    let Some(grid) = sources.first().map(|source| Arc::clone(&source.grid)) else { return Ok(()) };
    let mut walks: Vec<Walk<'_>> = sources.iter().map(|source| source.walk(windows)).collect();
    let total = windows.len() as u64;
    for Window { period, status, .. } in windows.iter().copied() {
        // One read may end many windows.
        if cx.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        let mut fields = Vec::new();
        for walk in &mut walks {
            fields.extend(walk.next(cx).await?);
        }
        writer.put(Slice { period, status, context: false, grid: Arc::clone(&grid), fields }).await?;
        *put += 1;
        cx.progress.tick(Tick::Periods { done: *put as u64, total });
    }
    Ok(())
}

impl<'a> Resampling<'a> {
    /// The way through the windows, ascending.
    fn walk(&'a self, windows: &[Window]) -> Walk<'a> {
        let slots: Vec<(usize, usize)> = (0..self.inputs.len())
            .flat_map(|input| (0..self.inputs[input].tiles.len()).map(move |tile| (input, tile)))
            .collect();
        let open: VecDeque<Open> = windows.iter().map(|w| self.open(*w, slots.len())).collect();
        let units = units(open.iter().flat_map(|o| o.steps.iter().cloned()), self.span);
        // Owned, so that the futures borrow nothing but `self`.
        let reads: Vec<(Range<usize>, usize, (usize, usize))> = units
            .iter()
            .flat_map(|unit| slots.iter().enumerate().map(move |(at, slot)| (unit.clone(), at, *slot)))
            .collect();
        let reads = stream::iter(reads).map(|(unit, at, slot)| self.read(unit, at, slot)).buffered(AHEAD);
        let closed = slots.iter().map(|_| Vec::new()).collect();
        Walk { of: self, slots, open, closed, reads: reads.boxed(), passed: 0 }
    }
}
