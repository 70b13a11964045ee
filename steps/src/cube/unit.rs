//! A stretch of time that is written together: its numbers while they are gathered, and their
//! way into chunk objects.

use std::{collections::BTreeMap, sync::Arc};

use frazil_engine::{
    data::{Grid, Period, PeriodRange},
    step::StepError,
};
use icechunk::{
    format::{ChunkIndices, manifest::ChunkPayload},
    session::Session,
};

use super::{
    Cube,
    codec::ChunkCodec,
    document::not_a_cube,
    fault, path,
    read::{Block, copy},
    reference::{ChunkRecord, Object, UnitRecord},
    template::{Template, TemplateVariable},
};
use crate::compute::compute;

/// What is known of each variable while a batch is written.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) template: Template,
    pub(super) codecs: Vec<Arc<ChunkCodec>>,
    /// Steps of a unit.
    pub(super) length: usize,
}

impl Plan {
    /// Numbers of one period of one variable.
    pub(super) fn cells(&self) -> usize {
        self.template.grid.cells()
    }

    /// Bytes of one unit of all variables.
    pub(super) fn unit_bytes(&self) -> usize {
        let period = usize::try_from(self.template.period_bytes()).unwrap_or(usize::MAX);
        period.saturating_mul(self.length)
    }
}

/// The numbers of one unit, all variables.
#[derive(Debug)]
pub(super) struct Unit {
    /// Which one, counted in units from where the axis of the base begins; negative before it.
    pub(super) number: i64,
    /// Numbers by variable, shape (time, y, x), whole rows and columns.
    pub(super) numbers: Vec<Vec<u8>>,
    /// What was stored, by variable and place, when the batch began.
    pub(super) before: Vec<BTreeMap<[u32; 2], Object>>,
    /// Whether anything is to be written.
    pub(super) touched: bool,
    /// The first period put here, and its place.
    pub(super) anchor: Option<(Period, usize)>,
}

impl Unit {
    /// A unit of fill; one of a single step holds nothing until its numbers are put.
    pub(super) fn empty(number: i64, plan: &Plan) -> Self {
        let cells = if plan.length == 1 { 0 } else { plan.cells() * plan.length };
        let numbers = plan.codecs.iter().map(|c| c.filled(cells)).collect();
        let before = plan.codecs.iter().map(|_| BTreeMap::new()).collect();
        Self { number, numbers, before, touched: false, anchor: None }
    }

    /// A unit as it is stored.
    pub(super) async fn load(number: i64, plan: &Plan, cube: &Cube) -> Result<Self, StepError> {
        let what = format!("cannot read {}", cube.snapshot().repository);
        let mut unit = Self::empty(number, plan);
        unit.numbers = plan.codecs.iter().map(|c| c.filled(plan.cells() * plan.length)).collect();
        let Ok(chunk) = u32::try_from(number) else { return Ok(unit) };
        for (at, variable) in plan.template.variables.iter().enumerate() {
            let name = plan.template.path(&variable.name);
            let whole = whole(plan);
            for place in places(variable, &plan.template.grid) {
                let coordinates = ChunkIndices(vec![chunk, place[0], place[1]]);
                let payload = cube
                    .session
                    .get_chunk_ref(&path(&name)?, &coordinates)
                    .await
                    .map_err(fault::icechunk(&what))?;
                let Some(payload) = payload else { continue };
                unit.before[at].insert(place, Object::of(&payload));
                let index = [chunk as usize, place[0] as usize, place[1] as usize];
                let codec = Arc::clone(&plan.codecs[at]);
                let size = codec.dtype.size();
                let source = Block::of_chunk(&[0, index[1], index[2]], &codec.lengths());
                let decode = move |bytes: Option<&[u8]>| bytes.map(|bytes| codec.decode(bytes)).transpose();
                if let Some(bytes) = cube.chunk(&name, &index, &what, decode).await? {
                    copy(&source, &bytes, &whole, &mut unit.numbers[at], size);
                }
            }
        }
        Ok(unit)
    }

    /// Puts the bytes of one period of one variable; whether they are others than stood there.
    pub(super) fn put(&mut self, plan: &Plan, variable: usize, step: usize, new: Vec<u8>) -> bool {
        if plan.length == 1 && self.numbers[variable].len() != new.len() {
            self.numbers[variable] = new;
            return true;
        }
        let old = self.period(plan, variable, step);
        let differs = old != new.as_slice();
        if differs {
            old.copy_from_slice(&new);
        }
        differs
    }

    /// The bytes of one period of one variable.
    pub(super) fn period(&mut self, plan: &Plan, variable: usize, step: usize) -> &mut [u8] {
        let bytes = plan.cells() * plan.codecs[variable].dtype.size();
        &mut self.numbers[variable][step * bytes..(step + 1) * bytes]
    }
}

fn whole(plan: &Plan) -> Block {
    let (rows, columns) = plan.template.grid.shape();
    Block { ranges: [0..plan.length, 0..rows, 0..columns] }
}

/// Places of the chunks of one unit along y and x.
fn places(variable: &TemplateVariable, grid: &Grid) -> Vec<[u32; 2]> {
    let (rows, columns) = grid.shape();
    let [_, y, x] = variable.unit();
    let count = |n: usize, length: u64| u32::try_from((n as u64).div_ceil(length.max(1))).unwrap_or(u32::MAX);
    let (ys, xs) = (count(rows, y), count(columns, x));
    (0..ys).flat_map(|y| (0..xs).map(move |x| [y, x])).collect()
}

/// Encodes and uploads the chunks of a unit; the numbers are dropped on return.
pub(super) async fn upload(
    unit: Unit,
    plan: Arc<Plan>,
    session: Arc<Session>,
    what: Arc<str>,
) -> Result<Option<UnitRecord>, StepError> {
    let Some((period, phase)) = unit.anchor.filter(|_| unit.touched) else { return Ok(None) };
    let mut chunks = BTreeMap::new();
    let mut pending = Vec::new();
    for ((at, variable), numbers) in plan.template.variables.iter().enumerate().zip(unit.numbers) {
        let numbers = Arc::new(numbers);
        for place in places(variable, &plan.template.grid) {
            let job = Job {
                plan: Arc::clone(&plan),
                session: Arc::clone(&session),
                what: Arc::clone(&what),
                numbers: Arc::clone(&numbers),
                variable: at,
                place,
                // The place along time is not known yet, and no part of the object.
                time: u32::try_from(unit.number).unwrap_or_default(),
            };
            pending.push(job.run());
        }
    }
    let objects = futures::future::try_join_all(pending).await?;
    let mut objects = objects.into_iter();
    for (at, variable) in plan.template.variables.iter().enumerate() {
        let records = places(variable, &plan.template.grid)
            .into_iter()
            .zip(objects.by_ref())
            .map(|(place, object)| ChunkRecord {
                at: place,
                object: object.as_ref().map(Object::of),
                replaces: unit.before[at].get(&place).cloned(),
            })
            .collect();
        chunks.insert(variable.name.clone(), records);
    }
    Ok(Some(UnitRecord { period: PeriodRange::one(period), phase, chunks }))
}

/// One chunk on its way.
struct Job {
    plan: Arc<Plan>,
    session: Arc<Session>,
    what: Arc<str>,
    numbers: Arc<Vec<u8>>,
    variable: usize,
    place: [u32; 2],
    time: u32,
}

impl Job {
    async fn run(self) -> Result<Option<ChunkPayload>, StepError> {
        let variable = &self.plan.template.variables[self.variable];
        let name = path(&self.plan.template.path(&variable.name))?;
        let coordinates = ChunkIndices(vec![self.time, self.place[0], self.place[1]]);
        let (plan, numbers, at, place) =
            (Arc::clone(&self.plan), Arc::clone(&self.numbers), self.variable, self.place);
        let encoded = compute("encoding a chunk", move || encode(&plan, at, &numbers, place)).await??;
        let Some(encoded) = encoded else { return Ok(None) };
        let write =
            self.session.get_chunk_writer(&name, &coordinates).map_err(fault::icechunk(&self.what))?;
        write(encoded.into()).await.map(Some).map_err(fault::icechunk(&self.what))
    }
}

/// The encoded bytes of a chunk; none for one of nothing but fill.
fn encode(
    plan: &Plan,
    variable: usize,
    numbers: &[u8],
    place: [u32; 2],
) -> Result<Option<Vec<u8>>, StepError> {
    let codec = &plan.codecs[variable];
    let whole = whole(plan);
    let chunk = Block::of_chunk(&[0, place[0] as usize, place[1] as usize], &codec.lengths());
    let own;
    let bytes = if chunk == whole {
        numbers
    } else {
        let mut block = codec.filled(codec.numbers());
        copy(&whole, numbers, &chunk, &mut block, codec.dtype.size());
        own = block;
        own.as_slice()
    };
    if codec.is_fill(bytes) {
        return Ok(None);
    }
    codec
        .encode(bytes)
        .map(Some)
        .map_err(|error| not_a_cube(format!("`{}`: {error}", plan.template.variables[variable].name)))
}
