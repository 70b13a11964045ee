//! Rewrites: another layout of a dataset, or other labels, while everyone reads and may write `main`.
//!
//! What is to be rewritten is written stretch by stretch on a branch that begins at the head of `main`:
//! references alone, with how far it is in the properties of its commits, so that whoever is killed goes on
//! from there. What arrives on `main` meanwhile is found in its commits and written again. When all is
//! done, the arrays and their references are put onto the head of `main` that is found under the lock, in
//! one commit: readers see the layout before it or after it, and no commit leaves the ancestry of `main`.

mod branch;
mod cast;
mod insert;
mod land;
mod progress;
mod recast;
mod relevel;

use std::{future::Future, ops::Range, sync::Arc};

use frazil_engine::{
    context::{Context, Tick},
    data::SnapshotId,
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use icechunk::{
    format::{ChunkIndices, manifest::ChunkPayload},
    session::Session,
};

use super::{
    CommitNotes, Cube, Provenance,
    document::Nodes,
    history::{Changes, CommitRecord},
    kept, line,
    lock::{self, Held},
    reference,
    repo::{self, Place},
    selftest,
    settle::Taken,
    time::TimeIndex,
    write::writable,
};
use branch::Branch;
use progress::Progress;
pub(super) use progress::Stretch;
#[cfg(test)]
pub(super) use recast::{Casts, Recast};
pub(crate) use recast::{Layout, differences, foreseen, peak};
pub(crate) use relevel::relevel;

/// What the names of branches of rewrites begin with.
const PREFIX: &str = "rewrite-";

/// Tries to land on a store where others commit at the same time.
const TRIES: usize = 20;

/// Numbers that are rewritten from one commit on the branch to the next, in bytes: what is lost at most
/// where the process dies.
const BATCH: u64 = 512 << 20;

/// Bytes of a batch in tests of what survives a death; looked at by builds with debug assertions alone.
const BATCH_OF_TESTS: &str = "FRAZIL_REWRITE_BATCH";

/// A rewrite of one kind.
pub(super) trait Rewrite: Send + Sync {
    /// The kind, in the name of its branch.
    const KIND: &'static str;

    /// How it goes about one state of the dataset.
    type Plan: Send + Sync;

    /// What is to be made of `main`; none where it stands so already.
    fn target(&self, main: &Cube) -> Result<Option<Target<Self::Plan>>, StepError>;

    /// Writes the chunks of a stretch, from the numbers of `main`, and gives what refers to them: of
    /// every chunk, of those that hold nothing but fill too.
    fn fill(
        &mut self,
        main: &Arc<Cube>,
        target: &Target<Self::Plan>,
        stretch: &Stretch,
        what: &Arc<str>,
    ) -> impl Future<Output = Result<Vec<Reference>, StepError>> + Send;

    /// Bytes of numbers from one commit on the branch to the next.
    fn batch(&self) -> u64 {
        batch()
    }

    /// What else changes on `main` when the arrays land, before they do: groups, coordinates.
    fn around(
        &self,
        _main: &Cube,
        _target: &Target<Self::Plan>,
        _session: &mut Session,
        _what: &str,
    ) -> impl Future<Output = Result<(), StepError>> + Send {
        std::future::ready(Ok(()))
    }

    /// What the commit on `main` says that it did; by itself, nothing to any value.
    fn record(&self) -> CommitRecord {
        CommitRecord { same: true, ..CommitRecord::default() }
    }

    /// Where the numbers come from, after it.
    fn provenance(&self, main: &Cube) -> Provenance {
        main.provenance.clone()
    }

    /// The message of the commit on `main`, for people who read the history.
    fn message(&self, main: &Cube, target: &Target<Self::Plan>) -> String;
}

/// What is to be made of one state of a dataset.
#[derive(Debug)]
pub(super) struct Target<P> {
    /// How.
    pub(super) plan: P,
    /// What tells it from other rewrites of its kind, besides the layout of what is read and written.
    pub(super) salt: String,
    /// The axis as it will stand.
    pub(super) axis: TimeIndex,
    /// Steps of a unit along `time`.
    pub(super) unit: usize,
    /// The arrays that are written, as they will stand: path → document.
    pub(super) arrays: Nodes,
    /// The parts that are done one after the other.
    pub(super) parts: Vec<Part>,
}

/// An array, or a stretch of its cells, over all of `time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Units that are done together, at most.
    pub(super) stride: usize,
    /// Bytes of the numbers of one unit.
    pub(super) unit_bytes: u64,
}

/// A chunk that was written.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// The path of its array.
    pub(super) array: Arc<str>,
    /// Its place.
    pub(super) at: ChunkIndices,
    /// The object; none for a chunk of nothing but fill.
    pub(super) payload: Option<ChunkPayload>,
}

impl<P> Target<P> {
    fn units(&self) -> usize {
        self.axis.len().div_ceil(self.unit.max(1))
    }

    /// The name of the branch on which this is made out of `main`.
    fn branch(&self, main: &Cube, kind: &str) -> String {
        let mut hash = blake3::Hasher::new();
        hash.update(reference::digest(&main.template).as_bytes());
        hash.update(self.salt.as_bytes());
        for (path, document) in &self.arrays {
            let (codecs, grid) = (&document["codecs"], &document["chunk_grid"]);
            hash.update(format!("{path} {codecs} {grid}").as_bytes());
        }
        format!("{PREFIX}{kind}-{}", &hash.finalize().to_hex()[..12])
    }
}

/// Makes of the head of `main` what `rewrite` says, and gives the head of `main`; where that stands so
/// already, nothing is committed. Goes on where an earlier run of the same was stopped.
///
/// # Errors
/// When the store cannot be read or written, or the run is told to stop; `main` is as it was.
pub(super) async fn run<R: Rewrite>(
    rewrite: &mut R,
    info: &DatasetInfo,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    let place = Place::of(&info.location)?;
    let what = format!("cannot rewrite {}", info.location.url).into();
    let done = Work { rewrite, info, cx, place, what, held: None }.run().await;
    done.map_err(|error| repo::redacted(error, &cx.scope))
}

/// Brings the head of `main` into a layout, and gives it.
///
/// # Errors
/// When the store cannot be read or written, or the run is told to stop; `main` is as it was.
pub(crate) async fn rechunk(
    info: &DatasetInfo,
    layout: Layout,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    run(&mut recast::Recast::new(layout), info, cx).await
}

/// Puts the periods of a batch before the axis, where they are no multiple of what is written together
/// along `time`, and gives the head.
///
/// # Errors
/// `Moved` where the axis begins elsewhere by now, or as for [`rechunk`].
pub(super) async fn insert(
    info: &DatasetInfo,
    taken: &Taken,
    notes: &CommitNotes,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    run(&mut insert::Insert::new(info, taken, notes), info, cx).await
}

struct Work<'a, R> {
    rewrite: &'a mut R,
    info: &'a DatasetInfo,
    cx: &'a Context,
    place: Place,
    what: Arc<str>,
    /// The lock, once nothing was left to do but what arrives.
    held: Option<Held>,
}

impl<R: Rewrite> Work<'_, R> {
    async fn run(&mut self) -> Result<Option<SnapshotId>, StepError> {
        writable(self.info)?;
        let (mut known, mut lost) = (None, 0);
        while lost < TRIES {
            let Some(main) = kept::open(self.info, &self.cx.scope).await? else { return Ok(None) };
            let Some(mut target) = self.rewrite.target(&main)? else {
                self.clear(&main).await?;
                return Ok(Some(main.id()));
            };
            target.arrays = main.template.stored_documents(std::mem::take(&mut target.arrays));
            if known.is_none() {
                selftest::ensure(&self.place, self.info, &self.cx.scope).await?;
            }
            let name = target.branch(&main, R::KIND);
            let mut branch = match known.take().filter(|branch: &Branch| branch.name == name) {
                Some(branch) => branch,
                None => Branch::open(name, &main, self.info, &self.cx.scope).await?,
            };
            self.follow(&mut branch, &main, &target).await?;
            let filled = self.fill(&mut branch, &main, &target).await?;
            known = filled.is_known().then_some(branch);
            let Some(branch) = known.as_ref().filter(|_| filled == Filled::All) else { continue };
            if self.held.is_none() {
                // Whatever arrives from here on waits; what came since the last look is still brought in.
                self.held = Some(lock::take(&self.place, &self.info.location.url, self.cx).await?);
                continue;
            }
            if let Some(id) = land::land(self.rewrite, branch, &main, &target, self.info, self.cx).await? {
                self.remove(&main, |_| true).await?;
                lock::sync(&self.place).await?;
                return Ok(Some(id));
            }
            lost += 1;
        }
        Err(StepError::transient(
            ErrorKind::Store,
            format!("{} is written by others without a pause: a rewrite could not land", self.info.id),
        ))
    }

    /// Has the branch read `main` as it is now.
    async fn follow(
        &self,
        branch: &mut Branch,
        main: &Cube,
        target: &Target<R::Plan>,
    ) -> Result<(), StepError> {
        let Some(first) = target.axis.first() else { return Ok(()) };
        let units = target.units();
        if let Some(progress) = &mut branch.progress {
            if progress.source == main.id() {
                return Ok(());
            }
            let changes = main.changes_since(&progress.source).await?;
            if let Changes::Periods(ranges) | Changes::Foreign(ranges) = changes
                && progress.first.first == first
                && progress.units <= units
            {
                let touched = |range| {
                    let at: Range<usize> = target.axis.positions(range);
                    at.start / target.unit..at.end.div_ceil(target.unit)
                };
                let touched: Vec<Range<usize>> = ranges.into_iter().map(touched).collect();
                progress.follow(main.id(), &touched, units);
                return Ok(());
            }
        }
        branch.begin(Progress::begin(main.id(), first, units));
        Ok(())
    }

    /// Does what is left, batch by batch.
    async fn fill(
        &mut self,
        branch: &mut Branch,
        main: &Arc<Cube>,
        target: &Target<R::Plan>,
    ) -> Result<Filled, StepError> {
        let strides: Vec<usize> = target.parts.iter().map(|part| part.stride).collect();
        let (batch, total) = (self.rewrite.batch(), strides.len() * target.units());
        let mut bytes = 0;
        while let Some(stretch) = branch.progress.as_mut().and_then(|progress| progress.next(&strides)) {
            if self.cx.cancel.is_cancelled() {
                return Err(StepError::Cancelled);
            }
            let mut references = self.rewrite.fill(main, target, &stretch, &self.what).await?;
            for reference in &mut references {
                let at = std::mem::replace(&mut reference.at, ChunkIndices(Vec::new()));
                reference.at = main.template.stored_place(at);
            }
            branch.put(references, &stretch);
            let done = stretch.part * target.units() + stretch.units.end;
            self.cx.progress.tick(Tick::Periods { done: done as u64, total: total as u64 });
            bytes += target.parts[stretch.part].unit_bytes.saturating_mul(stretch.units.len() as u64);
            if bytes >= batch {
                bytes = 0;
                if !self.commit(branch, main, target).await? {
                    return Ok(Filled::ByOthers);
                }
                let now = line::tip(&main.repository, self.info, &self.cx.scope).await?;
                if now != main.id {
                    return Ok(Filled::Part);
                }
            }
        }
        if branch.is_pending() && !self.commit(branch, main, target).await? {
            return Ok(Filled::ByOthers);
        }
        Ok(Filled::All)
    }

    /// Commits on the branch; false where somebody else went on with it.
    async fn commit(
        &self,
        branch: &mut Branch,
        main: &Cube,
        target: &Target<R::Plan>,
    ) -> Result<bool, StepError> {
        let _held = match &self.held {
            Some(_) => None,
            None => Some(lock::take(&self.place, &self.info.location.url, self.cx).await?),
        };
        if !branch.commit(main, &target.arrays, target.axis.len(), &self.what).await? {
            return Ok(false);
        }
        lock::sync(&self.place).await?;
        frazil_engine::scheduler::reached("rewritten");
        Ok(true)
    }

    /// Removes what rewrites of this kind left behind: it stands as it should.
    async fn clear(&mut self, main: &Cube) -> Result<(), StepError> {
        let own = format!("{PREFIX}{}-", R::KIND);
        let left = branch::names(&main.repository, self.info, &self.cx.scope).await?;
        if !left.iter().any(|name| name.starts_with(&own)) {
            return Ok(());
        }
        if self.held.is_none() {
            self.held = Some(lock::take(&self.place, &self.info.location.url, self.cx).await?);
        }
        self.remove(main, |name| name.starts_with(&own)).await
    }

    /// Removes branches of rewrites. Under the lock. What was read for another layout is of no use.
    async fn remove(&self, main: &Cube, which: impl Fn(&str) -> bool + Send) -> Result<(), StepError> {
        let mut names = branch::names(&main.repository, self.info, &self.cx.scope).await?;
        names.retain(|name| which(name));
        for name in names {
            let removed = main.repository.delete_branch(&name).await;
            removed.map_err(super::fault::icechunk(&self.what))?;
        }
        Ok(())
    }
}

/// How far a round came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// All is done, for the state of `main` that was read.
    All,
    /// `main` moved.
    Part,
    /// Somebody else commits on the same branch.
    ByOthers,
}

impl Filled {
    /// Whether the branch is as it was left.
    fn is_known(self) -> bool {
        self != Self::ByOthers
    }
}

/// Bytes of a batch.
fn batch() -> u64 {
    let of_tests = || std::env::var(BATCH_OF_TESTS).ok()?.parse().ok();
    if cfg!(debug_assertions) { of_tests().unwrap_or(BATCH) } else { BATCH }
}
