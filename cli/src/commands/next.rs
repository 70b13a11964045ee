//! `next`: when cron triggers fire, and what they missed.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::Args;
use frazil_engine::{
    data::PipelineId,
    pipeline::Trigger,
    step::StepError,
    store::Seen,
    trigger::{ClockChange, Schedule, Tick, Timer},
};
use serde_json::{Value, json};

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render::{self, table},
    session::{Session, runtime},
};

/// Lists when cron triggers fire next, and what a server that starts now would start because it was missed.
///
/// What was missed is known of triggers that a server has seen; how many of it are made up for is what
/// `missed` of the trigger says.
#[derive(Debug, Args)]
pub(crate) struct Next {
    /// Of this pipeline alone
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,
    /// At most so many that come, soonest first, and of those that were missed the newest so many
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    /// As if it were this instant; now where none is said
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<DateTime<Utc>>,
    #[command(flatten)]
    format: FormatArg,
}

/// A tick of a trigger of a pipeline.
struct Listed<'a> {
    pipeline: &'a PipelineId,
    trigger: &'a Trigger,
    tick: Tick,
    /// Whether it lies behind, and starts as soon as a server does.
    missed: bool,
}

/// Starts of a trigger that are left out for good.
struct LeftOut<'a> {
    pipeline: &'a PipelineId,
    trigger: &'a Trigger,
    count: usize,
}

/// What triggers have seen: up to when all is settled.
type Settled = BTreeMap<(PipelineId, String), String>;

impl Next {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let now = self.as_of.unwrap_or_else(Utc::now);
        if let Some(name) =
            self.pipeline.as_ref().filter(|name| !session.project.pipelines.contains_key(name.as_str()))
        {
            return Err(session.unknown("pipeline", name).into());
        }
        let seen = runtime()?.block_on(Seen::in_folder(session.state()).all()).map_err(StepError::from)?;
        let of_interest = |id: &PipelineId| self.pipeline.as_ref().is_none_or(|name| name == id.as_str());
        let (mut missed, mut coming, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (pipeline, checked) in session.project.pipelines.iter().filter(|(id, _)| of_interest(id)) {
            for trigger in &checked.triggers {
                let Some(schedule) = Schedule::of(trigger) else { continue };
                let listed = |tick, missed| Listed { pipeline, trigger, tick, missed };
                coming.extend(schedule.coming(now, self.limit).into_iter().map(|tick| listed(tick, false)));
                let Some((starts, count)) = behind(&seen, pipeline, trigger, now) else { continue };
                let ticks = starts.iter().filter_map(|at| schedule.coming(*at - TICK, 1).pop());
                missed.extend(ticks.map(|tick| listed(tick, true)));
                left_out.extend((count > 0).then_some(LeftOut { pipeline, trigger, count }));
            }
        }
        for list in [&mut missed, &mut coming] {
            list.sort_by_key(|one: &Listed<'_>| (one.tick.at, one.pipeline));
        }
        coming.truncate(self.limit);
        let more = missed.len().saturating_sub(self.limit);
        missed.drain(..more);
        if coming.is_empty() && self.limit > 0 {
            render::note("no `cron` trigger here fires\n")?;
        }
        let listed: Vec<_> = missed.into_iter().chain(coming).collect();
        self.print(&listed, &left_out, more)?;
        Ok(Exit::Done)
    }

    fn print(&self, listed: &[Listed<'_>], left_out: &[LeftOut<'_>], more: usize) -> anyhow::Result<()> {
        if self.format.format == Format::Json {
            let lines = left_out.iter().map(LeftOut::json).chain(listed.iter().map(Listed::json));
            for line in lines {
                render::out(&format!("{line}\n"))?;
            }
            return Ok(());
        }
        if !listed.is_empty() {
            let head = ["at", "there", "time zone", "pipeline", "cron", ""].map(str::to_owned);
            let rows = std::iter::once(head.to_vec()).chain(listed.iter().map(Listed::row));
            render::out(&table::table(&rows.collect::<Vec<_>>()))?;
        }
        for LeftOut { pipeline, trigger, count } in left_out {
            render::note(&format!(
                "{pipeline}, {}: {count} missed before that are left out\n",
                trigger.name()
            ))?;
        }
        if more > 0 {
            render::note(&format!("{more} more were missed before and start too: `--limit` shows them\n"))?;
        }
        Ok(())
    }
}

/// Ticks lie on whole minutes, so that no other lies so close before one.
const TICK: TimeDelta = TimeDelta::seconds(1);

/// What a server that starts at an instant would start of what lies behind, and how many it would leave out;
/// none of a trigger that no server has seen, which begins with the first.
fn behind(
    seen: &Settled,
    pipeline: &PipelineId,
    trigger: &Trigger,
    now: DateTime<Utc>,
) -> Option<(Vec<DateTime<Utc>>, usize)> {
    let settled = seen.get(&(pipeline.clone(), trigger.name()))?.parse().ok()?;
    let due = Timer::of(pipeline, trigger)?.due(settled, now);
    Some((due.starts, due.left_out))
}

fn zone(trigger: &Trigger) -> &str {
    trigger.timezone.as_deref().unwrap_or("UTC")
}

impl LeftOut<'_> {
    fn json(&self) -> Value {
        json!({
            "frazil": 1, "type": "left-out", "pipeline": self.pipeline, "cron": self.trigger.cron,
            "timezone": zone(self.trigger), "params": self.trigger.params, "count": self.count,
        })
    }
}

impl Listed<'_> {
    /// What is odd about it, and by how much it is spread.
    fn notes(&self) -> String {
        let missed = self.missed.then(|| "missed: starts when a server does".to_owned());
        let change = self.tick.change.map(|change| match change {
            ClockChange::Moved => "no clock shows this time: it fires when the clocks have been moved",
            ClockChange::LeftOut => "no clock shows this time: left out",
            ClockChange::First => "the clocks show this time twice: the first",
            ClockChange::Second => "the clocks show this time twice: the second",
        });
        let jitter = self.trigger.jitter.filter(|_| !self.missed);
        let jitter = jitter.map(|jitter| format!("up to {jitter} later"));
        let notes = missed.into_iter().chain(change.map(str::to_owned)).chain(jitter);
        notes.collect::<Vec<_>>().join("; ")
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.tick.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            self.tick.local.format("%Y-%m-%d %H:%M").to_string(),
            zone(self.trigger).to_owned(),
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
            "timezone": zone(self.trigger), "cron": self.trigger.cron, "fires": self.tick.fires(),
            "missed": self.missed,
            "clock-change": self.tick.change.map(ClockChange::name), "jitter": self.trigger.jitter,
            "params": self.trigger.params,
        })
    }
}
