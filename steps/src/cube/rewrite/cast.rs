//! The numbers of an array from one layout into another, window by window along `time`.
//!
//! Each stored chunk is read once: what it holds beyond its window is put into the next one. A window is
//! written while the next one is read.

use std::{ops::Range, sync::Arc};

use frazil_engine::step::{ErrorKind, StepError};
use futures::{StreamExt, TryStreamExt, stream};
use icechunk::format::ChunkIndices;
use tokio::task::JoinSet;

use super::Reference;
use crate::{
    compute::compute,
    cube::{
        Cube,
        codec::ChunkCodec,
        document::not_a_cube,
        fault, path,
        read::{Block, CHUNKS_AT_A_TIME, copy, copy_within},
        spares::Spares,
    },
};

/// Numbers that may wait to be written while others are read, in bytes; one window always may.
const AHEAD: usize = 8 << 20;

/// Chunks of a window that are encoded and written at a time: two keep two cores busy while two others
/// are on their way to the store.
const WRITTEN_AT_A_TIME: usize = 4;

/// An array that is cast.
#[derive(Debug)]
pub(super) struct Cast {
    /// The variable.
    pub(super) variable: String,
    /// Its path as it will stand.
    pub(super) path: Arc<str>,
    /// As it is stored, and as it will be.
    pub(super) from: Arc<ChunkCodec>,
    pub(super) to: Arc<ChunkCodec>,
    /// Steps of a window.
    pub(super) window: usize,
}

/// Periods in a row that are read from one state of the dataset.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) cube: Arc<Cube>,
    /// Their positions on the axis as it will stand.
    pub(super) range: Range<usize>,
    /// What is to be added to a position there for the one here.
    pub(super) offset: i64,
}

/// A part of an array, and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) cast: &'a Arc<Cast>,
    /// Cells, along all dimensions but time.
    pub(super) tile: &'a [Range<usize>],
    /// All periods.
    pub(super) pieces: &'a [Piece],
    /// How many there are.
    pub(super) length: usize,
    /// Where chunks are written.
    pub(super) store: &'a Arc<Cube>,
    pub(super) what: &'a Arc<str>,
}

/// Some steps of the cells of a tile.
#[derive(Debug)]
struct Window {
    block: Block,
    numbers: Vec<u8>,
}

/// A window that is begun: what was read already reached into it.
#[derive(Debug)]
struct Begun {
    source: icechunk::format::SnapshotId,
    path: Arc<str>,
    window: Window,
    /// The position up to which all is read.
    read: usize,
}

type Done = Result<(Vec<Reference>, Vec<u8>), StepError>;

/// Casts stretch after stretch, with the memory of those before.
#[derive(Debug, Default)]
pub(super) struct Caster {
    spares: Spares,
    idle: Vec<Vec<u8>>,
    begun: Option<Begun>,
    tasks: JoinSet<Done>,
    references: Vec<Reference>,
}

impl Cast {
    /// Bytes of one number.
    fn size(&self) -> usize {
        self.to.dtype.size()
    }

    /// Bytes of a whole window.
    pub(super) fn window_bytes(&self, tile: &[Range<usize>]) -> usize {
        tile.iter().map(Range::len).product::<usize>() * self.window * self.size()
    }

    /// Peak memory, in bytes: windows that are read into and written, what they are encoded to, and the
    /// stored chunks that are on their way.
    pub(super) fn peak(&self, tile: &[Range<usize>]) -> u64 {
        let bytes = self.window_bytes(tile);
        let ahead = ahead(bytes);
        let block = Block { ranges: std::iter::once(0..self.window).chain(tile.iter().cloned()).collect() };
        let chunks = block.chunks(&self.from.lengths()).len().min(CHUNKS_AT_A_TIME) + 1;
        let stored = self.from.numbers().saturating_mul(self.from.dtype.size());
        (bytes * (2 * ahead + 1)) as u64 + (chunks * stored) as u64
    }
}

/// Windows of so many bytes that may wait to be written.
fn ahead(bytes: usize) -> usize {
    (AHEAD / bytes.max(1)).max(1)
}

impl Caster {
    /// Casts the periods at these positions, which begin and end where chunks do.
    pub(super) async fn fill(
        &mut self,
        job: Job<'_>,
        steps: Range<usize>,
    ) -> Result<Vec<Reference>, StepError> {
        let mut at = steps.start;
        while at < steps.end {
            let end = (at + job.cast.window).min(steps.end);
            let block = block(at..end, job.tile);
            let begun = self.begun.take().filter(|begun| {
                begun.source == job.store.id && begun.path == job.cast.path && begun.window.block == block
            });
            let (mut window, read) = match begun {
                Some(begun) => (begun.window, begun.read),
                None => (self.window(block, job, 0).await?, at),
            };
            let next =
                if end < steps.end { (end + job.cast.window).min(steps.end) } else { end + job.cast.window };
            self.read(job, &mut window, read, end..next).await?;
            while self.tasks.len() >= ahead(window.numbers.len()) {
                self.next().await?;
            }
            let (cast, store, what) = (Arc::clone(job.cast), Arc::clone(job.store), Arc::clone(job.what));
            self.tasks.spawn(write(window, cast, store, what));
            at = end;
        }
        while !self.tasks.is_empty() {
            self.next().await?;
        }
        Ok(std::mem::take(&mut self.references))
    }

    /// Waits for a window that is written.
    async fn next(&mut self) -> Result<(), StepError> {
        match self.tasks.join_next().await {
            Some(Ok(done)) => {
                let (references, idle) = done?;
                self.references.extend(references);
                self.idle.push(idle);
                Ok(())
            }
            Some(Err(_)) => Err(StepError::permanent(ErrorKind::Internal, "writing a chunk stopped")),
            None => Ok(()),
        }
    }

    /// Memory of a window, while `held` others are read into.
    async fn window(&mut self, block: Block, job: Job<'_>, held: usize) -> Result<Window, StepError> {
        let (numbers, size) = (block.numbers(), job.cast.size());
        let most = ahead(numbers * size);
        while !self.tasks.is_empty() && self.tasks.len() + held > most {
            self.next().await?;
        }
        let mut bytes = self.idle.pop().unwrap_or_default();
        if block.ranges.first().is_some_and(|time| time.end > job.length) {
            // What lies behind the axis is fill.
            job.cast.to.fill_up(&mut bytes, numbers);
        } else {
            bytes.resize(numbers * size, 0);
        }
        Ok(Window { block, numbers: bytes })
    }

    /// Reads what a window lacks from position `read` on. What comes along of the steps `next` is put
    /// into the window that follows.
    async fn read(
        &mut self,
        job: Job<'_>,
        window: &mut Window,
        read: usize,
        next: Range<usize>,
    ) -> Result<(), StepError> {
        let time = window.block.ranges[0].clone();
        let lengths = job.cast.from.lengths();
        for piece in job.pieces {
            let wanted = time.start.max(read).max(piece.range.start)..time.end.min(piece.range.end);
            if wanted.is_empty() {
                continue;
            }
            // Positions of both are counted from a place before either begins.
            let here = usize::try_from(-piece.offset).unwrap_or(0);
            let there = usize::try_from(piece.offset).unwrap_or(0);
            let stored = wanted.start + here - there..wanted.end + here - there;
            let chunks = block(stored, job.tile).chunks(&lengths);
            let (spares, name) = (self.spares.clone(), piece.cube.template.path(&job.cast.variable));
            let fetch = |chunk: Vec<usize>| fetched(&piece.cube, job, &name, chunk, &spares);
            let mut pending = stream::iter(chunks).map(fetch).buffered(CHUNKS_AT_A_TIME);
            while let Some((chunk, values)) = pending.try_next().await? {
                let source = later(&Block::of_chunk(&chunk, &lengths), there);
                let limit = piece.range.start + here..piece.range.end + here;
                let put = |window: &mut Window| {
                    let target = later(&window.block, here);
                    let numbers = &mut window.numbers;
                    copy_within(&source, values.bytes(), &target, numbers, job.cast.size(), &limit);
                };
                put(window);
                let reaches = source.ranges[0].end.min(limit.end).saturating_sub(here);
                if reaches > time.end {
                    let mut begun = match self.begun.take() {
                        Some(begun) => begun,
                        None => Begun {
                            source: job.store.id.clone(),
                            path: Arc::clone(&job.cast.path),
                            window: self.window(block(next.clone(), job.tile), job, 1).await?,
                            read: time.end,
                        },
                    };
                    put(&mut begun.window);
                    begun.read = begun.read.max(reaches);
                    self.begun = Some(begun);
                }
                self.spares.give(values);
            }
        }
        Ok(())
    }
}

fn block(time: Range<usize>, tile: &[Range<usize>]) -> Block {
    Block { ranges: std::iter::once(time).chain(tile.iter().cloned()).collect() }
}

/// The same block so many steps later.
fn later(block: &Block, by: usize) -> Block {
    let mut block = block.clone();
    if let Some(time) = block.ranges.first_mut() {
        *time = time.start + by..time.end + by;
    }
    block
}

/// A stored chunk, decoded.
async fn fetched(
    cube: &Cube,
    job: Job<'_>,
    name: &str,
    chunk: Vec<usize>,
    spares: &Spares,
) -> Result<(Vec<usize>, frazil_engine::data::Values), StepError> {
    let reference = cube.reference(name, &chunk, job.what).await?;
    let (codec, spares) = (Arc::clone(&job.cast.from), spares.clone());
    let decode = move |bytes: Option<&[u8]>| codec.values(bytes, &spares);
    let values = cube.chunk((name, &chunk), reference.as_ref(), job.what, decode).await?;
    Ok((chunk, values))
}

/// Encodes and uploads the chunks of a window; gives its memory back.
async fn write(window: Window, cast: Arc<Cast>, store: Arc<Cube>, what: Arc<str>) -> Done {
    let chunks = window.block.chunks(&cast.to.lengths());
    let name = path(&cast.path)?;
    let window = Arc::new(window);
    let one = |chunk: Vec<usize>| {
        let (cast, window, store, what, name) = (&cast, &window, &store, &what, &name);
        async move {
            let at = ChunkIndices(chunk.iter().map(|i| u32::try_from(*i).unwrap_or(u32::MAX)).collect());
            let stored = store.template.stored_place(at.clone());
            let (codec, window) = (Arc::clone(cast), Arc::clone(window));
            let encoded = compute("encoding a chunk", move || encode(&codec, &window, &chunk)).await??;
            let payload = match encoded {
                None => None,
                Some(bytes) => {
                    let write =
                        store.session.get_chunk_writer(name, &stored).map_err(fault::icechunk(what))?;
                    Some(write(bytes.into()).await.map_err(fault::icechunk(what))?)
                }
            };
            Ok::<_, StepError>(Reference { array: Arc::clone(&cast.path), at, payload })
        }
    };
    let references = stream::iter(chunks).map(one).buffered(WRITTEN_AT_A_TIME).try_collect().await?;
    Ok((references, Arc::into_inner(window).map(|window| window.numbers).unwrap_or_default()))
}

/// The encoded bytes of a chunk; none for one of nothing but fill.
fn encode(cast: &Cast, window: &Window, chunk: &[usize]) -> Result<Option<Vec<u8>>, StepError> {
    let (codec, size) = (&cast.to, cast.size());
    let block = Block::of_chunk(chunk, &codec.lengths());
    let own;
    let bytes = match within(&block, &window.block) {
        Some(range) => &window.numbers[range.start * size..range.end * size],
        None => {
            let mut bytes = codec.filled(block.numbers());
            copy(&window.block, &window.numbers, &block, &mut bytes, size);
            own = bytes;
            own.as_slice()
        }
    };
    if codec.is_fill(bytes) {
        return Ok(None);
    }
    let encoded = codec.encode(bytes);
    encoded.map(Some).map_err(|error| not_a_cube(format!("`{}`: {error}", cast.variable)))
}

/// Where the numbers of `block` lie in those of `whole`, where they lie there in one piece.
fn within(block: &Block, whole: &Block) -> Option<Range<usize>> {
    let ([steps, cells @ ..], [all, same @ ..]) = (block.ranges.as_slice(), whole.ranges.as_slice()) else {
        return None;
    };
    if cells != same || steps.start < all.start || steps.end > all.end {
        return None;
    }
    let cells: usize = cells.iter().map(Range::len).product();
    Some((steps.start - all.start) * cells..(steps.end - all.start) * cells)
}
