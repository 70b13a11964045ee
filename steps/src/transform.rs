//! Numbers changed on their way into a cube, and brought onto other grids.

mod chain;
mod check;
mod numbers;
mod operation;
mod regrid;
#[cfg(test)]
mod tests;

use std::{ops::Range, sync::Arc};

use frazil_engine::{
    context::{Context, Scope},
    data::{Arrival, Slice, Slices},
    dataset::Datasets,
    plan::PlannedSlices,
    step::{Filter, Finding, Step, StepError},
};
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;

use chain::{Memory, Work};
use operation::Operation;
use regrid::Regrid;

use crate::compute::compute;

/// Changes numbers, units and grids on their way into a cube: `do` lists what is done, in order.
///
/// All arithmetic is in `float64`; a number is rounded once, at the end, to the type it came in.
/// In the end every variable must be in the unit that the dataset declares.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Transform {
    /// What is done, in order.
    #[serde(rename = "do")]
    operations: Vec<Operation>,
}

impl Step for Transform {
    const USES: &'static str = "transform";
    const SUMMARY: &'static str = "changes numbers, units, names and grids on their way into a cube";
    const REVISION: u32 = 1;

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        check::check(&self.operations, datasets)
    }
}

impl Filter for Transform {
    fn halo(&self) -> u32 {
        u32::from(self.operations.iter().any(|o| matches!(o, Operation::Deaccumulate(_))))
    }

    fn plan(&self, mut slices: PlannedSlices, scope: &Scope) -> Result<PlannedSlices, StepError> {
        for onto in self.operations.iter().filter_map(Operation::onto) {
            slices.reasons.push(regrid::said(onto, scope)?);
        }
        Ok(slices)
    }

    fn apply(&self, slices: Slices, cx: &Context) -> Slices {
        let begin = (slices.0, Flow::new(self.operations.clone(), cx));
        Slices(Box::pin(stream::try_unfold(begin, |(mut slices, mut flow)| async move {
            let arrival = match slices.next().await.transpose()? {
                None => return Ok(None),
                Some(Arrival::Kept(period)) => {
                    // Its numbers are not seen, so nothing can be taken from what follows it.
                    flow.memory.forget();
                    Arrival::Kept(period)
                }
                Some(Arrival::Slice(slice)) => Arrival::Slice(flow.apply(slice).await?),
            };
            Ok(Some((arrival, (slices, flow))))
        })))
    }
}

/// A chain at work on one stream.
struct Flow {
    operations: Arc<[Operation]>,
    memory: Memory,
    regrid: Regrid,
}

impl Flow {
    fn new(operations: Vec<Operation>, cx: &Context) -> Self {
        Self { operations: operations.into(), memory: Memory::default(), regrid: Regrid::new(cx) }
    }

    /// Does all operations to a slice, in order.
    async fn apply(&mut self, slice: Slice) -> Result<Slice, StepError> {
        let period = slice.period;
        let mut work = Work::begin(slice, &mut self.memory);
        let has_numbers = !work.fields.is_empty();
        let mut next = 0;
        while has_numbers && next < self.operations.len() {
            let rest = &self.operations[next..];
            let numbers = rest.iter().take_while(|operation| operation.onto().is_none()).count();
            if numbers > 0 {
                work = self.numbers(work, next..next + numbers).await?;
            } else {
                let regridded = self.regrid.apply(next, &self.operations[next], &mut work).await;
                regridded.map_err(|error| error.at(period))?;
            }
            next += numbers.max(1);
        }
        let mut memory = std::mem::take(&mut self.memory);
        let rounded = compute("a transform", move || {
            let slice = work.finish(&mut memory)?;
            Ok::<_, StepError>((slice, memory))
        });
        let (slice, memory) = rounded.await??;
        self.memory = memory;
        Ok(slice)
    }

    async fn numbers(&mut self, mut work: Work, at: Range<usize>) -> Result<Work, StepError> {
        let (operations, mut memory) = (Arc::clone(&self.operations), std::mem::take(&mut self.memory));
        let done = compute("a transform", move || {
            work.numbers(&operations, at, &mut memory)?;
            Ok::<_, StepError>((work, memory))
        });
        let (work, memory) = done.await??;
        self.memory = memory;
        Ok(work)
    }
}
