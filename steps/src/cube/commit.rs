use std::{collections::BTreeMap, sync::Arc};

use frazil_engine::{
    context::Context,
    data::{DatasetId, PeriodRange, Snapshot, SnapshotId},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError, Written},
};
use icechunk::{
    Repository,
    session::{Session, SessionErrorKind},
};

use super::{
    Cube, Pending, SourceState,
    change::{self, Change},
    fault, grid,
    history::CommitRecord,
    lock,
    reference::digest,
    repo::{self, Place},
    selftest,
    settle::{self, Settlement, Taken},
    template::Template,
    time::TimeIndex,
    write::{CHUNKS_PER_MANIFEST, writable},
};

/// Tries of a commit on a store where others commit at the same time.
const TRIES: usize = 20;

/// What a commit records besides the periods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitNotes {
    /// What was read of each source dataset; those not named are carried forward.
    pub sources: BTreeMap<DatasetId, SourceState>,
    /// Work on newer source snapshots that is done in part; `sources` then keeps the older one.
    pub pending: Option<Pending>,
    /// Commit although no value and no status changed, to record newer sources (`values: same`).
    pub always: bool,
}

/// Commits successive batches under the dataset's lock and gives the head; `base` is the head that
/// was found. What is on the axis already is skipped; nothing new is no commit. Batches that put
/// periods before the axis are a commit each, all others together are one.
///
/// # Errors
/// `Moved` when somebody else moved the head in a way that needs the work to be listed anew;
/// `Data` when a guard refuses; the store is as it was.
pub async fn commit(
    info: &DatasetInfo,
    cx: &Context,
    written: Vec<Written>,
    notes: CommitNotes,
) -> Result<Snapshot, StepError> {
    let done = publish(info, cx, written, notes).await;
    done.map_err(|error| repo::redacted(error, &cx.scope))
}

async fn publish(
    info: &DatasetInfo,
    cx: &Context,
    written: Vec<Written>,
    notes: CommitNotes,
) -> Result<Snapshot, StepError> {
    writable(info)?;
    let place = Place::of(&info.location)?;
    let mut waiting = written
        .into_iter()
        .filter(|w| !w.labels.is_empty())
        .map(|written| {
            let body = serde_json::from_value(written.body.clone()).map_err(|error| {
                StepError::permanent(
                    ErrorKind::Internal,
                    format!("the written batch cannot be read: {error}"),
                )
            })?;
            Ok(Taken { written, body, standing: Vec::new() })
        })
        .collect::<Result<Vec<_>, StepError>>()?;
    if waiting.is_empty() && !notes.always {
        let id = Cube::open(info, &cx.scope).await?.map(|cube| cube.id());
        return Ok(repo::snapshot(info, id));
    }
    selftest::ensure(&place, info, &cx.scope).await?;
    let _held = lock::take(&place, &info.location.url, cx).await?;
    let mut found: Option<Option<SnapshotId>> = None;
    let mut head;
    let mut tries = 0;
    loop {
        let attempt = Attempt::open(info, cx).await?;
        found.get_or_insert_with(|| attempt.cube.as_ref().map(Cube::id));
        // All up to the first batch that inserts, or that one alone.
        let group = match waiting.first() {
            Some(first) if settle::inserts(first, &attempt.axis()?) => 1,
            _ => waiting
                .iter()
                .position(|t| attempt.axis().is_ok_and(|a| settle::inserts(t, &a)))
                .unwrap_or(waiting.len()),
        };
        for taken in &mut waiting[..group] {
            taken.standing = attempt.standing(taken).await?;
        }
        let done = attempt.run(&waiting[..group], &notes).await?;
        let committed = matches!(done, Done::Committed(_));
        match done {
            Done::Committed(id) => head = Some(id),
            Done::Nothing => head = attempt.cube.as_ref().map(Cube::id),
            Done::Lost if tries < TRIES => {
                tries += 1;
                continue;
            }
            Done::Lost => {
                return Err(StepError::transient(
                    ErrorKind::Store,
                    format!("{} is written by others without a pause: {TRIES} commits were lost", info.id),
                ));
            }
        }
        drop(waiting.drain(..group));
        if committed {
            lock::sync(&place).await?;
        }
        if waiting.is_empty() {
            break;
        }
    }
    Ok(Snapshot { base: found.flatten(), ..repo::snapshot(info, head) })
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Done {
    Committed(SnapshotId),
    Nothing,
    /// Another writer of an object store was first.
    Lost,
}

/// One try of a commit, on the head as it is now.
struct Attempt<'a> {
    info: &'a DatasetInfo,
    cx: &'a Context,
    repository: Arc<Repository>,
    cube: Option<Cube>,
}

impl<'a> Attempt<'a> {
    async fn open(info: &'a DatasetInfo, cx: &'a Context) -> Result<Self, StepError> {
        let cube = Cube::open(info, &cx.scope).await?;
        let repository = match &cube {
            Some(cube) => Arc::clone(&cube.repository),
            None => {
                Arc::new(repo::open_or_create(info, &cx.scope, repo::creation(CHUNKS_PER_MANIFEST)).await?)
            }
        };
        Ok(Self { info, cx, repository, cube })
    }

    fn axis(&self) -> Result<TimeIndex, StepError> {
        match &self.cube {
            Some(cube) => Ok(cube.axis.clone()),
            None => Ok(TimeIndex::empty(super::layout::step(self.info)?)),
        }
    }

    /// The stretches of a batch whose objects the head refers to already.
    async fn standing(&self, taken: &Taken) -> Result<Vec<PeriodRange>, StepError> {
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

    async fn run(&self, batches: &[Taken], notes: &CommitNotes) -> Result<Done, StepError> {
        let Some(template) = self.template(batches)? else { return Ok(Done::Nothing) };
        let mut axis = self.axis()?;
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
            cube: self.cube.as_ref(),
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
        let mut provenance = self.cube.as_ref().map(|c| c.provenance.clone()).unwrap_or_default();
        provenance.definition =
            Some(self.info.definition.clone()).filter(|d| !d.is_empty()).or(provenance.definition);
        provenance.version = self.info.block.version.clone();
        provenance.sources.extend(notes.sources.clone());
        provenance.pending.clone_from(&notes.pending);
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
        // What readers will see is read once more: a label that a store or a codec changed would
        // shift every number after it.
        let again = Cube::load(Arc::clone(&self.repository), id, self.info).await?;
        if again.axis != *axis {
            return Err(StepError::permanent(
                ErrorKind::Internal,
                format!("the labels of {} are not those that were committed ({})", self.info.id, again.id()),
            )
            .help("the commit stands: reset `main` to its parent before anything is read from it"));
        }
        Ok(Done::Committed(again.id()))
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
