//! Source files on their way, and the slices read from them, in order.

use std::{future::Future, pin::pin};

use frazil_engine::{
    context::Context,
    data::{Arrival, Periods, Slices},
    step::{ErrorKind, StepError},
};
use futures::{
    StreamExt,
    future::{Either, select},
    stream,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{Fetch, reader::Reader, recipe::Recipe, shop::Shop};
use crate::{
    net::{Net, Place},
    source_state,
};

/// How long a source file may take where the step does not say.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(600);

/// Runs `work` under the step's timeout, until the run is told to stop.
pub(crate) async fn within<T>(
    cx: &Context,
    work: impl Future<Output = Result<T, StepError>> + Send,
) -> Result<T, StepError> {
    let limit = cx.timeout.map_or(TIMEOUT, |timeout| timeout.to_std());
    tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Err(StepError::Cancelled),
        done = tokio::time::timeout(limit, work) => done.unwrap_or_else(|_| {
            Err(StepError::transient(ErrorKind::Network, format!("no answer within {limit:?}")))
        }),
    }
}

/// Runs `work` until the run is told to stop.
pub(crate) async fn stoppable<T>(
    cx: &Context,
    work: impl Future<Output = Result<T, StepError>> + Send,
) -> Result<T, StepError> {
    tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Err(StepError::Cancelled),
        done = work => done,
    }
}

/// The slices of the work. Two tasks: one opens source files ahead, one reads from them in order.
pub(crate) fn slices(fetch: Fetch, periods: Periods, halo: u32, cx: Context) -> Slices {
    flow("fetch", |arrivals| run(fetch, periods, halo, cx, arrivals))
}

/// The stream of what `work` sends, which is called `name`. Dropping it stops the work.
pub(crate) fn flow<F>(name: &'static str, work: impl FnOnce(Arrivals) -> F) -> Slices
where
    F: Future<Output = ()> + Send + 'static,
{
    // One slice waits while the next one is read: the writer is never ahead by more.
    let (arrivals, receiver) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(work(arrivals));
    // Dropping the stream drops the set, which aborts the task and all that it waits for.
    let state = (receiver, tasks);
    Slices(
        stream::unfold(state, move |(mut receiver, mut tasks)| async move {
            if let Some(arrival) = receiver.recv().await {
                return Some((arrival, (receiver, tasks)));
            }
            match tasks.join_next().await? {
                Ok(()) => None,
                Err(error) => {
                    let error =
                        StepError::permanent(ErrorKind::Internal, format!("{name} broke off: {error}"));
                    Some((Err(error), (receiver, tasks)))
                }
            }
        })
        .boxed(),
    )
}

/// Where what arrives is sent to.
pub(crate) type Arrivals = mpsc::Sender<Result<Arrival, StepError>>;

async fn run(fetch: Fetch, periods: Periods, halo: u32, cx: Context, arrivals: Arrivals) {
    let end = async {
        let recipe = Recipe::new(&fetch, &periods, &cx.scope)?;
        for folder in recipe.folders() {
            if !tokio::fs::try_exists(&folder).await.is_ok_and(|there| there) {
                let message = format!("the folder {} is not there", folder.display());
                return Err(StepError::permanent(ErrorKind::Network, message));
            }
        }
        let net = Net::new(fetch.access(), &cx)?;
        note_states(&fetch, &recipe, &periods, &cx).await?;
        let opener = fetch.opener(&periods.dataset, &cx);
        let openings = Semaphore::new(fetch.in_flight.get());
        let (opener, periods) = (&*opener, &periods);
        let shop = Shop { fetch: &fetch, recipe: &recipe, periods, net: &net, opener, cx: &cx, openings };
        // One job waits, opened, while another is read.
        let (jobs, ready) = mpsc::channel(1);
        let read = Reader::new(&shop, &arrivals).read_all(ready);
        // When reading ends, what is still on its way is of no use; the other way round it is.
        match select(pin!(read), pin!(shop.open_all(halo, jobs))).await {
            Either::Left((read, _)) => read,
            Either::Right((opened, read)) => opened.and(read.await),
        }
    };
    let end = tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Err(StepError::Cancelled),
        end = end => end,
    };
    over(end, &arrivals, &cx).await;
}

/// Notes what the files of a dataset without periods look like before they are read: nothing else tells
/// later whether they changed.
async fn note_states(
    fetch: &Fetch,
    recipe: &Recipe,
    periods: &Periods,
    cx: &Context,
) -> Result<(), StepError> {
    let first = periods.items.first().map(|item| item.range.first);
    let Some(period) = first.filter(|_| periods.step.is_static() && !fetch.is_store()) else { return Ok(()) };
    let places = recipe.places(period, None, &cx.scope)?;
    let states = source_state::look(&places, &cx.scope).await?;
    source_state::note(&periods.dataset, states, cx).await
}

/// Tells whoever reads the stream why it ended, where that is an error.
pub(crate) async fn over(end: Result<(), StepError>, arrivals: &Arrivals, cx: &Context) {
    if let Err(error) = end
        && arrivals.send(Err(redacted(error, cx))).await.is_err()
    {
        tracing::debug!("nobody waits for the error that ended the stream");
    }
}

/// The same error without secrets: they may stand in a URL.
pub(crate) fn redacted(mut error: StepError, cx: &Context) -> StepError {
    if let Some(failure) = error.failure_mut() {
        failure.message = cx.scope.secrets.redact(&failure.message);
    }
    error
}

/// A place for logs and notes.
pub(crate) fn label(place: &Place, cx: &Context) -> String {
    cx.scope.secrets.redact(&place.to_string())
}
