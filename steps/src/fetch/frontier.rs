//! A source file that is not there: not yet, or a hole?

use frazil_engine::{
    context::Context,
    data::{Action, Period, PeriodRange, Periods},
    dataset::TimeAxis,
    step::StepError,
};

use super::{
    Fetch,
    recipe::Recipe,
    shop::Shop,
    source::Opener,
    stream::{label, within},
};
use crate::net::{Net, Place};

/// Periods that are looked through for the next source file that is another one.
const LOOK_THROUGH: usize = 100_000;

/// What a missing period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing later is there either: not yet.
    Frontier,
    /// A later one is there.
    Hole,
}

/// Looks whether three other, later source files of the whole work are there: the next, the
/// middle and the last. One is enough for a hole.
pub(crate) async fn judge(
    fetch: &Fetch,
    recipe: &Recipe,
    (periods, missing, group): (&Periods, Period, usize),
    (net, opener): (&Net, &dyn Opener),
    cx: &Context,
) -> Result<Verdict, StepError> {
    let later = later(periods, missing);
    let of = |period: Period| -> Result<Vec<Place>, StepError> {
        let mains = std::iter::once(None).chain(fetch.alternatives.iter().map(|other| Some(&other.url)));
        let mut places = Vec::new();
        for main in mains {
            places.push(recipe.place(group, period, main, &cx.scope)?);
        }
        Ok(places)
    };
    let mut known = of(missing)?;
    for period in
        candidates(&later, |period| Ok(!known.contains(&recipe.place(group, period, None, &cx.scope)?)))?
    {
        for place in of(period)? {
            if known.contains(&place) {
                continue;
            }
            let there = cx
                .retrying(&label(&place, cx), |_| async {
                    let _permit = cx.permit().await?;
                    within(cx, opener.exists(net, &place)).await
                })
                .await
                .map_err(|error| error.at(period))?;
            if there {
                return Ok(Verdict::Hole);
            }
            known.push(place);
        }
    }
    Ok(Verdict::Frontier)
}

/// Steps without a new label after which a store is called quiet.
const QUIET: i64 = 3;

/// What is said of a source whose time axis ends before `missing`, where that is longer ago than
/// the dataset's `late` allows: superseded stores go quiet in place of failing.
pub(crate) fn quiet(shop: &Shop<'_>, missing: Period, group: usize) -> Option<String> {
    let scope = &shop.cx.scope;
    let TimeAxis::Regular(time) = &scope.dataset(&shop.periods.dataset).ok()?.block.time else { return None };
    let late = time.late?;
    if late.after(missing.end()) > scope.instant || missing.plus(QUIET).start() > scope.instant {
        return None;
    }
    let place = shop.recipe.place(group, missing, None, scope).ok()?;
    let place = label(&place, shop.cx);
    Some(format!(
        "{place} has gone quiet: its time axis ends before {missing}, which is older than `late: {late}` allows; was it replaced by another store?"
    ))
}

/// What is to be added after `missing`, in time.
fn later(periods: &Periods, missing: Period) -> Vec<PeriodRange> {
    let mut ranges: Vec<_> = periods
        .items
        .iter()
        .filter(|item| item.action == Action::Add && item.range.last > missing)
        .map(|item| PeriodRange { first: item.range.first.max(missing.plus(1)), last: item.range.last })
        .collect();
    ranges.sort();
    ranges
}

/// The next period whose source file is `another`, the middle one and the last.
fn candidates(
    later: &[PeriodRange],
    another: impl Fn(Period) -> Result<bool, StepError>,
) -> Result<Vec<Period>, StepError> {
    let total: usize = later.iter().map(PeriodRange::len).sum();
    let mut found = Vec::new();
    for period in later.iter().flat_map(PeriodRange::iter).take(LOOK_THROUGH) {
        if another(period)? {
            found.push(period);
            break;
        }
    }
    for n in [total / 2, total.saturating_sub(1)] {
        if let Some(period) = PeriodRange::nth(later, n)
            && !found.contains(&period)
        {
            found.push(period);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::Frequency;

    use super::*;

    fn days(text: &str) -> PeriodRange {
        PeriodRange::parse(text, Frequency::Day).unwrap()
    }

    #[test]
    fn the_next_the_middle_and_the_last_are_asked_for() {
        let shown = |later: &[PeriodRange], from: u32| -> Vec<String> {
            let another = |p: Period| Ok(p >= days(&format!("2024-01-{from:02}")).first);
            candidates(later, another).unwrap().iter().map(|p| p.to_string().split_off(8)).collect()
        };
        assert_eq!(shown(&[days("2024-01-02/2024-01-11")], 2), ["02", "07", "11"]);
        assert_eq!(shown(&[days("2024-01-02/2024-01-11")], 9), ["09", "07", "11"]);
        assert_eq!(shown(&[days("2024-01-02"), days("2024-01-20/2024-01-21")], 2), ["02", "20", "21"]);
        assert_eq!(shown(&[days("2024-01-02")], 2), ["02"]);
        assert_eq!(shown(&[], 2), Vec::<String>::new());
    }
}
