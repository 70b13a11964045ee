//! Walks over fake steps and a cube in memory: what is done, what is not, and nothing twice.

mod death;
mod fake;
mod graphs;
mod plans;
mod sim;
mod stage;
mod walks;
