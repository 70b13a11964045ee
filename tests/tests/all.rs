//! Black-box tests: one binary, a module per subject.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

#[path = "all/arrivals.rs"]
mod arrivals;
#[path = "all/audit.rs"]
mod audit;
#[path = "all/budgets.rs"]
mod budgets;
#[path = "all/cascades.rs"]
mod cascades;
#[path = "all/clients.rs"]
mod clients;
#[path = "all/command_line.rs"]
mod command_line;
#[path = "all/crash.rs"]
mod crash;
#[path = "all/diagnostics.rs"]
mod diagnostics;
#[path = "all/dimensions.rs"]
mod dimensions;
#[path = "all/editor.rs"]
mod editor;
#[path = "all/elsewhere.rs"]
mod elsewhere;
#[path = "all/exec.rs"]
mod exec;
#[path = "all/fetch.rs"]
mod fetch;
#[path = "all/fixes.rs"]
mod fixes;
#[path = "all/forecast.rs"]
mod forecast;
#[path = "all/grids.rs"]
mod grids;
#[path = "all/house.rs"]
mod house;
#[path = "all/joined.rs"]
mod joined;
#[path = "all/kill.rs"]
mod kill;
#[path = "all/leads.rs"]
mod leads;
#[path = "all/levels.rs"]
mod levels;
#[path = "all/main_job.rs"]
mod main_job;
#[path = "all/maintain.rs"]
mod maintain;
#[path = "all/pools.rs"]
mod pools;
#[path = "all/real/subjects.rs"]
mod real;
#[path = "all/real_pipelines.rs"]
mod real_pipelines;
#[path = "all/rechunk.rs"]
mod rechunk;
#[path = "all/reference.rs"]
mod reference;
#[path = "all/releases.rs"]
mod releases;
#[path = "all/schema.rs"]
mod schema;
#[path = "all/serve.rs"]
mod serve;
#[path = "all/statics.rs"]
mod statics;
#[path = "all/suites.rs"]
mod suites;
#[path = "all/two_writers.rs"]
mod two_writers;
