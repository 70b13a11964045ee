//! Numbers changed on their way into a cube.

mod chain;
mod check;
mod numbers;
mod operation;
#[cfg(test)]
mod tests;

use frazil_engine::{
    context::Context,
    data::{Arrival, Slices},
    dataset::Datasets,
    step::{Filter, Finding, Step, StepError},
};
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;

use chain::Memory;
use operation::Operation;

use crate::compute::compute;

/// Changes numbers and units on their way into a cube: `do` lists what is done, in order.
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
    const SUMMARY: &'static str = "changes numbers, units and names on their way into a cube";
    const REVISION: u32 = 1;

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        check::check(&self.operations, datasets)
    }
}

impl Filter for Transform {
    fn halo(&self) -> u32 {
        u32::from(self.operations.iter().any(|o| matches!(o, Operation::Deaccumulate(_))))
    }

    fn apply(&self, slices: Slices, _cx: &Context) -> Slices {
        let operations = self.operations.clone();
        let begin = (slices.0, Memory::default(), operations);
        Slices(Box::pin(stream::try_unfold(begin, |(mut slices, mut memory, operations)| async move {
            let slice = match slices.next().await.transpose()? {
                None => return Ok(None),
                Some(Arrival::Kept(period)) => {
                    // Its numbers are not seen, so nothing can be taken from what follows it.
                    memory.forget();
                    return Ok(Some((Arrival::Kept(period), (slices, memory, operations))));
                }
                Some(Arrival::Slice(slice)) => slice,
            };
            let work = compute("a transform", move || {
                let slice = chain::apply(&operations, slice, &mut memory)?;
                Ok::<_, StepError>((slice, memory, operations))
            });
            let (slice, memory, operations) = work.await??;
            Ok(Some((Arrival::Slice(slice), (slices, memory, operations))))
        })))
    }
}
