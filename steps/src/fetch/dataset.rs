//! `source: dataset`: periods of a dataset of ours, at exactly one state of it.
//!
//! What lies in one stretch of its chunks along time is read together, so each whole chunk is read
//! once however the work is cut into batches; what is held is one such stretch.

mod cells;

use std::{collections::VecDeque, iter::Peekable, ops::Range, sync::Arc};

use frazil_engine::{
    context::{Context, Scope},
    data::{Action, Arrival, Field, Grid, Period, Periods, Slice, Slices, Snapshot, Status},
    plan::PlannedSlices,
    step::{ErrorKind, StepError},
};
use futures::{StreamExt, stream};

use super::{
    Fetch, OnMissing,
    numbers::{Packing, settle},
    source::Wanted,
    work::{Want, wants},
};
use crate::cube::{Cube, TemplateVariable, declared_unit};
use cells::Cut;

/// What reading would hold: a stretch of chunks, of which one period is being handed on.
pub(super) async fn plan(
    fetch: &Fetch,
    periods: &Periods,
    scope: &Scope,
) -> Result<PlannedSlices, StepError> {
    let state = state(fetch, periods)?;
    let info = scope.dataset(&state.dataset)?;
    let (unit, mut reasons) = (declared_unit(info), Vec::new());
    let unit = match &state.id {
        Some(id) if !periods.items.is_empty() => {
            reasons.push(format!("reads {} at {id}", state.dataset));
            Cube::open_at(info, scope, id).await?.template().write_unit()
        }
        _ => unit,
    };
    let in_flight = usize::try_from(unit).unwrap_or(usize::MAX).saturating_add(1);
    Ok(PlannedSlices { periods: periods.clone(), requests: 0, bytes: None, in_flight, memory: 0, reasons })
}

/// The state that the periods were listed for.
fn state<'a>(fetch: &Fetch, periods: &'a Periods) -> Result<&'a Snapshot, StepError> {
    let mut listed = periods.source.iter().flat_map(|source| &source.snapshots);
    listed.find(|snapshot| Some(&snapshot.dataset) == fetch.dataset.as_ref()).ok_or_else(|| {
        let name = fetch.dataset.as_ref().map_or("", |id| id.as_str());
        StepError::permanent(ErrorKind::Data, format!("nothing says at which state `{name}` is read"))
            .help("let the step that lists the periods need the one that opens or writes the dataset")
    })
}

/// The slices of the work, in its order.
pub(super) fn slices(fetch: Fetch, periods: Periods, halo: u32, cx: Context) -> Slices {
    let begin = State::Begin(Box::new((fetch, periods, halo, cx)));
    Slices(stream::unfold(begin, State::next).boxed())
}

enum State {
    Begin(Box<(Fetch, Periods, u32, Context)>),
    Reading(Box<Reading>),
    Over,
}

impl State {
    async fn next(self) -> Option<(Result<Arrival, StepError>, Self)> {
        let mut reading = match self {
            Self::Over => return None,
            Self::Reading(reading) => reading,
            Self::Begin(begin) => {
                let (fetch, periods, halo, cx) = *begin;
                // Nothing to do is nothing to open.
                wants(&periods, halo).next()?;
                match Reading::begin(fetch, &periods, halo, cx).await {
                    Ok(reading) => Box::new(reading),
                    Err(error) => return Some((Err(error), Self::Over)),
                }
            }
        };
        loop {
            if reading.cx.cancel.is_cancelled() {
                return Some((Err(StepError::Cancelled), Self::Over));
            }
            if let Some(arrival) = reading.ready.pop_front() {
                return Some((Ok(arrival), Self::Reading(reading)));
            }
            match reading.fill().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some((Err(error), Self::Over)),
            }
        }
    }
}

/// One variable that is read.
struct Input {
    stored: TemplateVariable,
    wanted: Wanted,
}

struct Reading {
    cube: Cube,
    inputs: Vec<Input>,
    cut: Arc<Cut>,
    grid: Arc<Grid>,
    /// Steps of its chunks along time.
    unit: usize,
    on_missing: OnMissing,
    wants: Peekable<Box<dyn Iterator<Item = Want> + Send>>,
    ready: VecDeque<Arrival>,
    cx: Context,
}

impl Reading {
    async fn begin(fetch: Fetch, periods: &Periods, halo: u32, cx: Context) -> Result<Self, StepError> {
        let state = state(&fetch, periods)?;
        let info = cx.scope.dataset(&state.dataset)?;
        let none = || StepError::permanent(ErrorKind::Data, format!("{} holds nothing yet", state.dataset));
        let cube = Cube::open_at(info, &cx.scope, state.id.as_ref().ok_or_else(none)?).await?;
        let target = &cx.scope.dataset(&periods.dataset)?.block;
        let names = target.grid.as_ref().and_then(|grid| grid.names.clone());
        let names = names.unwrap_or_else(|| ["y".to_owned(), "x".to_owned()]);
        let (cut, grid) = cells::cut(&cube.template().grid, fetch.bbox, &names)
            .map_err(|what| StepError::permanent(ErrorKind::Data, format!("{}: {what}", state.dataset)))?;
        let selected: Vec<_> = if fetch.variables.is_empty() {
            target.variables.keys().map(|name| (name.clone(), Default::default())).collect()
        } else {
            fetch.variables.clone().into_iter().collect()
        };
        let mut inputs = Vec::new();
        for (name, select) in selected {
            let from = select.from.as_ref().unwrap_or(&name);
            let Some(stored) = cube.template().variable(from) else {
                let known: Vec<&str> = cube.template().variables.iter().map(|v| v.name.as_str()).collect();
                let message = format!("{} has no variable `{from}`", state.dataset);
                return Err(StepError::permanent(ErrorKind::Data, message).help(format!(
                    "it has {}; `variables: {{ {name}: {{ from: … }} }}` chooses one",
                    known.join(", ")
                )));
            };
            let block = target.variables.get(&name).cloned();
            // What marks a missing number outside says nothing of a cube of ours.
            let block = block.map(|block| frazil_engine::dataset::Variable { nodata: None, ..block });
            let wanted =
                Wanted { name, stamp: fetch.stamp, block, select, inside: Vec::new(), lead: None, plane: 0 };
            inputs.push(Input { stored: stored.clone(), wanted });
        }
        let unit = usize::try_from(cube.template().write_unit()).unwrap_or(usize::MAX);
        let wants: Box<dyn Iterator<Item = Want> + Send> = Box::new(wants(periods, halo));
        Ok(Self {
            inputs,
            cut: Arc::new(cut),
            grid: Arc::new(grid),
            unit,
            on_missing: fetch.on_missing,
            wants: wants.peekable(),
            ready: VecDeque::new(),
            cube,
            cx,
        })
    }

    /// Where the numbers of a period are; none where there are none.
    fn place(&self, period: Period) -> Option<(usize, Status)> {
        let at = self.cube.axis().position(period)?;
        let (_, status) = self.cube.axis().get(at)?;
        status.has_values().then_some((at, status))
    }

    /// Reads what comes next; false when that was all, or the source has no more.
    async fn fill(&mut self) -> Result<bool, StepError> {
        let Some(first) = self.wants.next() else { return Ok(false) };
        let Some((begin, _)) = self.place(first.period) else { return self.missing(first) };
        let mut stretch = vec![first];
        while let Some(next) = self.wants.peek().copied() {
            let follows = self
                .place(next.period)
                .is_some_and(|(at, _)| at == begin + stretch.len() && at / self.unit == begin / self.unit);
            if !follows {
                break;
            }
            stretch.push(next);
            self.wants.next();
        }
        self.read(&stretch, begin..begin + stretch.len()).await.map_err(|error| error.at(first.period))?;
        Ok(true)
    }

    async fn read(&mut self, stretch: &[Want], steps: Range<usize>) -> Result<(), StepError> {
        let mut fields: Vec<Vec<Field>> = stretch.iter().map(|_| Vec::new()).collect();
        for input in &self.inputs {
            let values = self.cube.read(&input.stored.name, steps.clone(), Some(&self.cut.window)).await?;
            let (cut, stored, wanted) = (Arc::clone(&self.cut), input.stored.clone(), input.wanted.clone());
            let (count, planes) = (steps.len(), self.grid.planes());
            let made = tokio::task::spawn_blocking(move || {
                let packing = Packing::new(stored.scale_factor, stored.add_offset);
                let one = |step: usize| {
                    let (values, fill) =
                        settle(cut.step(&values, step, planes), stored.fill, packing, &wanted);
                    Field { name: wanted.name.clone(), values, fill, units: stored.units.clone() }
                };
                (0..count).map(one).collect::<Vec<Field>>()
            });
            let made =
                made.await.map_err(|_| StepError::permanent(ErrorKind::Internal, "reading stopped"))?;
            fields.iter_mut().zip(made).for_each(|(of, field)| of.push(field));
        }
        for (want, fields) in stretch.iter().zip(fields) {
            let status = self.place(want.period).map_or(Status::Final, |(_, status)| status);
            let (period, context, grid) = (want.period, want.context, Arc::clone(&self.grid));
            self.ready.push_back(Arrival::Slice(Slice { period, status, context, grid, fields }));
        }
        Ok(())
    }

    /// A period without numbers: the frontier, a gap that is known, or a hole.
    fn missing(&mut self, want: Want) -> Result<bool, StepError> {
        let axis = self.cube.axis();
        let known = axis.status(want.period).is_some();
        let behind = axis.last().is_some_and(|last| want.period > last);
        if want.context {
            return Ok(true);
        }
        if want.action != Action::Add {
            self.ready.push_back(Arrival::Kept(want.period));
            return Ok(true);
        }
        if behind {
            return Ok(false);
        }
        if !known && self.on_missing == OnMissing::Stop {
            let message = format!("{} goes on behind the period, but lacks it", self.cube.snapshot().dataset);
            return Err(StepError::permanent(ErrorKind::Data, message)
                .at(want.period)
                .help("write `on-missing: gap` to record the gap and go on"));
        }
        let (period, grid) = (want.period, Arc::clone(&self.grid));
        let gap = Slice { period, status: Status::Gap, context: false, grid, fields: Vec::new() };
        self.ready.push_back(Arrival::Slice(gap));
        Ok(true)
    }
}
