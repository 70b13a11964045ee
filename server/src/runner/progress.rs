//! How far runs are, for those who look on. Bounded: what is held is of runs at work alone, a line of
//! text and a pair of numbers for each of their steps.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use frazil_engine::{
    context::{Secrets, Tick},
    data::{NodeId, RunId},
    event::{Event, RunEvent, RunState, UnitState},
    executor::Watch,
    step::Document,
};
use tokio::sync::broadcast;

/// Changes that are held for who reads them late: some seconds of many runs at a time.
const HELD: usize = 1_024;

/// The longest message that is held, in characters.
const MESSAGE: usize = 300;

/// Something happened in a run, and it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The run.
    pub(crate) run: RunId,
    /// How many events its log holds now.
    pub(crate) events: usize,
}

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Periods that are settled.
    pub(crate) done: u64,
    /// Periods of the work, as far as it is listed.
    pub(crate) total: u64,
    /// From 0 to 100, over all its steps.
    pub(crate) percent: u8,
    /// The last that a step said.
    pub(crate) message: Option<String>,
}

/// What is known of runs at work.
#[derive(Debug)]
pub(super) struct Board {
    changes: broadcast::Sender<Arc<Change>>,
    at_work: Mutex<HashMap<RunId, Gauge>>,
}

/// What is held of one run.
#[derive(Debug, Default)]
struct Gauge {
    shown: Standing,
    /// How far steps are of which no periods are settled, in thousandths.
    ticks: BTreeMap<NodeId, u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self { changes: broadcast::Sender::new(HELD), at_work: Mutex::default() }
    }
}

impl Board {
    pub(super) fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.changes.subscribe()
    }

    pub(super) fn standing(&self, run: &RunId) -> Option<Standing> {
        self.gauges().get(run).map(|gauge| gauge.shown.clone())
    }

    /// A run is at work from now on.
    pub(super) fn begin(&self, run: &RunId) {
        self.gauges().insert(run.clone(), Gauge::default());
    }

    /// It is not any more.
    pub(super) fn end(&self, run: &RunId) {
        self.gauges().remove(run);
    }

    /// So many events stand in the log of a run.
    pub(super) fn told(&self, run: &RunId, events: usize) {
        // Mostly nobody listens.
        drop(self.changes.send(Arc::new(Change { run: run.clone(), events })));
    }

    /// Who watches a run for this board.
    pub(super) fn watch(self: &Arc<Self>, run: &RunId, secrets: &Arc<dyn Secrets>) -> Arc<dyn Watch> {
        Arc::new(Onlooker { board: Arc::clone(self), run: run.clone(), secrets: Arc::clone(secrets) })
    }

    fn gauges(&self) -> MutexGuard<'_, HashMap<RunId, Gauge>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches one run.
#[derive(Debug)]
struct Onlooker {
    board: Arc<Board>,
    run: RunId,
    secrets: Arc<dyn Secrets>,
}

impl Watch for Onlooker {
    fn event(&self, event: &RunEvent, state: &RunState) {
        if let Some(gauge) = self.board.gauges().get_mut(&self.run) {
            gauge.event(&event.event, state);
        }
        self.board.told(&self.run, state.len);
    }

    fn tick(&self, node: &NodeId, tick: &Tick) {
        match tick {
            Tick::Periods { done, total } => {
                if let Some(gauge) = self.board.gauges().get_mut(&self.run) {
                    gauge.ticks.insert(node.clone(), thousandths(*done, *total));
                }
            }
            Tick::Note(text) => {
                let text = self.secrets.redact(text).chars().take(MESSAGE).collect();
                if let Some(gauge) = self.board.gauges().get_mut(&self.run) {
                    gauge.shown.message = Some(text);
                }
            }
            Tick::Spent(_) | Tick::Checked(_) | Tick::Said(_) => {}
        }
    }
}

impl Gauge {
    fn event(&mut self, event: &Event, state: &RunState) {
        if let Event::Started { unit, .. } = event {
            self.shown.message = Some(format!("{unit}: at work"));
        }
        let listed = state.units.values().filter_map(|unit| match &unit.output {
            Some(Document::Periods(periods)) => Some(periods.count() as u64),
            _ => None,
        });
        self.shown.total = listed.sum();
        self.shown.done = state.units.values().map(settled).sum();
        self.shown.percent = self.percent(state);
    }

    /// Each unit counts the same; one at work as far as it is.
    fn percent(&self, state: &RunState) -> u8 {
        let heads = state.accepted.iter().flat_map(|accepted| &accepted.units);
        let mut sum = 0;
        for head in heads {
            let Some(unit) = state.units.get(&head.unit) else { continue };
            let told = head.nodes.iter().filter_map(|(node, _)| self.ticks.get(node)).max();
            sum += match (unit.is_over(), settled(unit)) {
                (true, _) => 1_000,
                (false, 0) => told.copied().unwrap_or_default(),
                (false, done) => thousandths(done, self.shown.total),
            };
        }
        let all = (state.units.len() as u64 * 10).max(1);
        // All but the last event is the way there.
        let most = if state.finished.is_some() { 100 } else { 99 };
        u8::try_from((sum / all).min(most)).unwrap_or(100)
    }
}

/// Periods of a unit that are settled.
fn settled(unit: &UnitState) -> u64 {
    unit.segment.periods.iter().map(|range| u64::try_from(range.len()).unwrap_or_default()).sum()
}

fn thousandths(done: u64, total: u64) -> u64 {
    (done.min(total) * 1_000).checked_div(total).unwrap_or_default()
}
