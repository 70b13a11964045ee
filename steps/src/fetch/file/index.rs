//! Which step of a file is which period.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{Frequency, Period},
    step::{ErrorKind, StepError},
};

use super::layout::Steps;
use crate::fetch::Stamp;

/// The periods of one variable in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// The file does not say which period it is: it is the one asked for.
    Asked,
    /// The steps, by their periods.
    Told(BTreeMap<Period, usize>),
}

/// Where a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At this step.
    At(usize),
    /// Behind the last step.
    After,
    /// Nowhere, though the file goes on behind it.
    Absent,
}

impl Index {
    /// Orders the steps of a file from which `wanted` periods are read.
    ///
    /// # Errors
    /// When two steps fall into one period, or a file without a time axis should be several.
    pub(super) fn of(steps: &Steps, stamp: Stamp, wanted: &[Period], file: &str) -> Result<Self, StepError> {
        let Some(frequency) = wanted.first().map(|period| period.frequency()) else {
            return Ok(Self::Told(BTreeMap::new()));
        };
        match steps {
            Steps::Known(instants) => told(instants, stamp, frequency, file).map(Self::Told),
            Steps::Zero(instant) if wanted.len() > 1 || wanted[0] == labelled(*instant, stamp, frequency) => {
                told(&[*instant], stamp, frequency, file).map(Self::Told)
            }
            Steps::Zero(_) => {
                tracing::warn!(
                    file,
                    "its time is written as 0, which is not the period asked for: not believed"
                );
                Ok(Self::Asked)
            }
            Steps::Unknown if wanted.len() > 1 => Err(StepError::permanent(
                ErrorKind::Data,
                format!("{file} has no time axis, so it cannot be {} periods", wanted.len()),
            )
            .help("name the period in `url`: `{{ period.year }}` and so on")),
            Steps::Unknown => Ok(Self::Asked),
        }
    }

    /// The step of the newest period; none where that is not told.
    pub(super) fn last(&self) -> Option<usize> {
        match self {
            Self::Asked => None,
            Self::Told(steps) => steps.last_key_value().map(|(_, step)| *step),
        }
    }

    /// Where `period` is.
    pub(super) fn find(&self, period: Period) -> Place {
        match self {
            Self::Asked => Place::At(0),
            Self::Told(steps) => match steps.get(&period) {
                Some(step) => Place::At(*step),
                None if steps.last_key_value().is_none_or(|(last, _)| *last < period) => Place::After,
                None => Place::Absent,
            },
        }
    }
}

/// The period that a stamp of the source stands for: the one that holds it, or, where stamps name
/// ends, the one before that.
fn labelled(instant: DateTime<Utc>, stamp: Stamp, frequency: Frequency) -> Period {
    let period = Period::containing(instant, frequency);
    match stamp {
        // It has no interval to name an end of.
        _ if frequency.is_static() => period,
        Stamp::Start => period,
        Stamp::End => period.plus(-1),
    }
}

fn told(
    instants: &[DateTime<Utc>],
    stamp: Stamp,
    frequency: Frequency,
    file: &str,
) -> Result<BTreeMap<Period, usize>, StepError> {
    let mut steps = BTreeMap::new();
    for (step, instant) in instants.iter().enumerate() {
        let period = labelled(*instant, stamp, frequency);
        if let Some(other) = steps.insert(period, step) {
            let (one, two) = (instants[other].to_rfc3339(), instant.to_rfc3339());
            let count = instants.iter().filter(|i| labelled(**i, stamp, frequency) == period).count();
            return Err(StepError::permanent(
                ErrorKind::Data,
                format!("{file}: {count} of its steps are the one period {period}, such as {one} and {two}"),
            )
            .help("choose one with `level` or `band`, or give the dataset the source's own time step"));
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Frequency = Frequency::Day;
    const HOUR: Frequency = Frequency::Minutes(60);

    fn at(texts: &[&str]) -> Steps {
        Steps::Known(texts.iter().map(|text| format!("{text}Z").parse().unwrap()).collect())
    }

    fn days(texts: &[&str]) -> Vec<Period> {
        texts.iter().map(|text| Period::parse(text, DAY).unwrap()).collect()
    }

    fn find(steps: &Steps, stamp: Stamp, period: &str) -> Place {
        let wanted = days(&[period, "2030-01-01"]);
        Index::of(steps, stamp, &wanted, "f").unwrap().find(wanted[0])
    }

    #[test]
    fn behind_the_last_label_is_the_frontier_and_before_it_a_hole() {
        let steps = at(&["2025-02-01T12:00:00", "2025-02-03T12:00:00"]);
        for (period, place) in [
            ("2025-02-01", Place::At(0)),
            ("2025-02-03", Place::At(1)),
            ("2025-02-02", Place::Absent),
            ("2025-01-31", Place::Absent),
            ("2025-02-04", Place::After),
        ] {
            assert_eq!(find(&steps, Stamp::Start, period), place, "{period}");
        }
        assert_eq!(find(&at(&[]), Stamp::Start, "2025-02-01"), Place::After);
    }

    #[test]
    fn a_stamp_inside_a_day_is_that_day_and_an_end_the_day_before() {
        for hour in ["00", "06", "12", "23"] {
            let steps = at(&[&format!("2025-02-02T{hour}:00:00")]);
            assert_eq!(find(&steps, Stamp::Start, "2025-02-02"), Place::At(0), "{hour}");
            assert_eq!(find(&steps, Stamp::End, "2025-02-01"), Place::At(0), "{hour}");
        }
        let hours = at(&["2025-02-01T00:00:00", "2025-02-01T01:00:00"]);
        let wanted =
            [Period::parse("2025-01-31T23", HOUR).unwrap(), Period::parse("2025-02-01T01", HOUR).unwrap()];
        let index = Index::of(&hours, Stamp::End, &wanted, "f").unwrap();
        assert_eq!((index.find(wanted[0]), index.find(wanted[1])), (Place::At(0), Place::After));
    }

    #[test]
    fn two_steps_of_one_period_are_refused() {
        let steps = at(&["2025-02-01T00:00:00", "2025-02-01T06:00:00", "2025-02-02T00:00:00"]);
        let error = Index::of(&steps, Stamp::Start, &days(&["2025-02-02"]), "f.nc").unwrap_err();
        assert!(error.to_string().contains("2 of its steps are the one period 2025-02-01"), "{error}");
    }

    #[test]
    fn a_file_without_a_time_axis_is_the_period_asked_for() {
        let one = days(&["2025-02-01"]);
        assert_eq!(Index::of(&Steps::Unknown, Stamp::Start, &one, "f").unwrap(), Index::Asked);
        assert!(Index::of(&Steps::Unknown, Stamp::Start, &days(&["2025-02-01", "2025-02-02"]), "f").is_err());
        // A time of 0 that is not the period asked for was left there by the writer.
        let zero = Steps::Zero("1970-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(Index::of(&zero, Stamp::Start, &one, "f").unwrap(), Index::Asked);
        let asked = days(&["1970-01-01"]);
        assert_eq!(Index::of(&zero, Stamp::Start, &asked, "f").unwrap().find(asked[0]), Place::At(0));
        // Any other time is checked against the request.
        let other = at(&["2025-03-01T00:00:00"]);
        assert_eq!(Index::of(&other, Stamp::Start, &one, "f").unwrap().find(one[0]), Place::Absent);
    }
}
