//! What the checks say of what was counted: plain functions over plain data.

use chrono::{DateTime, SecondsFormat, Utc};
use frazil_engine::data::{Checked, Duration, Period, PeriodRange, Status};

use super::{
    count::{Apart, Counted, Tally},
    settings::{Check, Freshness, NanFraction, Range, Recent},
};

/// Periods that a message names; all of them stand beside it.
const NAMED: usize = 3;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selection {
    /// Nothing changed since a state that passed.
    Unchanged,
    /// These periods of the axis.
    Periods(Vec<Period>),
}

/// What is known besides the numbers.
pub(super) struct Known<'a> {
    pub(super) axis: &'a [(Period, Status)],
    pub(super) selection: &'a Selection,
    pub(super) instant: DateTime<Utc>,
    /// The checksum of the grid.
    pub(super) grid: &'a str,
}

/// What a check found.
struct Found {
    looked_at: usize,
    passed: bool,
    periods: Vec<Period>,
    message: String,
}

impl Found {
    fn passed(looked_at: usize, message: String) -> Self {
        Self { looked_at, passed: true, periods: Vec::new(), message }
    }

    fn failed(looked_at: usize, periods: Vec<Period>, message: String) -> Self {
        Self { looked_at, passed: false, periods, message }
    }
}

/// Judges all checks; those that look at what changed are left out where nothing did.
pub(super) fn judge(
    checks: &[Check],
    known: &Known<'_>,
    counted: &Counted,
    apart: &Differences,
) -> Vec<Checked> {
    let judged = checks.iter().enumerate().filter_map(|(at, check)| {
        let found = one(at, check, known, counted, apart)?;
        Some(Checked {
            check: check.name().to_owned(),
            variable: check.variable().map(str::to_owned),
            severity: check.severity(),
            passed: found.passed,
            looked_at: found.looked_at,
            periods: PeriodRange::collect(found.periods),
            message: found.message,
        })
    });
    judged.collect()
}

/// Why numbers cannot be compared with others, by the place of the check.
pub(super) type Differences = std::collections::BTreeMap<usize, String>;

fn one(at: usize, check: &Check, known: &Known<'_>, counted: &Counted, apart: &Differences) -> Option<Found> {
    match check {
        Check::Freshness(freshness) => return Some(fresh(freshness, known)),
        Check::Monotonic(_) => return Some(monotonic(known.axis)),
        Check::Checksum(checksum) => return Some(same_grid(&checksum.value, known.grid)),
        _ => {}
    }
    let Selection::Periods(selected) = known.selection else { return None };
    if selected.is_empty() {
        return Some(Found::failed(
            0,
            Vec::new(),
            "there is nothing to check: the time axis is empty".to_owned(),
        ));
    }
    let of = |name: &str| counted.tallies.get(name);
    let tallies = |name: &str| -> Vec<(Period, Tally)> {
        let tallies = of(name);
        selected.iter().filter_map(|period| Some((*period, *tallies?.get(period)?))).collect()
    };
    if let Some(reason) = apart.get(&at) {
        return Some(Found::failed(0, Vec::new(), reason.clone()));
    }
    Some(match check {
        Check::GapFree(_) => gap_free(known.axis, selected),
        Check::Range(range) => in_range(range, &tallies(&range.variable), selected),
        Check::NanFraction(fraction) => {
            let recent = fraction.recent.map(|recent| newest(known.axis, recent));
            let recent = recent.unwrap_or_default();
            let newest = of(&fraction.variable).map(|of| recent.iter().filter_map(|p| of.get(p).copied()));
            let newest: Vec<Tally> = newest.into_iter().flatten().collect();
            missing(fraction, &tallies(&fraction.variable), &newest, selected)
        }
        Check::EqualTo(equal) => {
            let of = counted.apart.get(&at);
            let pairs = selected.iter().filter_map(|period| Some((*period, *of?.get(period)?)));
            equal_to(equal.tolerance, &pairs.collect::<Vec<_>>(), selected)
        }
        Check::Freshness(_) | Check::Monotonic(_) | Check::Checksum(_) => return None,
    })
}

/// The newest periods that hold values.
pub(super) fn newest(axis: &[(Period, Status)], recent: Recent) -> Vec<Period> {
    let values = axis.iter().rev().filter(|(_, status)| status.has_values());
    values.take(recent.periods.get()).map(|(period, _)| *period).collect()
}

fn nothing(selected: &[Period]) -> Found {
    let message = format!("there is nothing to check: {} without values", counted(selected));
    Found::failed(0, selected.to_vec(), message)
}

fn gap_free(axis: &[(Period, Status)], selected: &[Period]) -> Found {
    let is_selected = |period: &Period| selected.binary_search(period).is_ok();
    let holes = axis.windows(2).filter(|pair| pair[0].0.plus(1) != pair[1].0);
    let holes = holes.filter(|pair| is_selected(&pair[0].0) || is_selected(&pair[1].0));
    let holes: Vec<String> = holes
        .map(|pair| PeriodRange { first: pair[0].0.plus(1), last: pair[1].0.plus(-1) }.to_string())
        .collect();
    let lacks = axis.iter().filter(|(_, status)| matches!(status, Status::Gap | Status::Incomplete));
    let lacks: Vec<(Period, Status)> = lacks.filter(|(period, _)| is_selected(period)).copied().collect();
    let mut said = Vec::new();
    if !holes.is_empty() {
        said.push(format!("{} not on the axis", holes.join(", ")));
    }
    let periods: Vec<Period> = lacks.iter().map(|(period, _)| *period).collect();
    if let Some((_, status)) = lacks.first() {
        said.push(format!("{} {}", counted(&periods), status.name()));
    }
    if said.is_empty() {
        return Found::passed(selected.len(), "no period is missing".to_owned());
    }
    Found::failed(selected.len(), periods, format!("{}; no gap is allowed", said.join("; ")))
}

fn in_range(range: &Range, tallies: &[(Period, Tally)], selected: &[Period]) -> Found {
    let allowed = match (range.min, range.max) {
        (Some(min), Some(max)) => format!("{min} to {max} is allowed"),
        (Some(min), None) => format!("{min} or more is allowed"),
        (None, Some(max)) => format!("{max} or less is allowed"),
        (None, None) => "anything is allowed".to_owned(),
    };
    if tallies.is_empty() {
        return nothing(selected);
    }
    let beyond = |tally: &Tally| {
        let low = range.min.filter(|min| tally.least < *min).map(|_| tally.least);
        low.or_else(|| range.max.filter(|max| tally.most > *max).map(|_| tally.most))
    };
    let bad: Vec<(Period, f64)> =
        tallies.iter().filter_map(|(p, tally)| Some((*p, beyond(tally)?))).collect();
    let mut sum = Tally::default();
    tallies.iter().for_each(|(_, tally)| {
        sum.least = sum.least.min(tally.least);
        sum.most = sum.most.max(tally.most);
    });
    if bad.is_empty() {
        let found = if sum.least > sum.most {
            "no number".to_owned()
        } else {
            format!("{} to {}", shown(sum.least), shown(sum.most))
        };
        return Found::passed(tallies.len(), format!("{found}; {allowed}"));
    }
    let named = named(&bad, shown);
    Found::failed(tallies.len(), bad.iter().map(|(p, _)| *p).collect(), format!("{named}; {allowed}"))
}

fn missing(
    fraction: &NanFraction,
    tallies: &[(Period, Tally)],
    newest: &[Tally],
    selected: &[Period],
) -> Found {
    if tallies.is_empty() {
        return nothing(selected);
    }
    let share = |tally: &Tally| tally.missing as f64 / tally.cells.max(1) as f64;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut said = Vec::new();
    let mut bad: Vec<(Period, f64)> = Vec::new();
    if let Some(most) = fraction.most {
        let shares = tallies.iter().map(|(period, tally)| (*period, share(tally)));
        bad = shares.filter(|(_, share)| *share > most).collect();
        if !bad.is_empty() {
            let named = named(&bad, percent);
            said.push(format!("{named} missing; {} of a period is allowed", percent(most)));
        }
    }
    if let Some(recent) = fraction.recent {
        let mut sum = Tally::default();
        newest.iter().for_each(|tally| {
            sum.cells += tally.cells;
            sum.missing += tally.missing;
        });
        if share(&sum) > recent.most || sum.cells == 0 {
            let (found, allowed) = (percent(share(&sum)), percent(recent.most));
            said.push(format!(
                "{found} of the newest {} periods missing; {allowed} is allowed",
                newest.len()
            ));
        }
    }
    if said.is_empty() {
        let most = tallies.iter().map(|(_, tally)| share(tally)).fold(0.0, f64::max);
        return Found::passed(tallies.len(), format!("at most {} missing", percent(most)));
    }
    Found::failed(tallies.len(), bad.iter().map(|(p, _)| *p).collect(), said.join("; "))
}

fn fresh(freshness: &Freshness, known: &Known<'_>) -> Found {
    let looked_at = known.axis.len();
    let mut said = Vec::new();
    let mut late = Vec::new();
    if let Some(within) = freshness.within {
        let newest = known.axis.iter().rev().find(|(_, status)| status.has_values());
        match newest {
            None => said.push("no period holds values".to_owned()),
            Some((newest, _)) if within.after(newest.end()) < known.instant => said.push(format!(
                "{newest}, the newest, ended {} ago; {} is allowed",
                age(newest.end(), known.instant),
                text(within)
            )),
            Some(_) => {}
        }
    }
    if let Some(within) = freshness.final_within {
        let open = known.axis.iter().filter(|(period, status)| {
            let is_open = matches!(status, Status::Provisional | Status::Gap | Status::Incomplete);
            is_open && within.after(period.end()) < known.instant
        });
        let open: Vec<(Period, Status)> = open.copied().collect();
        if let Some((first, status)) = open.first() {
            let age = age(first.end(), known.instant);
            said.push(format!(
                "{} not final: {first} is {} since {age}; {} is allowed",
                counted(&open.iter().map(|(period, _)| *period).collect::<Vec<_>>()),
                status.name(),
                text(within)
            ));
        }
        late = open.into_iter().map(|(period, _)| period).collect();
    }
    if said.is_empty() {
        let at = known.instant.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Found::passed(looked_at, format!("as fresh as it must be at {at}"));
    }
    Found::failed(looked_at, late, said.join("; "))
}

fn text(duration: Duration) -> String {
    String::from(duration)
}

fn age(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let age = now - since;
    if age.num_days() > 0 { format!("{} days", age.num_days()) } else { format!("{} hours", age.num_hours()) }
}

fn monotonic(axis: &[(Period, Status)]) -> Found {
    let pair = axis.windows(2).find(|pair| pair[0].0 >= pair[1].0);
    match pair {
        None if axis.is_empty() => {
            Found::failed(0, Vec::new(), "there is nothing to check: the time axis is empty".to_owned())
        }
        None => Found::passed(axis.len(), "time ascends".to_owned()),
        Some(pair) => {
            Found::failed(axis.len(), vec![pair[1].0], format!("{} follows {}", pair[1].0, pair[0].0))
        }
    }
}

fn equal_to(tolerance: f64, pairs: &[(Period, Apart)], selected: &[Period]) -> Found {
    if pairs.is_empty() {
        let message =
            format!("there is nothing to compare with: {} not held by the other", counted(selected));
        return Found::failed(0, Vec::new(), message);
    }
    let bad: Vec<(Period, Apart)> = pairs.iter().filter(|(_, apart)| apart.cells > 0).copied().collect();
    if bad.is_empty() {
        let furthest = pairs.iter().map(|(_, apart)| apart.furthest).fold(0.0, f64::max);
        return Found::passed(
            pairs.len(),
            format!("apart by {} at most; {tolerance} is allowed", shown(furthest)),
        );
    }
    let named = named(&bad, |apart| match apart.lacking {
        0 => format!("{} cells apart by up to {}", apart.cells, shown(apart.furthest)),
        lacking => format!(
            "{} cells apart by up to {}, {lacking} of them missing in one",
            apart.cells,
            shown(apart.furthest)
        ),
    });
    Found::failed(
        pairs.len(),
        bad.iter().map(|(p, _)| *p).collect(),
        format!("{named}; {tolerance} is allowed"),
    )
}

fn same_grid(wanted: &str, found: &str) -> Found {
    if wanted == found {
        return Found::passed(1, format!("the coordinates are those of {found}"));
    }
    Found::failed(1, Vec::new(), format!("the coordinates have the checksum {found}; {wanted} is allowed"))
}

/// A number with the digits that tell it: those of a float32 where it is one.
fn shown(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
    let single = value as f32;
    if f64::from(single) == value { single.to_string() } else { value.to_string() }
}

/// `2024-01-03: 4012, 2024-01-05: 3911 and 4 more`.
fn named<T: Copy>(bad: &[(Period, T)], text: impl Fn(T) -> String) -> String {
    let shown: Vec<String> =
        bad.iter().take(NAMED).map(|(period, value)| format!("{period}: {}", text(*value))).collect();
    let more = if bad.len() > NAMED { format!(" and {} more", bad.len() - NAMED) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// `2024-01-01/2024-01-03 (3 periods)`.
fn counted(periods: &[Period]) -> String {
    let ranges = PeriodRange::collect(periods.iter().copied());
    let mut shown: Vec<String> = ranges.iter().take(NAMED).map(ToString::to_string).collect();
    if ranges.len() > NAMED {
        shown.push("…".to_owned());
    }
    let s = if periods.len() == 1 { "" } else { "s" };
    format!("{} ({} period{s})", shown.join(", "), periods.len())
}

#[cfg(test)]
#[path = "judge/tests.rs"]
mod tests;
