use std::ops::Range;

use frazil_engine::data::{Frequency, Period, PeriodRange, Status};

/// Length of the chunks of `time` and `period_status`: an append rewrites the last one alone.
pub(super) const TIME_CHUNK: u64 = 8_192;

/// The time axis of a cube: its periods in ascending order, each with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeIndex {
    step: Frequency,
    periods: Vec<Period>,
    statuses: Vec<Status>,
}

/// Labels or statuses that are no time axis of this dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TimeError {
    #[error("label {label} at position {at} of `time` does not begin a period of step {step}")]
    NotAPeriod { at: usize, label: i64, step: Frequency },
    #[error("`time` does not ascend: {later} at position {at} follows {earlier}")]
    Order { at: usize, earlier: Period, later: Period },
    #[error("position {at} of `period_status` holds {code}, which is no status")]
    NotAStatus { at: usize, code: u8 },
    #[error("`time` has {labels} labels, `period_status` {statuses}")]
    Lengths { labels: usize, statuses: usize },
}

impl TimeIndex {
    /// An axis without periods.
    #[must_use]
    pub const fn empty(step: Frequency) -> Self {
        Self { step, periods: Vec::new(), statuses: Vec::new() }
    }

    /// Decodes stored labels. A store made elsewhere has no statuses: all its periods are final.
    pub(super) fn decode(
        step: Frequency,
        labels: &[i64],
        statuses: Option<&[u8]>,
    ) -> Result<Self, TimeError> {
        let mut periods: Vec<Period> = Vec::with_capacity(labels.len());
        for (at, &label) in labels.iter().enumerate() {
            let period = match periods.last() {
                // Most axes have no holes, and the next period is cheaper to make than to find.
                Some(last) if last.plus(1).label() == label => last.plus(1),
                _ => Period::from_label(label, step).ok_or(TimeError::NotAPeriod { at, label, step })?,
            };
            if let Some(&earlier) = periods.last().filter(|last| **last >= period) {
                return Err(TimeError::Order { at, earlier, later: period });
            }
            periods.push(period);
        }
        let statuses = match statuses {
            None => vec![Status::Final; labels.len()],
            Some(codes) if codes.len() != labels.len() => {
                return Err(TimeError::Lengths { labels: labels.len(), statuses: codes.len() });
            }
            Some(codes) => codes
                .iter()
                .enumerate()
                .map(|(at, &code)| Status::from_code(code).ok_or(TimeError::NotAStatus { at, code }))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { step, periods, statuses })
    }

    /// The step of the axis.
    #[must_use]
    pub const fn step(&self) -> Frequency {
        self.step
    }

    /// How many periods there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.periods.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.periods.is_empty()
    }

    /// The first period.
    #[must_use]
    pub fn first(&self) -> Option<Period> {
        self.periods.first().copied()
    }

    /// The last period.
    #[must_use]
    pub fn last(&self) -> Option<Period> {
        self.periods.last().copied()
    }

    /// The place of `period` on the axis.
    #[must_use]
    pub fn position(&self, period: Period) -> Option<usize> {
        // Where nothing is missing the place follows from the ordinal.
        let first = self.first()?;
        let guess = usize::try_from(period.ordinal() - first.ordinal()).ok()?;
        if self.periods.get(guess) == Some(&period) {
            return Some(guess);
        }
        self.periods.binary_search(&period).ok()
    }

    /// What is known of `period`; none when it is not on the axis.
    #[must_use]
    pub fn status(&self, period: Period) -> Option<Status> {
        self.position(period).map(|at| self.statuses[at])
    }

    /// The period at `position`, with its status.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<(Period, Status)> {
        Some((*self.periods.get(position)?, *self.statuses.get(position)?))
    }

    /// All periods with their statuses, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Period, Status)> + ExactSizeIterator + '_ {
        self.periods.iter().copied().zip(self.statuses.iter().copied())
    }

    /// The periods, ascending.
    #[must_use]
    pub fn periods(&self) -> &[Period] {
        &self.periods
    }

    /// Positions of the periods of the axis that lie in `range`.
    #[must_use]
    pub fn positions(&self, range: PeriodRange) -> Range<usize> {
        let start = self.periods.partition_point(|p| *p < range.first);
        let end = self.periods.partition_point(|p| *p <= range.last);
        start..end.max(start)
    }

    /// Periods between the first and the last that are not on the axis.
    #[must_use]
    pub fn missing(&self) -> Vec<PeriodRange> {
        self.periods
            .windows(2)
            .filter(|pair| pair[0].plus(1) != pair[1])
            .map(|pair| PeriodRange { first: pair[0].plus(1), last: pair[1].plus(-1) })
            .collect()
    }

    /// Labels as they are stored, from position `at` on.
    pub(super) fn labels_from(&self, at: usize) -> Vec<i64> {
        self.periods.get(at..).unwrap_or_default().iter().map(|p| p.label()).collect()
    }

    /// Status codes as they are stored, from position `at` on.
    pub(super) fn codes_from(&self, at: usize) -> Vec<u8> {
        self.statuses.get(at..).unwrap_or_default().iter().map(|s| s.code()).collect()
    }

    /// Puts a period at the end.
    pub(super) fn push(&mut self, period: Period, status: Status) {
        self.periods.push(period);
        self.statuses.push(status);
    }

    /// Puts periods before the first.
    pub(super) fn insert_before(&mut self, earlier: impl IntoIterator<Item = (Period, Status)>) {
        let (periods, statuses): (Vec<_>, Vec<_>) = earlier.into_iter().unzip();
        self.periods.splice(0..0, periods);
        self.statuses.splice(0..0, statuses);
    }

    /// Changes what is known of the period at `position`.
    pub(super) fn set_status(&mut self, position: usize, status: Status) {
        if let Some(slot) = self.statuses.get_mut(position) {
            *slot = status;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Period {
        Period::parse(text, Frequency::Day).unwrap()
    }

    fn axis(days: &[&str]) -> TimeIndex {
        let labels: Vec<i64> = days.iter().map(|d| day(d).label()).collect();
        TimeIndex::decode(Frequency::Day, &labels, None).unwrap()
    }

    #[test]
    fn positions_are_found_with_and_without_holes() {
        let whole = axis(&["2024-01-01", "2024-01-02", "2024-01-03"]);
        let holed = axis(&["2024-01-01", "2024-01-03", "2024-01-04"]);
        assert_eq!(whole.position(day("2024-01-03")), Some(2));
        assert_eq!(whole.position(day("2024-01-04")), None);
        assert_eq!(whole.position(day("2023-12-31")), None);
        assert_eq!(holed.position(day("2024-01-03")), Some(1));
        assert_eq!(holed.position(day("2024-01-02")), None);
        assert_eq!(holed.missing(), vec![PeriodRange::one(day("2024-01-02"))]);
        let range = PeriodRange { first: day("2024-01-02"), last: day("2024-01-03") };
        assert_eq!((holed.positions(range), whole.positions(range)), (1..2, 1..3));
    }

    #[test]
    fn labels_that_are_no_axis_are_refused() {
        let label = |d: &str| day(d).label();
        let order = TimeIndex::decode(Frequency::Day, &[label("2024-01-02"), label("2024-01-01")], None);
        assert!(matches!(order, Err(TimeError::Order { at: 1, .. })));
        let twice = TimeIndex::decode(Frequency::Day, &[label("2024-01-02"), label("2024-01-02")], None);
        assert!(matches!(twice, Err(TimeError::Order { at: 1, .. })));
        let monthly = TimeIndex::decode(Frequency::Month, &[label("2024-01-02")], None);
        assert!(matches!(monthly, Err(TimeError::NotAPeriod { at: 0, .. })));
        let status = TimeIndex::decode(Frequency::Day, &[label("2024-01-02")], Some(&[9]));
        assert_eq!(status, Err(TimeError::NotAStatus { at: 0, code: 9 }));
        let lengths = TimeIndex::decode(Frequency::Day, &[label("2024-01-02")], Some(&[0, 0]));
        assert_eq!(lengths, Err(TimeError::Lengths { labels: 1, statuses: 2 }));
    }
}
