//! Blocks of arrays, out of the chunks that hold them.

use std::{num::NonZeroUsize, ops::Range, sync::Arc};

use frazil_engine::{
    data::Values,
    step::{ErrorKind, StepError},
};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Store,
    member::{Member, Stored},
    objects::{Encoded, Parted},
    shard::{Places, index_of},
};
use crate::{
    compute::compute,
    cube::read::{Block, copy},
    net::Extent,
};

/// A shard is brought whole unless this many times what is needed of it lies in it: requests take time too.
const LITTLE: usize = 4;

/// What reading may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Objects on their way at a time.
    pub(crate) in_flight: NonZeroUsize,
    /// Bytes of one chunk, both as it is stored and as it is decoded.
    pub(crate) chunk: u64,
}

/// A stored object that is to be decoded into a block.
struct Job {
    stored: Stored,
    at: Vec<usize>,
    object: Option<Encoded>,
    limit: u64,
}

impl Store {
    /// Numbers of a block of an array in C order, in the bytes of this machine. Holds them, and one
    /// chunk as it is stored and decoded.
    ///
    /// # Errors
    /// When the block is not inside, when a chunk cannot be had or decoded, or is larger than `limits` allow.
    pub(crate) async fn read(
        &self,
        array: &Member,
        ranges: &[Range<u64>],
        limits: Limits,
    ) -> Result<Vec<u8>, StepError> {
        let stored = array.stored.as_ref().map_err(|what| self.wrong(format!("`{}` {what}", array.name)))?;
        let (target, size) = self.target(array, ranges)?;
        self.affordable(array, stored, limits)?;
        let units = target.chunks(&padded(&stored.unit, 1));
        let target = Arc::new(target);
        let wanted = &target;
        let mut objects = stream::iter(units)
            .map(|unit| async move {
                let at = unit[unit.len() - stored.unit.len()..].to_vec();
                let object = self.object(array, stored, &at, wanted).await?;
                Ok::<_, StepError>(Job { stored: stored.clone(), at, object, limit: limits.chunk })
            })
            .buffered(limits.in_flight.get());
        let mut out = vec![0; target.numbers() * size];
        while let Some(job) = objects.try_next().await? {
            let target = Arc::clone(&target);
            let key = format!("{}/{}", array.name, stored.key(&job.at));
            let done = compute("decoding a chunk", move || job.decode(&target, &mut out, size).map(|()| out));
            out = done.await?.map_err(|what| self.spoiled(format!("the chunk {key}: {what}")))?;
        }
        Ok(out)
    }

    /// All texts of an array that has texts of one length; none of another one.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub(crate) async fn texts(
        &self,
        array: &Member,
        limits: Limits,
    ) -> Result<Option<Vec<String>>, StepError> {
        let Some(lettered) = array.lettered() else { return Ok(None) };
        let ranges: Vec<Range<u64>> = lettered.shape().map(|length| 0..length).collect();
        let bytes = self.read(&lettered, &ranges, limits).await?;
        let Some(numbers) = lettered.dtype.and_then(|dtype| Values::from_le_bytes(dtype, &bytes)) else {
            return Ok(None);
        };
        let letters = usize::try_from(array.letters.unwrap_or(1)).unwrap_or(1).max(1);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "code points")]
        let letter =
            |at: usize| char::from_u32(numbers.get(at) as u32).unwrap_or(char::REPLACEMENT_CHARACTER);
        let text = |first: usize| {
            (first..first + letters).map(letter).take_while(|letter| *letter != '\0').collect()
        };
        Ok(Some((0..numbers.len()).step_by(letters).map(text).collect()))
    }

    /// An object, or of a shard of which little is needed that alone: its index, and the chunks.
    async fn object(
        &self,
        array: &Member,
        stored: &Stored,
        at: &[usize],
        target: &Block,
    ) -> Result<Option<Encoded>, StepError> {
        let key = stored.key(at);
        if let Some(index) = stored.index
            && let inside = inside(stored, at, target)
            && is_little(stored, &inside)
        {
            let wrong = |what: String| self.spoiled(format!("the chunk {}/{key}: {what}", array.name));
            let extent = index_of(stored, index).map_err(wrong)?;
            match self.objects.part(&array.name, &key, &extent).await? {
                Parted::Missing => return Ok(None),
                Parted::Here(size, head) => {
                    let mut parts = vec![(extent.of(size).start, head)];
                    let (known, about) = (Encoded::Parts(size, parts.clone()), stored.clone());
                    let read = move || Places::read(&about, index, &known);
                    let places = compute("reading the index of a shard", read).await?.map_err(wrong)?;
                    for (_, first) in inside {
                        let Some(place) = places.of(stored, &first) else { continue };
                        let start = place.start;
                        match self.objects.part(&array.name, &key, &Extent::Range(place)).await? {
                            Parted::Here(_, part) => parts.push((start, part)),
                            Parted::Missing | Parted::Whole => {
                                return self.objects.chunk(&array.name, &key, stored.place(at)).await;
                            }
                        }
                    }
                    return Ok(Some(Encoded::Parts(size, parts)));
                }
                Parted::Whole => {}
            }
        }
        self.objects.chunk(&array.name, &key, stored.place(at)).await
    }

    /// The block, in at least two dimensions, and the size of a number.
    fn target(&self, array: &Member, ranges: &[Range<u64>]) -> Result<(Block, usize), StepError> {
        let outside = || self.wrong(format!("`{}` has no {ranges:?}", array.name));
        let inside = ranges.len() == array.dims.len()
            && ranges
                .iter()
                .zip(array.shape())
                .all(|(range, length)| range.start <= range.end && range.end <= length);
        let size =
            array.dtype.map(frazil_engine::data::DType::size).filter(|_| inside).ok_or_else(outside)?;
        let bound = |at: u64| usize::try_from(at).map_err(|_| outside());
        let ranges: Vec<Range<usize>> = ranges
            .iter()
            .map(|range| Ok(bound(range.start)?..bound(range.end)?))
            .collect::<Result<_, StepError>>()?;
        let numbers = ranges.iter().try_fold(size, |all, range| all.checked_mul(range.len()));
        numbers.filter(|bytes| *bytes < 1 << 40).ok_or_else(outside)?;
        Ok((Block { ranges: padded(&ranges, 0..1) }, size))
    }

    fn affordable(&self, array: &Member, stored: &Stored, limits: Limits) -> Result<(), StepError> {
        let size = array.dtype.map_or(8, frazil_engine::data::DType::size) as u64;
        let bytes = stored.chunk.iter().fold(size, |all, length| all.saturating_mul(*length as u64));
        if bytes <= limits.chunk {
            return Ok(());
        }
        let what = format!(
            "a chunk of `{}` is {} MiB, and the memory of a run allows {} MiB",
            array.name,
            bytes.div_ceil(1 << 20),
            limits.chunk >> 20
        );
        Err(self.wrong(what).help("raise `memory` in frazil.yaml"))
    }

    /// What came broken may come whole the next time.
    fn spoiled(&self, what: String) -> StepError {
        StepError::permanent(ErrorKind::Data, format!("{}: {what}", self.place))
    }
}

/// With ones in front, until there are two: what copies blocks needs rows and columns.
fn padded<T: Clone>(of: &[T], with: T) -> Vec<T> {
    let missing = 2usize.saturating_sub(of.len());
    std::iter::repeat_n(with, missing).chain(of.iter().cloned()).collect()
}

/// The chunks of a shard that share something with `target`: what each covers, and its place in the shard.
fn inside(stored: &Stored, at: &[usize], target: &Block) -> Vec<(Block, Vec<usize>)> {
    let units = Block::of_chunk(&padded(at, 0), &padded(&stored.unit, 1));
    let shared = |(u, t): (&Range<usize>, &Range<usize>)| u.start.max(t.start)..u.end.min(t.end);
    let shared = Block { ranges: units.ranges.iter().zip(&target.ranges).map(shared).collect() };
    let lengths = padded(&stored.chunk, 1);
    let one = |at: Vec<usize>| {
        let chunk = Block::of_chunk(&at, &lengths);
        let sides = chunk.ranges.iter().zip(&units.ranges).zip(&lengths);
        let first: Vec<usize> = sides.map(|((c, u), n)| (c.start - u.start) / n).collect();
        (chunk, first[first.len() - stored.chunk.len()..].to_vec())
    };
    shared.chunks(&lengths).into_iter().map(one).collect()
}

/// Whether few chunks of a shard are needed, whatever is needed along its first dimension: that is mostly
/// time, of which the next block needs what this one does not.
fn is_little(stored: &Stored, inside: &[(Block, Vec<usize>)]) -> bool {
    let all: usize =
        stored.unit.iter().zip(&stored.chunk).skip(1).map(|(unit, chunk)| unit / chunk).product();
    let mut places: Vec<&[usize]> = inside.iter().filter_map(|(_, first)| first.get(1..)).collect();
    places.sort_unstable();
    places.dedup();
    places.len().saturating_mul(LITTLE) <= all
}

impl Job {
    /// Puts what the object shares with `target` into `out`. Blocks.
    fn decode(&self, target: &Block, out: &mut [u8], size: usize) -> Result<(), String> {
        let stored = &self.stored;
        let units = Block::of_chunk(&padded(&self.at, 0), &padded(&stored.unit, 1));
        let Some(object) = &self.object else { return self.fill(&units, target, out, size) };
        let Some(index) = stored.index else {
            let whole = object.size().map_err(|error| error.to_string())?;
            return self.chunk(object, Some(0..whole), &units, (target, out, size));
        };
        let places = Places::read(stored, index, object)?;
        for (chunk, first) in inside(stored, &self.at, target) {
            let place = places.of(stored, &first);
            self.chunk(object, place, &chunk, (target, out, size))?;
        }
        Ok(())
    }

    /// Decodes one chunk, which lies at `place` of the object and covers `block`.
    fn chunk(
        &self,
        object: &Encoded,
        place: Option<Range<u64>>,
        block: &Block,
        (target, out, size): (&Block, &mut [u8], usize),
    ) -> Result<(), String> {
        let Some(place) = place else { return self.fill(block, target, out, size) };
        let length = place.end - place.start;
        if length > self.limit {
            return Err(format!("it has {} MiB, more than the memory of a run allows", length >> 20));
        }
        let bytes = object.part(place).map_err(|error| error.to_string())?;
        let numbers = self.stored.chain.decode(bytes, &self.stored.chunk)?;
        copy(block, &numbers, target, out, size);
        Ok(())
    }

    /// What stands where no chunk is.
    fn fill(&self, block: &Block, target: &Block, out: &mut [u8], size: usize) -> Result<(), String> {
        let fill =
            self.stored.fill.as_ref().ok_or("it is not there, and no fill value says what that means")?;
        if fill.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        // A row of the shared part at a time: a whole chunk of fill may be large.
        let shared: Vec<Range<usize>> = block
            .ranges
            .iter()
            .zip(&target.ranges)
            .map(|(b, t)| b.start.max(t.start)..b.end.min(t.end))
            .collect();
        if shared.iter().any(Range::is_empty) {
            return Ok(());
        }
        let Some((columns, outer)) = shared.split_last() else { return Ok(()) };
        let row = fill.repeat(columns.len());
        let rows = Block { ranges: outer.to_vec() };
        let ones = vec![1; outer.len()];
        for at in rows.chunks(&ones) {
            let mut line: Vec<Range<usize>> = at.iter().map(|at| *at..at + 1).collect();
            line.push(columns.clone());
            copy(&Block { ranges: line }, &row, target, out, size);
        }
        Ok(())
    }
}
