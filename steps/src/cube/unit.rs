//! A stretch of time that is written together: its numbers while they are gathered, and their
//! way into chunk objects.

mod plan;

use std::{collections::BTreeMap, sync::Arc};

use frazil_engine::{
    data::{Period, PeriodRange},
    step::StepError,
};
use icechunk::{
    format::{ChunkIndices, manifest::ChunkPayload},
    session::Session,
};

pub(super) use plan::{Part, Plan};

use super::{
    Cube,
    codec::ChunkCodec,
    document::not_a_cube,
    fault,
    level::Stored,
    path,
    read::{Block, copy},
    reference::{ChunkRecord, Object, UnitRecord},
    spares::Spares,
    template::Template,
    write,
};
use crate::{compute::compute, downsample};

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
    /// What was stored, by array and place, when the batch began.
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
        let before = plan.parts.iter().map(|_| BTreeMap::new()).collect();
        Self { number, numbers, before, touched: false, anchor: None }
    }

    /// A unit as it is stored.
    pub(super) async fn load(number: i64, plan: &Plan, cube: &Cube, spare: Spare) -> Result<Self, StepError> {
        let what = format!("cannot read {}", cube.snapshot().repository);
        let mut unit = Self::of_fill(number, plan, plan.length, spare);
        let Ok(number) = usize::try_from(number) else { return Ok(unit) };
        for (at, part) in plan.parts.iter().enumerate() {
            let first = number.saturating_mul(usize::try_from(part.steps).unwrap_or(usize::MAX));
            for place in &part.places {
                let mut index: Vec<usize> = place.iter().map(|i| *i as usize).collect();
                index[0] += first;
                let Some(reference) = cube.reference(&part.path, &index, &what).await? else { continue };
                unit.before[at].insert(place.clone(), Object::of(&reference));
                // Levels are made anew of all numbers of the unit.
                if part.level > 0 {
                    continue;
                }
                let codec = Arc::clone(&part.codec);
                let size = codec.dtype.size();
                let source = block_at(place, &codec);
                let decode = move |bytes: Option<&[u8]>| codec.values(bytes, &Spares::default());
                let values = cube.chunk((&part.path, &index), Some(&reference), &what, decode).await?;
                copy(&source, values.bytes(), &part.whole, &mut unit.numbers[at], size);
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

/// Places of the chunks of one unit of an array, in C order: along time within the unit, then along the
/// other dimensions.
pub(super) fn places(template: &Template, stored: &Stored<'_>) -> Vec<Vec<u32>> {
    let space = stored.grid.lengths().into_iter().zip(stored.array.unit().iter().skip(1));
    let counts = space.map(|(n, length)| (n as u64).div_ceil((*length).max(1)));
    let mut places = vec![Vec::new()];
    for count in std::iter::once(template.steps_of(stored.array)).chain(counts) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let with = |place: &Vec<u32>, at: u32| place.iter().copied().chain([at]).collect();
        places = places.iter().flat_map(|place| (0..count).map(move |at| with(place, at))).collect();
    }
    places
}

/// What a chunk covers of its unit.
fn block_at(place: &[u32], codec: &ChunkCodec) -> Block {
    let chunk: Vec<usize> = place.iter().map(|at| *at as usize).collect();
    Block::of_chunk(&chunk, &codec.lengths())
}

/// Encodes and uploads the chunks of a unit and its levels; gives its memory back.
pub(super) async fn upload(
    unit: Unit,
    plan: Arc<Plan>,
    session: Arc<Session>,
    what: Arc<str>,
) -> Result<(Option<UnitRecord>, Spare), StepError> {
    let Some((period, phase)) = unit.anchor.filter(|_| unit.touched) else {
        return Ok((None, Spare(unit.numbers)));
    };
    let numbers: Vec<Arc<Vec<u8>>> = unit.numbers.into_iter().map(Arc::new).collect();
    let time = u32::try_from(unit.number).unwrap_or_default();
    let way = Way { plan: &plan, session: &session, what: &what, time };
    let full = numbers.iter().enumerate().map(|(part, numbers)| way.part(part, Arc::clone(numbers)));
    let levels = numbers.iter().enumerate();
    let levels =
        levels.map(|(variable, numbers)| way.levels(variable, numbers, |numbers| numbers.as_slice()));
    let (full, levels) =
        futures::try_join!(futures::future::try_join_all(full), futures::future::try_join_all(levels))?;
    let mut chunks = BTreeMap::new();
    for (part, objects) in full.into_iter().enumerate().chain(levels.into_iter().flatten()) {
        let part = (&plan.parts[part], &unit.before[part]);
        let record = |(place, object): (&Vec<u32>, Option<ChunkPayload>)| ChunkRecord {
            object: object.as_ref().map(Object::of),
            replaces: part.1.get(place).cloned(),
            step: place.first().copied().unwrap_or_default(),
            at: place.iter().skip(1).copied().collect(),
        };
        let records = part.0.places.iter().zip(objects).map(record).collect();
        chunks.insert(part.0.key.clone(), records);
    }
    let spare = Spare(numbers.into_iter().filter_map(Arc::into_inner).collect());
    Ok((Some(UnitRecord { period: PeriodRange::one(period), phase, chunks }), spare))
}

/// Where the chunks of a unit go.
pub(super) struct Way<'a> {
    pub(super) plan: &'a Arc<Plan>,
    pub(super) session: &'a Session,
    pub(super) what: &'a str,
    /// Any place along time: it is no part of the objects.
    pub(super) time: u32,
}

impl Way<'_> {
    /// The objects of all chunks of an array, in the order of their places.
    async fn part(&self, part: usize, numbers: Arc<Vec<u8>>) -> Result<Vec<Option<ChunkPayload>>, StepError> {
        let places = &self.plan.parts[part].places;
        let each = places.iter().map(|place| self.chunk(part, place.clone(), Arc::clone(&numbers)));
        futures::future::try_join_all(each).await
    }

    /// The same of all levels of a variable, by the place of each among the parts. Of steps beyond those
    /// that `numbers` hold nothing is known: they are fill.
    pub(super) async fn levels<N: Send + Sync + 'static>(
        &self,
        variable: usize,
        numbers: &Arc<N>,
        bytes: impl Fn(&N) -> &[u8] + Send + 'static,
    ) -> Result<Vec<(usize, Vec<Option<ChunkPayload>>)>, StepError> {
        let Some((encoding, method)) = self.plan.downsampling(variable) else { return Ok(Vec::new()) };
        let template = &self.plan.template;
        let (shape, count) = (template.grid.shape(), template.levels.len());
        let numbers = Arc::clone(numbers);
        let made = compute("making overviews", move || {
            downsample::levels(bytes(&numbers), encoding, method, shape, count)
        });
        let made = made.await?.map_err(|unfit| {
            let name = &template.variables[variable].name;
            write::refused(
                format!("`{name}`: {unfit}"),
                "store the variable in a wider type, or give `pyramid` another `method` for it",
            )
        })?;
        let own = self.plan.parts.iter().enumerate().filter(|(_, p)| p.variable == variable && p.level > 0);
        let each = own.zip(made).map(|((part, about), mut level)| async move {
            let whole = about.whole.numbers() * about.codec.dtype.size();
            let lacks = whole.saturating_sub(level.len()) / about.codec.dtype.size();
            level.extend(about.codec.filled(lacks));
            Ok::<_, StepError>((part, self.part(part, Arc::new(level)).await?))
        });
        futures::future::try_join_all(each).await
    }

    async fn chunk(
        &self,
        part: usize,
        place: Vec<u32>,
        numbers: Arc<Vec<u8>>,
    ) -> Result<Option<ChunkPayload>, StepError> {
        let name = path(&self.plan.parts[part].path)?;
        let other = place.iter().skip(1).copied();
        let coordinates = ChunkIndices(std::iter::once(self.time).chain(other).collect());
        let coordinates = self.plan.template.stored_place(coordinates);
        let plan = Arc::clone(self.plan);
        let encoded =
            compute("encoding a chunk", move || encode(&plan.parts[part], &numbers, &place)).await??;
        let Some(encoded) = encoded else { return Ok(None) };
        let write = self.session.get_chunk_writer(&name, &coordinates).map_err(fault::icechunk(self.what))?;
        write(encoded.into()).await.map(Some).map_err(fault::icechunk(self.what))
    }
}

/// The encoded bytes of a chunk; none for one of nothing but fill.
fn encode(part: &Part, numbers: &[u8], place: &[u32]) -> Result<Option<Vec<u8>>, StepError> {
    let codec = &part.codec;
    let chunk = block_at(place, codec);
    let own;
    let bytes = if chunk == part.whole {
        numbers
    } else {
        let mut block = codec.filled(codec.numbers());
        copy(&part.whole, numbers, &chunk, &mut block, codec.dtype.size());
        own = block;
        own.as_slice()
    };
    if codec.is_fill(bytes) {
        return Ok(None);
    }
    codec.encode(bytes).map(Some).map_err(|error| not_a_cube(format!("`{}`: {error}", part.key)))
}
