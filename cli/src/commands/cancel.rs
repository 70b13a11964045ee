use clap::Args;
use frazil_engine::{
    context::{Clock, SystemClock},
    data::RunId,
    event::{RunState, RunStatus},
    lock::{FileLock, ask_to_stop, run_lock},
    scheduler::{LOOK, drop_queued},
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
            let run = found(&session, &self.run).await?;
            if let Some((status, _)) = run.finished {
                return Err(refused(format!("run {id} is {} already", status.name())).into());
            }
            let lock = run_lock(session.state(), &id);
            if run.is_queued() {
                let store = SqliteStore::open(session.state()).await.map_err(StepError::from)?;
                let status = RunStatus::Cancelled;
                if drop_queued(&id, &store, &SystemClock, status, &self.reason).await? {
                    return self.tell(&id, status.name());
                }
            }
            if !FileLock::is_held(&lock)? {
                if is_served(&session, &id).await? {
                    ask_to_stop(session.state(), &id, &self.reason)?;
                    return self.tell(&id, "stops when its server runs again");
                }
                let error = refused(format!("the process of run {id} is gone"));
                return Err(error.help("the next run of its pipeline settles what it had written").into());
            }
            ask_to_stop(session.state(), &id, &self.reason)?;
            if self.no_wait {
                return Ok(Exit::Done);
            }
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

/// Whether a run is one of a server, which goes on with it.
async fn is_served(session: &Session, id: &RunId) -> anyhow::Result<bool> {
    let Some(store) = history(session).await? else { return Ok(false) };
    let events = store.load(id).await.map_err(StepError::from)?;
    let accepted = RunState::fold(&events)?.accepted;
    Ok(accepted.is_some_and(|accepted| accepted.origin.cause.is_served()))
}

async fn found(session: &Session, name: &str) -> anyhow::Result<RunSummary> {
    let none = || no_run(name);
    let store = history(session).await?.ok_or_else(none)?;
    let runs = store.list(&RunQuery::default()).await.map_err(StepError::from)?;
    Ok(runs.into_iter().find(|run| run.run.as_str() == name).ok_or_else(none)?)
}
