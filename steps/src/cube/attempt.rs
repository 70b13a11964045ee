//! One try of a commit, on the head as it is now.

use std::{collections::BTreeSet, sync::Arc};

use frazil_engine::{
    context::Context,
    data::{Period, PeriodRange, Release, SnapshotId},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use icechunk::{
    Repository,
    session::{Session, SessionErrorKind},
};

use super::{
    CommitNotes, Cube, Provenance, ReleaseState,
    change::{self, Change},
    confirm, fault, grid,
    history::{CommitMark, CommitRecord},
    kept, line,
    reference::digest,
    release, repo,
    settle::{self, Settlement, Taken},
    template::Template,
    time::TimeIndex,
    write::CHUNKS_PER_MANIFEST,
};

/// The commit of a repository that holds nothing.
const INITIAL: icechunk::format::SnapshotId = icechunk::format::snapshot::Snapshot::INITIAL_SNAPSHOT_ID;

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    Committed(SnapshotId),
    Nothing,
    /// Another writer of an object store was first.
    Lost,
}

/// One try of a commit, on the head as it is now.
pub(super) struct Attempt<'a> {
    info: &'a DatasetInfo,
    cx: &'a Context,
    repository: Arc<Repository>,
    /// The version that it is part of, where that is not the one of `main`.
    release: Option<Release>,
    cube: Option<Arc<Cube>>,
    /// The commit that it follows.
    tip: icechunk::format::SnapshotId,
}

impl<'a> Attempt<'a> {
    pub(super) async fn open(
        info: &'a DatasetInfo,
        release: Option<&Release>,
        cx: &'a Context,
    ) -> Result<Self, StepError> {
        let main = kept::open(info, &cx.scope).await?;
        let repository = match &main {
            Some(cube) => Arc::clone(&cube.repository),
            None => {
                Arc::new(repo::open_or_create(info, &cx.scope, repo::creation(CHUNKS_PER_MANIFEST)).await?)
            }
        };
        let release = release.cloned();
        let (cube, tip) = match &release {
            Some(release) => {
                let cube = release::open(release, info, &cx.scope).await?;
                let tip = release::begin(release, cube.as_deref(), &repository, info, &cx.scope).await?;
                (cube, tip)
            }
            None => {
                let tip = main.as_ref().map_or(INITIAL, |cube| cube.id.clone());
                Box::pin(line::begin(&repository, &tip, info)).await?;
                (main, tip)
            }
        };
        Ok(Self { info, cx, repository, release, cube, tip })
    }

    /// The head that was found.
    pub(super) fn head(&self) -> Option<SnapshotId> {
        self.cube.as_ref().map(|cube| cube.id())
    }

    /// The axis of the head.
    pub(super) fn axis(&self) -> Result<TimeIndex, StepError> {
        match &self.cube {
            Some(cube) => Ok(cube.axis.clone()),
            None => Ok(TimeIndex::empty(self.info.block.time.frequency())),
        }
    }

    /// The stretches of a batch whose objects the head refers to already.
    pub(super) async fn standing(&self, taken: &Taken) -> Result<Vec<PeriodRange>, StepError> {
        let Some(cube) = self.cube.as_ref().filter(|_| !taken.body.changed.is_empty()) else {
            return Ok(Vec::new());
        };
        let unit = usize::try_from(cube.template.write_unit()).unwrap_or(usize::MAX);
        let mut standing = Vec::new();
        for record in &taken.body.units {
            let Some(start) =
                cube.axis.position(record.period.first).and_then(|at| at.checked_sub(record.phase))
            else {
                continue;
            };
            if change::stands(cube, record, start / unit).await? {
                let end = cube.axis.len().min(start + unit);
                standing.extend(PeriodRange::collect(cube.axis.periods()[start..end].iter().copied()));
            }
        }
        Ok(standing)
    }

    /// Settles `batches` on `axis`, which is that of the head, and commits.
    pub(super) async fn run(
        &self,
        mut axis: TimeIndex,
        batches: &[Taken],
        notes: &CommitNotes,
    ) -> Result<Done, StepError> {
        let Some(template) = self.template(batches)? else { return Ok(Done::Nothing) };
        let before = axis.len();
        let unit = usize::try_from(template.write_unit()).unwrap_or(usize::MAX);
        let settlement = settle::settle(&mut axis, batches, unit)?;
        if settlement.is_empty() && !(notes.always && self.cube.is_some()) {
            return Ok(Done::Nothing);
        }
        if axis.len() < before {
            let message = format!("the axis would shrink from {before} to {} periods", axis.len());
            return Err(StepError::permanent(ErrorKind::Internal, message));
        }
        let what = format!("cannot commit to {}", self.info.location.url);
        let mut session =
            self.repository.writable_session(self.branch()).await.map_err(fault::icechunk(&what))?;
        if *session.snapshot_id() != self.tip {
            return Ok(Done::Lost);
        }
        let change = Change {
            info: self.info,
            cube: self.cube.as_deref(),
            template: &template,
            axis: &axis,
            settlement: &settlement,
            batches,
            what: &what,
        };
        change::apply(&change, &mut session).await?;
        self.send(session, &settlement, notes, &axis, &what).await
    }

    fn branch(&self) -> &str {
        self.release.as_ref().map_or(line::of(self.info), |release| &release.branch)
    }

    /// The template of the head, which the batches must have been written for; of the first batch
    /// while there is none.
    fn template(&self, batches: &[Taken]) -> Result<Option<Template>, StepError> {
        let own = self.cube.as_ref().map(|cube| &cube.template);
        let Some(template) = own.or_else(|| batches.iter().find_map(|t| t.body.template.as_ref())) else {
            return Ok(None);
        };
        let layout = digest(template);
        for taken in batches {
            if taken.body.layout != layout {
                return Err(settle::moved("the stored layout is not the one that the batch was written for"));
            }
            if let Some(given) = &taken.body.template {
                grid::same(&template.grid, &given.grid)?;
            }
        }
        Ok(Some(template.clone()))
    }

    async fn send(
        &self,
        mut session: Session,
        settlement: &Settlement,
        notes: &CommitNotes,
        axis: &TimeIndex,
        what: &str,
    ) -> Result<Done, StepError> {
        let provenance = self.provenance(notes, settlement);
        let mut record = record(settlement, notes, self.cx);
        if self.release.is_some() && self.cube.is_none() {
            let main = kept::open(self.info, &self.cx.scope).await?;
            record.replaced = main.map(|main| settle::ranges(main.axis.periods())).unwrap_or_default();
        }
        let committed = session
            .commit(message(&record))
            .properties(record.properties(&provenance))
            .allow_empty(true)
            .execute()
            .await;
        let id = match committed {
            Ok(id) => id,
            Err(error) if matches!(error.kind, SessionErrorKind::Conflict { .. }) => return Ok(Done::Lost),
            Err(error) => return Err(fault::store(what, &error.kind)),
        };
        let repository = Arc::clone(&self.repository);
        let again = match self.cube.as_deref() {
            Some(cube) => {
                let from = settlement.from.unwrap_or(axis.len());
                confirm::grown(cube, id, (axis, from), provenance).await?
            }
            None => confirm::begun(repository, id, axis, self.info).await?,
        };
        let id = again.id();
        let place = repo::Place::of(&self.info.location)?;
        kept::keep(&place, &release::place(self.info, self.branch()), Arc::new(again));
        Ok(Done::Committed(id))
    }

    fn provenance(&self, notes: &CommitNotes, settlement: &Settlement) -> Provenance {
        let mut provenance = self.cube.as_ref().map(|c| c.provenance.clone()).unwrap_or_default();
        let settled = settlement.revised.iter().chain(&settlement.filled);
        let settled: BTreeSet<Period> = settled.copied().collect();
        provenance.rejected = without(&provenance.rejected, settled.clone());
        provenance.asked = without(&provenance.asked, settled);
        if let Some(mark) = &notes.mark {
            let asked = provenance.asked.iter().flat_map(PeriodRange::iter).chain(mark.asked.iter().copied());
            provenance.asked = settle::ranges(&asked.collect::<Vec<_>>());
            return provenance;
        }
        provenance.definition =
            Some(self.info.definition.clone()).filter(|d| !d.is_empty()).or(provenance.definition);
        // A block that says no version asks for none: what is stored keeps its own.
        provenance.version = self.info.block.version.clone().or(provenance.version);
        provenance.release = self.release.as_ref().map(|release| {
            let began = || SnapshotId(self.tip.to_string());
            let known = self.cube.as_ref().and_then(|cube| cube.provenance.release.as_ref());
            ReleaseState {
                from: known.map_or_else(began, |state| state.from.clone()),
                range: release.range,
                layout: release.layout.clone(),
            }
        });
        provenance.sources.extend(notes.sources.clone());
        provenance.was_read_from(notes);
        provenance.pending.clone_from(&notes.pending);
        provenance
    }
}

fn record(settlement: &Settlement, notes: &CommitNotes, cx: &Context) -> CommitRecord {
    let mark =
        notes.mark.as_ref().map(|mark| CommitMark { to: mark.to.clone(), reason: mark.reason.clone() });
    CommitRecord {
        run: mark.is_none().then(|| cx.run.to_string()),
        added: settle::ranges(&settlement.added),
        revised: settle::ranges(&settlement.revised),
        filled: settle::ranges(&settlement.filled),
        replaced: Vec::new(),
        same: settlement.is_empty(),
        mark,
    }
}

/// The periods of some ranges that are none of these.
fn without(ranges: &[PeriodRange], gone: BTreeSet<Period>) -> Vec<PeriodRange> {
    PeriodRange::collect(ranges.iter().flat_map(PeriodRange::iter).filter(|period| !gone.contains(period)))
}

/// The message of a commit, for people who read the history.
fn message(record: &CommitRecord) -> String {
    let part = |verb: &str, ranges: &[PeriodRange]| {
        let shown: Vec<String> = ranges.iter().take(4).map(ToString::to_string).collect();
        let more = if ranges.len() > 4 { " …" } else { "" };
        (!ranges.is_empty()).then(|| format!("{verb} {}{more}", shown.join(", ")))
    };
    if let Some(CommitMark { to, reason }) = &record.mark {
        let mut all: Vec<Period> =
            record.added.iter().chain(&record.revised).flat_map(PeriodRange::iter).collect();
        all.sort_unstable();
        let text = part(&format!("{to}:"), &PeriodRange::collect(all)).unwrap_or_default();
        return reason.as_ref().map_or_else(|| text.clone(), |reason| format!("{text} ({reason})"));
    }
    let parts = [part("add", &record.added), part("revise", &record.revised), part("fill", &record.filled)];
    let text: Vec<String> = parts.into_iter().flatten().collect();
    if text.is_empty() { "record sources".to_owned() } else { text.join("; ") }
}
