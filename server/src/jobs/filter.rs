use chrono::{DateTime, Utc};
use frazil_engine::{data::PipelineId, store::RunSummary};

use super::{Status, StatusInfo};
use crate::asked::{Query, short};

/// Which jobs are listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    types: Vec<String>,
    processes: Vec<String>,
    statuses: Vec<Status>,
    created: Option<Interval>,
    at_least: Option<i64>,
    at_most: Option<i64>,
}

/// A time, open where no end is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl Filter {
    pub(super) fn read(query: &mut Query) -> Self {
        let text = |text: &str| Ok(text.to_owned());
        Self {
            types: query.list("type", text),
            processes: query.list("processID", text),
            statuses: query.list("status", Status::from_name),
            created: query.one("datetime", Interval::parse),
            at_least: query.number("minDuration", 0, i64::from(i32::MAX)),
            at_most: query.number("maxDuration", 0, i64::from(i32::MAX)),
        }
    }

    /// The one pipeline of which jobs are wanted.
    pub(super) fn only_process(&self) -> Option<PipelineId> {
        match self.processes.as_slice() {
            [one] => one.parse().ok(),
            _ => None,
        }
    }

    /// Whether a run may be wanted, by what a list knows of it.
    pub(super) fn may_take(&self, run: &RunSummary) -> bool {
        let has = |names: &[String], name: &str| names.is_empty() || names.iter().any(|known| known == name);
        has(&self.types, "process")
            && has(&self.processes, run.pipeline.as_str())
            && self.created.is_none_or(|interval| interval.contains(run.accepted))
    }

    /// Whether it is wanted.
    pub(super) fn takes(&self, job: &StatusInfo) -> bool {
        let is_wanted = self.statuses.is_empty() || self.statuses.contains(&job.status);
        is_wanted && self.took(job, Utc::now())
    }

    /// Whether it took as long as is asked for: up to now while it is at work; one that waits took no time.
    fn took(&self, job: &StatusInfo, now: DateTime<Utc>) -> bool {
        if self.at_least.is_none() && self.at_most.is_none() {
            return true;
        }
        if job.status == Status::Accepted {
            return false;
        }
        let began = job.started.unwrap_or(job.created);
        let took = (job.finished.unwrap_or(now) - began).num_seconds();
        self.at_least.is_none_or(|least| took >= least) && self.at_most.is_none_or(|most| took <= most)
    }
}

impl Interval {
    /// An instant, or two ends with `/` between, each of which may be open.
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{}` is neither an instant nor an interval such as `2024-01-01T00:00:00Z/..`",
                short(text)
            )
        };
        let instant = |text: &str| text.parse::<DateTime<Utc>>().map_err(|_| bad());
        let end = |text: &str| if matches!(text, ".." | "") { Ok(None) } else { instant(text).map(Some) };
        let Some((from, to)) = text.split_once('/') else {
            let at = instant(text)?;
            return Ok(Self { from: Some(at), to: Some(at) });
        };
        let interval = Self { from: end(from)?, to: end(to)? };
        match (interval.from, interval.to) {
            (None, None) => Err(bad()),
            (Some(from), Some(to)) if to < from => Err(format!("`{}` ends before it begins", short(text))),
            _ => Ok(interval),
        }
    }

    fn contains(self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_standard_writes_them() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let noon = at("2024-03-01T12:00:00Z");
        for (text, contains) in [
            ("2024-03-01T12:00:00Z", true),
            ("2024-03-01T13:00:00+01:00", true),
            ("2024-03-01T12:00:01Z", false),
            ("2024-03-01T00:00:00Z/..", true),
            ("../2024-03-01T00:00:00Z", false),
            ("/2024-03-02T00:00:00Z", true),
            ("2024-03-01T11:00:00Z/2024-03-01T12:00:00Z", true),
        ] {
            assert_eq!(Interval::parse(text).unwrap().contains(noon), contains, "{text}");
        }
        for bad in ["", "/", "../..", "march", "2024-03-02T00:00:00Z/2024-03-01T00:00:00Z", "2024"] {
            assert!(Interval::parse(bad).is_err(), "{bad}");
        }
    }
}
