//! Black-box tests: one binary, a module per subject.

#[path = "all/house.rs"]
mod house;
