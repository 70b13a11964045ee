//! One server at a time works on a state folder: another stands by, and takes its place when it is gone.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use frazil_engine::{
    context::{Clock, SystemClock},
    lock::{FileLock, serve_lock},
    scheduler::Cancel,
    step::StepError,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{Format, render};

/// How long the port of a server that was killed may be taken still.
const PORT: Duration = Duration::from_secs(5);

/// How often it is tried.
const AGAIN: Duration = Duration::from_millis(50);

/// A turn on a state folder; the system lets go of it when the process dies.
pub(super) struct Turn {
    pub(super) lock: FileLock,
    /// Whether another server had it before.
    pub(super) has_waited: bool,
}

impl Turn {
    /// Waits for the turn, and says so; none where the process is told to stop before it comes.
    pub(super) async fn take(state: &Path, format: Format, cancel: &Cancel) -> anyhow::Result<Option<Self>> {
        let mut has_waited = false;
        let waiting = || {
            has_waited = true;
            let said = match format {
                Format::Human => render::note(&format!(
                    "another server works on {}: standing by to take its place\n",
                    state.display()
                )),
                Format::Json => {
                    render::out(&format!("{}\n", json!({ "v": 1, "event": "standing-by", "state": state })))
                }
            };
            if let Err(error) = said {
                tracing::warn!(%error, "nobody reads what is printed");
            }
        };
        match FileLock::take(&serve_lock(state), &SystemClock, &cancel.token, waiting).await {
            Ok(lock) => Ok(Some(Self { lock, has_waited })),
            Err(StepError::Cancelled) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Listens on an address, where the one before may not have let go of it yet.
    pub(super) async fn listen(&self, address: SocketAddr) -> anyhow::Result<TcpListener> {
        let mut left = if self.has_waited { PORT } else { Duration::ZERO };
        loop {
            match TcpListener::bind(address).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && !left.is_zero() => {
                    SystemClock.sleep(AGAIN).await;
                    left = left.saturating_sub(AGAIN);
                }
                bound => return bound.with_context(|| format!("cannot listen on {address}")),
            }
        }
    }
}
