//! What the black-box tests share: where the programs are, where genuine data are, and a
//! Python that reads cubes with libraries we did not write.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "support of tests: a failure ends the test that asked, a skipped test says so in a line"
)]

pub mod editor;
pub mod geotiff;
pub mod moto;
pub mod programs;
pub mod rainfall;
pub mod sandbox;
pub mod server;
pub mod serving;
