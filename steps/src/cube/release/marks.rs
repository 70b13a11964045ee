//! What a person took out of `main` does not come back with a release.

use frazil_engine::{
    context::Context,
    data::{Action, Period, PeriodRange, Status},
    dataset::DatasetInfo,
    step::StepError,
};

use super::UnderWay;
use crate::cube::{
    CommitNotes, Cube,
    attempt::{Attempt, Done},
    commit::taken,
    mark::{self, MarkNote},
    time::TimeIndex,
};

/// Periods that are withdrawn on `main` and not on the branch of a release: in their place where they
/// stand there, behind its axis the very next ones alone.
fn lacking(branch: &TimeIndex, main: &TimeIndex) -> Vec<(Period, Action)> {
    let mut next = branch.last().map(|last| last.plus(1));
    let mut lacking = Vec::new();
    for (period, _) in main.iter().filter(|(_, status)| *status == Status::Withdrawn) {
        match branch.status(period) {
            Some(Status::Withdrawn) => {}
            Some(_) => lacking.push((period, Action::Revise)),
            None if next == Some(period) => {
                lacking.push((period, Action::Add));
                next = Some(period.plus(1));
            }
            None => {}
        }
    }
    lacking
}

/// How far a release reaches that holds `held`, with the labels that are withdrawn on `main` behind it.
pub(super) fn reach(mut held: PeriodRange, main: &TimeIndex) -> PeriodRange {
    while main.status(held.last.plus(1)) == Some(Status::Withdrawn) {
        held.last = held.last.plus(1);
    }
    held
}

/// Withdraws on the branch of a release what is withdrawn on `main`; whether there was any. Under the
/// dataset's lock.
pub(super) async fn carry(
    release: &UnderWay,
    cube: &Cube,
    main: &Cube,
    info: &DatasetInfo,
    cx: &Context,
) -> Result<bool, StepError> {
    let todo = lacking(&cube.axis, &main.axis);
    let Some(state) = cube.provenance.release.as_ref().filter(|_| !todo.is_empty()) else {
        return Ok(false);
    };
    let release = release.release(state.range);
    let written = mark::written(info, cube, &todo, Status::Withdrawn, Some(release.clone()), cx).await?;
    let batch = [taken(written)?];
    let attempt = Attempt::open(info, Some(&release), cx).await?;
    let note = MarkNote {
        to: Status::Withdrawn.name().to_owned(),
        reason: Some("as on main".to_owned()),
        asked: Vec::new(),
    };
    let notes = CommitNotes { mark: Some(note), ..CommitNotes::default() };
    let done = attempt.run(attempt.axis()?, &batch, &notes).await?;
    // Whoever lost against another writer looks again.
    Ok(matches!(done, Done::Committed(_) | Done::Lost))
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::Frequency;

    use super::*;

    fn day(n: u32) -> Period {
        Period::parse(&format!("2024-01-{n:02}"), Frequency::Day).unwrap()
    }

    fn axis(days: std::ops::RangeInclusive<u32>, withdrawn: &[u32]) -> TimeIndex {
        let mut axis = TimeIndex::empty(Frequency::Day);
        for n in days {
            axis.push(day(n), if withdrawn.contains(&n) { Status::Withdrawn } else { Status::Final });
        }
        axis
    }

    #[test]
    fn what_is_withdrawn_is_so_in_place_and_right_behind_the_axis() {
        let main = axis(1..=12, &[2, 4, 9, 10, 12]);
        let branch = axis(1..=8, &[4]);
        let told = [(2, Action::Revise), (9, Action::Add), (10, Action::Add)];
        assert_eq!(lacking(&branch, &main), told.map(|(n, action)| (day(n), action)));
        let held = PeriodRange { first: day(1), last: day(8) };
        assert_eq!(reach(held, &main).last, day(10));
        assert_eq!(reach(PeriodRange { first: day(1), last: day(10) }, &main).last, day(10));
    }
}
