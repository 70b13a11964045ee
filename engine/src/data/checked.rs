use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PeriodRange;

/// What follows from a check that fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// What hangs below does not run.
    #[default]
    Block,
    /// It is told, and nothing stops.
    Warn,
}

/// What a check of data found, as it stands in a run log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// What was checked, such as `range`.
    pub check: String,
    /// The variable, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What follows where it failed.
    pub severity: Severity,
    /// Whether it passed.
    pub passed: bool,
    /// How many periods were looked at.
    pub looked_at: usize,
    /// Those that do not pass, where it is about periods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub periods: Vec<PeriodRange>,
    /// What was found, and what was allowed.
    pub message: String,
}

impl Checked {
    /// Whether what hangs below must not run.
    #[must_use]
    pub fn blocks(&self) -> bool {
        !self.passed && self.severity == Severity::Block
    }

    /// How it ended, in a word.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match (self.passed, self.severity) {
            (true, _) => "passed",
            (false, Severity::Warn) => "warned",
            (false, Severity::Block) => "failed",
        }
    }
}

/// As `range of precip failed: 2024-01-03: 4,012 mm, at most 2,000 are allowed`.
impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = self.variable.as_ref().map_or_else(String::new, |variable| format!(" of {variable}"));
        write!(f, "{}{of} {}: {}", self.check, self.outcome(), self.message)
    }
}
