//! Another layout: the arrays whose chunks, shards or codecs are to be others are cast, all else stays.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use frazil_engine::step::StepError;
use serde_json::{Value, json};

use super::{
    Part, Reference, Rewrite, Stretch, Target, batch,
    cast::{Cast, Caster, Job, Piece},
};
use crate::cube::{
    Cube,
    codec::ChunkCodec,
    document::not_a_cube,
    layout::{ArrayDocument, refused},
    lengths::{Lengths, along},
    level::Stored,
    template::{Template, TemplateVariable},
    time::TimeIndex,
    timeless::TIME,
};

/// Numbers of a window, in bytes, that cells or steps are gathered up to where chunks are smaller.
const WINDOW: usize = 4 << 20;

/// The same; no more than a batch of tests.
pub(super) fn window() -> usize {
    usize::try_from(batch()).unwrap_or(usize::MAX).min(WINDOW)
}

/// The layout that arrays are to have. What is not said of a length stays as it is stored; where nothing
/// is said of any, shards stay too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Lengths of chunks by dimension.
    pub(crate) chunks: BTreeMap<String, u64>,
    /// Lengths of shards by dimension.
    pub(crate) shards: BTreeMap<String, u64>,
    /// The level of Zstandard.
    pub(crate) level: i32,
}

impl Layout {
    /// The arrays that are to be stored otherwise, those of levels too.
    fn others<'a>(&self, template: &'a Template) -> Result<Vec<Other<'a>>, StepError> {
        if template.step.is_static() && (self.chunks.contains_key(TIME) || self.shards.contains_key(TIME)) {
            return Err(refused("it has no dimension `time`", "say lengths along its other dimensions"));
        }
        let mut others = Vec::new();
        for stored in template.arrays() {
            let array = self.of(&stored)?;
            let was = stored.array;
            if was.chunks != array.chunks || was.shards != array.shards || was.codecs != array.codecs {
                others.push(Other { stored, array });
            }
        }
        Ok(others)
    }

    /// An array as it is to be stored. Levels have no shards: map clients do not read them.
    fn of(&self, stored: &Stored<'_>) -> Result<TemplateVariable, StepError> {
        let variable = stored.array;
        let along = along(stored.grid, &variable.chunks);
        let known = |name: &&String| along.iter().any(|(full, short, ..)| name == full || name == short);
        if let Some(unknown) = self.chunks.keys().chain(self.shards.keys()).find(|name| !known(name)) {
            let names: Vec<&str> = along.iter().map(|(full, ..)| *full).collect();
            return Err(refused(
                format!("`{unknown}` is no dimension of `{}`", variable.name),
                format!("its dimensions are {}", names.join(", ")),
            ));
        }
        let mut lengths = Lengths::said(&self.chunks, &self.shards, self.level, &along)?;
        if stored.level > 0 {
            lengths.shards = None;
        } else if self.chunks.is_empty() && self.shards.is_empty() {
            lengths.shards.clone_from(&variable.shards);
        }
        let codecs = lengths.codecs(variable.dtype);
        Ok(TemplateVariable { chunks: lengths.chunks, shards: lengths.shards, codecs, ..variable.clone() })
    }
}

/// An array as it is stored, and as it is to be.
#[derive(Debug, Clone)]
pub(super) struct Other<'a> {
    pub(super) stored: Stored<'a>,
    pub(super) array: TemplateVariable,
}

/// Which arrays are cast, and how.
#[derive(Debug)]
pub(crate) struct Casts {
    pub(super) casts: Vec<Arc<Cast>>,
    /// Parts: which of them, and which of its cells.
    pub(super) tiles: Vec<(usize, Vec<Range<usize>>)>,
    /// Steps of a unit: of what is written together along `time`.
    unit: usize,
}

impl Casts {
    /// Peak memory, in bytes: parts are done one after the other.
    fn peak(&self) -> u64 {
        self.tiles.iter().map(|(cast, tile)| self.casts[*cast].peak(tile)).max().unwrap_or_default()
    }
}

/// The rewrite to another layout.
#[derive(Debug)]
pub(crate) struct Recast {
    pub(crate) layout: Layout,
    pub(crate) batch: u64,
    /// Bytes of a window where chunks are smaller.
    pub(crate) window: usize,
    caster: Caster,
}

impl Recast {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, batch: batch(), window: window(), caster: Caster::default() }
    }
}

impl Rewrite for Recast {
    const KIND: &'static str = "rechunk";
    type Plan = Casts;

    fn target(&self, main: &Cube) -> Result<Option<Target<Casts>>, StepError> {
        let others = self.layout.others(&main.template)?;
        if others.is_empty() {
            return Ok(None);
        }
        target(main, main.axis.clone(), &others, String::new(), (self.window, self.batch)).map(Some)
    }

    async fn fill(
        &mut self,
        main: &Arc<Cube>,
        target: &Target<Casts>,
        stretch: &Stretch,
        what: &Arc<str>,
    ) -> Result<Vec<Reference>, StepError> {
        let pieces = [Piece { cube: Arc::clone(main), range: 0..target.axis.len(), offset: 0 }];
        fill(&mut self.caster, &pieces, main, target, stretch, what).await
    }

    fn batch(&self) -> u64 {
        self.batch
    }

    fn message(&self, main: &Cube, target: &Target<Casts>) -> String {
        let of = |cast: &Arc<Cast>| {
            let stored = main.template.variable(&cast.variable)?;
            let lengths = cast.to.lengths().into_iter().map(|n| n as u64).collect::<Vec<_>>();
            Some(format!("{}: {} → {}", cast.variable, shown(stored.unit()), shown(&lengths)))
        };
        format!("rechunk {}", target.plan.casts.iter().filter_map(of).collect::<Vec<_>>().join(", "))
    }
}

/// Casts a stretch out of these pieces.
pub(super) async fn fill(
    caster: &mut Caster,
    pieces: &[Piece],
    main: &Arc<Cube>,
    target: &Target<Casts>,
    stretch: &Stretch,
    what: &Arc<str>,
) -> Result<Vec<Reference>, StepError> {
    let (cast, tile) = &target.plan.tiles[stretch.part];
    let cast = &target.plan.casts[*cast];
    let job = Job { cast, tile, pieces, length: target.axis.len(), store: main, what };
    caster.fill(job, stretch.units.start * target.unit..stretch.units.end * target.unit).await
}

/// As `30 × 512 × 512`.
pub(crate) fn shown(lengths: &[u64]) -> String {
    lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

/// What is to be made of `main`, where these variables are to be stored otherwise.
pub(super) fn target(
    main: &Cube,
    axis: TimeIndex,
    others: &[Other<'_>],
    salt: String,
    (window, batch): (usize, u64),
) -> Result<Target<Casts>, StepError> {
    let (template, nodes) = (&main.template, main.documents());
    let document = |stored: &Stored<'_>| nodes.get(&template.path(&stored.key)).cloned().unwrap_or_default();
    let plan = casts(template, others, window, document)?;
    let unit = plan.unit;
    let mut target = Target { plan, salt, unit, arrays: BTreeMap::new(), parts: Vec::new(), axis };
    for other in others {
        let document = document_of(document(&other.stored), &other.array, target.axis.len());
        target.arrays.insert(template.path(&other.stored.key), document);
    }
    for (cast, tile) in &target.plan.tiles {
        let cast = &target.plan.casts[*cast];
        let (units, bytes) = (cast.window / unit, cast.window_bytes(tile) as u64);
        let windows = usize::try_from((batch / bytes.max(1)).max(1)).unwrap_or(usize::MAX);
        target
            .parts
            .push(Part { stride: windows.saturating_mul(units), unit_bytes: bytes / units.max(1) as u64 });
    }
    Ok(target)
}

/// How these arrays of a dataset become what they are to be; `document` is that of a stored one.
fn casts(
    template: &Template,
    others: &[Other<'_>],
    window: usize,
    document: impl Fn(&Stored<'_>) -> Value,
) -> Result<Casts, StepError> {
    let unit = others.iter().map(|other| other.array.unit()[0]).fold(1, multiple);
    let unit = usize::try_from(unit).unwrap_or(usize::MAX);
    let mut plan = Casts { casts: Vec::new(), tiles: Vec::new(), unit };
    for other in others {
        let codec = |document: &Value| {
            let codec = ChunkCodec::new(document).map(Arc::new);
            codec.map_err(|error| not_a_cube(format!("`{}`: {error}", other.stored.key)))
        };
        let stored = document(&other.stored);
        let (from, to) = (codec(&stored)?, codec(&document_of(stored.clone(), &other.array, 0))?);
        let path = Arc::from(template.path(&other.stored.key).as_str());
        let mut cast = Cast { variable: other.stored.key.clone(), path, from, to, window: unit };
        let tiles = tiles(&mut cast, &other.stored.grid.lengths(), (unit, window));
        plan.tiles.extend(tiles.into_iter().map(|tile| (plan.casts.len(), tile)));
        plan.casts.push(Arc::new(cast));
    }
    Ok(plan)
}

/// What a rewrite to a layout would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rechunking {
    /// What becomes of each array, a sentence each.
    pub(crate) arrays: Vec<String>,
    /// Chunk objects read and written, at most: those of nothing but fill are not stored.
    pub(crate) read: u64,
    /// As above.
    pub(crate) written: u64,
    /// Bytes of the numbers, uncompressed.
    pub(crate) bytes: u64,
    /// Peak memory, in bytes.
    pub(crate) memory: u64,
}

/// What would be done to a dataset that is `length` periods long then; none where its layout is as it
/// should be.
pub(crate) fn foreseen(
    template: &Template,
    layout: &Layout,
    length: usize,
) -> Result<Option<Rechunking>, StepError> {
    let others = layout.others(template)?;
    if others.is_empty() || length == 0 {
        return Ok(None);
    }
    let plan =
        casts(template, &others, window(), |stored| ArrayDocument::variable(stored.array, stored.grid))?;
    let mut found = Rechunking { arrays: Vec::new(), read: 0, written: 0, bytes: 0, memory: 0 };
    for (cast, other) in plan.casts.iter().zip(&others) {
        let lengths: Vec<u64> =
            std::iter::once(length).chain(other.stored.grid.lengths()).map(|n| n as u64).collect();
        let count = |codec: &ChunkCodec| -> u64 {
            lengths.iter().zip(codec.lengths()).map(|(n, chunk)| n.div_ceil(chunk.max(1) as u64)).product()
        };
        let (read, written) = (count(&cast.from), count(&cast.to));
        let (stored, array) = (other.stored.array, &other.array);
        found.arrays.push(format!(
            "`{}`: {read} chunks of {} are read, {written} of {} written",
            other.stored.key,
            described(stored, array),
            described(array, stored)
        ));
        found.read += read;
        found.written += written;
        found.bytes += lengths.iter().product::<u64>() * cast.to.dtype.size() as u64;
    }
    found.memory = plan.peak();
    Ok(Some(found))
}

/// Peak memory of writing all arrays anew as they are stored, in bytes.
pub(crate) fn peak(template: &Template) -> Result<u64, StepError> {
    let same: Vec<Other<'_>> =
        template.arrays().map(|stored| Other { array: stored.array.clone(), stored }).collect();
    let plan = casts(template, &same, window(), |stored| ArrayDocument::variable(stored.array, stored.grid))?;
    Ok(plan.peak())
}

/// In which arrays of full resolution the stored layout is another than this one, a sentence each;
/// nothing of a layout that cannot be.
pub(crate) fn differences(template: &Template, layout: &Layout) -> Vec<String> {
    let others = layout.others(template).unwrap_or_default();
    let full = others.iter().filter(|other| other.stored.level == 0);
    let told = |Other { stored, array }: &Other<'_>| {
        let (is, declared) = (described(stored.array, array), described(array, stored.array));
        format!(
            "`{}` is stored in chunks of {is}, declared in {declared}: `rechunk` changes that",
            stored.key
        )
    };
    full.map(told).collect()
}

/// As `30 × 512 × 512 in shards of 360 × 512 × 512`; with the codecs where the lengths are those of
/// the other.
pub(crate) fn described(variable: &TemplateVariable, other: &TemplateVariable) -> String {
    let mut text = shown(&variable.chunks);
    if let Some(shards) = &variable.shards {
        text = format!("{text} in shards of {}", shown(shards));
    }
    if variable.chunks == other.chunks && variable.shards == other.shards {
        let one = |codec: &Value| match codec["configuration"]["level"].as_i64() {
            Some(level) => format!("{} {level}", codec["name"].as_str().unwrap_or_default()),
            None => codec["name"].as_str().unwrap_or_default().to_owned(),
        };
        let inner = match variable.codecs.first() {
            Some(codec) if codec["name"] == "sharding_indexed" => &codec["configuration"]["codecs"],
            _ => &json!(variable.codecs),
        };
        let names: Vec<String> = inner.as_array().into_iter().flatten().skip(1).map(one).collect();
        text = format!("{text} ({})", names.join(", "));
    }
    text
}

fn document_of(mut document: Value, variable: &TemplateVariable, length: usize) -> Value {
    document["shape"][0] = json!(length);
    document["chunk_grid"] =
        json!({ "name": "regular", "configuration": { "chunk_shape": variable.unit() } });
    document["codecs"] = json!(variable.codecs);
    document
}

/// Cuts the cells of an array where chunks of both layouts end, and says how many steps are done
/// together: at least those of a stored chunk, so that each is read once.
fn tiles(cast: &mut Cast, cells: &[usize], (unit, least): (usize, usize)) -> Vec<Vec<Range<usize>>> {
    let (from, to) = (cast.from.lengths(), cast.to.lengths());
    let mut sides: Vec<usize> = Vec::new();
    for ((cells, from), to) in cells.iter().zip(&from[1..]).zip(&to[1..]) {
        let side = multiple(*from as u64, *to as u64);
        sides.push(usize::try_from(side).unwrap_or(usize::MAX).clamp(1, (*cells).max(1)));
    }
    cast.window = unit * from[0].div_ceil(unit);
    let bytes = |sides: &[usize], window: usize| {
        sides.iter().product::<usize>().saturating_mul(window).saturating_mul(cast.to.dtype.size()).max(1)
    };
    // Small tiles are done together, those that follow each other in memory first; then more steps.
    for at in (0..sides.len()).rev() {
        let more = least / bytes(&sides, cast.window);
        sides[at] = sides[at].saturating_mul(more.max(1)).min(cells[at].max(1));
        if sides[at] < cells[at] {
            break;
        }
    }
    cast.window *= (least / bytes(&sides, cast.window)).max(1);
    let mut tiles = vec![Vec::new()];
    for (cells, side) in cells.iter().zip(&sides) {
        let along: Vec<Range<usize>> =
            (0..*cells).step_by(*side).map(|start| start..(start + side).min(*cells)).collect();
        let with = |tile: &Vec<Range<usize>>, range: &Range<usize>| {
            tile.iter().cloned().chain([range.clone()]).collect()
        };
        tiles = tiles.iter().flat_map(|tile| along.iter().map(move |range| with(tile, range))).collect();
    }
    tiles
}

/// The smallest common multiple.
fn multiple(one: u64, other: u64) -> u64 {
    let (mut a, mut b) = (one.max(1), other.max(1));
    while b > 0 {
        (a, b) = (b, a % b);
    }
    (one.max(1) / a).saturating_mul(other.max(1))
}
