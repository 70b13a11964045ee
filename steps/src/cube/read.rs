use std::{collections::BTreeMap, ops::Range, sync::Arc};

use frazil_engine::{
    data::{Dimension, Dimensions, Frequency, Grid, Period, Values},
    step::{ErrorKind, StepError},
};
use futures::{StreamExt, TryStreamExt, stream};
use icechunk::{format::snapshot::NodeData, session::Session};
use serde_json::Value;

use super::{
    Cube, chunk,
    codec::ChunkCodec,
    document,
    document::{Nodes, not_a_cube},
    elsewhere, fault, labels,
    level::{self, Places},
    path,
    spares::Spares,
    template::Template,
    time::TimeIndex,
    timeless,
};

/// Chunks that are fetched and decoded at a time by one read: two keep two cores busy while a
/// third is on its way; more would only hold memory.
pub(super) const CHUNKS_AT_A_TIME: usize = 3;

/// The part of a period that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Along each dimension between time and y; all of them where nothing is said.
    pub extra: Vec<Range<usize>>,
    /// Rows.
    pub y: Range<usize>,
    /// Columns.
    pub x: Range<usize>,
}

/// All nodes of a session.
pub(super) async fn nodes(session: &Session, what: &str) -> Result<Nodes, StepError> {
    let listed = session.list_nodes(&path("/")?).await.map_err(fault::icechunk(what))?;
    let mut nodes = Nodes::new();
    for node in listed {
        let node = node.map_err(fault::icechunk(what))?;
        let document = serde_json::from_slice(&node.user_data)
            .map_err(|error| not_a_cube(format!("{what}: the metadata of {}: {error}", node.path)))?;
        nodes.insert(node.path.to_string(), document);
    }
    Ok(nodes)
}

/// What stands in a cube besides its numbers.
pub(super) struct Contents {
    pub(super) template: Template,
    pub(super) axis: TimeIndex,
    pub(super) codecs: BTreeMap<String, Arc<ChunkCodec>>,
}

/// Reads grid, axis and layout. `theirs` is the path of the time axis in a dataset made elsewhere, which counts
/// time as it likes.
pub(super) async fn contents(
    session: &Session,
    nodes: &Nodes,
    step: Frequency,
    theirs: Option<&str>,
    what: &str,
) -> Result<Contents, StepError> {
    let dressed;
    let nodes = if step.is_static() {
        dressed = timeless::dressed(nodes);
        &dressed
    } else {
        nodes
    };
    let group = document::group(nodes);
    let prefix = if group.is_empty() { String::new() } else { format!("/{group}") };
    if step.is_static() && nodes.contains_key(&format!("{prefix}/time")) {
        let message = format!("{what}: it has a time axis, and the dataset says `time: none`");
        return Err(not_a_cube(message).help("say the step of what is stored, or write to another store"));
    }
    let (y, x) = document::axes(nodes)?;
    if theirs.is_none() && !step.is_static() {
        calendar(nodes, &format!("{prefix}/time"), step)?;
    }
    let read = |name: String| {
        let path =
            theirs.filter(|_| name == "time").map_or_else(|| format!("{prefix}/{name}"), str::to_owned);
        async move { vector(session, nodes, &path, 0, what).await.map(|found| found.map(|(_, v)| v)) }
    };
    let (labels, statuses, y, x) =
        futures::try_join!(read("time".to_owned()), read("period_status".to_owned()), read(y), read(x))?;
    let missing = |name: &str| not_a_cube(format!("{what}: it has no coordinate `{name}`"));
    let labels = match (labels, theirs) {
        // What stands there is its one period.
        (None, _) if step.is_static() => vec![Period::STATIC.label()],
        (None, _) => return Err(missing("time")),
        (Some(labels), Some(path)) => {
            let attributes = nodes.get(path).map_or(&Value::Null, |document| &document["attributes"]);
            elsewhere::labels(step, &labels, attributes, what)?
        }
        (Some(Values::Int64(labels)), None) => labels,
        (Some(other), None) => {
            return Err(not_a_cube(format!("{what}: `time` is {}, not int64", other.dtype().name())));
        }
    };
    let statuses = match statuses {
        Some(Values::UInt8(codes)) => Some(codes),
        None => None,
        Some(other) => {
            let found = other.dtype().name();
            return Err(not_a_cube(format!("{what}: `period_status` is {found}, not uint8")));
        }
    };
    let axis = TimeIndex::decode(step, &labels, statuses.as_deref())
        .map_err(|error| not_a_cube(format!("{what}: {error}")))?;
    let floats = |values: Option<Values>, name: &str| match values {
        Some(Values::Float64(values)) => Ok(values),
        Some(values) => Ok((0..values.len()).map(|i| values.get(i)).collect()),
        None => Err(missing(name)),
    };
    let mut extra = Dimensions::default();
    for (name, length) in document::between(nodes)? {
        let labels = labels::read(session, nodes, &format!("{prefix}/{name}"), length, what).await?;
        extra.0.push(Dimension { name, labels });
    }
    let mut template = document::template(nodes, step, floats(y, "y")?, floats(x, "x")?, extra)?;
    let crs = &template.grid.crs;
    if theirs.is_some() && crs.code.is_none() && crs.wkt.is_empty() {
        let names = (template.grid.y.name.as_str(), template.grid.x.name.as_str());
        let found = elsewhere::degrees(nodes, &group, names);
        template.grid.crs = found.unwrap_or_else(|| template.grid.crs.clone());
    }
    let (y, x) = (&template.grid.y.name, &template.grid.x.name);
    let mut places = Vec::new();
    for group in level::groups(nodes) {
        let read = |name: &str| {
            let path = level::inside(&group, name);
            async move { vector(session, nodes, &path, 0, what).await.map(|found| found.map(|(_, v)| v)) }
        };
        // What lacks coordinates is told by where its cells lie: nowhere.
        let (y, x) = futures::try_join!(read(y), read(x))?;
        let (y, x) = (floats(y, "y").unwrap_or_default(), floats(x, "x").unwrap_or_default());
        places.push(Places { group, y, x });
    }
    match level::stored(nodes, &template, places) {
        Ok(levels) => template.levels = levels,
        Err(reason) => template.foreign_levels = Some(reason),
    }
    let mut codecs = BTreeMap::new();
    for stored in template.arrays() {
        let codec = codec(nodes, &template.path(&stored.key), what)?;
        codecs.insert(stored.key, Arc::new(codec));
    }
    Ok(Contents { template, axis, codecs })
}

/// Refuses time axes that are not counted as ours are.
fn calendar(nodes: &Nodes, time: &str, step: Frequency) -> Result<(), StepError> {
    let attributes = nodes.get(time).map_or(&Value::Null, |d| &d["attributes"]);
    let calendar = attributes["calendar"].as_str().unwrap_or("standard");
    if !matches!(calendar, "proleptic_gregorian" | "standard" | "gregorian") {
        let message = format!("`time` is in calendar `{calendar}`");
        return Err(StepError::permanent(ErrorKind::Data, message)
            .help("only the proleptic Gregorian calendar is known; another would shift dates silently"));
    }
    match attributes["units"].as_str() {
        Some(units) if units.trim_end_matches(" 00:00:00") == step.unit() => Ok(()),
        units => Err(StepError::permanent(
            ErrorKind::Data,
            format!(
                "`time` is in `{}`, a step of {step} is stored in `{}`",
                units.unwrap_or("-"),
                step.unit()
            ),
        )
        .help("write to another store, or make `time.step` that of the store")),
    }
}

pub(super) fn codec(nodes: &Nodes, path: &str, what: &str) -> Result<ChunkCodec, StepError> {
    let document = nodes.get(path).ok_or_else(|| not_a_cube(format!("{what}: there is no array {path}")))?;
    ChunkCodec::new(document).map_err(|error| not_a_cube(format!("{what}: array {path}: {error}")))
}

/// A one-dimensional array from the chunk on that holds position `from`, with the position where
/// that begins; none where there is no such array.
pub(super) async fn vector(
    session: &Session,
    nodes: &Nodes,
    name: &str,
    from: usize,
    what: &str,
) -> Result<Option<(usize, Values)>, StepError> {
    if !nodes.contains_key(name) {
        return Ok(None);
    }
    let codec = codec(nodes, name, what)?;
    let node = session.get_array(&path(name)?).await.map_err(fault::icechunk(what))?;
    let NodeData::Array { shape, .. } = node.node_data else { return Ok(None) };
    let length = shape.get(0).map_or(0, |d| usize::try_from(d.array_length()).unwrap_or(usize::MAX));
    let length_of_chunk = codec.numbers().max(1);
    let begin = from.min(length) / length_of_chunk * length_of_chunk;
    let size = codec.dtype.size();
    let mut bytes = Vec::with_capacity((length - begin) * size);
    for at in begin / length_of_chunk..length.div_ceil(length_of_chunk) {
        // At most 64 KiB: not worth a thread.
        bytes.extend(match chunk::fetched(session, name, &[at], what).await? {
            None => codec.filled(length_of_chunk),
            Some(encoded) => {
                codec.decode(&encoded).map_err(|error| not_a_cube(format!("{what}: {name}: {error}")))?
            }
        });
    }
    bytes.truncate((length - begin) * size);
    Ok(Values::from_le_bytes(codec.dtype, &bytes).map(|values| (begin, values)))
}

impl Cube {
    /// Stored numbers of the periods at positions `time`, shape (time, further dimensions, y, x); packed numbers stay
    /// packed (see [`super::TemplateVariable::value`]); of a level by its group, `/` and the variable. Holds the
    /// result and a few chunks.
    ///
    /// # Errors
    /// When there is no such variable, when the range or the window is not inside, or when the
    /// store cannot be read.
    pub async fn read(
        &self,
        variable: &str,
        time: Range<usize>,
        window: Option<&Window>,
    ) -> Result<Values, StepError> {
        self.read_into(variable, time, window, &Spares::default()).await
    }

    /// As [`Cube::read`], into a spare block if there is one that fits: for readers of many chunks.
    ///
    /// # Errors
    /// As [`Cube::read`].
    pub async fn read_into(
        &self,
        variable: &str,
        time: Range<usize>,
        window: Option<&Window>,
        spares: &Spares,
    ) -> Result<Values, StepError> {
        let what = format!("cannot read `{variable}` of {}", self.snapshot.repository);
        let codec =
            self.codecs.get(variable).ok_or_else(|| not_a_cube(format!("{what}: no such variable")))?;
        let target = self
            .block(self.template.grid_of(variable), time, window)
            .map_err(|outside| StepError::permanent(ErrorKind::Internal, format!("{what}: {outside}")))?;
        if let Some(external) = &self.external {
            return external.read(variable, &target.ranges).await.map(|values| codec.unmarked(values));
        }
        let lengths = codec.lengths();
        let chunks = target.chunks(&lengths);
        let name = self.template.path(variable);
        let fetch = |chunk: Vec<usize>| {
            let (name, what, lengths) = (&name, &what, &lengths);
            let (codec, spares) = (Arc::clone(codec), spares.clone());
            async move {
                let reference = self.reference(name, &chunk, what).await?;
                let decode = move |bytes: Option<&[u8]>| codec.values(bytes, &spares);
                let values = self.chunk((name, &chunk), reference.as_ref(), what, decode).await?;
                Ok::<_, StepError>((Block::of_chunk(&chunk, lengths), values))
            }
        };
        if let [chunk] = chunks.as_slice() {
            let whole = Block::of_chunk(chunk, &lengths);
            // All cells of some steps of a chunk: they lie together in it.
            if let ([steps, cells @ ..], [wanted, same @ ..]) =
                (whole.ranges.as_slice(), target.ranges.as_slice())
                && cells == same
            {
                let (_, mut values) = fetch(chunk.clone()).await?;
                let cells: usize = cells.iter().map(Range::len).product();
                values.keep((wanted.start - steps.start) * cells..(wanted.end - steps.start) * cells);
                return Ok(values);
            }
        }
        let mut pending = stream::iter(chunks).map(fetch).buffered(CHUNKS_AT_A_TIME);
        // The chunks cover all of it: each byte is written once.
        let mut out = spares.take(codec.dtype, target.numbers());
        while let Some((source, values)) = pending.try_next().await? {
            copy(&source, values.bytes(), &target, out.bytes_mut(), codec.dtype.size());
            spares.give(values);
        }
        Ok(out)
    }

    fn block(&self, grid: &Grid, time: Range<usize>, window: Option<&Window>) -> Result<Block, String> {
        let lengths = grid.lengths();
        let mut ranges: Vec<Range<usize>> = lengths.iter().map(|length| 0..*length).collect();
        if let Some(Window { extra, y, x }) = window {
            let planes = ranges.len() - 2;
            ranges.splice(planes.., [y.clone(), x.clone()]);
            if !extra.is_empty() {
                ranges.splice(..planes, extra.iter().cloned());
            }
        }
        let inside = ranges.len() == lengths.len() && ranges.iter().zip(&lengths).all(|(r, n)| r.end <= *n);
        if time.end > self.axis.len() || !inside {
            return Err(format!("positions {time:?}, {ranges:?} are not inside"));
        }
        ranges.insert(0, time);
        Ok(Block { ranges })
    }
}

/// A block of an array: a range of each dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) ranges: Vec<Range<usize>>,
}

impl Block {
    /// The block that a chunk covers, edges beyond the array too.
    pub(super) fn of_chunk(chunk: &[usize], lengths: &[usize]) -> Self {
        let range = |(at, length): (&usize, &usize)| at * length..(at + 1) * length;
        Self { ranges: chunk.iter().zip(lengths).map(range).collect() }
    }

    pub(super) fn numbers(&self) -> usize {
        self.ranges.iter().map(|r| r.len()).product()
    }

    /// The chunks that it touches, in C order.
    pub(super) fn chunks(&self, lengths: &[usize]) -> Vec<Vec<usize>> {
        let mut chunks = vec![Vec::with_capacity(lengths.len())];
        for (range, length) in self.ranges.iter().zip(lengths) {
            let along =
                if range.is_empty() { 0..0 } else { range.start / length..(range.end - 1) / length + 1 };
            let with = |chunk: &Vec<usize>, at: usize| chunk.iter().copied().chain([at]).collect();
            chunks = chunks.iter().flat_map(|chunk| along.clone().map(move |at| with(chunk, at))).collect();
        }
        chunks
    }
}

/// Copies what two blocks of as many dimensions share from one to the other.
pub(super) fn copy(from: &Block, source: &[u8], to: &Block, target: &mut [u8], size: usize) {
    copy_within(from, source, to, target, size, &(0..usize::MAX));
}

/// The same, of no other steps than those of `limit`.
pub(super) fn copy_within(
    from: &Block,
    source: &[u8],
    to: &Block,
    target: &mut [u8],
    size: usize,
    limit: &Range<usize>,
) {
    let mut shared: Vec<Range<usize>> =
        from.ranges.iter().zip(&to.ranges).map(|(a, b)| a.start.max(b.start)..a.end.min(b.end)).collect();
    if let Some(time) = shared.first_mut() {
        *time = time.start.max(limit.start)..time.end.min(limit.end);
    }
    if shared.iter().any(Range::is_empty) {
        return;
    }
    // Bytes from one place to the next along each dimension, and where the shared part begins.
    let strides = |block: &Block| {
        let mut strides: Vec<usize> = vec![size; block.ranges.len()];
        for d in (1..strides.len()).rev() {
            strides[d - 1] = strides[d] * block.ranges[d].len();
        }
        let begin: usize = shared
            .iter()
            .zip(&block.ranges)
            .zip(&strides)
            .map(|((s, r), stride)| (s.start - r.start) * stride)
            .sum();
        (strides, begin)
    };
    let ((source_strides, mut s), (target_strides, mut d)) = (strides(from), strides(to));
    // Places that follow each other in both are copied at once: whole rows, whole planes.
    let mut inner = shared.len();
    let mut length = size;
    while inner > 0 && source_strides[inner - 1] == length && target_strides[inner - 1] == length {
        inner -= 1;
        length *= shared[inner].len();
    }
    let outer = &shared[..inner];
    let mut at = vec![0; outer.len()];
    loop {
        target[d..d + length].copy_from_slice(&source[s..s + length]);
        // The next place of the outer dimensions, the last of them first.
        let Some(turn) = (0..outer.len()).rev().find(|&dim| at[dim] + 1 < outer[dim].len()) else { return };
        for dim in turn + 1..outer.len() {
            s -= at[dim] * source_strides[dim];
            d -= at[dim] * target_strides[dim];
            at[dim] = 0;
        }
        at[turn] += 1;
        s += source_strides[turn];
        d += target_strides[turn];
    }
}
