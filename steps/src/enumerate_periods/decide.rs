//! What is to be done, as a function of what is there and what should be.

use chrono::{DateTime, SecondsFormat, Utc};
use frazil_engine::{
    data::{Action, Duration, Item, Only, Period, PeriodRange, Status},
    dataset::RegularTime,
    step::{ErrorKind, StepError},
};

use super::{
    batches::{self, Cut},
    settings::Lookback,
};

/// What should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// The first period; that of the dataset or of its axis where none is said.
    pub(crate) start: Option<Period>,
    /// The last period; the newest that can be had where none is said.
    pub(crate) end: Option<Period>,
    /// What the upstream dataset has, where one is asked instead of the calendar.
    pub(crate) upstream: Option<PeriodRange>,
    /// What of it may be newer than what is stored.
    pub(crate) changed: Option<&'a [PeriodRange]>,
    /// The newest period, where the source told it and the calendar does not.
    pub(crate) newest: Option<Period>,
    pub(crate) only: Option<Only>,
    /// Of what is stored, only these periods; all of the range where none is said.
    pub(crate) among: Option<&'a [PeriodRange]>,
    /// Of what is stored, the newest batch first.
    pub(crate) newest_first: bool,
    pub(crate) lookback: Option<Lookback>,
    /// So long after its end a gap is asked for again.
    pub(crate) refill: Duration,
    /// Gaps that a person asked for again, whatever their age.
    pub(crate) asked: &'a [PeriodRange],
    /// Periods that did not pass and were not written since.
    pub(crate) rejected: &'a [PeriodRange],
    /// Whether a person asks for all of the range, what was withdrawn too.
    pub(crate) withdrawn: bool,
    pub(crate) cut: Cut,
}

/// What is to be done, cut into commits, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) items: Vec<Item>,
    pub(crate) batches: Vec<Vec<PeriodRange>>,
    /// The request as far as it can be had.
    pub(crate) range: Option<PeriodRange>,
    pub(crate) reasons: Vec<String>,
}

/// Lists what `request` asks for by `instant` and the axis lacks, or has but may have newer.
///
/// # Errors
/// When it begins nowhere.
pub(crate) fn decide(
    axis: &[(Period, Status)],
    time: &RegularTime,
    request: &Request<'_>,
    instant: DateTime<Utc>,
) -> Result<Decision, StepError> {
    let mut decision = Decision::default();
    let Some(range) = clip(axis, time, request, instant, &mut decision.reasons)? else { return Ok(decision) };
    decision.range = Some(range);
    let (Some(&(first, _)), Some(&(last, _))) = (axis.first(), axis.last()) else {
        let all: Vec<_> = (0..).zip(range.iter()).map(|(at, p)| (at, p, Action::Add)).collect();
        decision.reasons.push(added(range));
        decision.add_forward(&all, request);
        return Ok(decision);
    };
    note_holes(axis, &mut decision.reasons);
    let mut work = stored(axis, range, request, instant, &mut decision.reasons);
    if range.last > last {
        let later = PeriodRange { first: last.plus(1), last: range.last };
        if range.first > later.first {
            let between = PeriodRange { first: later.first, last: range.first.plus(-1) };
            decision
                .reasons
                .push(format!("{between} lies between the axis and the request, so it is added too"));
        }
        decision.reasons.push(added(later));
        work.extend((axis.len() as u64..).zip(later.iter()).map(|(at, p)| (at, p, Action::Add)));
    }
    decision.add_forward(&work, request);
    if range.first < first {
        decision.add_backward(range, first, request.cut);
    }
    Ok(decision)
}

impl Decision {
    /// Periods on the axis and behind it. What is put behind it comes in order of time, after all that
    /// is stored, whichever way that is done.
    fn add_forward(&mut self, work: &[(u64, Period, Action)], request: &Request<'_>) {
        let places: Vec<_> = work.iter().map(|&(at, period, _)| (at, period)).collect();
        let mut batches = batches::forward(&places, request.cut);
        let action = |period: &Period| {
            work.binary_search_by_key(period, |(_, period, _)| *period).map_or(Action::Add, |at| work[at].2)
        };
        if request.newest_first {
            let adds = |batch: &Vec<Period>| batch.iter().any(|period| action(period) == Action::Add);
            let (behind, mut stored): (Vec<_>, Vec<_>) = batches.into_iter().partition(adds);
            stored.reverse();
            stored.extend(behind);
            batches = stored;
        }
        for period in batches.iter().flatten().copied() {
            let action = action(&period);
            match self.items.last_mut() {
                Some(item) if item.action == action && item.range.last.plus(1) == period => {
                    item.range.last = period;
                }
                _ => self.items.push(Item { range: PeriodRange::one(period), action }),
            }
        }
        self.batches.extend(batches.into_iter().map(PeriodRange::collect));
    }

    /// Periods before the axis go in by a shift of whole units, after everything else: what is new
    /// is never kept waiting by what is old. What is left in the end goes in by a rewrite.
    fn add_backward(&mut self, range: PeriodRange, first: Period, cut: Cut) {
        let earlier = PeriodRange { first: range.first, last: first.plus(-1) };
        let count = earlier.len() as u64;
        let rest = count % cut.unit;
        self.reasons.push(format!(
            "{} before the axis: inserted, newest batch first",
            counted(earlier.len(), &[earlier], "period")
        ));
        let mut batches = batches::backward(first, count - rest, cut);
        if rest > 0 {
            let rest: Vec<Period> =
                earlier.iter().take(usize::try_from(rest).unwrap_or(usize::MAX)).collect();
            self.reasons.push(format!(
                "the first {} of them fill no {} periods, which are written together: every chunk of the dataset is written again for them, beside its readers",
                rest.len(),
                cut.unit
            ));
            batches.push(rest);
        }
        for batch in batches {
            let ranges = PeriodRange::collect(batch);
            self.items.extend(ranges.iter().map(|&range| Item { range, action: Action::Add }));
            self.batches.push(ranges);
        }
    }
}

/// The requested range as far as it can be had; none when nothing of it can.
fn clip(
    axis: &[(Period, Status)],
    time: &RegularTime,
    request: &Request<'_>,
    instant: DateTime<Utc>,
    reasons: &mut Vec<String>,
) -> Result<Option<PeriodRange>, StepError> {
    let step = time.frequency();
    let since = match time.start.as_deref().map(str::parse::<frazil_engine::data::PeriodText>) {
        None => None,
        Some(Ok(text)) => Some(text.first(step)),
        Some(Err(error)) => return Err(StepError::permanent(ErrorKind::Data, error.to_string())),
    };
    let since = since.max(request.upstream.map(|range| range.first));
    let told = request.upstream.map(|range| range.last).or(request.newest);
    let newest = match (told, request.end) {
        (Some(newest), _) => newest,
        // A source whose dataset says nothing of availability may publish ahead (population of years
        // to come): an end that is asked for by name is taken at its word.
        (None, Some(end)) if time.available.is_none() => end,
        (None, _) => time.latest(instant),
    };
    let Some(asked) = request.start.or(since).or_else(|| axis.first().map(|(p, _)| *p)) else {
        return Err(StepError::permanent(ErrorKind::Data, "there is no `start`, and nothing is stored yet")
            .help("say `start` in the step, or `time: { start: … }` in the dataset"));
    };
    let first = since.map_or(asked, |since| asked.max(since));
    if first > asked {
        reasons.push(format!("{asked} is before {first}, the first period that there is"));
    }
    let last = request.end.map_or(newest, |end| end.min(newest));
    if let Some(end) = request.end.filter(|end| *end > newest) {
        reasons.push(match request.upstream {
            Some(_) => format!("{end} is asked for, {newest} is the newest that the source dataset has"),
            None if request.newest.is_some() => {
                format!("{end} is asked for, {newest} is the newest there is")
            }
            None => {
                format!("{end} is asked for, {newest} is the newest that can be had by {}", stamp(instant))
            }
        });
    }
    if last < first {
        reasons.push(match request.upstream {
            Some(_) => "the source dataset has nothing of the request".to_owned(),
            None if request.end.is_some_and(|end| end < first) => {
                "the request ends before it begins".to_owned()
            }
            None if request.newest.is_some() => format!("{first} is not there yet"),
            None => format!("{first} can be had from {}", stamp(time.available_at(first))),
        });
        return Ok(None);
    }
    Ok(Some(PeriodRange { first, last }))
}

/// What to do with periods that are on the axis, by their status.
fn stored(
    axis: &[(Period, Status)],
    range: PeriodRange,
    request: &Request<'_>,
    instant: DateTime<Utc>,
    reasons: &mut Vec<String>,
) -> Vec<(u64, Period, Action)> {
    let mut work = Vec::new();
    let mut left: [Vec<Period>; 3] = Default::default();
    let start = axis.partition_point(|(p, _)| *p < range.first);
    let (mut revised, mut filled) = (Vec::new(), Vec::new());
    for (at, &(period, status)) in (start as u64..).zip(&axis[start..]) {
        if period > range.last {
            break;
        }
        if request.among.is_some_and(|ranges| !ranges.iter().any(|range| range.contains(period))) {
            continue;
        }
        match stored_action(period, status, request, instant) {
            Some(action) => {
                work.push((at, period, action));
                if action == Action::Revise { revised.push(period) } else { filled.push(period) }
            }
            None => match status {
                Status::Provisional => left[0].push(period),
                Status::Gap | Status::Incomplete => left[1].push(period),
                Status::Withdrawn => left[2].push(period),
                Status::Final => {}
            },
        }
    }
    let mut tell = |periods: Vec<Period>, noun: &str, why: &str| {
        if !periods.is_empty() {
            let (count, ranges) = (periods.len(), PeriodRange::collect(periods));
            reasons.push(format!("{}: {why}", counted(count, &ranges, noun)));
        }
    };
    let (newer, there) = match request.changed {
        Some(_) => ("the source dataset changed since it was read", "the source dataset has it now"),
        None => ("asked for again, a newer value may be there", "asked for again"),
    };
    tell(revised, "stored period", newer);
    tell(filled, "gap", there);
    let [provisional, gaps, withdrawn] = left;
    let (preliminary, none) = match request.changed {
        Some(_) => ("as the source dataset has it", "the source dataset has none either"),
        None => ("left as it is by `lookback` or `only`", "older than `refill`; `only: missing` asks again"),
    };
    tell(provisional, "provisional period", preliminary);
    tell(gaps, "gap", none);
    tell(withdrawn, "withdrawn period", "never listed by itself; `frazil mark --clear` brings it back");
    work
}

fn stored_action(
    period: Period,
    status: Status,
    request: &Request<'_>,
    instant: DateTime<Utc>,
) -> Option<Action> {
    let recent = |age: Duration| age.after(period.end()) > instant;
    // A source dataset says itself what is newer.
    let newer = request.changed.map(|ranges| ranges.iter().any(|range| range.contains(period)));
    let rejected = request.rejected.iter().any(|range| range.contains(period));
    let asked = match status {
        status if status.has_values() && rejected => true,
        // A person took it out: only a person brings it back.
        Status::Withdrawn => request.withdrawn,
        Status::Final => match (request.only, request.lookback) {
            (Some(only), _) => only == Only::All,
            (None, Some(lookback)) => newer == Some(true) || lookback.all && recent(lookback.age),
            (None, None) => newer == Some(true),
        },
        Status::Provisional => match (request.only, request.lookback) {
            (Some(only), _) => only == Only::All,
            (None, Some(lookback)) => newer.unwrap_or(true) && recent(lookback.age),
            (None, None) => newer.unwrap_or(true),
        },
        Status::Gap | Status::Incomplete => {
            let asked = request.asked.iter().any(|range| range.contains(period));
            asked || request.only.is_some() || newer.unwrap_or_else(|| recent(request.refill))
        }
    };
    let action = if status.has_values() { Action::Revise } else { Action::Fill };
    asked.then_some(action)
}

fn note_holes(axis: &[(Period, Status)], reasons: &mut Vec<String>) {
    for pair in axis.windows(2) {
        let (before, after) = (pair[0].0, pair[1].0);
        if before.plus(1) != after {
            let hole = PeriodRange { first: before.plus(1), last: after.plus(-1) };
            reasons.push(format!(
                "{hole} is missing in the middle of the axis and cannot be put there without a rewrite"
            ));
        }
    }
}

fn added(range: PeriodRange) -> String {
    format!("{}: not on the axis yet", counted(range.len(), &[range], "period"))
}

/// `2024-01-01/2024-01-03, 2024-01-07 (4 periods)`; the first three ranges of many.
fn counted(count: usize, ranges: &[PeriodRange], noun: &str) -> String {
    let mut text: Vec<String> = ranges.iter().take(3).map(ToString::to_string).collect();
    if ranges.len() > 3 {
        text.push("…".to_owned());
    }
    let plural = if count == 1 { "" } else { "s" };
    format!("{} ({count} {noun}{plural})", text.join(", "))
}

fn stamp(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
