//! What was planned and what was done, in the same words.

use std::collections::BTreeSet;

use frazil_engine::data::{Action, Frequency, Item};
use frazil_steps::cube::Commit;

/// What was met so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: usize,
    pub(crate) commits: usize,
    pub(crate) chunks: u64,
    pub(crate) unknown: usize,
    pub(crate) revised: usize,
    pub(crate) filled: usize,
    pub(crate) backward: usize,
    pub(crate) refused: usize,
    pub(crate) stopped: usize,
    pub(crate) remade: usize,
    pub(crate) levels: BTreeSet<u32>,
    /// Releases that `main` moved to, of fetched datasets and of derived ones, and such as were left on
    /// their way.
    pub(crate) moved: usize,
    pub(crate) anew: usize,
    pub(crate) under_way: usize,
    pub(crate) withdrawn: usize,
    pub(crate) joined: usize,
    pub(crate) members: usize,
    pub(crate) programs: usize,
}

impl Seen {
    /// Whether all that matters was met.
    pub(crate) fn is_wide(&self) -> bool {
        let met = [self.requests, self.commits, self.unknown, self.revised, self.filled, self.backward];
        met.iter().all(|n| *n > 3)
            && [self.stopped, self.remade, self.moved, self.anew].iter().all(|n| *n > 0)
            && [self.under_way, self.withdrawn, self.joined].iter().all(|n| *n > 0)
            && [self.members, self.programs].iter().all(|n| *n > 0)
            && self.chunks > 100
            && self.levels.len() > 2
    }
}

/// Whether of two commits, newest first, the newer added what lies before the other.
pub(crate) fn started_later(made: &[Commit]) -> bool {
    made.windows(2).any(|pair| match (pair[0].added.first(), pair[1].added.first()) {
        (Some(newer), Some(older)) => newer.first < older.first,
        _ => false,
    })
}

pub(crate) type Done = BTreeSet<(i64, Frequency, &'static str)>;

const fn word(action: Action) -> &'static str {
    match action {
        Action::Add => "add",
        Action::Revise => "revise",
        Action::Fill => "fill",
    }
}

/// Periods and what is planned with each.
pub(crate) fn listed(items: &[Item]) -> Done {
    let each = |item: &Item| {
        let word = word(item.action);
        item.range.iter().map(move |period| (period.ordinal(), period.frequency(), word)).collect::<Vec<_>>()
    };
    items.iter().flat_map(each).collect()
}

/// Periods and what these commits did with each.
pub(crate) fn done(commits: &[Commit]) -> Done {
    let mut all = Done::new();
    for commit in commits {
        let lists =
            [(&commit.added, Action::Add), (&commit.revised, Action::Revise), (&commit.filled, Action::Fill)];
        for (ranges, action) in lists {
            let items: Vec<Item> = ranges.iter().map(|range| Item { range: *range, action }).collect();
            all.extend(listed(&items));
        }
    }
    all
}
