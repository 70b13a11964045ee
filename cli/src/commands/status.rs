//! `status`: the newest period of each dataset, what it should be, and how its last run ended.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use frazil_engine::{data::Period, dataset::DatasetInfo};
use frazil_server::standing::{NewestRuns, Standing, Stored, newest_runs};
use serde_json::Map;

use super::plan::exit_of;
use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render::{self, table},
    session::{Session, history, runtime},
};

/// Shows how datasets stand.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Datasets; all where none is named
    #[arg(value_name = "DATASET")]
    datasets: Vec<String>,
    /// Only those whose first missing period is older than `late` of the dataset allows; ends with 1
    /// where there is one
    #[arg(long)]
    late: bool,
    /// The instant that decides what should exist by now
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<DateTime<Utc>>,
    #[command(flatten)]
    format: FormatArg,
}

impl Status {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let instant = self.as_of.unwrap_or_else(Utc::now);
        let infos = self.infos(&session)?;
        let mut standings = runtime()?.block_on(standings(&session, &infos, instant))?;
        if self.late {
            // What cannot be read may be late.
            standings.retain(|standing| standing.is_late() || standing.stored.is_err());
        }
        match self.format.format {
            Format::Human => {
                if !standings.is_empty() {
                    let head =
                        ["dataset", "newest", "expected", "state", "last run", "run"].map(str::to_owned);
                    let rows = standings.iter().map(|standing| row(standing, instant));
                    let rows: Vec<_> = std::iter::once(head.to_vec()).chain(rows).collect();
                    render::out(&table::table(&rows))?;
                }
            }
            Format::Json => {
                standings.iter().try_for_each(|one| render::out(&format!("{}\n", one.json(instant))))?;
            }
        }
        self.exit(&standings)
    }

    fn infos(&self, session: &Session) -> anyhow::Result<Vec<Arc<DatasetInfo>>> {
        if self.datasets.is_empty() {
            return Ok(session.project.datasets.values().cloned().collect());
        }
        let find = |name: &String| {
            let info = session.project.datasets.get(name.as_str());
            Ok(Arc::clone(info.ok_or_else(|| session.unknown("dataset", name))?))
        };
        self.datasets.iter().map(find).collect()
    }

    fn exit(&self, standings: &[Standing]) -> anyhow::Result<Exit> {
        let mut exit = if self.late && !standings.is_empty() { Exit::Failed } else { Exit::Done };
        for standing in standings {
            let Err(error) = &standing.stored else { continue };
            let help = error.failure().and_then(|failure| failure.help.as_ref());
            let help = help.map_or_else(String::new, |help| format!("help: {help}\n"));
            render::note(&format!("error: {}: {error}\n{help}", standing.info.id))?;
            exit = exit_of(error);
        }
        Ok(exit)
    }
}

/// How each of the datasets stands at an instant.
async fn standings(
    session: &Session,
    infos: &[Arc<DatasetInfo>],
    instant: DateTime<Utc>,
) -> anyhow::Result<Vec<Standing>> {
    let Some(any) = session.project.pipelines.keys().next() else { return Ok(Vec::new()) };
    let scope = session.scope_of(any, Map::new(), instant);
    let runs = match history(session).await? {
        Some(store) => newest_runs(&session.project, &store).await?,
        None => NewestRuns::default(),
    };
    let mut standings = Vec::new();
    for info in infos {
        let stored = Stored::look(info, &scope).await;
        standings.push(Standing::of(info, stored, &session.project, &runs, instant));
    }
    Ok(standings)
}

fn row(standing: &Standing, instant: DateTime<Utc>) -> Vec<String> {
    let period = |period: Option<Period>| period.map_or_else(|| "-".to_owned(), |p| p.to_string());
    let newest = standing.stored.as_ref().ok().and_then(|stored| stored.newest);
    let run = standing.run.as_ref();
    vec![
        standing.info.id.to_string(),
        period(newest),
        period(standing.due.and_then(|due| due.expected)),
        standing.state(instant),
        run.map_or_else(
            || "-".to_owned(),
            |(run, word)| {
                let at = run.finished.map_or(run.accepted, |(_, at)| at);
                format!("{word} {}", at.format("%Y-%m-%d %H:%M:%S"))
            },
        ),
        run.map_or_else(|| "-".to_owned(), |(run, _)| run.run.to_string()),
    ]
}
