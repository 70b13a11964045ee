//! Blocks of numbers that are used again.

use std::sync::{Arc, Mutex, PoisonError};

use frazil_engine::data::{DType, Values};

/// Blocks that are kept at most. There are never more than were in use at one time; a reader has a few
/// chunks on their way and what it makes of them.
const KEPT: usize = 8;

/// Blocks that were read into and are not needed any more. A reader of many chunks gives them
/// back: blocks of megabytes asked for on one thread and freed on another stay with the allocator,
/// which holds more and more of them the longer the source is.
#[derive(Debug, Clone, Default)]
pub struct Spares(Arc<Mutex<Vec<Values>>>);

impl Spares {
    /// A block of so many numbers; what stands in it is left to whoever fills it.
    pub(super) fn take(&self, dtype: DType, numbers: usize) -> Values {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |v: &Values| v.dtype() == dtype && v.capacity() >= numbers;
        let smallest = (0..kept.len()).filter(|at| fits(&kept[*at])).min_by_key(|at| kept[*at].capacity());
        let Some(at) = smallest else { return Values::zeros(dtype, numbers) };
        let mut found = kept.swap_remove(at);
        found.resize(numbers);
        found
    }

    /// Gives a block back.
    pub fn give(&self, values: Values) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(values);
    }
}
