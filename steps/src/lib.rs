//! The step types of frazil, and the cube they share.

pub mod crs;
pub mod cube;
mod fetch;
mod net;
mod scratch;

use frazil_engine::registry::Registry;

pub use fetch::Fetch;

/// The catalogue: every step type by name.
#[must_use]
pub fn registry() -> Registry {
    Registry::new().source::<Fetch>()
}
