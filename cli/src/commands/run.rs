mod manner;
mod overlap;
mod report;
mod signals;

use std::{path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use clap::Args;
use frazil_engine::{
    plan::PipelinePlan,
    step::{ErrorKind, StepError},
};

use crate::{
    Globals,
    exit::{Exit, Usage},
    session::{Params, Selected, Session, read_plan},
};

pub(super) use manner::{Job, Manner};
pub(super) use overlap::LOOK;

/// Runs pipelines, or what a plan lists.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Pipelines, datasets (the steps that they need), `name+` with all that hangs from it in other
    /// pipelines, `+name` with all that it needs of them, or one file written by `plan -o`
    #[arg(value_name = "SELECT|PLAN", required = true)]
    select: Vec<String>,
    #[command(flatten)]
    params: Params,
    /// The instant that decides what exists by now, as of a run that came late; now where none is said
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<DateTime<Utc>>,
    #[command(flatten)]
    manner: Manner,
}

impl Run {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let jobs = self.jobs(&session)?;
        self.manner.carry_out(&session, jobs)
    }

    fn jobs(&self, session: &Session) -> anyhow::Result<Vec<Job>> {
        let is_plan = |name: &str| Path::new(name).extension().is_some_and(|end| end == "json");
        if let [name] = self.select.as_slice()
            && is_plan(name)
        {
            if !self.params.is_empty() {
                let error = format!("the parameters are frozen in {name}; give them to `frazil plan`");
                return Err(Usage(error).into());
            }
            if self.as_of.is_some() {
                return Err(
                    Usage(format!("the instant is frozen in {name}; give it to `frazil plan`")).into()
                );
            }
            let file = read_plan(Path::new(name))?;
            let of = |plan: PipelinePlan| {
                let gone = || {
                    let error =
                        format!("the plan is stale: `{}` does not have these steps any more", plan.pipeline);
                    StepError::permanent(ErrorKind::Refused, error).help("make the plan again")
                };
                let pipeline = session.project.pipelines.get(&plan.pipeline).ok_or_else(gone)?;
                let units = plan.places(pipeline).ok_or_else(gone)?;
                let scope = session.scope_of(&plan.pipeline, plan.params.clone(), file.instant);
                let selected = Selected { pipeline: Arc::clone(pipeline), units };
                Ok(Job { selected, scope, plan: Some(plan) })
            };
            return file.pipelines.into_iter().map(of).collect();
        }
        let instant = self.as_of.unwrap_or_else(Utc::now);
        let selected = session.select(&self.select)?;
        self.params.are_for(&selected)?;
        let of = |one: &Selected| {
            let params = self.params.of(&one.pipeline, &selected)?;
            let scope = session.scope(&one.pipeline, &params, instant)?;
            Ok(Job { selected: one.clone(), scope, plan: None })
        };
        selected.iter().map(of).collect()
    }
}
