//! Tests of pipelines: `*.test.yaml` beside them, with a clock, stores and sources of their own.

mod check;
mod file;
mod load;

pub use check::{Filled, TestCase, TestRun};
pub use file::{Answer, Case, Constant, Ending, Expect, Given, Run, SuiteFile};
pub use load::{TestFile, Tests, load};
