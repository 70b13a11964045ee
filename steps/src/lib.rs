//! The step types of frazil, and the cube they share.

pub mod cube;

use frazil_engine::registry::Registry;

/// The catalogue: every step type by name.
#[must_use]
pub fn registry() -> Registry {
    Registry::new()
}
