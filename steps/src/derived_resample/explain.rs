//! One window: what it is made of, what is lacking, what changed since.

use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{DatasetId, Period, PeriodRange, Status},
    dataset::RegularTime,
    explain::{Explained, Lack, Why},
};

use super::decide::{Axis, Changed, Inputs, Source};

/// What `window` looks like from one of its sources, whose calendar is `time`, at `instant`.
pub(super) fn explained(
    inputs: &Inputs<'_>,
    source: &Source<'_>,
    id: &DatasetId,
    time: &RegularTime,
    instant: DateTime<Utc>,
    window: Period,
) -> Explained {
    let pieces = source.from.of(window);
    let found = source.parts(window);
    let mut lacking: Vec<Lack> = Vec::new();
    for piece in pieces.iter() {
        let Some((why, until)) = lack(source.axis, piece, time, instant) else { continue };
        match lacking.last_mut() {
            Some(last) if last.why == why && last.periods.last.plus(1) == piece => {
                last.periods.last = piece;
                last.until = last.until.max(until);
            }
            _ => lacking.push(Lack { periods: PeriodRange::one(piece), why, until }),
        }
    }
    Explained {
        source: id.clone(),
        pieces,
        total: found.total,
        have: found.have,
        ready: inputs.ready.passes(found.have, found.total),
        lacking,
        changed: changed(inputs, source, window, pieces),
    }
}

fn lack(
    source: &Axis,
    piece: Period,
    time: &RegularTime,
    instant: DateTime<Utc>,
) -> Option<(Why, Option<DateTime<Utc>>)> {
    if let Ok(at) = source.binary_search_by_key(&piece, |(p, _)| *p) {
        return match source[at].1 {
            Status::Final => None,
            Status::Provisional => Some((Why::Provisional, None)),
            Status::Gap => Some((Why::Gap, None)),
            Status::Incomplete => Some((Why::Incomplete, None)),
            Status::Withdrawn => Some((Why::Withdrawn, None)),
        };
    }
    let available = time.available_at(piece);
    Some(match (source.first(), source.last()) {
        (Some((first, _)), _) if piece < *first => (Why::BeforeTheFirst, None),
        (_, Some((last, _))) if piece < *last => (Why::Hole, None),
        _ if available > instant => (Why::NotAvailable, Some(available)),
        _ => (Why::Frontier, None),
    })
}

/// The pieces that changed since the window was made.
fn changed(
    inputs: &Inputs<'_>,
    source: &Source<'_>,
    window: Period,
    pieces: PeriodRange,
) -> Option<Vec<PeriodRange>> {
    if !inputs.target.iter().any(|(p, _)| *p == window) {
        return Some(Vec::new());
    }
    match source.since(window, inputs.done) {
        Changed::All => None,
        Changed::Ranges(ranges) => {
            let common = ranges.iter().map(|range| PeriodRange {
                first: range.first.max(pieces.first),
                last: range.last.min(pieces.last),
            });
            Some(common.filter(|range| !range.is_empty()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use frazil_engine::data::Frequency;

    use super::*;
    use crate::derived_resample::Ready;

    fn day(text: &str) -> Period {
        Period::parse(text, Frequency::Day).unwrap()
    }

    #[test]
    fn each_kind_of_lack_is_told_with_its_periods() {
        let mut source: Vec<(Period, Status)> =
            PeriodRange { first: day("2024-01-03"), last: day("2024-01-20") }
                .iter()
                .map(|p| (p, Status::Final))
                .collect();
        source.retain(|(p, _)| *p != day("2024-01-07"));
        for (text, status) in [
            ("2024-01-05", Status::Gap),
            ("2024-01-09", Status::Provisional),
            ("2024-01-10", Status::Provisional),
            ("2024-01-12", Status::Withdrawn),
        ] {
            source.iter_mut().find(|(p, _)| *p == day(text)).unwrap().1 = status;
        }
        let window = Period::parse("2024-01", Frequency::Month).unwrap();
        let target = [(window, Status::Provisional)];
        let changed = Changed::Ranges(vec![
            PeriodRange { first: day("2023-12-30"), last: day("2024-01-03") },
            PeriodRange { first: day("2024-02-01"), last: day("2024-02-03") },
        ]);
        let from = Source {
            name: "rain",
            axis: &source,
            from: Frequency::Day.into(),
            changed: &changed,
            since: None,
        };
        let inputs = Inputs {
            sources: vec![from.clone()],
            target: &target,
            to: Frequency::Month,
            ready: Ready::Any,
            done: &[],
            remake: false,
            anew: None,
            unit: 1,
        };
        let time: RegularTime =
            serde_json::from_value(serde_json::json!({ "step": "P1D", "available": { "lag": "2d" } }))
                .unwrap();
        let noon = Utc.with_ymd_and_hms(2024, 1, 25, 12, 0, 0).unwrap();
        let rain: DatasetId = "rain".parse().unwrap();
        let found = explained(&inputs, &from, &rain, &time, noon, window);
        let told: Vec<String> = found.lacking.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "2024-01-01/2024-01-02: before its first period",
                "2024-01-05: a gap: its own source has none",
                "2024-01-07: missing in the middle of its axis",
                "2024-01-09/2024-01-10: preliminary",
                "2024-01-12: withdrawn",
                "2024-01-21/2024-01-22: behind its newest period",
                "2024-01-23/2024-01-31: cannot be had yet, from 2024-02-03T00:00:00Z",
            ]
        );
        assert_eq!((found.total, found.have, found.ready), (31, 15, true));
        let only = PeriodRange { first: day("2024-01-01"), last: day("2024-01-03") };
        assert_eq!(found.changed, Some(vec![only]));
        let unknown = Source { changed: &Changed::All, ..from };
        let found = explained(&inputs, &unknown, &rain, &time, noon, window);
        assert_eq!(found.changed, None);
        // What was never made cannot have changed since.
        let never = Inputs { target: &[], ..inputs };
        let found = explained(&never, &unknown, &rain, &time, noon, window);
        assert_eq!(found.changed, Some(Vec::new()));
    }
}
