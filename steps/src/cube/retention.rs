//! How much of the past of a dataset is kept: a function of what stands in its repository.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use frazil_engine::data::{DatasetId, Duration, SnapshotId};
use icechunk::format::snapshot::SnapshotInfo;

/// What of the past is kept, besides what something still refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Snapshots younger than this are kept.
    pub age: Duration,
    /// So many of the newest snapshots are kept, whatever their age.
    pub count: usize,
    /// Objects that nothing refers to are kept so long: whoever writes them may be at work still.
    pub unreferenced: Duration,
}

/// What else is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Snapshots that other datasets record as what they were made from, or are being made from.
    pub recorded: Vec<(DatasetId, SnapshotId)>,
    /// When the oldest run began that is not over.
    pub running: Option<DateTime<Utc>>,
}

/// A repository as its references tell it.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Branches and tags, with the snapshots that they name.
    pub(super) branches: BTreeMap<String, icechunk::format::SnapshotId>,
    pub(super) tags: BTreeMap<String, icechunk::format::SnapshotId>,
    /// Every snapshot that can be reached from one of them.
    pub(super) snapshots: HashMap<icechunk::format::SnapshotId, SnapshotInfo>,
}

/// From when on the past is kept, and what is let go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// Snapshots made before this instant are let go, unless a branch or a tag names them.
    pub(super) before: DateTime<Utc>,
    /// Why it is not later, a sentence each.
    pub(super) reasons: Vec<String>,
    /// What is let go, oldest first.
    pub(super) released: Vec<icechunk::format::SnapshotId>,
}

impl Past {
    /// Snapshots from a reference back, the newest first.
    fn line(&self, tip: &icechunk::format::SnapshotId) -> Vec<&SnapshotInfo> {
        let mut line = Vec::new();
        let mut next = self.snapshots.get(tip);
        while let Some(snapshot) = next {
            line.push(snapshot);
            next = snapshot.parent_id.as_ref().and_then(|parent| self.snapshots.get(parent));
        }
        line
    }

    /// What is let go at `now`.
    pub(super) fn cut(&self, retention: Retention, held: &Held, now: DateTime<Utc>) -> Cut {
        let main = self.branches.get("main").map(|tip| self.line(tip)).unwrap_or_default();
        let mut before = retention.age.before(now);
        let mut reasons = Vec::new();
        let mut keep = |line: &[&SnapshotInfo], why: String| {
            // Clocks of several machines: what follows may claim to be older.
            let Some(oldest) = line.iter().map(|snapshot| snapshot.flushed_at).min() else { return };
            if oldest < before {
                before = oldest;
                reasons.push(why);
            }
        };
        let count = retention.count.max(1).min(main.len());
        keep(&main[..count], format!("the newest {count} are kept"));
        for (by, id) in &held.recorded {
            let Some(at) = main.iter().position(|snapshot| snapshot.id.to_string() == id.0) else { continue };
            keep(&main[..=at], format!("{by} was made from {id}, which is kept with all that follows"));
        }
        if let Some(since) = held.running
            && let Some(at) = main.iter().position(|snapshot| snapshot.flushed_at <= since)
        {
            keep(&main[..=at], format!("a run is not over since {}", stamp(since)));
        }
        let of_main: HashSet<_> = main.iter().map(|snapshot| &snapshot.id).collect();
        for (name, tip) in self.branches.iter().filter(|(name, _)| *name != "main") {
            let own = self.line(tip);
            let common = own.iter().position(|snapshot| of_main.contains(&snapshot.id));
            let until = common.map_or(own.len(), |at| at + 1);
            keep(&own[..until], format!("branch {name} begins there"));
        }
        let released = self.released(before);
        Cut { before, reasons, released }
    }

    fn released(&self, before: DateTime<Utc>) -> Vec<icechunk::format::SnapshotId> {
        let named: HashSet<_> = self.branches.values().chain(self.tags.values()).collect();
        let goes = |snapshot: &&SnapshotInfo| {
            snapshot.flushed_at < before && snapshot.parent_id.is_some() && !named.contains(&snapshot.id)
        };
        let mut released: Vec<&SnapshotInfo> = self.snapshots.values().filter(goes).collect();
        released.sort_by_key(|snapshot| (snapshot.flushed_at, snapshot.id.to_string()));
        released.into_iter().map(|snapshot| snapshot.id.clone()).collect()
    }
}

pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use icechunk::format::SnapshotId as Id;

    use super::*;

    fn day(n: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2024, 5, n, 6, 0, 0).unwrap()
    }

    fn id(n: u8) -> Id {
        Id::new([n; 12])
    }

    /// Nine commits of `main`, one a day; those of a branch from the fourth on.
    fn past() -> Past {
        let mut past = Past::default();
        let mut put = |n: u8, parent: Option<u8>, at: DateTime<Utc>| {
            let info = SnapshotInfo {
                id: id(n),
                parent_id: parent.map(id),
                flushed_at: at,
                message: String::new(),
                metadata: Default::default(),
                pruned_ancestor_tx_logs: Vec::new(),
            };
            past.snapshots.insert(id(n), info);
        };
        put(0, None, day(1));
        (1..=9).for_each(|n| put(n, Some(n - 1), day(u32::from(n) + 1)));
        past.branches.insert("main".to_owned(), id(9));
        past
    }

    const fn retention(days: u64, count: usize) -> Retention {
        Retention { age: Duration::from_days(days), count, unreferenced: Duration::from_days(1) }
    }

    fn released(past: &Past, retention: Retention, held: &Held) -> Vec<u8> {
        let cut = past.cut(retention, held, day(11));
        let number = |id_of: &Id| (0..=99).find(|n| id(*n) == *id_of).unwrap();
        cut.released.iter().map(number).collect()
    }

    #[test]
    fn age_and_count_both_keep() {
        let past = past();
        let none = Held::default();
        assert_eq!(released(&past, retention(4, 1), &none), [1, 2, 3, 4, 5]);
        assert_eq!(released(&past, retention(4, 6), &none), [1, 2, 3]);
        assert_eq!(released(&past, retention(0, 1), &none), [1, 2, 3, 4, 5, 6, 7, 8], "never the head");
        assert_eq!(released(&past, retention(0, 0), &none), [1, 2, 3, 4, 5, 6, 7, 8], "never the head");
        assert_eq!(released(&past, retention(400, 1), &none), [0u8; 0]);
    }

    #[test]
    fn what_others_were_made_from_stays_with_all_that_follows() {
        let recorded = |n: u8| vec![("monthly".parse().unwrap(), SnapshotId(id(n).to_string()))];
        let held = Held { recorded: recorded(3), running: None };
        assert_eq!(released(&past(), retention(0, 1), &held), [1, 2]);
        let gone = Held { recorded: recorded(77), running: None };
        assert_eq!(released(&past(), retention(0, 1), &gone).len(), 8, "what is gone holds nothing");
    }

    #[test]
    fn a_running_run_keeps_what_it_found() {
        let since = day(6) + chrono::Duration::hours(1);
        let held = Held { running: Some(since), ..Held::default() };
        assert_eq!(released(&past(), retention(0, 1), &held), [1, 2, 3, 4]);
    }

    #[test]
    fn branches_stay_from_where_they_begin_and_tags_alone() {
        let mut past = past();
        past.tags.insert("2024-05".to_owned(), id(2));
        assert_eq!(released(&past, retention(0, 1), &Held::default()), [1, 3, 4, 5, 6, 7, 8]);
        let info = SnapshotInfo { id: id(50), parent_id: Some(id(6)), ..past.snapshots[&id(7)].clone() };
        past.snapshots.insert(id(50), info);
        past.branches.insert("release-2".to_owned(), id(50));
        assert_eq!(released(&past, retention(0, 1), &Held::default()), [1, 3, 4, 5]);
    }

    #[test]
    fn a_clock_that_went_wrong_cuts_no_line() {
        let mut past = past();
        // The seventh claims to be older than the fifth.
        past.snapshots.get_mut(&id(7)).unwrap().flushed_at = day(4);
        let recorded = vec![("monthly".parse().unwrap(), SnapshotId(id(5).to_string()))];
        let gone = released(&past, retention(0, 1), &Held { recorded, running: None });
        assert!([5, 6, 7, 8].iter().all(|n| !gone.contains(n)), "{gone:?}");
    }
}
