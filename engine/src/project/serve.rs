use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `frazil serve` does; every field has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Serve {
    /// How much it takes on.
    pub limits: Limits,
    /// Whether there is the process `echo`, which gives what it takes: for those who test clients.
    pub echo: bool,
    /// Whom subscribers of jobs may have told.
    pub callbacks: Callbacks,
}

/// Whom subscribers of jobs may have told: nobody where no host is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Callbacks {
    /// Hosts, as `hooks.example.org`, or `*.example.org` for all under it.
    pub allow: Vec<String>,
    /// Also by `http://`, which anybody on the way can read and change.
    pub http: bool,
    /// Also at addresses of this machine and of networks inside.
    pub private: bool,
}

/// How much a server takes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Runs that wait for their turn; who asks for one more is told to come again. 1,000 where
    /// nothing is said.
    pub queue: NonZeroU32,
    /// Runs at work at a time, one of each pipeline at most; as many as there are cores where nothing
    /// is said. Each may take as much memory as `memory` says.
    pub runs: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        const QUEUE: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);
        Self { queue: QUEUE, runs: None }
    }
}

impl Limits {
    /// Runs at work at a time.
    #[must_use]
    pub fn runs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.runs.map_or_else(cores, |runs| runs.get() as usize)
    }
}
