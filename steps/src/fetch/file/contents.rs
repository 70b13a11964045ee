//! What is wanted of an open source of many periods: where it lies, and what was read ahead of it.

use std::{ops::Range, sync::Arc};

use frazil_engine::{
    data::{Field, LEAD_TIME, Period, Status},
    step::{ErrorKind, StepError},
};
use frazil_raster_protocol::Description;

use super::{
    super::source::{Found, Piece, Request},
    block::Block,
    grid::{self, Window},
    index::{Index, Place},
    layout::{Layout, Role, Series},
    meaning::Meaning,
};
use crate::{
    compute::compute,
    raster::{Helpers, misunderstood},
};

/// The wanted variables of an open source.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) request: Arc<Request>,
    /// One per wanted variable.
    pub(super) series: Vec<Series>,
    indexes: Vec<Index>,
    /// Whether a step of each variable is wanted.
    wanted: Vec<Vec<bool>>,
    pub(super) window: Window,
    /// What was read ahead of each variable.
    pub(super) blocks: Vec<Option<Arc<Block>>>,
    /// Whether the newest step is on its way while the last label of any further dimension lacks numbers, not
    /// that of leads alone.
    others: bool,
}

impl Contents {
    /// Finds what is wanted, by what the source says of itself; none while it has earlier leads of forecasts
    /// alone.
    ///
    /// # Errors
    /// When it is not there, lies on no grid that frazil reads, or does not fit into `memory`.
    pub(super) async fn of(
        description: &Description,
        request: &Arc<Request>,
        helpers: &Helpers,
        memory: u64,
    ) -> Result<Option<Self>, StepError> {
        let Some(layout) = Layout::of(description, request)? else { return Ok(None) };
        let window = grid::window(&layout, request, helpers).await?;
        fits(&window, request, memory)?;
        let file = request.place.to_string();
        let indexes = layout
            .series
            .iter()
            .zip(&request.variables)
            .map(|(series, wanted)| Index::of(&series.steps, wanted.stamp, &request.periods, &file))
            .collect::<Result<Vec<_>, StepError>>()?;
        let blocks = layout.series.iter().map(|_| None).collect();
        let wanted = indexes.iter().map(|index| wanted(index, &request.periods)).collect();
        let (request, series) = (Arc::clone(request), layout.series);
        Ok(Some(Self { request, series, indexes, wanted, window, blocks, others: false }))
    }

    /// The same of a store, whose dimensions have all their labels before there are numbers: what its newest
    /// step lacks of the last level or member is on its way too.
    pub(super) fn with_other_dimensions(self) -> Self {
        Self { others: true, ..self }
    }

    /// The step of `period` in each variable, or what its lack means.
    pub(super) fn steps(&self, period: Period) -> Result<Vec<usize>, Found> {
        let mut steps = Vec::new();
        for index in &self.indexes {
            match index.find(period) {
                Place::At(step) => steps.push(step),
                Place::After => return Err(Found::After),
                Place::Absent => return Err(Found::Absent),
            }
        }
        Ok(steps)
    }

    /// The block of variable `at` that holds `step`, if it was read; what was read of other steps is let go.
    pub(super) fn kept(&mut self, at: usize, step: usize) -> Option<Arc<Block>> {
        if let Some(block) = &self.blocks[at]
            && block.steps.contains(&step)
        {
            return Some(Arc::clone(block));
        }
        self.blocks[at] = None;
        None
    }

    /// Keeps what was read of variable `at`.
    pub(super) fn keep(&mut self, at: usize, block: Block) -> Arc<Block> {
        let block = Arc::new(block);
        self.blocks[at] = Some(Arc::clone(&block));
        block
    }

    /// How many wanted steps follow one another from `step` on, as far as `bytes` hold them.
    pub(super) fn ahead(&self, at: usize, step: usize, bytes: usize) -> usize {
        // All combinations of a variable share what may be read ahead of it.
        let name = &self.request.variables[at].name;
        let planes = self.request.variables.iter().filter(|wanted| wanted.name == *name).count();
        let planes = planes * (self.request.beside + 1);
        let each = self.window.grid.cells() * self.series[at].stored.size() * planes;
        let most = (bytes / each.max(1)).max(1);
        let wanted = |step: usize| self.wanted[at].get(step).copied().unwrap_or_default();
        (1..most).find(|ahead| !wanted(step + ahead)).unwrap_or(most)
    }

    /// Whether these are the newest steps of the source, and have no numbers yet at the last label of
    /// dimensions that it has besides time and place: a run of a forecast that is on its way.
    pub(super) fn is_under_way(&self, steps: &[usize], fields: &[Field]) -> bool {
        let variables = &self.request.variables;
        let newest = steps.iter().zip(&self.indexes).all(|(step, index)| index.last() == Some(*step));
        // A file that says no time holds one run, which is its newest.
        let only = self.indexes.iter().all(|index| index.last().is_none());
        variables.iter().zip(fields).any(|(wanted, field)| {
            let led = wanted.inside.iter().any(|(name, _)| name == LEAD_TIME);
            let counts = led && (newest || only) || self.others && newest && !wanted.inside.is_empty();
            let last =
                variables.iter().filter(|other| other.name == wanted.name).map(|other| other.plane).max();
            counts && last == Some(wanted.plane) && is_missing(field)
        })
    }

    /// What the source says of these steps, one per variable.
    pub(super) fn status(&self, steps: &[usize]) -> Status {
        let said = self.series.iter().zip(steps).filter_map(|(series, step)| {
            let said = &series.statuses;
            if said.len() == 1 { said.first() } else { said.get(*step) }
        });
        said.copied().max().unwrap_or(Status::Final)
    }

    /// A period, of its fields.
    pub(super) fn piece(&self, fields: Vec<Field>, steps: &[usize]) -> Found {
        Found::Here(Piece { grid: Arc::clone(&self.window.grid), fields, status: self.status(steps) })
    }

    /// Cuts one step out of a block and undoes its packing, on a thread for such work.
    pub(super) async fn field(&self, at: usize, step: usize, block: Arc<Block>) -> Result<Field, StepError> {
        let series = &self.series[at];
        let wanted = self.request.variables[at].clone();
        let meaning = Meaning::of(&series.decode);
        let (rows, columns) = (self.window.rows.clone(), self.window.columns.clone());
        let units = series.units.clone();
        let done = compute("unpacking a field", move || {
            meaning.field((&block, step), (&rows, &columns), &wanted, units)
        });
        done.await?.ok_or_else(|| misunderstood(&self.request.place.to_string()))
    }
}

/// Whether a field holds nothing.
fn is_missing(field: &Field) -> bool {
    (0..field.values.len())
        .map(|at| field.values.get(at))
        .all(|value| value.is_nan() || field.fill == Some(value))
}

/// Whether each step is that of one of the periods.
fn wanted(index: &Index, periods: &[Period]) -> Vec<bool> {
    let mut wanted = Vec::new();
    for period in periods {
        if let Place::At(step) = index.find(*period) {
            wanted.resize(wanted.len().max(step + 1), false);
            wanted[step] = true;
        }
    }
    wanted
}

/// Refuses what would not fit into memory, before any of it is read.
fn fits(window: &Window, request: &Request, memory: u64) -> Result<(), StepError> {
    let (rows, columns) = window.grid.shape();
    let need = (rows as u64) * (columns as u64) * 16 * request.variables.len() as u64;
    if need <= memory {
        return Ok(());
    }
    Err(StepError::permanent(
        ErrorKind::Data,
        format!("{}: {rows} × {columns} cells do not fit into the memory of a run", request.place),
    )
    .help("give a `bbox`, or raise `memory` in frazil.yaml"))
}

/// Along the dimensions of an array, what is read of it for a rectangle over some steps.
pub(super) fn block_of(
    dims: &[Role],
    steps: &Range<usize>,
    rows: &Range<usize>,
    columns: &Range<usize>,
) -> Vec<Range<u64>> {
    let wide = |range: &Range<usize>| range.start as u64..range.end as u64;
    dims.iter()
        .map(|role| match role {
            Role::Time => wide(steps),
            Role::Y => wide(rows),
            Role::X => wide(columns),
            Role::At(index) => *index..*index + 1,
        })
        .collect()
}

/// How far apart the numbers of such a block lie: from step to step, row to row, column to column.
pub(super) fn strides(dims: &[Role], block: &[Range<u64>]) -> [usize; 3] {
    let mut strides = [0; 3];
    let mut stride = 1;
    for (role, range) in dims.iter().zip(block).rev() {
        match role {
            Role::Time => strides[0] = stride,
            Role::Y => strides[1] = stride,
            Role::X => strides[2] = stride,
            Role::At(_) => {}
        }
        stride *= usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    }
    strides
}
