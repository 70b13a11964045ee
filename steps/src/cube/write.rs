use frazil_engine::{
    context::Scope,
    data::Slice,
    dataset::DatasetInfo,
    step::{Batch, Ended, ErrorKind, StepError, Written},
};

/// Writes the periods of one batch as chunk objects that nothing refers to yet.
#[derive(Debug)]
pub struct BatchWriter {
    batch: Batch,
}

impl BatchWriter {
    /// Begins a batch. The first one of a dataset creates its empty repository. A derived dataset
    /// passes an `info` whose block holds what it takes from its source.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn begin(_info: &DatasetInfo, _scope: &Scope, batch: Batch) -> Result<Self, StepError> {
        Ok(Self { batch })
    }

    /// Writes one period, in the order of the batch; a period that is kept is not put.
    ///
    /// # Errors
    /// When the slice is not one of this dataset, or the store cannot be written.
    pub async fn put(&mut self, slice: &Slice) -> Result<(), StepError> {
        Err(StepError::permanent(ErrorKind::Internal, format!("cannot write {} yet", slice.period)))
    }

    /// Writes what is left and gives the document to commit.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn finish(self, _ended: Ended) -> Result<Written, StepError> {
        Err(StepError::permanent(ErrorKind::Internal, format!("cannot write batch {} yet", self.batch.index)))
    }
}
