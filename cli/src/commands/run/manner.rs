//! How runs are carried out: locks, what died before, one after the other, what became of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::Utc;
use clap::Args;
use frazil_engine::{
    context::{Pools, Scope, SystemClock},
    data::{DatasetId, RunId},
    event::{Origin, RunState},
    executor::{LocalExecutor, Watch},
    lock::{FileLock, forget_stop, run_lock, scratch},
    pipeline::Overlap,
    plan::{self, Foreseen, PipelinePlan},
    scheduler::{self, Cancel, Services},
    step::StepError,
    store::{SqliteStore, prune},
};

use super::{overlap, report};
use crate::{
    Format, FormatArg,
    exit::Exit,
    render::{self, progress::Progress},
    session::{Selected, Session, runtime},
    signals::Signals,
};

/// How runs are carried out.
#[derive(Debug, Args)]
pub(crate) struct Manner {
    /// What becomes of this run where another of the pipeline is at work
    #[arg(long, value_name = "POLICY", default_value = "queue", value_parser = overlap::policies())]
    overlap: Overlap,
    /// Refuses at once where another run of the pipeline is at work, instead of waiting for it
    #[arg(long, conflicts_with = "overlap")]
    no_wait: bool,
    /// How long a run that is told to stop may take to keep what is whole, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = scheduler::GRACE.as_secs())]
    grace: u64,
    #[command(flatten)]
    format: FormatArg,
}

/// A pipeline that is about to run.
pub(crate) struct Job {
    pub(crate) selected: Selected,
    pub(crate) scope: Scope,
    /// What must still hold.
    pub(crate) plan: Option<PipelinePlan>,
}

/// What became of it.
struct Ran {
    run: RunId,
    state: RunState,
}

impl Manner {
    /// How it prints.
    pub(crate) const fn format(&self) -> Format {
        self.format.format
    }

    /// Runs the jobs one after the other, and tells what became of them.
    pub(crate) fn carry_out(&self, session: &Session, jobs: Vec<Job>) -> anyhow::Result<Exit> {
        let cancel = Cancel::new();
        let runtime = runtime()?;
        let exit = runtime.block_on(async {
            let signals = Signals::listen(cancel.clone())?;
            let work = self.work(session, jobs, &cancel);
            let result = signals.during(work).await;
            match (result, signals.exit()) {
                (Ok(Exit::Done) | Err(_), Some(exit)) if cancelled(&cancel) => Ok(exit),
                (result, _) => result,
            }
        });
        // What blocks still, such as a decode of a run that was stopped, is not waited for.
        runtime.shutdown_timeout(Duration::from_secs(1));
        exit
    }

    async fn work(&self, session: &Session, mut jobs: Vec<Job>, cancel: &Cancel) -> anyhow::Result<Exit> {
        let locks = self.locks(session, &mut jobs, cancel).await?;
        let store = SqliteStore::open(session.state()).await.map_err(StepError::from)?;
        let gone =
            prune(&store, session.project.config.history, Utc::now()).await.map_err(StepError::from)?;
        tracing::debug!(runs = gone.len(), "forgot old runs");
        let progress = Arc::new(Progress::new(self.format.format));
        let services = Services {
            store: Arc::new(store),
            registry: Arc::clone(&session.registry),
            executor: Arc::new(LocalExecutor::new(Arc::clone(&session.registry))),
            clock: Arc::new(SystemClock),
            pools: Pools::shared(&session.project.config.pools, session.state()),
            watch: Arc::<Progress>::clone(&progress) as Arc<dyn Watch>,
        };
        for job in &jobs {
            settle(session, job, &services, cancel).await?;
            still_holds(session, job).await?;
        }
        let mut ran: Vec<Ran> = Vec::new();
        for job in jobs {
            let follows =
                |before: &Ran| !before.state.finished.is_some_and(|(it, _)| it.stops_what_follows());
            if cancelled(cancel) || !ran.last().is_none_or(follows) {
                break;
            }
            ran.push(self.one(session, job, &services, cancel, &progress).await?);
        }
        drop(locks);
        progress.done();
        let written = ran.iter().flat_map(|ran| report::written(&ran.state)).collect::<BTreeMap<_, _>>();
        self.report(session, &ran, &written).await?;
        Ok(report::exit(ran.iter().map(|ran| &ran.state)))
    }

    /// Locks of all pipelines, taken in the order of their names so that two commands never wait
    /// for each other. Jobs that are left out are taken from the list.
    async fn locks(
        &self,
        session: &Session,
        jobs: &mut Vec<Job>,
        cancel: &Cancel,
    ) -> anyhow::Result<Vec<FileLock>> {
        let overlap = if self.no_wait { Overlap::Skip } else { self.overlap };
        let mut ids: Vec<_> = jobs.iter().map(|job| job.selected.pipeline.id.clone()).collect();
        ids.sort();
        ids.dedup();
        let mut locks = Vec::new();
        for id in ids {
            match overlap::lock(overlap, session, &id, cancel).await? {
                Some(lock) => locks.push(lock),
                None if self.no_wait => return Err(overlap::refusal(&id).into()),
                None => {
                    overlap::tell_left_out(&id);
                    jobs.retain(|job| job.selected.pipeline.id != id);
                }
            }
        }
        Ok(locks)
    }

    async fn one(
        &self,
        session: &Session,
        job: Job,
        services: &Services,
        cancel: &Cancel,
        progress: &Progress,
    ) -> anyhow::Result<Ran> {
        let id = scheduler::run_id(services.clock.now());
        // The lock is there before the run is: a run without one is dead.
        let lock = FileLock::try_take(&run_lock(session.state(), &id))?;
        let run = scheduler::Run {
            id: id.clone(),
            scope: job.scope,
            pipeline: job.selected.pipeline,
            units: job.selected.units,
            cancel: cancel.clone(),
            grace: Duration::from_secs(self.grace),
            origin: Origin::default(),
            scratch: scratch(session.state(), &id),
        };
        progress.begin(&run);
        let state = tokio::select! {
            state = scheduler::start(&run, services) => state.map_err(StepError::from)?,
            never = overlap::listen(session, &id, cancel) => match never {},
        };
        forget_stop(session.state(), &id);
        if let Some(lock) = lock {
            lock.remove();
        }
        Ok(Ran { run: id, state })
    }

    async fn report(
        &self,
        session: &Session,
        ran: &[Ran],
        written: &BTreeMap<DatasetId, frazil_engine::data::Snapshot>,
    ) -> anyhow::Result<()> {
        let Some(first) = session.project.pipelines.keys().next() else { return Ok(()) };
        let scope = session.scope_of(first, serde_json::Map::new(), Utc::now());
        let rows = report::standing(session, &scope, written).await;
        match self.format.format {
            Format::Human => {
                let states: Vec<_> = ran.iter().map(|ran| (&ran.run, &ran.state)).collect();
                render::note(&report::notes(&states))?;
                render::out(&report::human(&rows))?;
            }
            Format::Json => {
                render::out(&report::json(&rows, ran.iter().map(|ran| (&ran.run, &ran.state))))?;
            }
        }
        Ok(())
    }
}

fn cancelled(cancel: &Cancel) -> bool {
    cancel.token.is_cancelled()
}

/// Settles what died, so that what it had written costs no fetch.
async fn settle(session: &Session, job: &Job, services: &Services, cancel: &Cancel) -> anyhow::Result<()> {
    let pipeline = &job.selected.pipeline;
    let settled = scheduler::settle_dead(session.state(), pipeline, &job.scope, services, cancel).await?;
    for dead in settled {
        let mut text = format!("{}: run {} had died", pipeline.id, dead.run);
        if dead.committed > 0 {
            text.push_str(&format!(
                ", {} that it had written {} committed",
                if dead.committed == 1 {
                    "a batch".to_owned()
                } else {
                    format!("{} batches", dead.committed)
                },
                if dead.committed == 1 { "is" } else { "are" }
            ));
        }
        for (unit, why) in dead.discarded {
            text.push_str(&format!("; what `{unit}` had written is left: {why}"));
        }
        render::note(&format!("{text}\n"))?;
    }
    Ok(())
}

/// Refuses a plan that stands on other ground.
async fn still_holds(session: &Session, job: &Job) -> Result<(), StepError> {
    let Some(planned) = &job.plan else { return Ok(()) };
    let Selected { pipeline, units } = &job.selected;
    if pipeline.digest == planned.digest {
        // Heads are compared, and nothing that is foreseen moves one.
        let nodes = plan::walk(pipeline, units, &session.registry, &job.scope, &Foreseen::default()).await;
        planned.still_holds(&PipelinePlan::of(pipeline, units, (*job.scope.params).clone(), nodes))
    } else {
        planned.still_holds(&PipelinePlan::of(pipeline, units, (*job.scope.params).clone(), Vec::new()))
    }
}
