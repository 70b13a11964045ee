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
    spares::Spares,
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

/// Memory of a unit that is written, for one to come.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<Vec<u8>>);

/// The numbers of one unit, all variables.
#[derive(Debug)]
pub(super) struct Unit {
    /// Which one, counted in units from where the axis of the base begins; negative before it.
    pub(super) number: i64,
    /// Numbers by variable, shape (time, further dimensions, y, x): whole planes.
    pub(super) numbers: Vec<Vec<u8>>,
    /// What was stored, by variable and place, when the batch began.
    pub(super) before: Vec<BTreeMap<Vec<u32>, Object>>,
    /// Whether anything is to be written.
    pub(super) touched: bool,
    /// The first period put here, and its place.
    pub(super) anchor: Option<(Period, usize)>,
}

impl Unit {
    /// A unit of fill; one of a single step holds nothing until its numbers are put.
    pub(super) fn empty(number: i64, plan: &Plan, spare: Spare) -> Self {
        Self::of_fill(number, plan, if plan.length == 1 { 0 } else { plan.length }, spare)
    }

    fn of_fill(number: i64, plan: &Plan, steps: usize, Spare(mut numbers): Spare) -> Self {
        numbers.resize_with(plan.codecs.len(), Vec::new);
        for (numbers, codec) in numbers.iter_mut().zip(&plan.codecs) {
            codec.fill_up(numbers, plan.cells() * steps);
        }
        let before = plan.codecs.iter().map(|_| BTreeMap::new()).collect();
        Self { number, numbers, before, touched: false, anchor: None }
    }

    /// A unit as it is stored.
    pub(super) async fn load(number: i64, plan: &Plan, cube: &Cube, spare: Spare) -> Result<Self, StepError> {
        let what = format!("cannot read {}", cube.snapshot().repository);
        let mut unit = Self::of_fill(number, plan, plan.length, spare);
        let Ok(chunk) = u32::try_from(number) else { return Ok(unit) };
        for (at, variable) in plan.template.variables.iter().enumerate() {
            let name = plan.template.path(&variable.name);
            let whole = whole(plan);
            for place in places(variable, &plan.template.grid) {
                let index: Vec<usize> = indices(chunk, &place).0.iter().map(|i| *i as usize).collect();
                let Some(reference) = cube.reference(&name, &index, &what).await? else { continue };
                let codec = Arc::clone(&plan.codecs[at]);
                let size = codec.dtype.size();
                let source = block_at(&place, &codec);
                unit.before[at].insert(place, Object::of(&reference));
                let decode = move |bytes: Option<&[u8]>| codec.values(bytes, &Spares::default());
                let values = cube.chunk((&name, &index), Some(&reference), &what, decode).await?;
                copy(&source, values.bytes(), &whole, &mut unit.numbers[at], size);
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
    let lengths = std::iter::once(plan.length).chain(plan.template.grid.lengths());
    Block { ranges: lengths.map(|length| 0..length).collect() }
}

/// Places of the chunks of one unit along all dimensions but time, in C order.
pub(super) fn places(variable: &TemplateVariable, grid: &Grid) -> Vec<Vec<u32>> {
    let mut places = vec![Vec::new()];
    for (n, length) in grid.lengths().into_iter().zip(variable.unit().iter().skip(1)) {
        let count = u32::try_from((n as u64).div_ceil((*length).max(1))).unwrap_or(u32::MAX);
        let with = |place: &Vec<u32>, at: u32| place.iter().copied().chain([at]).collect();
        places = places.iter().flat_map(|place| (0..count).map(move |at| with(place, at))).collect();
    }
    places
}

fn indices(time: u32, place: &[u32]) -> ChunkIndices {
    ChunkIndices(std::iter::once(time).chain(place.iter().copied()).collect())
}

/// What a chunk covers of its unit.
fn block_at(place: &[u32], codec: &ChunkCodec) -> Block {
    let chunk: Vec<usize> = std::iter::once(0).chain(place.iter().map(|at| *at as usize)).collect();
    Block::of_chunk(&chunk, &codec.lengths())
}

/// Encodes and uploads the chunks of a unit; gives its memory back.
pub(super) async fn upload(
    unit: Unit,
    plan: Arc<Plan>,
    session: Arc<Session>,
    what: Arc<str>,
) -> Result<(Option<UnitRecord>, Spare), StepError> {
    let Some((period, phase)) = unit.anchor.filter(|_| unit.touched) else {
        return Ok((None, Spare(unit.numbers)));
    };
    let mut chunks = BTreeMap::new();
    let mut pending = Vec::new();
    let numbers: Vec<Arc<Vec<u8>>> = unit.numbers.into_iter().map(Arc::new).collect();
    for ((at, variable), numbers) in plan.template.variables.iter().enumerate().zip(&numbers) {
        for place in places(variable, &plan.template.grid) {
            let job = Job {
                plan: Arc::clone(&plan),
                session: Arc::clone(&session),
                what: Arc::clone(&what),
                numbers: Arc::clone(numbers),
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
                object: object.as_ref().map(Object::of),
                replaces: unit.before[at].get(&place).cloned(),
                at: place,
            })
            .collect();
        chunks.insert(variable.name.clone(), records);
    }
    let spare = Spare(numbers.into_iter().filter_map(Arc::into_inner).collect());
    Ok((Some(UnitRecord { period: PeriodRange::one(period), phase, chunks }), spare))
}

/// One chunk on its way.
struct Job {
    plan: Arc<Plan>,
    session: Arc<Session>,
    what: Arc<str>,
    numbers: Arc<Vec<u8>>,
    variable: usize,
    place: Vec<u32>,
    time: u32,
}

impl Job {
    async fn run(self) -> Result<Option<ChunkPayload>, StepError> {
        let variable = &self.plan.template.variables[self.variable];
        let name = path(&self.plan.template.path(&variable.name))?;
        let coordinates = indices(self.time, &self.place);
        let (plan, numbers, at, place) =
            (Arc::clone(&self.plan), Arc::clone(&self.numbers), self.variable, self.place.clone());
        let encoded = compute("encoding a chunk", move || encode(&plan, at, &numbers, &place)).await??;
        let Some(encoded) = encoded else { return Ok(None) };
        let write =
            self.session.get_chunk_writer(&name, &coordinates).map_err(fault::icechunk(&self.what))?;
        write(encoded.into()).await.map(Some).map_err(fault::icechunk(&self.what))
    }
}

/// The encoded bytes of a chunk; none for one of nothing but fill.
fn encode(plan: &Plan, variable: usize, numbers: &[u8], place: &[u32]) -> Result<Option<Vec<u8>>, StepError> {
    let codec = &plan.codecs[variable];
    let whole = whole(plan);
    let chunk = block_at(place, codec);
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
