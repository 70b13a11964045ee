//! `retry`: a new run of what failed in another one.

use std::{collections::BTreeMap, sync::Arc};

use clap::Args;
use frazil_engine::{
    data::{Backfill, NodeId, PeriodText, RunId},
    event::{Accepted, Phase, RunState, UnitHead, UnitState},
    lock::{FileLock, run_lock},
    project::Cascade,
    step::{ErrorKind, StepError},
    store::{RunStore, RunStoreError},
};

use super::run::{Job, Manner};
use crate::{
    Globals,
    exit::{Exit, Usage},
    render,
    session::{Selected, Session, history, no_run, run_id, runtime},
};

/// Runs again what failed in a run.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The run, as `frazil runs` lists it
    #[arg(value_name = "RUN")]
    run: String,
    /// Only this step of it, with what it needs; may be repeated
    #[arg(long, value_name = "STEP")]
    step: Vec<String>,
    /// Of the periods only this one, or those that lie in it
    #[arg(long, value_name = "PERIOD")]
    item: Option<String>,
    #[command(flatten)]
    manner: Manner,
}

impl Retry {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let run = run_id(&self.run)?;
        let state = runtime()?.block_on(load(&session, &run))?;
        let accepted = state.accepted.as_ref().ok_or_else(|| no_run(run.as_str()))?;
        let at_work = FileLock::is_held(&run_lock(session.state(), &run))?;
        // What is a server's is begun, and gone on with, by it.
        if state.finished.is_none() && (at_work || accepted.origin.cause.is_served()) {
            let how = if at_work { "is at work" } else { "waits for its server" };
            return Err(StepError::permanent(ErrorKind::Refused, format!("run {run} {how}"))
                .help(format!("`frazil logs -f {run}` follows it, `frazil cancel {run}` stops it"))
                .into());
        }
        let names = self.names(&state, accepted)?;
        if names.is_empty() {
            render::note(&format!("nothing failed in run {run}\n"))?;
            return Ok(Exit::Done);
        }
        // What hangs from what failed was made without it, or not at all.
        let all = accepted.units.iter().filter(|_| self.step.is_empty());
        let among: Vec<NodeId> = all.map(|head| head.unit.clone()).collect();
        let mut job = job(&session, accepted, &names, &among)?;
        let mut backfill = accepted.backfill.clone();
        if let Some(item) = &self.item {
            item.parse::<PeriodText>().map_err(|error| Usage(error.to_string()))?;
            let asked = backfill.unwrap_or_default();
            backfill = Some(Backfill { from: self.item.clone(), to: self.item.clone(), ..asked });
        }
        job.scope.backfill = backfill.map(Arc::new);
        self.manner.carry_out(&session, vec![job])
    }

    /// The units that are done again.
    fn names(&self, state: &RunState, accepted: &Accepted) -> anyhow::Result<Vec<NodeId>> {
        let failed = |head: &&UnitHead| !state.units.get(&head.unit).is_some_and(is_done);
        let failed: Vec<&UnitHead> = accepted.units.iter().filter(failed).collect();
        if self.step.is_empty() {
            return Ok(failed.iter().map(|head| head.unit.clone()).collect());
        }
        let find = |step: &String| {
            let has = |head: &&&UnitHead| head.nodes.iter().any(|(node, _)| node.as_str() == step);
            let found = failed.iter().find(has).map(|head| head.unit.clone());
            found.ok_or_else(|| {
                let failed: Vec<String> = failed.iter().map(|head| format!("`{}`", head.unit)).collect();
                let help = if failed.is_empty() { "nothing".to_owned() } else { failed.join(", ") };
                let message = format!("`{step}` did not fail in run {}", self.run);
                Usage(format!("{message}\nhelp: what failed there: {help}")).into()
            })
        };
        self.step.iter().map(find).collect()
    }
}

/// Whether nothing of a unit is left to do.
fn is_done(unit: &UnitState) -> bool {
    unit.phase == Phase::Done && unit.error.is_none()
}

async fn load(session: &Session, run: &RunId) -> anyhow::Result<RunState> {
    let none = || no_run(run.as_str());
    let store = history(session).await?.ok_or_else(none)?;
    match store.load(run).await {
        Err(RunStoreError::NoRun(_)) => Err(none().into()),
        loaded => Ok(RunState::fold(&loaded.map_err(StepError::from)?)?),
    }
}

/// What failed as the files have it now, with the parameters and the instant of then.
fn job(session: &Session, accepted: &Accepted, names: &[NodeId], among: &[NodeId]) -> anyhow::Result<Job> {
    let stage = Cascade::of(&session.project).units(&accepted.pipeline, names, among).map_err(|unknown| {
        let message = format!("`{}` is not in the files any more", unknown.0);
        let help = format!("`frazil run {}` does what is missing", accepted.pipeline);
        StepError::permanent(ErrorKind::Refused, message).help(help)
    })?;
    let scope = if stage.pipeline.digest == accepted.digest {
        session.scope_of(&accepted.pipeline, accepted.params.clone(), accepted.instant)
    } else {
        // Another state of the file may take other parameters.
        let given: BTreeMap<_, _> =
            accepted.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        session.scope(&stage.pipeline, &given, accepted.instant)?
    };
    let selected = Selected { pipeline: Arc::clone(&stage.pipeline), units: stage.units };
    Ok(Job { selected, scope, plan: None })
}
