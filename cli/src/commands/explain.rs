//! `explain`: why a dataset and its periods are as they are, from the stores and the run history.

mod facts;
mod period;

use chrono::{DateTime, Utc};
use clap::Args;
use frazil_engine::data::PeriodText;

use crate::{
    Format, FormatArg, Globals,
    exit::{Exit, Usage},
    render,
    session::{Params, Session, runtime},
};
use facts::Facts;

/// Periods that are explained one by one; more are a question for `plan`.
const MOST: usize = 400;

/// Says why a dataset is as it is.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The dataset
    #[arg(value_name = "DATASET")]
    dataset: String,
    /// A period of it, or a coarser one for all that lie in it
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    #[command(flatten)]
    params: Params,
    /// The instant that decides what exists by now
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<DateTime<Utc>>,
    #[command(flatten)]
    format: FormatArg,
}

impl Explain {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let info = session.project.datasets.get(self.dataset.as_str());
        let info = info.ok_or_else(|| session.unknown("dataset", &self.dataset))?;
        let asked = self.period.as_deref().map(str::parse::<PeriodText>).transpose();
        let asked = asked.map_err(|error| Usage(error.to_string()))?;
        let instant = self.as_of.unwrap_or_else(Utc::now);
        let facts = runtime()?.block_on(async {
            let mut facts = Facts::of(&session, info, &self.params, instant).await?;
            if let Some(asked) = asked {
                let periods = facts.periods(asked)?;
                if periods.len() > MOST {
                    let message =
                        format!("that is {} periods, and at most {MOST} are explained", periods.len());
                    return Err(Usage(format!(
                        "{message}\nhelp: `frazil plan {}` says what is to be done",
                        info.id
                    ))
                    .into());
                }
                facts.explain(&session, &periods).await?;
            }
            anyhow::Ok(facts)
        })?;
        render::out(&match (self.format.format, asked) {
            (Format::Human, None) => facts.human(),
            (Format::Human, Some(_)) => facts.explained.iter().map(|period| period.human(&facts)).collect(),
            (Format::Json, None) => format!("{}\n", facts.json()),
            (Format::Json, Some(_)) => {
                facts.explained.iter().map(|period| format!("{}\n", period.json(&facts))).collect()
            }
        })?;
        Ok(Exit::Done)
    }
}
