//! `audit`: what stands on the branch of an audited dataset, and what a person decides of it.

use clap::Args;
use frazil_engine::{data::PeriodRange, dataset::DatasetInfo};
use frazil_steps::cube::{Ahead, Verdict, ahead, decide};
use serde_json::json;

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render,
    session::{Session, runtime},
};

/// Looks at what is audited, and decides of it.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The dataset
    #[arg(value_name = "DATASET")]
    dataset: String,
    /// Publishes what stands there as it is
    #[arg(long, conflicts_with = "drop")]
    accept: bool,
    /// Lets go of what stands there; `main` stays, and the next run does the work again
    #[arg(long)]
    drop: bool,
    /// Why it is accepted, for those who look at the history later
    #[arg(long, value_name = "TEXT", requires = "accept")]
    reason: Option<String>,
    #[command(flatten)]
    format: FormatArg,
}

impl Audit {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let info = session.project.datasets.get(self.dataset.as_str());
        let info = info.ok_or_else(|| session.unknown("dataset", &self.dataset))?;
        let context = session.context("audit")?;
        let verdict = match (self.accept, self.drop) {
            (true, _) => Some(Verdict::Accept),
            (_, true) => Some(Verdict::Drop),
            _ => None,
        };
        let (found, head) = runtime()?.block_on(async {
            let found = ahead(info, &context.scope).await?;
            let head = match verdict.filter(|_| found.is_some()) {
                Some(verdict) => decide(info, verdict, self.reason.clone(), &context).await?,
                None => None,
            };
            anyhow::Ok((found, head))
        })?;
        let head = head.and_then(|head| head.id);
        let text = match self.format.format {
            Format::Json => {
                let done = verdict.filter(|_| found.is_some()).map(word);
                let line = json!({
                    "frazil": 1, "type": "audit", "dataset": info.id, "verdict": done,
                    "ahead": found.as_ref().map(Ahead::json), "main": head.as_ref().map(ToString::to_string)
                        .or_else(|| found.as_ref()?.main.as_ref().map(ToString::to_string)),
                });
                format!("{line}\n")
            }
            Format::Human => human(info, found.as_ref(), verdict),
        };
        render::out(&text)?;
        if found.is_some() && verdict == Some(Verdict::Accept) {
            render::note(&format!("`frazil run {0}+` lets what hangs from it follow\n", info.id))?;
        }
        Ok(Exit::Done)
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accepted",
        Verdict::Drop => "dropped",
    }
}

fn human(info: &DatasetInfo, found: Option<&Ahead>, verdict: Option<Verdict>) -> String {
    let Some(found) = found else {
        return format!("{}: nothing stands on branch audit that main does not have\n", info.id);
    };
    let mut text = match (verdict, found.apart) {
        (Some(verdict), _) => format!("{}: {}\n", info.id, word(verdict)),
        (None, true) => {
            format!("{}: branch audit does not follow main, which somebody else moved\n", info.id)
        }
        (None, false) => format!("{}: branch audit is ahead of main\n", info.id),
    };
    let mut line = |what: &str, ranges: &[PeriodRange]| {
        if !ranges.is_empty() {
            let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
            text.push_str(&format!("  {what}: {}\n", ranges.join(", ")));
        }
    };
    line("added", &found.added);
    line("changed", &found.changed);
    line("rejected", &found.rejected);
    for commit in &found.commits {
        let run = commit.run.as_deref().unwrap_or("-");
        text.push_str(&format!(
            "  commit {} of {}, run {run}\n",
            commit.id,
            commit.at.format("%Y-%m-%d %H:%M:%S")
        ));
    }
    text
}
