use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use frazil_engine::scheduler::Cancel;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Mutex,
};

use crate::{exit::Exit, render};

/// Ctrl-C and SIGTERM: the first tells the run to settle, the second ends the process.
pub(crate) struct Signals {
    cancel: Cancel,
    listening: Mutex<(Signal, Signal)>,
    terminated: Arc<AtomicBool>,
}

impl Signals {
    pub(crate) fn listen(cancel: Cancel) -> std::io::Result<Self> {
        let listening = Mutex::new((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?));
        Ok(Self { cancel, listening, terminated: Arc::default() })
    }

    /// Does `work` while listening.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut listening = self.listening.lock().await;
        loop {
            let (interrupt, terminate) = &mut *listening;
            let exit = tokio::select! {
                done = &mut work => return done,
                _ = interrupt.recv() => Exit::Interrupted,
                _ = terminate.recv() => Exit::Terminated,
            };
            if self.cancel.token.is_cancelled() {
                // Whatever is cut off here is settled by the next run.
                std::process::exit(i32::from(exit.code()));
            }
            self.terminated.store(exit == Exit::Terminated, Ordering::Relaxed);
            let name = if exit == Exit::Terminated { "SIGTERM" } else { "Ctrl-C" };
            self.cancel.cancel(&format!("told to stop by {name}"));
            drop(render::note(&format!("{name}: keeping what is whole; once more to stop at once\n")));
        }
    }

    /// The exit code that the signal asks for.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.cancel.token.is_cancelled().then(|| {
            if self.terminated.load(Ordering::Relaxed) { Exit::Terminated } else { Exit::Interrupted }
        })
    }
}
