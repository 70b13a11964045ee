//! Which periods of the source belong to a window, and how much of each.

use chrono::Duration;
use frazil_engine::data::{Frequency, Period, PeriodRange};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::resample::Share;

/// Which periods belong to a window where some lie across its borders, as weeks lie across those
/// of months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Windows {
    /// All that lie in it in part: those across a border belong to both windows.
    Overlapping,
    /// Those that lie in it as a whole: those across a border belong to none.
    Contained,
    /// All that lie in it in part, each by the share of time that does. For `sum` a number is spread
    /// evenly over its period; for `mean` it weighs by the time that it has in common with the window.
    Weighted,
}

/// The periods of a source as pieces of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pieces {
    /// The step of the source.
    pub(super) step: Frequency,
    /// What is done with those across a border; none where there are none.
    pub(super) rule: Option<Windows>,
}

impl From<Frequency> for Pieces {
    fn from(step: Frequency) -> Self {
        Self { step, rule: None }
    }
}

impl Pieces {
    /// The periods that belong to a window.
    pub(super) fn of(self, window: Period) -> PeriodRange {
        let Some(rule) = self.rule else { return window.parts(self.step) };
        let mut first = Period::containing(window.start(), self.step);
        let mut last = Period::containing(window.end() - Duration::seconds(1), self.step);
        if rule == Windows::Contained {
            if first.start() < window.start() {
                first = first.plus(1);
            }
            if last.end() > window.end() {
                last = last.plus(-1);
            }
        }
        PeriodRange { first, last }
    }

    /// How much of `piece` lies in `window`, where that is asked for.
    pub(super) fn share(self, window: Period, piece: Period) -> Option<Share> {
        if self.rule != Some(Windows::Weighted) {
            return None;
        }
        let common = window.end().min(piece.end()) - window.start().max(piece.start());
        let minutes = |time: Duration| {
            #[expect(clippy::cast_precision_loss, reason = "a period has far fewer than 2^52 minutes")]
            let minutes = time.num_minutes().max(0) as f64;
            minutes
        };
        let common = minutes(common);
        Some(Share { part: common / minutes(piece.end() - piece.start()), time: common })
    }

    /// The windows that `piece` lies in, in part at least.
    pub(super) fn windows(self, piece: Period, to: Frequency) -> PeriodRange {
        let first = Period::containing(piece.start(), to);
        let last = Period::containing(piece.end() - Duration::seconds(1), to);
        PeriodRange { first, last }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps() -> impl Strategy<Value = (Frequency, Frequency)> {
        use Frequency::{Day, Dekad, Month, Pentad, Quarter, Week};
        prop::sample::select(vec![
            (Week, Month),
            (Week, Dekad),
            (Pentad, Week),
            (Week, Quarter { anchor: 2 }),
            (Day, Month),
            (Dekad, Month),
        ])
    }

    proptest! {
        /// The pieces of a window are found by looking at every period around it, and shares of a
        /// period over all its windows are the whole of it.
        #[test]
        fn pieces_are_those_of_the_slow_way((step, to) in steps(), seconds in 0i64..2_000_000_000) {
            let window = Period::containing(chrono::DateTime::from_timestamp(seconds, 0).unwrap(), to);
            let around = Period::containing(window.start(), step);
            let near: Vec<Period> = (-3..120).map(|n| around.plus(n)).collect();
            let shared = |p: &Period| p.start() < window.end() && window.start() < p.end();
            let whole = |p: &Period| p.start() >= window.start() && p.end() <= window.end();
            let of = |rule| Pieces { step, rule: Some(rule) }.of(window).iter().collect::<Vec<_>>();
            let slow = |keep: &dyn Fn(&Period) -> bool| near.iter().copied().filter(|p| keep(p)).collect::<Vec<_>>();
            prop_assert_eq!(of(Windows::Overlapping), slow(&shared));
            prop_assert_eq!(of(Windows::Weighted), slow(&shared));
            prop_assert_eq!(of(Windows::Contained), slow(&whole));
            if step.nests_in(to) {
                prop_assert_eq!(Pieces::from(step).of(window).iter().collect::<Vec<_>>(), slow(&shared));
            }
            let pieces = Pieces { step, rule: Some(Windows::Weighted) };
            for piece in slow(&shared) {
                let windows = pieces.windows(piece, to);
                prop_assert!(windows.contains(window));
                let parts: f64 = windows.iter().map(|w| pieces.share(w, piece).unwrap().part).sum();
                prop_assert!((parts - 1.0).abs() < 1e-12, "{}", parts);
            }
            let time: f64 = slow(&shared).iter().map(|p| pieces.share(window, *p).unwrap().time).sum();
            #[expect(clippy::cast_precision_loss, reason = "minutes of a quarter")]
            let whole = (window.end() - window.start()).num_minutes() as f64;
            prop_assert_eq!(time, whole);
        }
    }
}
