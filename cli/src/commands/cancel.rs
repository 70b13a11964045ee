use clap::Args;
use frazil_engine::{
    context::{Clock, SystemClock},
    data::RunId,
    event::RunStatus,
    lock::{FileLock, run_lock},
    scheduler::{LOOK, Stop, stop},
    step::{ErrorKind, StepError},
    store::{RunQuery, RunStore, RunSummary, SqliteStore},
};
use serde_json::json;

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render,
    session::{Session, history, no_run, run_id, runtime},
};

/// Asks a run to stop.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The run, as `frazil runs` lists it
    #[arg(value_name = "RUN")]
    run: String,
    /// Why, for those who look at the run later
    #[arg(long, value_name = "TEXT", default_value = "told to stop by `frazil cancel`")]
    reason: String,
    /// Returns at once instead of waiting until it has settled
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    format: FormatArg,
}

impl Cancel {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let id = run_id(&self.run)?;
        runtime()?.block_on(async {
            let refused = |message: String| StepError::permanent(ErrorKind::Refused, message);
            found(&session, &self.run).await?;
            let store = SqliteStore::open(session.state()).await.map_err(StepError::from)?;
            let told = stop(session.state(), &store, &SystemClock, &id, &self.reason).await?;
            match told.last().map(|(_, stopped)| *stopped) {
                Some(Stop::Finished(status)) => {
                    return Err(refused(format!("run {id} is {} already", status.name())).into());
                }
                Some(Stop::Dropped) | None => return self.tell(&id, RunStatus::Cancelled.name()),
                Some(Stop::Dead) => {
                    let error = refused(format!("the process of run {id} is gone"));
                    return Err(error
                        .help("the next run of its pipeline settles what it had written")
                        .into());
                }
                Some(Stop::Asked { at_work: false }) => {
                    return self.tell(&id, "stops when its server runs again");
                }
                Some(Stop::Asked { at_work: true }) => {}
            }
            if self.no_wait {
                return Ok(Exit::Done);
            }
            let lock = run_lock(session.state(), &id);
            while FileLock::is_held(&lock)? {
                SystemClock.sleep(LOOK).await;
            }
            let status = found(&session, &self.run).await?.finished;
            let status = status.map_or("dead", |(status, _)| status.name());
            self.tell(&id, status)
        })
    }

    fn tell(&self, run: &RunId, status: &str) -> anyhow::Result<Exit> {
        render::out(&match self.format.format {
            Format::Human => format!("{run}: {status}\n"),
            Format::Json => {
                format!("{}\n", json!({ "frazil": 1, "type": "run", "run": run, "status": status }))
            }
        })?;
        Ok(Exit::Done)
    }
}

async fn found(session: &Session, name: &str) -> anyhow::Result<RunSummary> {
    let none = || no_run(name);
    let store = history(session).await?.ok_or_else(none)?;
    let runs = store.list(&RunQuery::default()).await.map_err(StepError::from)?;
    Ok(runs.into_iter().find(|run| run.run.as_str() == name).ok_or_else(none)?)
}
