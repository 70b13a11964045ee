//! `backfill`: periods that are asked for by name, instead of what the pipeline asks for.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use frazil_engine::{
    context::Scope,
    data::{Backfill as Asked, Only},
    store::RunStore,
};
use frazil_server::backfill::{Span, lists_periods, only_failed, spans};

use super::{
    plan,
    run::{Job, Manner},
};
use crate::{
    Globals,
    exit::{Exit, Usage},
    render,
    session::{Selected, Session, Terms, history, runtime},
};

/// Runs what lies in a range of periods.
#[derive(Debug, Args)]
pub(crate) struct Backfill {
    /// Pipelines, datasets (the steps that they need), `name+` with all that hangs from it in other
    /// pipelines, `+name` with all that it needs of them
    #[arg(value_name = "SELECT", required = true)]
    select: Vec<String>,
    /// The first period; a coarser one means its first. Where the pipeline begins if none is said
    #[arg(long, value_name = "PERIOD")]
    from: Option<String>,
    /// The last period; a coarser one means its last inside. Where the pipeline ends if none is said
    #[arg(long, value_name = "PERIOD")]
    to: Option<String>,
    /// Only these periods: one, a coarser one for all that lie in it, or `FIRST..LAST`; several with
    /// commas or by saying it again
    #[arg(long, value_name = "PERIOD[..PERIOD]", value_delimiter = ',', conflicts_with_all = ["from", "to"])]
    period: Vec<String>,
    /// Which of them
    #[arg(long, value_name = "WHICH", default_value = "missing")]
    only: Which,
    /// In which order what is stored is done; what comes behind it follows in order of time
    #[arg(long, value_name = "ORDER", default_value = "oldest")]
    order: Order,
    /// Shows what would be done, and why, as `frazil plan` does, and does nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    manner: Manner,
}

/// Which periods of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// What holds no numbers, gaps of any age too
    Missing,
    /// Of those, the ones at which past runs failed, by the run history
    Failed,
    /// Every period, what is final or withdrawn too
    All,
}

/// Which periods of the axis come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// The oldest
    Oldest,
    /// The newest
    Newest,
}

impl Backfill {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        self.is_range()?;
        let mut selected = session.select(&self.select)?;
        if !selected.iter().any(lists_periods) {
            return Err(Usage(
                "nothing that is selected lists periods: what is derived follows what it is made of\nhelp: name the dataset that it is made of, as in `frazil backfill chirps3_daily+`".to_owned(),
            )
            .into());
        }
        let mut scopes = self.terms.scopes(&session, &selected, Some(&Arc::new(self.asked())))?;
        if self.only == Which::Failed {
            self.failed(&session, &mut selected, &mut scopes)?;
            if !selected.iter().any(lists_periods) {
                render::note("no period at which a run failed is missing still\n")?;
                return Ok(Exit::Done);
            }
        }
        if self.plan {
            let instant = scopes.first().map_or_else(|| self.terms.instant(), |scope| scope.instant);
            let file = plan::file(&session, &selected, &scopes, instant, false)?;
            plan::show(&file, self.manner.format())?;
            let mut nodes = file.pipelines.iter().flat_map(|pipeline| &pipeline.nodes);
            let error = nodes.find_map(|node| node.error.as_ref());
            return Ok(error.map_or(Exit::Done, plan::exit_of));
        }
        let of = |(selected, scope)| Job { selected, scope, plan: None };
        let jobs = selected.into_iter().zip(scopes).map(of).collect();
        self.manner.carry_out(&session, jobs)
    }

    fn asked(&self) -> Asked {
        let only = match self.only {
            Which::Missing | Which::Failed => Only::Missing,
            Which::All => Only::All,
        };
        Asked {
            from: self.from.clone(),
            to: self.to.clone(),
            among: self.period.clone(),
            only: Some(only),
            newest_first: self.order == Order::Newest,
        }
    }

    /// Asks each pipeline for what failed in it; those in which nothing did are left out.
    fn failed(
        &self,
        session: &Session,
        selected: &mut Vec<Selected>,
        scopes: &mut Vec<Scope>,
    ) -> anyhow::Result<()> {
        let runtime = runtime()?;
        let store = runtime.block_on(history(session))?;
        let store = store.as_ref().map(|store| store as &dyn RunStore);
        let asked = self.asked();
        let mut kept = Vec::new();
        for (one, mut scope) in std::mem::take(selected).into_iter().zip(std::mem::take(scopes)) {
            if let Some(asked) = runtime.block_on(only_failed(&asked, &one, store, &scope))? {
                scope.backfill = Some(Arc::new(asked));
                kept.push((one, scope));
            }
        }
        (*selected, *scopes) = kept.into_iter().unzip();
        Ok(())
    }

    /// Refuses what is no range.
    fn is_range(&self) -> anyhow::Result<()> {
        let spans = spans(&self.asked()).map_err(|error| Usage(error.to_string()))?;
        if spans.into_iter().any(Span::is_backwards) {
            return Err(Usage("the range ends before it begins: `--from` comes first".to_owned()).into());
        }
        Ok(())
    }
}
