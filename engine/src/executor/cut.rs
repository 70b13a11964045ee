use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, stream::BoxStream};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    data::{Arrival, Period, Slices},
    step::{ErrorKind, StepError},
};

/// One stream of slices, cut where batches end.
///
/// The source goes on reading into the next batch while the one before it is written.
pub(super) struct Cut {
    shared: Arc<Mutex<Shared>>,
    cancel: CancellationToken,
}

struct Shared {
    stream: BoxStream<'static, Result<Arrival, StepError>>,
    over: bool,
}

/// How many periods of a batch were handed on.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<AtomicUsize>);

impl Tally {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct Part {
    shared: Arc<Mutex<Shared>>,
    cancel: CancellationToken,
    due: Vec<Period>,
    tally: Tally,
}

impl Cut {
    pub(super) fn new(slices: Slices, cancel: CancellationToken) -> Self {
        Self { shared: Arc::new(Mutex::new(Shared { stream: slices.0, over: false })), cancel }
    }

    /// The slices of the next batch, which holds exactly `due`; context comes before a period.
    ///
    /// It ends with the batch, before it when the whole stream ends, and with an error when the
    /// run is told to stop or anything comes that is not due.
    pub(super) fn batch(&self, due: Vec<Period>) -> (Slices, Tally) {
        let tally = Tally::default();
        let part =
            Part { shared: Arc::clone(&self.shared), cancel: self.cancel.clone(), due, tally: tally.clone() };
        let stream = futures::stream::unfold(part, |mut part| async move {
            let item = part.next().await?;
            Some((item, part))
        });
        (Slices(stream.boxed()), tally)
    }
}

impl Part {
    async fn next(&mut self) -> Option<Result<Arrival, StepError>> {
        let due = *self.due.get(self.tally.get())?;
        let mut shared = self.shared.lock().await;
        if shared.over {
            return None;
        }
        let item = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Some(Err(StepError::Cancelled)),
            item = shared.stream.next() => item,
        };
        let item = item.map(|item| item.and_then(|arrival| self.admit(arrival, due)));
        shared.over = !matches!(item, Some(Ok(_)));
        item
    }

    /// Nothing passes but context and the period that is due.
    fn admit(&self, arrival: Arrival, due: Period) -> Result<Arrival, StepError> {
        if matches!(&arrival, Arrival::Slice(slice) if slice.context) {
            return Ok(arrival);
        }
        let period = arrival.period();
        if period == due {
            self.tally.0.fetch_add(1, Ordering::Relaxed);
            return Ok(arrival);
        }
        let error = format!("the source gave {period} where {due} was asked for");
        Err(StepError::permanent(ErrorKind::Data, error).at(due).help("nothing was committed from there on"))
    }
}
