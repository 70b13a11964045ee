//! A period of an open source, gathered field by field out of the blocks that are read of it.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use frazil_engine::{
    context::{Context, Tick},
    data::Period,
    step::StepError,
};

use super::{
    super::source::{Found, SourceFile},
    block::Block,
    contents::Contents,
};
use crate::net::Place;

/// What fields are cut out of.
#[async_trait]
pub(super) trait Blocks: Send {
    /// What is wanted of it, and where that lies.
    fn contents(&self) -> &Contents;

    /// The block of variable `at` that holds `step`.
    async fn block(&mut self, at: usize, step: usize) -> Result<Arc<Block>, StepError>;
}

/// Reads a period.
pub(super) async fn gathered(
    source: &mut impl Blocks,
    period: Period,
    cx: &Context,
) -> Result<Found, StepError> {
    let steps = match source.contents().steps(period) {
        Ok(steps) => steps,
        Err(found) => return Ok(found),
    };
    let mut fields = Vec::new();
    for (at, step) in steps.iter().copied().enumerate() {
        let block = source.block(at, step).await?;
        fields.push(source.contents().field(at, step, block).await?);
    }
    let contents = source.contents();
    if contents.is_under_way(&steps, &fields) {
        return Ok(under_way(&contents.request.place, period, cx));
    }
    Ok(contents.piece(fields, &steps))
}

/// A source whose last lead is not there yet: nothing is read of it.
#[derive(Debug)]
pub(super) struct UnderWay(pub(super) Place);

#[async_trait]
impl SourceFile for UnderWay {
    async fn read(&mut self, period: Period, cx: &Context) -> Result<Found, StepError> {
        Ok(under_way(&self.0, period, cx))
    }
}

/// Says that a run of the source is waited for.
fn under_way(place: &Place, period: Period, cx: &Context) -> Found {
    let place = super::super::stream::label(place, cx);
    cx.progress.tick(Tick::Note(format!("{period} is on its way: {place} lacks its last part, not yet")));
    Found::After
}
