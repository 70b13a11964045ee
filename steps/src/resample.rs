//! The arithmetic of resampling: many periods become one, a block of cells at a time.

mod accumulator;
mod method;

pub use accumulator::{Accumulator, Encoding, Share, Unfit};
pub use method::Method;
