//! `gc`: lets go of the past of datasets, outside of a pipeline.

use std::{num::NonZeroUsize, sync::Arc};

use chrono::Utc;
use clap::Args;
use frazil_engine::{
    data::Duration,
    dataset::DatasetInfo,
    step::{Keeps, StepError},
};
use frazil_steps::{
    Maintain,
    cube::{Retention, Sweep, foresee, sweep},
};
use serde_json::json;

use crate::{
    Format, FormatArg, Globals,
    exit::{Exit, Usage},
    render,
    session::{Session, runtime},
};

/// Lets go of the past.
#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// The datasets; all that are written here where none is named
    #[arg(value_name = "DATASET")]
    datasets: Vec<String>,
    /// Keeps snapshots younger than this, such as 30d
    #[arg(long, value_name = "AGE")]
    age: Option<Duration>,
    /// Keeps so many of the newest snapshots, whatever their age
    #[arg(long, value_name = "N")]
    count: Option<NonZeroUsize>,
    /// Keeps objects that nothing refers to so long, as somebody may be about to
    #[arg(long, value_name = "AGE")]
    unreferenced: Option<Duration>,
    /// Says what would go, and lets go of nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: FormatArg,
}

impl Gc {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let context = session.context("gc")?;
        let runtime = runtime()?;
        let now = Utc::now();
        for info in self.infos(&session)? {
            let retention = self.retention(&session, &info)?;
            let swept: Result<_, StepError> = runtime.block_on(async {
                match self.dry_run {
                    true => foresee(&info, retention, now, &context.scope).await,
                    false => sweep(&info, retention, now, &context).await,
                }
            });
            if let Some(swept) = swept? {
                self.tell(&info, &swept)?;
            }
        }
        Ok(Exit::Done)
    }

    fn infos(&self, session: &Session) -> anyhow::Result<Vec<Arc<DatasetInfo>>> {
        let known = &session.project.datasets;
        if self.datasets.is_empty() {
            return Ok(known.values().filter(|info| !info.location.read_only).cloned().collect());
        }
        let find = |name: &String| {
            let info = known.get(name.as_str()).ok_or_else(|| session.unknown("dataset", name))?;
            Ok(Arc::clone(info))
        };
        self.datasets.iter().map(find).collect()
    }

    /// What is kept: as the dataset's own step says, unless it is said here.
    fn retention(&self, session: &Session, info: &DatasetInfo) -> anyhow::Result<Retention> {
        let maintains = Some(Keeps::Maintains(info.id.clone()));
        let mut nodes = session.project.pipelines.values().flat_map(|pipeline| &pipeline.nodes);
        let step = match nodes.find(|node| node.step.keeps() == maintains) {
            None => Maintain::of(info.id.clone()),
            Some(node) => serde_json::from_value(node.with.clone()).map_err(|error| {
                Usage(format!(
                    "`{}` says by an expression what is kept of {} ({error})\nhelp: say --age, --count and --unreferenced, and name the dataset",
                    node.id, info.id
                ))
            })?,
        };
        let said = step.retention();
        Ok(Retention {
            age: self.age.unwrap_or(said.age),
            count: self.count.map_or(said.count, NonZeroUsize::get),
            unreferenced: self.unreferenced.unwrap_or(said.unreferenced),
        })
    }

    fn tell(&self, info: &DatasetInfo, sweep: &Sweep) -> anyhow::Result<()> {
        let text = match self.format.format {
            Format::Json => {
                let line = json!({
                    "frazil": 1, "type": "gc", "dataset": info.id, "dry-run": self.dry_run,
                    "bytes": sweep.bytes(), "sweep": sweep,
                });
                format!("{line}\n")
            }
            Format::Human => self.human(info, sweep),
        };
        render::out(&text)?;
        Ok(())
    }

    fn human(&self, info: &DatasetInfo, sweep: &Sweep) -> String {
        let verb = if self.dry_run { "would let go of" } else { "let go of" };
        let mut text = format!("{}: {verb} {sweep}\n", info.id);
        if self.dry_run {
            for gone in &sweep.snapshots {
                let at = gone.at.format("%Y-%m-%d %H:%M:%S");
                text.push_str(&format!("  snapshot {} of {at}: {}\n", gone.id, gone.message));
            }
            for (folder, objects) in &sweep.deleted {
                text.push_str(&format!("  {folder}: {} objects, {} bytes\n", objects.count, objects.bytes));
            }
        }
        for reason in &sweep.reasons {
            text.push_str(&format!("  {reason}\n"));
        }
        text
    }
}
