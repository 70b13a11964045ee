//! The periods of the work in its order, gathered by the source files that hold them.

use std::{collections::HashSet, iter::Peekable};

use frazil_engine::{
    context::Scope,
    data::{Action, Period, Periods},
    step::StepError,
};

use super::{Fetch, recipe::Recipe};
use crate::net::Place;

/// A period to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    /// The period.
    pub(crate) period: Period,
    /// Read only because of what follows; with no `action` of its own.
    pub(crate) context: bool,
    /// What is to be done with it.
    pub(crate) action: Action,
}

/// Successive periods that lie in the same source files.
#[derive(Debug)]
pub(crate) struct Job {
    /// The periods, at least one.
    pub(crate) wants: Vec<Want>,
    /// Where they are, a place per group of the recipe.
    pub(crate) places: Vec<Place>,
}

/// The periods of all batches in order; before each unbroken stretch, `halo` periods of context.
pub(crate) fn wants(periods: &Periods, halo: u32) -> impl Iterator<Item = Want> + use<> {
    let items = periods.items.clone();
    let ordered: Vec<_> = periods.batches.iter().flatten().copied().collect();
    let mut last: Option<Period> = None;
    ordered.into_iter().flat_map(move |range| {
        let broken = last.is_none_or(|last| last.plus(1) != range.first);
        if !range.is_empty() {
            last = Some(range.last);
        }
        let before = if broken && !range.is_empty() { i64::from(halo) } else { 0 };
        let context = (1..=before).rev().map({
            let first = range.first;
            move |n| Want { period: first.plus(-n), context: true, action: Action::Add }
        });
        let items = items.clone();
        let own = range.iter().map(move |period| {
            let item = items.iter().find(|item| item.range.contains(period));
            Want { period, context: false, action: item.map_or(Action::Add, |item| item.action) }
        });
        context.chain(own)
    })
}

/// Gathers successive periods that lie in the same source files.
pub(crate) struct Jobs<'a, I: Iterator<Item = Want>> {
    wants: Peekable<I>,
    /// Places of the next period, when they were found already.
    next: Option<Vec<Place>>,
    recipe: &'a Recipe,
    scope: &'a Scope,
    many_in_one: bool,
}

impl<'a, I: Iterator<Item = Want>> Jobs<'a, I> {
    pub(crate) fn new(fetch: &Fetch, recipe: &'a Recipe, wants: I, scope: &'a Scope) -> Self {
        Self { wants: wants.peekable(), next: None, recipe, scope, many_in_one: fetch.many_in_one() }
    }

    fn job(&mut self, first: Want) -> Result<Job, StepError> {
        let places = match self.next.take() {
            Some(places) => places,
            None => self.recipe.places(first.period, None, self.scope)?,
        };
        let mut job = Job { wants: vec![first], places };
        while self.many_in_one
            && let Some(want) = self.wants.peek()
        {
            let places = self.recipe.places(want.period, None, self.scope)?;
            if places != job.places {
                self.next = Some(places);
                break;
            }
            job.wants.push(*want);
            self.wants.next();
        }
        Ok(job)
    }
}

impl<I: Iterator<Item = Want>> Iterator for Jobs<'_, I> {
    type Item = Result<Job, StepError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.wants.next()?;
        Some(self.job(first))
    }
}

/// How many source files the work takes.
pub(crate) fn source_files(
    fetch: &Fetch,
    recipe: &Recipe,
    periods: &Periods,
    halo: u32,
    scope: &Scope,
) -> Result<usize, StepError> {
    let wants = wants(periods, halo);
    if !fetch.many_in_one() {
        return Ok(wants.count() * recipe.files());
    }
    let mut places = HashSet::new();
    for job in Jobs::new(fetch, recipe, wants, scope) {
        places.extend(job?.places);
    }
    Ok(places.len())
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::{Frequency, Item, PeriodRange};

    use super::*;

    fn range(text: &str) -> PeriodRange {
        PeriodRange::parse(text, Frequency::Day).unwrap()
    }

    fn periods(items: &[(&str, Action)], batches: &[&[&str]]) -> Periods {
        Periods {
            dataset: "d".parse().unwrap(),
            step: Frequency::Day,
            base: None,
            items: items.iter().map(|(r, action)| Item { range: range(r), action: *action }).collect(),
            batches: batches.iter().map(|b| b.iter().map(|r| range(r)).collect()).collect(),
            source: None,
            release: None,
        }
    }

    fn shown(periods: &Periods, halo: u32) -> Vec<String> {
        wants(periods, halo)
            .map(|w| format!("{}{}", if w.context { "~" } else { "" }, w.period.to_string().split_off(8)))
            .collect()
    }

    #[test]
    fn context_stands_before_each_unbroken_stretch_alone() {
        let work = periods(
            &[("2024-01-05/2024-01-09", Action::Add), ("2024-01-20", Action::Fill)],
            &[&["2024-01-05/2024-01-06"], &["2024-01-07/2024-01-09", "2024-01-20"]],
        );
        assert_eq!(shown(&work, 0), ["05", "06", "07", "08", "09", "20"]);
        assert_eq!(shown(&work, 2), ["~03", "~04", "05", "06", "07", "08", "09", "~18", "~19", "20"]);
        assert_eq!(wants(&work, 0).last().unwrap().action, Action::Fill);
    }

    #[test]
    fn batches_before_the_axis_are_stretches_of_their_own() {
        let work = periods(
            &[("2024-01-01/2024-01-04", Action::Add)],
            &[&["2024-01-03/2024-01-04"], &["2024-01-01/2024-01-02"]],
        );
        assert_eq!(shown(&work, 1), ["~02", "03", "04", "~31", "01", "02"]);
    }
}
