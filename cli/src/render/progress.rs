//! How far a run is: bars on a terminal, lines elsewhere, JSON where it is asked for.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, stderr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use frazil_engine::{
    context::Tick,
    data::NodeId,
    event::{self, Event, RunEvent, RunState},
    executor::Watch,
    scheduler::Run,
    step::Document,
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::{note, out};
use crate::Format;

/// Shows how far runs are.
#[derive(Debug)]
pub(crate) struct Progress {
    format: Format,
    bars: Option<MultiProgress>,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    run: String,
    pipeline: String,
    bars: BTreeMap<NodeId, ProgressBar>,
    /// Periods of the work that each sink settles, known once they are listed.
    total: u64,
}

impl Progress {
    pub(crate) fn new(format: Format) -> Self {
        let bars = (format == Format::Human && stderr().is_terminal()).then(MultiProgress::new);
        Self { format, bars, shown: Mutex::default() }
    }

    /// The run that is watched from now on.
    pub(crate) fn begin(&self, run: &Run) {
        let mut shown = self.shown();
        *shown = Shown { run: run.id.to_string(), pipeline: run.pipeline.id.to_string(), ..Shown::default() };
    }

    /// Nothing follows.
    pub(crate) fn done(&self) {
        if let Some(bars) = &self.bars {
            // A terminal that is gone needs no cleaning.
            drop(bars.clear());
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, pipeline: &str, text: &str) {
        let line = format!("{pipeline}: {text}");
        // Progress is not worth failing for: a reader that is gone does not stop a run.
        match &self.bars {
            Some(bars) => drop(bars.println(line)),
            None => drop(note(&format!("{line}\n"))),
        }
    }

    fn bar(&self, shown: &mut Shown, unit: &NodeId) {
        let Some(bars) = &self.bars else { return };
        let style = ProgressStyle::with_template("{prefix:16} {wide_bar} {pos}/{len} {msg} {elapsed}");
        let bar = bars.add(ProgressBar::new(shown.total));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_prefix(unit.to_string());
        shown.bars.insert(unit.clone(), bar);
    }
}

impl Watch for Progress {
    fn event(&self, event: &RunEvent, _: &RunState) {
        let mut shown = self.shown();
        if self.format == Format::Json {
            drop(out(&format!("{}\n", event::json(&shown.run, event))));
            return;
        }
        match &event.event {
            Event::Started { unit, .. } => self.bar(&mut shown, unit),
            Event::Committed { unit, .. } => {
                if let (Some(bar), Some(text)) = (shown.bars.get(unit), event::words(&event.event)) {
                    bar.set_message(text);
                    return;
                }
            }
            Event::Ended { unit, output, .. } => {
                if let Some(Document::Periods(periods)) = output {
                    shown.total = periods.count() as u64;
                }
                if let Some(bar) = shown.bars.remove(unit) {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
        if let Some(text) = event::words(&event.event) {
            self.say(&shown.pipeline, &text);
        }
    }

    fn tick(&self, node: &NodeId, tick: &Tick) {
        let shown = self.shown();
        match tick {
            Tick::Note(text) | Tick::Said(text) if self.format == Format::Human => {
                self.say(&shown.pipeline, &format!("{node}: {text}"));
            }
            Tick::Note(text) | Tick::Said(text) => {
                let line =
                    json!({ "frazil": 1, "type": "note", "run": shown.run, "node": node, "text": text });
                drop(out(&format!("{line}\n")));
            }
            Tick::Periods { done, total } => {
                if let Some(bar) = shown.bars.get(node) {
                    bar.set_length(*total);
                    bar.set_position(*done);
                }
            }
            Tick::Spent(_) | Tick::Checked(_) => {}
        }
    }
}
