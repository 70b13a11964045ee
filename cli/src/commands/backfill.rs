//! `backfill`: a range of periods, instead of what the pipeline asks for.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use frazil_engine::data::{Only, PeriodText};

use super::run::{Job, Manner};
use crate::{
    Globals,
    exit::{Exit, Usage},
    session::{Selected, Session, Terms},
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
    /// Which of them
    #[arg(long, value_name = "WHICH", default_value = "missing")]
    only: Which,
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
    /// Every period, what is final too
    All,
}

impl Backfill {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        self.range()?;
        let selected = session.select(&self.select)?;
        if !selected.iter().any(lists_periods) {
            return Err(Usage(
                "nothing that is selected lists periods: what is derived follows what it is made of\nhelp: name the dataset that it is made of, as in `frazil backfill chirps3_daily+`".to_owned(),
            )
            .into());
        }
        let only = match self.only {
            Which::Missing => Only::Missing,
            Which::All => Only::All,
        };
        let asked = Arc::new(frazil_engine::data::Backfill {
            from: self.from.clone(),
            to: self.to.clone(),
            only: Some(only),
        });
        let scopes = self.terms.scopes(&session, &selected, Some(&asked))?;
        let of = |(selected, scope)| Job { selected, scope, plan: None };
        let jobs = selected.into_iter().zip(scopes).map(of).collect();
        self.manner.carry_out(&session, jobs)
    }

    /// Refuses what is no range.
    fn range(&self) -> anyhow::Result<()> {
        let parse = |text: &Option<String>| {
            text.as_deref().map(str::parse::<PeriodText>).transpose().map_err(|e| Usage(e.to_string()))
        };
        if let (Some(from), Some(to)) = (parse(&self.from)?, parse(&self.to)?)
            && to.end <= from.start
        {
            return Err(Usage("the range ends before it begins: `--from` comes first".to_owned()).into());
        }
        Ok(())
    }
}

fn lists_periods(one: &Selected) -> bool {
    let nodes = one.units.iter().flat_map(|unit| one.pipeline.units[*unit].nodes());
    nodes.map(|node| &one.pipeline.nodes[node].uses).any(|uses| uses == "enumerate-periods")
}
