//! How many gaps a dataset may come to hold.

use frazil_engine::{
    data::{Action, Period, PeriodRange, Status},
    step::{ErrorKind, StepError},
};

use super::shop::Shop;
use crate::cube::Cube;

/// Counts gaps against the most that there may be.
pub(crate) struct Gaps<'a> {
    shop: &'a Shop<'a>,
    /// Gaps and periods on the axis that the work was listed against; found at the first gap.
    stored: Option<(usize, usize)>,
    /// Gaps more than were stored, or fewer where some were filled.
    more: isize,
}

impl<'a> Gaps<'a> {
    pub(crate) const fn new(shop: &'a Shop<'a>) -> Self {
        Self { shop, stored: None, more: 0 }
    }

    /// A gap that was stored is filled.
    pub(crate) const fn filled(&mut self) {
        self.more -= 1;
    }

    /// Counts one more gap; refuses it where its batch would leave more than there may be.
    pub(crate) async fn found(&mut self, period: Period) -> Result<(), StepError> {
        let Some(most) = self.shop.fetch.max_gaps else { return Ok(()) };
        let (stored, periods) = match self.stored {
            Some(stored) => stored,
            None => *self.stored.insert(self.look().await?),
        };
        self.more += 1;
        let gaps = stored.saturating_add_signed(self.more);
        let all = periods + self.added_by(period);
        if most.admits(gaps, all) {
            return Ok(());
        }
        let error = StepError::permanent(
            ErrorKind::Data,
            format!("it would be the {gaps}. gap among {all} periods, and `max-gaps` is {most}"),
        );
        Err(error.at(period).help(
            "ask the provider, run again when it is there, or raise `max-gaps`; what came before is kept",
        ))
    }

    async fn look(&self) -> Result<(usize, usize), StepError> {
        let (periods, scope) = (self.shop.periods, &self.shop.cx.scope);
        let Some(base) = &periods.base else { return Ok((0, 0)) };
        let cube = Cube::open_at(scope.dataset(&periods.dataset)?, scope, base).await?;
        let gaps = cube.axis().iter().filter(|(_, status)| *status == Status::Gap).count();
        Ok((gaps, cube.axis().len()))
    }

    /// Periods that the axis gains up to the end of the batch that holds `period`.
    fn added_by(&self, period: Period) -> usize {
        let periods = self.shop.periods;
        let added = |range: &PeriodRange| -> usize {
            let adds = periods.items.iter().filter(|item| item.action == Action::Add);
            let both = adds.map(|item| PeriodRange {
                first: item.range.first.max(range.first),
                last: item.range.last.min(range.last),
            });
            both.filter(|both| both.first <= both.last).map(|both| both.len()).sum()
        };
        let mut count = 0;
        for batch in &periods.batches {
            count += batch.iter().map(added).sum::<usize>();
            if batch.iter().any(|range| range.contains(period)) {
                break;
            }
        }
        count
    }
}
