//! `status`: the newest period of each dataset, what it should be, and how its last run ended.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use frazil_engine::{
    context::Scope,
    data::{Period, PipelineId},
    dataset::{DatasetInfo, Due, TimeAxis},
    pipeline::PipelineNode,
    step::StepError,
    store::{RunQuery, RunStore, RunSummary},
};
use frazil_steps::cube::{self, UnderWay};
use serde_json::{Map, Value, json};

use super::{plan::exit_of, runs};
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

/// How one dataset stands.
struct Standing {
    info: Arc<DatasetInfo>,
    stored: Result<Stored, StepError>,
    /// None for a static dataset, and for one that cannot be read.
    due: Option<Due>,
    /// The pipeline that writes it; none for what is made elsewhere.
    pipeline: Option<PipelineId>,
    /// The newest run of that pipeline, and the word for how it is.
    run: Option<(RunSummary, &'static str)>,
}

/// What there is of a dataset.
struct Stored {
    /// Its newest period that holds values.
    newest: Option<Period>,
    /// Whether there is a cube at all.
    there: bool,
    /// The version that takes its place, where one is due.
    release: Option<UnderWay>,
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
                    let rows = standings.iter().map(|standing| standing.row(instant));
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
    let runs = newest_runs(session).await?;
    let mut standings = Vec::new();
    for info in infos {
        let mut stored = stored(info, &scope).await;
        let due = stored
            .as_ref()
            .ok()
            .and_then(|stored| Due::of(info, &session.project.datasets, stored.newest, instant));
        let writes = |node: &&PipelineNode| node.step.writes().is_some_and(|w| *w.dataset() == info.id);
        let mut all = session.project.pipelines.values();
        let writer = all.find_map(|pipeline| Some((pipeline, pipeline.nodes.iter().find(writes)?)));
        // What is derived is made again in one commit, unless its layout changes.
        if let (Ok(stored), false) = (&mut stored, writer.is_some_and(|(_, w)| w.uses == "append-commit")) {
            stored.release = stored.release.take().filter(|release| release.layout.is_some());
        }
        let pipeline = writer.map(|(pipeline, _)| pipeline.id.clone());
        let run = pipeline.as_ref().and_then(|id| runs.get(id)).cloned();
        standings.push(Standing { info: Arc::clone(info), stored, due, pipeline, run });
    }
    Ok(standings)
}

async fn stored(info: &DatasetInfo, scope: &Scope) -> Result<Stored, StepError> {
    let found = cube::Standing::seen(info, scope).await?;
    let newest = found.main.as_ref().filter(|_| info.block.time != TimeAxis::None).and_then(|cube| {
        let mut newest_first = cube.axis().iter().rev();
        newest_first.find(|(_, status)| status.has_values()).map(|(period, _)| period)
    });
    Ok(Stored { newest, there: found.main.is_some(), release: found.release })
}

/// The newest run of each pipeline.
async fn newest_runs(session: &Session) -> anyhow::Result<BTreeMap<PipelineId, (RunSummary, &'static str)>> {
    let mut newest = BTreeMap::new();
    let Some(store) = history(session).await? else { return Ok(newest) };
    for id in session.project.pipelines.keys() {
        let query = RunQuery { pipeline: Some(id.clone()), limit: Some(1), ..RunQuery::default() };
        for run in store.list(&query).await.map_err(StepError::from)? {
            let word = runs::status(&run, session)?;
            newest.insert(id.clone(), (run, word));
        }
    }
    Ok(newest)
}

impl Standing {
    fn is_late(&self) -> bool {
        self.due.is_some_and(|due| due.late)
    }

    /// What a person is told: whether it is as it should be, or how far behind.
    fn state(&self, instant: DateTime<Utc>) -> String {
        let (Ok(stored), due) = (&self.stored, self.due) else { return "cannot be read".to_owned() };
        let state = match due.and_then(|due| Some((due.late, due.missing?, due.since?))) {
            Some((late, missing, since)) => {
                let what = if late { "late" } else { "behind" };
                let s = if missing.len() == 1 { "" } else { "s" };
                format!("{what} by {} period{s}, for {}", missing.len(), age(instant - since))
            }
            None if !stored.there => "nothing yet".to_owned(),
            None if due.is_none() => "there".to_owned(),
            None => "up to date".to_owned(),
        };
        match &stored.release {
            Some(release) => format!("{state}; {release}"),
            None => state,
        }
    }

    fn row(&self, instant: DateTime<Utc>) -> Vec<String> {
        let period = |period: Option<Period>| period.map_or_else(|| "-".to_owned(), |p| p.to_string());
        let newest = self.stored.as_ref().ok().and_then(|stored| stored.newest);
        let run = self.run.as_ref();
        vec![
            self.info.id.to_string(),
            period(newest),
            period(self.due.and_then(|due| due.expected)),
            self.state(instant),
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

    fn json(&self, instant: DateTime<Utc>) -> Value {
        let at = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let newest = self.stored.as_ref().ok().and_then(|stored| stored.newest);
        let since = self.due.and_then(|due| due.since);
        let missing = self.due.and_then(|due| due.missing).map(|missing| {
            json!({
                "count": missing.len(), "first": missing.first.to_string(), "last": missing.last.to_string(),
            })
        });
        json!({
            "frazil": 1, "type": "dataset-status", "dataset": self.info.id, "pipeline": self.pipeline,
            "newest": newest.map(|period| period.to_string()),
            "expected": self.due.and_then(|due| due.expected).map(|period| period.to_string()),
            "missing": missing, "due-since": since.map(at),
            "behind-seconds": since.map(|since| (instant - since).num_seconds()),
            "late": self.is_late(), "state": self.state(instant),
            "run": self.run.as_ref().map(|(run, word)| {
                json!({
                    "run": run.run, "status": word, "accepted": run.accepted,
                    "finished": run.finished.map(|(_, at)| at),
                })
            }),
            "error": self.stored.as_ref().err(),
        })
    }
}

/// A length of time in its largest unit.
fn age(age: chrono::Duration) -> String {
    match (age.num_days(), age.num_hours(), age.num_minutes()) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, ..) => format!("{days} d"),
    }
}
