use clap::Args;
use frazil_engine::{
    data::{Checked, PipelineId, RunId},
    event::Event,
    step::StepError,
    store::{RunQuery, RunStore, RunSummary, SqliteStore, word},
};
use serde_json::json;

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render::{self, table},
    session::{Session, history, runtime},
};

/// Lists runs.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Of this pipeline alone
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,
    /// At most so many, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    format: FormatArg,
}

impl Runs {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let unknown = |name: &str| session.unknown("pipeline", name);
        let pipeline: Option<PipelineId> =
            self.pipeline.as_deref().map(|name| name.parse().map_err(|_| unknown(name))).transpose()?;
        let query = RunQuery { pipeline, limit: Some(self.limit), ..RunQuery::default() };
        let is_json = self.format.format == Format::Json;
        let runs: Vec<(RunSummary, &'static str, Vec<Checked>)> = runtime()?.block_on(async {
            let Some(store) = history(&session).await? else { return anyhow::Ok(Vec::new()) };
            let mut runs = Vec::new();
            for run in store.list(&query).await.map_err(StepError::from)? {
                let checks = if is_json { checks(&store, &run.run).await? } else { Vec::new() };
                let word = word(session.state(), &store, &run).await?;
                runs.push((run, word, checks));
            }
            Ok(runs)
        })?;
        // A pipeline that is gone may have left runs behind.
        if let Some(id) = query.pipeline.as_ref().filter(|_| runs.is_empty())
            && !session.project.pipelines.contains_key(id.as_str())
        {
            return Err(unknown(id.as_str()).into());
        }
        match self.format.format {
            Format::Human => {
                let head = ["run", "pipeline", "status", "accepted", "took"].map(str::to_owned).to_vec();
                let rows: Vec<_> = runs.iter().map(|(run, word, _)| row(run, word)).collect();
                render::out(&table::table(&[vec![head], rows].concat()))?;
            }
            Format::Json => {
                for (run, word, checks) in &runs {
                    let line = json!({
                        "frazil": 1, "type": "run", "run": run.run, "pipeline": run.pipeline,
                        "status": word, "instant": run.instant, "accepted": run.accepted,
                        "finished": run.finished.map(|(_, at)| at), "checks": checks,
                    });
                    render::out(&format!("{line}\n"))?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

/// What the checks of a run found that did not pass.
async fn checks(store: &SqliteStore, run: &RunId) -> Result<Vec<Checked>, StepError> {
    let events = store.load(run).await?;
    let found = events.into_iter().filter_map(|event| match event.event {
        Event::Checked { checks, .. } => Some(checks),
        _ => None,
    });
    Ok(found.flatten().filter(|check| !check.passed).collect())
}

fn row(run: &RunSummary, word: &str) -> Vec<String> {
    let took = run.finished.map(|(_, at)| at - run.accepted);
    vec![
        run.run.to_string(),
        run.pipeline.to_string(),
        word.to_owned(),
        run.accepted.format("%Y-%m-%d %H:%M:%S").to_string(),
        took.map_or_else(|| "-".to_owned(), |took| format!("{:.1} s", took.as_seconds_f64())),
    ]
}
