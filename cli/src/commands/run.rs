mod manner;
mod overlap;
mod report;

use std::{path::Path, sync::Arc};

use clap::Args;
use frazil_engine::{
    plan::PipelinePlan,
    step::{ErrorKind, StepError},
};

use crate::{
    Globals,
    exit::Exit,
    session::{Selected, Session, Terms, read_plan},
};

pub(super) use manner::{Job, Manner};

/// Runs pipelines, or what a plan lists.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Pipelines, datasets (the steps that they need), `name+` with all that hangs from it in other
    /// pipelines, `+name` with all that it needs of them, or one file written by `plan -o`
    #[arg(value_name = "SELECT|PLAN", required = true)]
    select: Vec<String>,
    #[command(flatten)]
    terms: Terms,
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
            self.terms.refuse_beside(name)?;
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
        let selected = session.select(&self.select)?;
        let scopes = self.terms.scopes(session, &selected, None)?;
        let of = |(selected, scope)| Job { selected, scope, plan: None };
        Ok(selected.into_iter().zip(scopes).map(of).collect())
    }
}
