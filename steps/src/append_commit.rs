//! `append-commit`: settles slices in a cube, a commit per batch.

mod release;

use std::collections::BTreeMap;

use frazil_engine::{
    context::{Context, Scope, Tick},
    data::{Arrival, DatasetId, Period, PeriodRange, Slices, Snapshot, SnapshotId, Spent},
    dataset::{Dataset, DatasetInfo, Datasets},
    plan::{PlannedSlices, PlannedSnapshot, Work},
    step::{Batch, Ended, ErrorKind, Finding, Outcome, Sink, Step, StepError, Write, Written},
};
use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cube::{self, BatchWriter, CommitNotes, Cube, Layout, Pending, SourceState, Standing},
    source_state,
};

/// Settles slices in the cube of a dataset: whole chunks first, then one commit per batch.
///
/// The first batch creates what the dataset's block declares; afterwards what is stored is
/// followed. Several streams of one list of periods, each with variables of its own, are joined period
/// by period into one commit; what one of them lacks yet is the frontier for all. A slice on another grid, of other variables, or out of order is refused, and the cube
/// stays as it was. `revise` and `fill` periods are changed in place; equal values are no commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AppendCommit {
    /// The dataset that is written.
    pub dataset: DatasetId,
}

impl Step for AppendCommit {
    const USES: &'static str = "append-commit";
    const SUMMARY: &'static str = "settles slices in the cube of a dataset, a commit per batch";
    const REVISION: u32 = 1;

    fn writes(&self) -> Option<Write> {
        Some(Write::Values(self.dataset.clone()))
    }

    fn template(&self, datasets: &Datasets, project_crs: Option<&str>) -> Option<(DatasetId, Value)> {
        let template = cube::template_of(datasets.get(&self.dataset)?, project_crs)?;
        Some((self.dataset.clone(), template))
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        let Some(info) = datasets.get(&self.dataset) else { return Vec::new() };
        let finding = |code, message: String, help: &str| Finding {
            code,
            pointer: "/dataset".to_owned(),
            message,
            help: Some(help.to_owned()),
            beside: None,
        };
        let mut findings = Vec::new();
        for (name, variable) in &info.block.variables {
            let packed = variable.scale_factor.is_some() || variable.add_offset.is_some();
            if packed && variable.dtype.is_none_or(|dtype| dtype.is_float()) {
                let message = format!("`{name}` of `{}` is packed, but not into an integer", self.dataset);
                let found = finding("FZ531", message, "declare an integer `dtype`, such as int16");
                let key = if variable.scale_factor.is_some() { "scale-factor" } else { "add-offset" };
                let pointer = format!("/variables/{name}/{key}");
                findings.push(found.beside(&self.dataset, pointer, "packed"));
            }
        }
        findings
    }
}

impl Sink for AppendCommit {
    async fn plan(&self, input: &PlannedSlices, scope: &Scope) -> Result<PlannedSnapshot, StepError> {
        let info = scope.dataset(&self.dataset)?;
        let standing = Standing::of(info, scope).await?;
        let cube = standing.cube();
        cube::agrees(info, cube, scope).await?;
        let memory = match cube {
            Some(cube) => Some(cube.template().peak(input.in_flight)),
            None => cube::declared_peak(info, input.in_flight),
        };
        let memory = memory.map(|bytes| bytes.saturating_add(input.memory));
        let moves_all =
            |batch: &Vec<_>| cube.filter(|cube| cube::moves_all(cube.template(), Some(cube.axis()), batch));
        let moved = input.periods.batches.iter().find_map(moves_all);
        let memory = memory.max(moved.map(|cube| cube::rewriting_peak(cube.template())).transpose()?);
        if let Some(bytes) = memory.filter(|bytes| *bytes > scope.memory) {
            return Err(too_large(bytes, scope.memory, info, cube, input.in_flight));
        }
        let stored = cube.and_then(|cube| cube.provenance().definition.clone());
        // What is fetched is never remade by itself: it may be large, and its source gone.
        let is_static = info.block.time.frequency().is_static();
        let differs = !is_static && stored.is_some_and(|stored| stored != info.definition);
        let mut reasons = Vec::new();
        if differs {
            reasons.push("its definition differs from the one of its last commit: what is stored stays as it is; another `version`, or `only: all` of enumerate-periods, asks for it again".to_owned());
        }
        if let Some(cube) = cube.filter(|_| standing.release.is_none() && !is_static) {
            let Dataset { chunks, shards, codec, .. } = info.block.clone();
            let declared = Layout { chunks, shards, level: codec.zstd };
            reasons.extend(cube::layout_differences(cube.template(), &declared));
        }
        let (changes, statuses, moves) = release::foreseen(&standing, &input.periods);
        // A dataset that nothing is stored of, and one that moves to a release, is of a layout to come.
        let new = standing.main.is_none() || moves.is_some();
        reasons.extend(moves);
        let declared = match cube {
            Some(_) => None,
            None => cube::declared(info, scope.project.crs.as_deref()),
        };
        // The release of a multiscale dataset has levels from its first commit on.
        let leveled = standing.main.as_deref().map(Cube::template).filter(|main| !main.levels.is_empty());
        let declared = declared.map(|own| leveled.map_or_else(|| own.clone(), |main| own.leveled_as(main)));
        let chunks = cube
            .map(Cube::template)
            .or(declared.as_ref())
            .map(|template| cube::chunk_objects(template, cube.map(Cube::axis), &input.periods.batches));
        let layout = cube.map(Cube::template).cloned().or(declared).filter(|_| new);
        Ok(PlannedSnapshot {
            snapshot: cube::written_head(info, standing.main.as_deref().map(Cube::id)),
            work: Work {
                periods: input.periods.count(),
                // To move `main` is no commit, but it is work.
                commits: input.periods.batches.len().max(usize::from(!changes.is_empty())),
                chunks,
                memory,
                ..Work::default()
            },
            changes,
            statuses,
            reasons,
            aside: standing.aside(),
            layout: layout.and_then(|template| serde_json::to_value(template).ok()),
        })
    }

    async fn head(&self, cx: &Context) -> Result<Snapshot, StepError> {
        let info = cx.scope.dataset(&self.dataset)?;
        Ok(cube::written_head(info, cube::settle_release(info, false, cx).await?))
    }

    async fn write(&self, batch: Batch, slices: Slices, cx: &Context) -> Outcome<Written> {
        match self.fill(batch, slices, cx).await {
            Ok((written, None)) => Outcome::done(written),
            Ok((written, Some(error))) => Outcome::partial(written, error),
            Err(error) => Err(error).into(),
        }
    }

    async fn commit(&self, written: Vec<Written>, cx: &Context) -> Outcome<Snapshot> {
        let done = async {
            let info = cx.scope.dataset(&self.dataset)?;
            let standing = Standing::of(info, &cx.scope).await?;
            release::same(&standing, &written)?;
            let mut notes = notes(info, standing.cube(), &written);
            if written.iter().any(|written| !written.labels.is_empty()) {
                notes.files = source_state::noted(&self.dataset, cx).await;
                let stored = standing.cube().map(|cube| &cube.provenance().files);
                // What was read again because its source changed is read again until a commit says so.
                let others = stored.is_some_and(|stored| *stored != notes.files);
                notes.always |= info.block.time.frequency().is_static() && others && !notes.files.is_empty();
            }
            cube::commit(info, cx, written, notes).await
        };
        match done.await {
            Ok(snapshot) => Outcome::done(snapshot),
            // The head is passed on whatever happened: readers hang from what stands.
            Err(error) => Outcome { output: self.head(cx).await.ok(), error: Some(error) },
        }
    }
}

impl AppendCommit {
    /// Writes what arrives. The whole periods before an error stand.
    async fn fill(
        &self,
        batch: Batch,
        mut slices: Slices,
        cx: &Context,
    ) -> Result<(Written, Option<StepError>), StepError> {
        let info = cx.scope.dataset(&self.dataset)?;
        let asked = batch.periods.count();
        let mut writer = BatchWriter::begin(info, &cx.scope, batch).await?;
        let (mut arrived, mut error) = (0, None);
        while let Some(arrival) = slices.0.next().await {
            let put = match arrival {
                Ok(Arrival::Kept(_)) => {
                    arrived += 1;
                    Ok(())
                }
                Ok(Arrival::Slice(slice)) => {
                    arrived += usize::from(!slice.context);
                    writer.put(slice).await
                }
                Err(error) => Err(error),
            };
            if let Err(failed) = put {
                error = Some(failed);
                break;
            }
        }
        let ended = match &error {
            Some(StepError::Cancelled) => Ended::Cancelled,
            Some(_) => Ended::Failed,
            None if arrived >= asked => Ended::Whole,
            None if cx.cancel.is_cancelled() => Ended::Cancelled,
            None => Ended::Frontier,
        };
        let written = match writer.finish(ended).await {
            Ok(written) => written,
            // What stopped the stream says more than what came of it.
            Err(late) => return Err(error.unwrap_or(late)),
        };
        let periods = written.labels.len() as u64;
        cx.progress.tick(Tick::Spent(Spent { periods, ..Spent::default() }));
        Ok((written, error))
    }
}

/// What the commit records of datasets that the batches were read from. One that does not finish
/// what was found to do keeps the older state, so that what is left is found again.
fn notes(info: &DatasetInfo, head: Option<&Cube>, written: &[Written]) -> CommitNotes {
    let Some(from) = written.last().and_then(|last| last.source.clone()) else {
        let stored = head.and_then(|head| head.provenance().definition.as_ref());
        let differs = stored.is_some_and(|stored| *stored != info.definition);
        let read = written.iter().any(|written| !written.labels.is_empty());
        // A static dataset whose definition changed is read again until a commit says that it was.
        let always = info.block.time.frequency().is_static() && differs && read;
        return CommitNotes { always, ..CommitNotes::default() };
    };
    let state = |read: Snapshot| {
        Some((read.dataset, SourceState { repository: read.repository, snapshot: read.id? }))
    };
    let states: Option<Vec<_>> = from.snapshots.into_iter().map(state).collect();
    let Some(states) = states.filter(|states| !states.is_empty()) else { return CommitNotes::default() };
    let stored = head.map(Cube::provenance);
    if from.finishes {
        let known = |(id, state): &(DatasetId, SourceState)| {
            stored.is_some_and(|stored| stored.sources.get(id) == Some(state))
        };
        return CommitNotes {
            // Where nothing differed, only a commit keeps the next run from reading it all again.
            always: head.is_some() && !states.iter().all(known),
            sources: states.into_iter().collect(),
            pending: None,
            mark: None,
            files: BTreeMap::new(),
        };
    }
    let snapshot = states[0].1.snapshot.clone();
    let others: BTreeMap<DatasetId, SnapshotId> = match states.len() {
        1 => BTreeMap::new(),
        _ => states.into_iter().map(|(id, state)| (id, state.snapshot)).collect(),
    };
    let before = stored.and_then(|stored| stored.pending.as_ref());
    let before = before.filter(|pending| pending.snapshot == snapshot && pending.others == others);
    let before = before.map(|pending| &pending.done);
    let labels = written.iter().flat_map(|written| &written.labels).map(|label| label.period);
    let mut done: Vec<Period> =
        before.into_iter().flatten().copied().chain(labels).flat_map(|range| range.iter()).collect();
    done.sort_unstable();
    done.dedup();
    let pending = Some(Pending { snapshot, others, done: PeriodRange::collect(done) });
    CommitNotes { pending, ..CommitNotes::default() }
}

fn too_large(
    bytes: u64,
    memory: u64,
    info: &DatasetInfo,
    cube: Option<&Cube>,
    in_flight: usize,
) -> StepError {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let message =
        format!("writing {} would take {} MiB, the run may take {} MiB", info.id, mib(bytes), mib(memory));
    let error = StepError::permanent(ErrorKind::Refused, message);
    match cube {
        Some(_) => error.help("its chunks are stored that long: rechunk it along `time`, or raise `memory`"),
        None => {
            let period = bytes / (in_flight as u64 + cube::declared_unit(info)).max(1);
            let fits = (memory / period.max(1)).saturating_sub(in_flight as u64).max(1);
            error.help(format!("declare `chunks: {{ time: {fits} }}` or less, or raise `memory`"))
        }
    }
}
