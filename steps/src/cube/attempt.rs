//! One try of a commit, on the head as it is now.

use std::sync::Arc;

use frazil_engine::{
    context::Context,
    data::{PeriodRange, SnapshotId},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use icechunk::{
    Repository,
    session::{Session, SessionErrorKind},
};

use super::{
    CommitNotes, Cube, Provenance,
    change::{self, Change},
    confirm, fault, grid,
    history::CommitRecord,
    kept,
    reference::digest,
    repo,
    settle::{self, Settlement, Taken},
    template::Template,
    time::TimeIndex,
    write::CHUNKS_PER_MANIFEST,
};

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
    cube: Option<Arc<Cube>>,
}

impl<'a> Attempt<'a> {
    pub(super) async fn open(info: &'a DatasetInfo, cx: &'a Context) -> Result<Self, StepError> {
        let cube = kept::open(info, &cx.scope).await?;
        let repository = match &cube {
            Some(cube) => Arc::clone(&cube.repository),
            None => {
                Arc::new(repo::open_or_create(info, &cx.scope, repo::creation(CHUNKS_PER_MANIFEST)).await?)
            }
        };
        Ok(Self { info, cx, repository, cube })
    }

    /// The head that was found.
    pub(super) fn head(&self) -> Option<SnapshotId> {
        self.cube.as_ref().map(|cube| cube.id())
    }

    /// The axis of the head.
    pub(super) fn axis(&self) -> Result<TimeIndex, StepError> {
        match &self.cube {
            Some(cube) => Ok(cube.axis.clone()),
            None => Ok(TimeIndex::empty(super::layout::step(self.info)?)),
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
            self.repository.writable_session(repo::MAIN).await.map_err(fault::icechunk(&what))?;
        if session.snapshot_id() != self.head_id() {
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

    fn head_id(&self) -> &icechunk::format::SnapshotId {
        const INITIAL: icechunk::format::SnapshotId =
            icechunk::format::snapshot::Snapshot::INITIAL_SNAPSHOT_ID;
        self.cube.as_ref().map_or(&INITIAL, |cube| &cube.id)
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
        let provenance = self.provenance(notes);
        let record = record(settlement, self.cx);
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
        kept::keep(&repo::Place::of(&self.info.location)?, &self.info.location.url, Arc::new(again));
        Ok(Done::Committed(id))
    }

    fn provenance(&self, notes: &CommitNotes) -> Provenance {
        let mut provenance = self.cube.as_ref().map(|c| c.provenance.clone()).unwrap_or_default();
        provenance.definition =
            Some(self.info.definition.clone()).filter(|d| !d.is_empty()).or(provenance.definition);
        provenance.version = self.info.block.version.clone();
        provenance.sources.extend(notes.sources.clone());
        provenance.pending.clone_from(&notes.pending);
        provenance
    }
}

fn record(settlement: &Settlement, cx: &Context) -> CommitRecord {
    CommitRecord {
        run: Some(cx.run.to_string()),
        added: settle::ranges(&settlement.added),
        revised: settle::ranges(&settlement.revised),
        filled: settle::ranges(&settlement.filled),
        same: settlement.is_empty(),
    }
}

/// The message of a commit, for people who read the history.
fn message(record: &CommitRecord) -> String {
    let part = |verb: &str, ranges: &[PeriodRange]| {
        let shown: Vec<String> = ranges.iter().take(4).map(ToString::to_string).collect();
        let more = if ranges.len() > 4 { " …" } else { "" };
        (!ranges.is_empty()).then(|| format!("{verb} {}{more}", shown.join(", ")))
    };
    let parts = [part("add", &record.added), part("revise", &record.revised), part("fill", &record.filled)];
    let text: Vec<String> = parts.into_iter().flatten().collect();
    if text.is_empty() { "record sources".to_owned() } else { text.join("; ") }
}
