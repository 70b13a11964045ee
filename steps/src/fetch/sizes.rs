//! Sizes of source files, asked for by a plan that may.

use std::time::Duration;

use frazil_engine::{
    context::Scope,
    data::{Period, PeriodRange, Periods},
    plan::Sizes,
    step::{ErrorKind, StepError},
};

use super::{Fetch, SourceKind, recipe::Recipe};
use crate::net::{Net, Place};

/// How long one answer may take: who plans waits for it.
const ANSWER: Duration = Duration::from_secs(20);

/// Sizes of at most `most` source files, one after the other, spread over the work.
pub(super) async fn sizes(
    fetch: &Fetch,
    periods: &Periods,
    most: usize,
    scope: &Scope,
) -> Result<Sizes, StepError> {
    // A source file is read by its blocks where it has any.
    let mut sizes = Sizes { bytes: Vec::new(), parts: fetch.source == SourceKind::Cog };
    // A store has no size that anybody tells.
    if fetch.source == SourceKind::Dataset || fetch.is_store() {
        return Ok(sizes);
    }
    let recipe = Recipe::new(fetch, periods, scope)?;
    let net = Net::looking(fetch.access(), scope)?;
    let mut asked: Vec<Place> = Vec::new();
    let mut failed = None;
    for (at, period) in spread(periods, most).into_iter().enumerate() {
        let mut places = recipe.places(period, None, scope)?;
        if places.is_empty() {
            break;
        }
        let place = places.swap_remove(at % places.len());
        if asked.contains(&place) {
            continue;
        }
        match tokio::time::timeout(ANSWER, net.size(&place)).await {
            Ok(Ok(size)) => sizes.bytes.extend(size),
            Ok(Err(error)) => failed = Some(error),
            Err(_) => {
                let message = format!("{place}: no answer within {} s", ANSWER.as_secs());
                failed = Some(StepError::transient(ErrorKind::Network, message));
                break;
            }
        }
        asked.push(place);
    }
    match failed {
        Some(error) if sizes.bytes.is_empty() => Err(error),
        _ => Ok(sizes),
    }
}

/// At most `most` periods of the work, from its first to its last.
fn spread(periods: &Periods, most: usize) -> Vec<Period> {
    let ranges: Vec<PeriodRange> = periods.batches.iter().flatten().copied().collect();
    let total: usize = ranges.iter().map(PeriodRange::len).sum();
    let count = most.min(total);
    (0..count).filter_map(|i| PeriodRange::nth(&ranges, i * (total - 1) / (count - 1).max(1))).collect()
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::Frequency;

    use super::*;

    #[test]
    fn sizes_are_asked_for_from_the_first_to_the_last() {
        let shown = |batches: &[&[&str]]| -> Vec<String> {
            let range = |text: &&str| PeriodRange::parse(text, Frequency::Day).unwrap();
            let batches = batches.iter().map(|batch| batch.iter().map(range).collect()).collect();
            let periods = Periods {
                dataset: "d".parse().unwrap(),
                step: Frequency::Day,
                base: None,
                items: Vec::new(),
                batches,
                source: None,
                release: None,
            };
            spread(&periods, 5).iter().map(|p| p.to_string().split_off(5)).collect()
        };
        assert_eq!(shown(&[&["2024-01-01/2024-01-09"]]), ["01-01", "01-03", "01-05", "01-07", "01-09"]);
        let ends = ["01-01", "01-02", "02-01", "02-02", "03-09"];
        assert_eq!(shown(&[&["2024-01-01/2024-01-02", "2024-02-01/2024-02-02"], &["2024-03-09"]]), ends);
        assert_eq!(shown(&[&["2024-01-01"]]), ["01-01"]);
        assert_eq!(shown(&[]), Vec::<String>::new());
    }
}
