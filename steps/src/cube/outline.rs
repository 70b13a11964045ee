//! What a catalog tells of a state of a dataset.

use frazil_engine::data::{Period, Snapshot, SnapshotId};

use super::{Cube, Template};

/// A state without its axis and its numbers: some kilobytes, however long it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Its name in the store.
    pub id: SnapshotId,
    /// The same as it is passed along an edge.
    pub snapshot: Snapshot,
    /// Grid, variables and layout as they are stored.
    pub template: Template,
    /// Periods on its axis.
    pub len: usize,
    /// The first and the last of them; none where there are none.
    pub ends: Option<(Period, Period)>,
    /// The newest that holds values; none of a static dataset.
    pub newest: Option<Period>,
    /// Whether it is a Zarr store that was made elsewhere, and no repository.
    pub is_store: bool,
}

impl From<&Cube> for Outline {
    fn from(cube: &Cube) -> Self {
        let axis = cube.axis();
        Self {
            id: cube.id(),
            snapshot: cube.snapshot().clone(),
            template: cube.template().clone(),
            len: axis.len(),
            ends: axis.first().zip(axis.last()),
            newest: cube.newest(),
            is_store: cube.external.is_some(),
        }
    }
}

impl Cube {
    /// The newest period that holds values; none of a static dataset.
    #[must_use]
    pub fn newest(&self) -> Option<Period> {
        let mut newest_first = self.axis().iter().rev();
        let newest = newest_first.find(|(_, status)| status.has_values())?.0;
        (!newest.frequency().is_static()).then_some(newest)
    }
}
