use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What a step did in one run, in the terms of a plan: plans of later runs are measured by it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spent {
    /// Periods that it wrote.
    pub periods: u64,
    /// Source files that it received.
    pub requests: u64,
    /// Bytes that came from sources.
    pub bytes: u64,
    /// How long it took, in milliseconds: of a segment, at its sink.
    pub millis: u64,
}

impl Spent {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.periods += more.periods;
        self.requests += more.requests;
        self.bytes += more.bytes;
        self.millis += more.millis;
    }
}
