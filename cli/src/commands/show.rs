use clap::Args;
use frazil_engine::{
    event::{Phase, RunState, SegmentState, UnitHead, UnitState},
    step::{Document, StepError},
    store::{RunStore, RunStoreError},
};
use serde_json::json;

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render::{self, table},
    session::{Session, history, no_run, run_id, runtime},
};

/// Shows one run.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The run, as `frazil runs` lists it
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    format: FormatArg,
}

impl Show {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let run = run_id(&self.run)?;
        let events = runtime()?.block_on(async {
            let none = || no_run(run.as_str());
            let store = history(&session).await?.ok_or_else(none)?;
            match store.load(&run).await {
                Err(RunStoreError::NoRun(_)) => Err(none().into()),
                loaded => anyhow::Ok(loaded.map_err(StepError::from)?),
            }
        })?;
        let state = RunState::fold(&events)?;
        match self.format.format {
            Format::Human => render::out(&human(&state))?,
            Format::Json => {
                for (head, unit) in units(&state) {
                    let line = json!({
                        "frazil": 1, "type": "unit", "run": run, "unit": head.unit,
                        "nodes": head.nodes.iter().map(|(node, _)| node).collect::<Vec<_>>(),
                        "state": word(unit, &state), "attempts": unit.attempts, "started": unit.started,
                        "ended": unit.ended, "periods": periods(unit), "output": unit.output, "error": unit.error,
                        "at": unit.at, "because": unit.because, "checks": unit.checks,
                        "discarded": unit.segment.discarded.as_ref().map(|(_, why)| why),
                    });
                    render::out(&format!("{line}\n"))?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn units(state: &RunState) -> impl Iterator<Item = (&UnitHead, &UnitState)> {
    let heads = state.accepted.iter().flat_map(|accepted| &accepted.units);
    heads.filter_map(|head| Some((head, state.units.get(&head.unit)?)))
}

fn word(unit: &UnitState, state: &RunState) -> &'static str {
    match (unit.phase, &unit.error, &unit.output) {
        (Phase::Waiting, ..) if state.finished.is_some() => "not started",
        (Phase::Waiting, ..) => "waiting",
        (Phase::Running, ..) if state.finished.is_some() => "interrupted",
        (Phase::Running, ..) => "running",
        (Phase::Skipped, ..) => "skipped",
        (Phase::Done, None, _) => "done",
        (Phase::Done, Some(StepError::Cancelled), _) => "cancelled",
        // A segment gives the head whatever happened: that is no part of the work.
        (Phase::Done, Some(_), Some(_))
            if unit.segment != SegmentState::default() && periods(unit).is_empty() =>
        {
            "failed"
        }
        (Phase::Done, Some(_), Some(_)) => "failed in part",
        (Phase::Done, Some(_), None) => "failed",
    }
}

/// Periods that this run settled in the unit's dataset.
fn periods(unit: &UnitState) -> Vec<String> {
    unit.segment.periods.iter().map(ToString::to_string).collect()
}

fn human(state: &RunState) -> String {
    let mut text = String::new();
    if let (Some(accepted), Some(since)) = (&state.accepted, state.since) {
        let status = match state.finished {
            Some((status, _)) => status.name(),
            None if state.opened == 0 => "queued",
            None => "not finished",
        };
        text.push_str(&format!(
            "{}: {status}, accepted {}\n",
            accepted.pipeline,
            since.format("%Y-%m-%d %H:%M:%S")
        ));
        text.extend(state.cancelling.iter().map(|why| format!("{why}\n")));
    }
    let mut rows = vec![["step", "state", "attempts", "periods", "snapshot"].map(str::to_owned).to_vec()];
    let mut notes = String::new();
    for (head, unit) in units(state) {
        let nodes: Vec<_> = head.nodes.iter().map(|(node, _)| node.as_str()).collect();
        let snapshot = match &unit.output {
            Some(Document::Snapshot(snapshot)) => snapshot.id.as_ref().map(ToString::to_string),
            _ => None,
        };
        rows.push(vec![
            nodes.join(" → "),
            word(unit, state).to_owned(),
            unit.attempts.to_string(),
            periods(unit).join(", "),
            snapshot.unwrap_or_else(|| "-".to_owned()),
        ]);
        notes.push_str(&note(head, unit));
    }
    format!("{text}{}{notes}", table::table(&rows))
}

/// What went wrong in a unit, and what to do.
pub(crate) fn note(head: &UnitHead, unit: &UnitState) -> String {
    let mut text = String::new();
    if let Some(error) = unit.error.as_ref().filter(|error| **error != StepError::Cancelled) {
        let at = unit.at.as_ref().unwrap_or(&head.unit);
        text.push_str(&format!("error: {at}: {error}\n"));
        if let Some(help) = error.failure().and_then(|failure| failure.help.as_ref()) {
            text.push_str(&format!("  help: {help}\n"));
        }
    }
    for check in &unit.checks {
        text.push_str(&format!("check: {}: {check}\n", head.unit));
    }
    if !unit.because.is_empty() {
        let lacks: Vec<_> = unit.because.iter().map(|id| format!("`{id}`")).collect();
        text.push_str(&format!("note: {} was skipped: nothing came from {}\n", head.unit, lacks.join(", ")));
    }
    text
}
