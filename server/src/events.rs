//! Run logs as server-sent events: what happened, then what happens, until the run is over.
//!
//! Who listens holds a number, that of the last event that it was sent. The newest events of a run are
//! held once for all who listen to it; who is behind those reads the log. So a thousand listeners cost
//! their connections, and a slow one holds up nobody.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use frazil_engine::{
    data::RunId,
    event::{self, Event, RunEvent},
    step::StepError,
    store::{RunStore, RunStoreError},
};
use futures::stream;
use tokio::{
    sync::{broadcast, broadcast::error::RecvError},
    time::{Instant, timeout_at},
};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::Segments,
    jobs::run_id,
    problem::{Problem, Wrong},
    runner::Change,
};

/// How long a connection is silent at most: proxies give up on one after a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often the log of a run is looked at of which nothing is told, as one of the command line.
const LOOK: Duration = Duration::from_secs(1);

/// Events that are sent at a time, so that a long log is never held whole for one listener.
const AT_A_TIME: usize = 64;

/// Runs of which the newest events are held.
const TAILS: usize = 64;

/// Events that are held of each: those of some seconds.
const TAIL: usize = 128;

/// Addresses of events.
pub(crate) fn routes() -> Routes {
    let events = Operation::new("getEvents", "jobs", "What happens in a job, as it happens", Role::Viewer)
        .segment("jobID", "A job")
        .header("Last-Event-ID", "The number of the last event that is known: those after it follow")
        .gives_media(200, "text/event-stream", "Server-sent events; the id of each is its number in the log")
        .gives_nothing(204, "Nothing follows: the job is over")
        .refuses(404, "No such job");
    Routes::default().get("/jobs/{jobID}/events", events, events_of)
}

/// The newest events of runs to which somebody listens.
#[derive(Debug, Default)]
pub(crate) struct Tails(Mutex<VecDeque<Arc<Tail>>>);

/// The newest events of one run.
#[derive(Debug)]
struct Tail {
    run: RunId,
    /// One looks at a time, and all see what it found.
    held: tokio::sync::Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The number of the event before the first that is held.
    before: usize,
    lines: VecDeque<Bytes>,
    is_over: bool,
    looked: Option<Instant>,
}

impl Tails {
    fn of(&self, run: &RunId) -> Arc<Tail> {
        let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = tails.iter().position(|tail| tail.run == *run)
            && let Some(tail) = tails.remove(at)
        {
            tails.push_back(Arc::clone(&tail));
            return tail;
        }
        if tails.len() >= TAILS {
            tails.pop_front();
        }
        let tail = Arc::new(Tail { run: run.clone(), held: tokio::sync::Mutex::default() });
        tails.push_back(Arc::clone(&tail));
        tail
    }
}

/// What follows an event, as far as it is known.
#[derive(Debug)]
struct Found {
    lines: Vec<Bytes>,
    /// Whether nothing follows them.
    is_over: bool,
}

impl Tail {
    /// What follows the first `after` events of the log. `told` is how many there are, as far as the one
    /// who listens was told.
    async fn after(&self, after: usize, told: usize, store: &dyn RunStore) -> Option<Found> {
        let mut held = self.held.lock().await;
        let known = held.before + held.lines.len();
        let is_old = held.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if !held.is_over && (told > known || is_old) {
            if held.looked.is_none() {
                // The newest alone: who wants those before them reads the log.
                held.before = told.checked_sub(TAIL).filter(|_| told < usize::MAX).unwrap_or_default();
            }
            held.looked = Some(Instant::now());
            held.read(&self.run, store).await?;
        }
        if after >= held.before {
            let from = (after - held.before).min(held.lines.len());
            let lines: Vec<Bytes> = held.lines.iter().skip(from).take(AT_A_TIME).cloned().collect();
            let is_over = held.is_over && from + lines.len() == held.lines.len();
            return Some(Found { lines, is_over });
        }
        drop(held);
        // Behind what is held: from the log, for this one alone.
        let more = store.load_part(&self.run, after, AT_A_TIME).await.ok()?;
        let some = more.iter().enumerate();
        let lines: Vec<Bytes> = some.map(|(at, event)| line(&self.run, after + at + 1, event)).collect();
        Some(Found { is_over: false, lines })
    }
}

impl Held {
    /// Reads on to the end of the log, a piece at a time.
    async fn read(&mut self, run: &RunId, store: &dyn RunStore) -> Option<()> {
        loop {
            let known = self.before + self.lines.len();
            let more = store.load_part(run, known, AT_A_TIME).await.ok()?;
            self.put(run, known, &more);
            if more.len() < AT_A_TIME {
                return Some(());
            }
        }
    }

    fn put(&mut self, run: &RunId, known: usize, more: &[RunEvent]) {
        for (at, event) in more.iter().enumerate() {
            if self.lines.len() >= TAIL {
                self.lines.pop_front();
                self.before += 1;
            }
            self.lines.push_back(line(run, known + at + 1, event));
            self.is_over |= matches!(event.event, Event::Finished { .. });
        }
    }
}

/// An event on the wire, with its line for people.
fn line(run: &RunId, number: usize, event: &RunEvent) -> Bytes {
    let mut data = event::json(run.as_str(), event);
    data["text"] = event::told(&event.event).into();
    Bytes::from(format!("id: {number}\nevent: {}\ndata: {data}\n\n", event.event.name()))
}

async fn events_of(
    State(app): State<Arc<App>>,
    Segments(job): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = run_id(&job)?;
    let summary = match app.runner.summary(&run).await {
        Err(RunStoreError::NoRun(run)) => return Err(Problem::no_job(run.as_str())),
        found => found.map_err(|error| Problem::of_history(&StepError::from(error)))?,
    };
    let last = match headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default().trim()) {
        None | Some("") => 0,
        Some(text) => text.parse::<usize>().map_err(|_| {
            Problem::wrong(
                "the events cannot be given",
                vec![Wrong::new("Last-Event-ID", "a number of an event is wanted")],
            )
        })?,
    };
    // A browser would come again for ever to one that only closes.
    if summary.finished.is_some() && last >= summary.events {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let listener = Listener {
        tail: app.tails.of(&run),
        changes: app.runner.changes(),
        told: summary.events,
        app,
        last,
        is_over: false,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let bytes = listener.next().await?;
        Some((Ok::<Bytes, Infallible>(bytes), listener))
    });
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/event-stream"),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        // Proxies that collect answers would hold events back.
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// One who listens to a run.
struct Listener {
    app: Arc<App>,
    tail: Arc<Tail>,
    changes: broadcast::Receiver<Arc<Change>>,
    /// The number of the last event that it was sent.
    last: usize,
    /// How many there are, as far as it was told.
    told: usize,
    is_over: bool,
}

impl Listener {
    /// What is sent next; none where nothing follows, or the server stops: the client comes again then,
    /// with the number of the last event that it has.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let silent_until = Instant::now() + KEEP_ALIVE;
        loop {
            let store = Arc::clone(self.app.runner.store());
            // A log that cannot be read now ends the answer; the client comes again.
            let found = self.tail.after(self.last, self.told, &*store).await?;
            if !found.lines.is_empty() {
                self.last += found.lines.len();
                self.is_over = found.is_over;
                return Some(found.lines.concat().into());
            }
            if found.is_over {
                return None;
            }
            if Instant::now() >= silent_until {
                return Some(Bytes::from_static(b": still here\n\n"));
            }
            self.told(silent_until).await?;
        }
    }

    /// Waits until something happened in the run, or it is time to look.
    async fn told(&mut self, until: Instant) -> Option<()> {
        let look = until.min(Instant::now() + LOOK);
        loop {
            let told = tokio::select! {
                told = timeout_at(look, self.changes.recv()) => told,
                () = self.app.stop.cancelled() => return None,
            };
            match told {
                Ok(Ok(change)) if change.run == self.tail.run => {
                    self.told = self.told.max(change.events);
                    return Some(());
                }
                Ok(Ok(_)) => {}
                // It did not keep up: the log tells.
                Ok(Err(RecvError::Lagged(_))) => {
                    self.told = usize::MAX;
                    return Some(());
                }
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some(()),
            }
        }
    }
}
