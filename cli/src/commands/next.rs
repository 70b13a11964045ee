//! `next`: when cron triggers fire.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use frazil_engine::{
    data::PipelineId,
    pipeline::Trigger,
    trigger::{ClockChange, Schedule, Tick},
};
use serde_json::{Value, json};

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render::{self, table},
    session::Session,
};

/// Lists when cron triggers fire next.
#[derive(Debug, Args)]
pub(crate) struct Next {
    /// Of this pipeline alone
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,
    /// At most so many, soonest first
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    /// After this instant; now where none is said
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<DateTime<Utc>>,
    #[command(flatten)]
    format: FormatArg,
}

/// A tick of a trigger of a pipeline.
struct Coming<'a> {
    pipeline: &'a PipelineId,
    trigger: &'a Trigger,
    tick: Tick,
}

impl Next {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let after = self.as_of.unwrap_or_else(Utc::now);
        if let Some(name) =
            self.pipeline.as_ref().filter(|name| !session.project.pipelines.contains_key(name.as_str()))
        {
            return Err(session.unknown("pipeline", name).into());
        }
        let of_interest = |id: &PipelineId| self.pipeline.as_ref().is_none_or(|name| name == id.as_str());
        let mut coming = Vec::new();
        for (pipeline, checked) in session.project.pipelines.iter().filter(|(id, _)| of_interest(id)) {
            for trigger in &checked.triggers {
                let ticks = Schedule::of(trigger).map(|schedule| schedule.coming(after, self.limit));
                coming.extend(ticks.into_iter().flatten().map(|tick| Coming { pipeline, trigger, tick }));
            }
        }
        coming.sort_by_key(|one: &Coming<'_>| (one.tick.at, one.pipeline));
        coming.truncate(self.limit);
        if coming.is_empty() && self.limit > 0 {
            render::note("no `cron` trigger here fires\n")?;
        }
        match self.format.format {
            Format::Human if coming.is_empty() => {}
            Format::Human => {
                let head = ["at", "there", "time zone", "pipeline", "cron", ""].map(str::to_owned);
                let rows = std::iter::once(head.to_vec()).chain(coming.iter().map(Coming::row));
                render::out(&table::table(&rows.collect::<Vec<_>>()))?;
            }
            Format::Json => coming.iter().try_for_each(|one| render::out(&format!("{}\n", one.json())))?,
        }
        Ok(Exit::Done)
    }
}

impl Coming<'_> {
    fn zone(&self) -> &str {
        self.trigger.timezone.as_deref().unwrap_or("UTC")
    }

    /// What is odd about it, and by how much it is spread.
    fn notes(&self) -> String {
        let change = self.tick.change.map(|change| match change {
            ClockChange::Moved => "no clock shows this time: it fires when the clocks have been moved",
            ClockChange::LeftOut => "no clock shows this time: left out",
            ClockChange::First => "the clocks show this time twice: the first",
            ClockChange::Second => "the clocks show this time twice: the second",
        });
        let jitter = self.trigger.jitter.map(|jitter| format!("up to {jitter} later"));
        change.map(str::to_owned).into_iter().chain(jitter).collect::<Vec<_>>().join("; ")
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.tick.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            self.tick.local.format("%Y-%m-%d %H:%M").to_string(),
            self.zone().to_owned(),
            self.pipeline.to_string(),
            self.trigger.cron.clone().unwrap_or_default(),
            self.notes(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "frazil": 1, "type": "tick", "pipeline": self.pipeline,
            "at": self.tick.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "local": self.tick.local.format("%Y-%m-%dT%H:%M:%S").to_string(),
            "timezone": self.zone(), "cron": self.trigger.cron, "fires": self.tick.fires(),
            "clock-change": self.tick.change.map(ClockChange::name), "jitter": self.trigger.jitter,
            "params": self.trigger.params,
        })
    }
}
