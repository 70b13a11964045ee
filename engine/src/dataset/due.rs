//! Where a dataset stands against its calendar.

use chrono::{DateTime, Duration, Utc};

use super::{DatasetInfo, Datasets, RegularTime, TimeAxis};
use crate::data::{Period, PeriodRange, PeriodText};

/// What a dataset should hold at an instant, and does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The newest period that can be had; none before the first that there ever is.
    pub expected: Option<Period>,
    /// What can be had after the newest period that is there; of a dataset that is empty and does not
    /// say where it begins, the newest period alone.
    pub missing: Option<PeriodRange>,
    /// Since when the first of those could be had.
    pub since: Option<DateTime<Utc>>,
    /// Whether the first of those is older than `late` allows; never where nothing is said.
    pub late: bool,
}

impl Due {
    /// Compares the newest period of a dataset with its calendar at `now`; none for a static dataset.
    ///
    /// A derived dataset that says nothing of its own is due when its sources are.
    #[must_use]
    pub fn of(
        info: &DatasetInfo,
        datasets: &Datasets,
        newest: Option<Period>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let TimeAxis::Regular(time) = &info.block.time else { return None };
        let start = first(info, time, datasets);
        let mut expected = Period::containing(now, time.frequency());
        // Availability never runs backwards along the axis.
        while available_at(info, time, expected, datasets) > now {
            expected = expected.plus(-1);
        }
        let expected = Some(expected).filter(|expected| start.is_none_or(|start| start <= *expected));
        let missing = expected
            .map(|last| PeriodRange {
                first: newest.map(|newest| newest.plus(1)).or(start).unwrap_or(last),
                last,
            })
            .filter(|missing| !missing.is_empty());
        let old = |missing: PeriodRange| time.late.is_some_and(|late| late.after(missing.first.end()) <= now);
        Some(Self {
            expected,
            missing,
            since: missing.map(|missing| available_at(info, time, missing.first, datasets)),
            late: missing.is_some_and(old),
        })
    }
}

/// The first period that there ever is: what is derived begins with the first window that all its
/// sources hold as a whole.
fn first(info: &DatasetInfo, time: &RegularTime, datasets: &Datasets) -> Option<Period> {
    let step = time.frequency();
    if let Some(text) = &time.start {
        // The check refuses a start that is no period.
        return text.parse::<PeriodText>().ok().map(|text| text.first(step));
    }
    let begins = info.sources.iter().map(|id| {
        let source = datasets.get(id)?;
        let TimeAxis::Regular(finer) = &source.block.time else { return None };
        Some(first(source, finer, datasets)?.start())
    });
    // It takes all of them.
    let begins = begins.collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let window = Period::containing(begins, step);
    Some(if window.start() < begins { window.plus(1) } else { window })
}

/// The instant from which `period` of a dataset can be had. A checked project has no circles, so this
/// comes to an end.
fn available_at(
    info: &DatasetInfo,
    time: &RegularTime,
    period: Period,
    datasets: &Datasets,
) -> DateTime<Utc> {
    let own = time.available_at(period);
    let sources = info.sources.iter().filter(|_| time.available.is_none()).filter_map(|id| datasets.get(id));
    let of_source = sources.filter_map(|source| match &source.block.time {
        TimeAxis::Regular(finer) => {
            let last = Period::containing(period.end() - Duration::seconds(1), finer.frequency());
            Some(available_at(source, finer, last, datasets))
        }
        TimeAxis::None => None,
    });
    of_source.fold(own, Ord::max)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::Frequency;

    fn dataset(id: &str, sources: &[&str], time: &str) -> (crate::data::DatasetId, Arc<DatasetInfo>) {
        let block = serde_json::from_str(&format!("{{ \"title\": \"x\", \"time\": {time} }}")).unwrap();
        let info = DatasetInfo {
            id: id.parse().unwrap(),
            block,
            location: crate::dataset::Location::default(),
            sources: sources.iter().map(|id| id.parse().unwrap()).collect(),
            definition: String::new(),
        };
        (info.id.clone(), Arc::new(info))
    }

    fn datasets() -> Datasets {
        [
            dataset(
                "days",
                &[],
                r#"{ "step": "P1D", "start": "2024-01-01", "available": { "lag": "10d", "whole": "month" }, "late": "60d" }"#,
            ),
            dataset("months", &["days"], r#"{ "step": "P1M" }"#),
            dataset("eager", &["days"], r#"{ "step": "P1M", "available": { "lag": "1d" } }"#),
            dataset("middle", &[], r#"{ "step": "P1D", "start": "2024-01-05" }"#),
            dataset("dekads", &["middle"], r#"{ "step": "dekad" }"#),
            dataset("both", &["days", "middle"], r#"{ "step": "P1M" }"#),
            dataset("open", &[], r#"{ "step": "P1D" }"#),
            dataset("map", &[], r#""none""#),
        ]
        .into()
    }

    fn due(id: &str, newest: Option<&str>, now: &str) -> Option<Due> {
        let datasets = datasets();
        let info = &datasets[id];
        let TimeAxis::Regular(time) = &info.block.time else {
            return Due::of(info, &datasets, None, now.parse().unwrap());
        };
        let newest = newest.map(|text| Period::parse(text, time.frequency()).unwrap());
        Due::of(info, &datasets, newest, now.parse().unwrap())
    }

    fn text(due: Option<Due>) -> (String, String, bool) {
        let due = due.unwrap();
        let text = |shown: Option<String>| shown.unwrap_or_default();
        (text(due.expected.map(|p| p.to_string())), text(due.missing.map(|m| m.to_string())), due.late)
    }

    fn told(expected: &str, missing: &str, late: bool) -> (String, String, bool) {
        (expected.to_owned(), missing.to_owned(), late)
    }

    #[test]
    fn what_is_expected_follows_lag_and_whole_unit() {
        // The days of January appear together, on 11 February.
        let eve = "2024-02-10T23:59:59Z";
        assert_eq!(text(due("days", None, eve)), told("", "", false));
        let day = "2024-02-11T00:00:00Z";
        assert_eq!(text(due("days", None, day)), told("2024-01-31", "2024-01-01/2024-01-31", false));
        assert_eq!(text(due("days", Some("2024-01-31"), day)), told("2024-01-31", "", false));
        // More than expected is nothing to complain of.
        assert_eq!(text(due("days", Some("2024-02-03"), day)), told("2024-01-31", "", false));
        assert_eq!(due("days", None, day).unwrap().since, Some(day.parse().unwrap()));
    }

    #[test]
    fn late_is_the_age_of_the_first_that_is_missing() {
        let newest = Some("2024-01-31");
        // 1 February ends with its day; sixty days later it is 2 April.
        assert_eq!(
            text(due("days", newest, "2024-04-01T23:59:59Z")),
            told("2024-02-29", "2024-02-01/2024-02-29", false)
        );
        assert!(due("days", newest, "2024-04-02T00:00:00Z").unwrap().late);
        assert!(!due("days", Some("2024-02-29"), "2024-04-02T00:00:00Z").unwrap().late);
        // Where nothing is said, nothing is late.
        assert!(!due("months", None, "2030-01-01T00:00:00Z").unwrap().late);
    }

    #[test]
    fn what_is_derived_is_due_when_its_source_is() {
        let now = "2024-03-09T12:00:00Z";
        assert_eq!(text(due("months", Some("2023-12"), now)), told("2024-01", "2024-01", false));
        assert_eq!(
            due("months", Some("2023-12"), now).unwrap().since,
            Some("2024-02-11T00:00:00Z".parse().unwrap())
        );
        // Its own word comes first.
        assert_eq!(text(due("eager", None, now)), told("2024-02", "2024-01/2024-02", false));
        assert_eq!(
            text(due("dekads", None, "2024-03-12T00:00:00Z")),
            told("2024-03-D1", "2024-01-D2/2024-03-D1", false)
        );
        // Of two sources the later one decides, at both ends.
        assert_eq!(text(due("both", None, now)), told("", "", false));
        assert_eq!(text(due("both", None, "2024-03-11T00:00:00Z")), told("2024-02", "2024-02", false));
        // Of one that does not say where it begins the newest alone is asked for.
        assert_eq!(text(due("open", None, now)), told("2024-03-08", "2024-03-08", false));
        assert_eq!(due("map", None, now), None);
        assert_eq!(
            Due::of(&datasets()["months"], &datasets(), None, now.parse().unwrap()).unwrap().expected,
            Some(Period::parse("2024-01", Frequency::Month).unwrap())
        );
    }
}
