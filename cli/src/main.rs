//! The frazil command line.
fn main() {}
