//! `logs`: the run log as lines.

use clap::Args;
use frazil_engine::{
    context::{Clock, SystemClock},
    event::{self, Event, RunEvent},
    lock::{FileLock, run_lock},
    scheduler::LOOK,
    step::StepError,
    store::{RunStore, RunStoreError},
};

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render,
    session::{Session, history, no_run, run_id, runtime},
};

/// Prints what happened in a run.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The run, as `frazil runs` lists it
    #[arg(value_name = "RUN")]
    run: String,
    /// Goes on until the run has finished
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    format: FormatArg,
}

impl Logs {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let run = run_id(&self.run)?;
        runtime()?.block_on(async {
            let none = || no_run(run.as_str());
            let store = history(&session).await?.ok_or_else(none)?;
            let lock = run_lock(session.state(), &run);
            let (mut seen, mut served) = (0, false);
            loop {
                // Looked at first: what a process wrote before it let go of the lock is read then.
                let at_work = FileLock::is_held(&lock)?;
                let events = match store.load_after(&run, seen).await {
                    Err(RunStoreError::NoRun(_)) => return Err(none().into()),
                    loaded => loaded.map_err(StepError::from)?,
                };
                seen += events.len();
                served |= events.iter().any(|event| {
                    matches!(&event.event, Event::Accepted(accepted) if accepted.origin.cause.is_served())
                });
                events.iter().try_for_each(|event| self.print(run.as_str(), event))?;
                let finished = |event: &RunEvent| matches!(event.event, Event::Finished { .. });
                if !self.follow || events.last().is_some_and(finished) {
                    return Ok(Exit::Done);
                }
                // A server begins what waits, and goes on with what it had begun.
                if !at_work && !served {
                    render::note(&format!(
                        "the process of run {run} is gone: the next run of its pipeline settles what it had written\n"
                    ))?;
                    return Ok(Exit::Done);
                }
                SystemClock.sleep(LOOK).await;
            }
        })
    }

    fn print(&self, run: &str, event: &RunEvent) -> std::io::Result<()> {
        render::out(&match self.format.format {
            Format::Human => {
                format!("{}  {}\n", event.at.format("%Y-%m-%d %H:%M:%S%.3f"), event::told(&event.event))
            }
            Format::Json => format!("{}\n", event::json(run, event)),
        })
    }
}
