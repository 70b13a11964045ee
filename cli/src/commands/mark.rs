//! `mark`: takes bad periods out of a dataset, and brings them back.

use clap::Args;
use frazil_engine::{
    data::{Period, PeriodError, PeriodRange, PeriodSpan, Status},
    dataset::{DatasetInfo, TimeAxis},
};
use frazil_steps::cube::{Mark as CubeMark, Marked, mark};
use serde_json::json;

use crate::{
    Format, FormatArg, Globals,
    exit::{Exit, Usage},
    render,
    session::{Session, runtime},
};

/// Takes bad periods out.
#[derive(Debug, Args)]
pub(crate) struct Mark {
    /// The dataset
    #[arg(value_name = "DATASET")]
    dataset: String,
    /// The periods: one, a coarser one for all that lie in it, or `FIRST..LAST`; may be repeated
    #[arg(long, value_name = "PERIOD[..PERIOD]", required = true)]
    period: Vec<String>,
    /// They hold no numbers from now on, and no run asks for them (this is what is done where nothing is said)
    #[arg(long, conflicts_with = "clear")]
    withdrawn: bool,
    /// What was withdrawn is asked for again by the next run
    #[arg(long)]
    clear: bool,
    /// Why, for those who look at the history later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Says what would be done, and does nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: FormatArg,
}

impl Mark {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let info = session.project.datasets.get(self.dataset.as_str());
        let info = info.ok_or_else(|| session.unknown("dataset", &self.dataset))?;
        let asked = CubeMark {
            periods: self.periods(info)?,
            status: if self.clear { cleared(&session, info) } else { Status::Withdrawn },
            reason: self.reason.clone(),
        };
        let context = session.context("mark")?;
        let marked = runtime()?.block_on(mark(info, &asked, self.dry_run, &context))?;
        self.tell(info, &asked, &marked)?;
        Ok(Exit::Done)
    }

    /// The periods of the dataset that are meant, ascending.
    fn periods(&self, info: &DatasetInfo) -> anyhow::Result<Vec<Period>> {
        let TimeAxis::Regular(time) = &info.block.time else {
            return Err(Usage(format!("`{}` has no time axis", info.id)).into());
        };
        let step = time.frequency();
        let mut periods = Vec::new();
        for text in &self.period {
            let span: PeriodSpan = text.parse().map_err(|error: PeriodError| Usage(error.to_string()))?;
            periods.extend(span.range(step).iter());
        }
        periods.sort_unstable();
        periods.dedup();
        Ok(periods)
    }

    fn tell(&self, info: &DatasetInfo, asked: &CubeMark, marked: &Marked) -> anyhow::Result<()> {
        let text = match self.format.format {
            Format::Json => {
                let line = json!({
                    "frazil": 1, "type": "mark", "dataset": info.id, "status": asked.status,
                    "changed": shown(&marked.changed), "added": shown(&marked.added),
                    "dry-run": self.dry_run, "snapshot": marked.head, "release": marked.release,
                });
                format!("{line}\n")
            }
            Format::Human => self.human(info, asked, marked),
        };
        render::out(&text)?;
        if marked.is_nothing() || self.dry_run {
            return Ok(());
        }
        render::note(&match self.clear {
            true => format!("`frazil run {0}+` asks for it again, and what hangs from it follows\n", info.id),
            false => format!("`frazil run {0}+` lets what hangs from it follow\n", info.id),
        })?;
        Ok(())
    }

    fn human(&self, info: &DatasetInfo, asked: &CubeMark, marked: &Marked) -> String {
        if marked.is_nothing() {
            return format!("{}: nothing to do, it is {} already\n", info.id, asked.status.name());
        }
        let would = if self.dry_run { "would be " } else { "" };
        let of = |ranges: &[PeriodRange], what: &str| {
            if ranges.is_empty() {
                return String::new();
            }
            let (name, ranges) = (asked.status.name(), shown(ranges).join(", "));
            format!("{}: {ranges} {would}{name}{what}\n", info.id)
        };
        let at = match &marked.head {
            Some(head) if !self.dry_run => format!("{}: at {head}\n", info.id),
            _ => String::new(),
        };
        let added = of(&marked.added, ", its label put at the end of the axis");
        let release = marked.release.as_ref().map_or_else(String::new, |branch| {
            format!("{}: what the release on branch {branch} will publish {would}marked too\n", info.id)
        });
        format!("{}{added}{release}{at}", of(&marked.changed, ""))
    }
}

fn shown(ranges: &[PeriodRange]) -> Vec<String> {
    ranges.iter().map(ToString::to_string).collect()
}

/// What has a period listed again: a gap is asked for, an incomplete window made.
fn cleared(session: &Session, info: &DatasetInfo) -> Status {
    let mut nodes = session.project.pipelines.values().flat_map(|pipeline| &pipeline.nodes);
    let writer = nodes.find(|node| node.step.writes().is_some_and(|write| *write.dataset() == info.id));
    if writer.is_none_or(|node| node.uses == "append-commit") { Status::Gap } else { Status::Incomplete }
}
