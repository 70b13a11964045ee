//! What passed last, in the state folder: it saves reading what was read before. Where it is lost, all is
//! looked at again.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::Context,
    data::{Checked, DatasetId, PeriodRange, Snapshot, SnapshotId},
    step::{ErrorKind, StepError},
};
use serde::{Deserialize, Serialize};

/// The state that passed last, and what was found of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Passed {
    /// Version of the format: what is of another one counts as lost.
    v: u32,
    /// The step, as `pipeline.step`.
    pub(crate) by: String,
    /// Where the repository is.
    pub(crate) repository: String,
    /// The state.
    pub(crate) snapshot: SnapshotId,
    /// Digest of what was checked.
    pub(crate) digest: String,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// What was found; of earlier looks what nobody looked at since.
    pub(crate) checks: Vec<Checked>,
}

const VERSION: u32 = 1;

impl Passed {
    pub(super) fn new(cx: &Context, snapshot: &Snapshot, id: &SnapshotId, digest: &str) -> Self {
        Self {
            v: VERSION,
            by: format!("{}.{}", cx.scope.pipeline, cx.node),
            repository: snapshot.repository.clone(),
            snapshot: id.clone(),
            digest: digest.to_owned(),
            at: cx.clock.now(),
            checks: Vec::new(),
        }
    }

    /// Puts in what was found now, and keeps what was found earlier of periods that were not selected.
    pub(super) fn found(
        mut self,
        checks: Vec<Checked>,
        before: Option<&Self>,
        selected: &[PeriodRange],
    ) -> Self {
        let is_selected = |period| selected.iter().any(|range| range.contains(period));
        let same =
            |one: &Checked, other: &Checked| one.check == other.check && one.variable == other.variable;
        self.checks = checks;
        for old in before.into_iter().flat_map(|before| &before.checks) {
            match self.checks.iter_mut().find(|new| same(new, old)) {
                None => self.checks.push(old.clone()),
                Some(new) if !old.passed && !old.periods.is_empty() => {
                    let all = old.periods.iter().flat_map(PeriodRange::iter);
                    let left: Vec<_> = all.filter(|period| !is_selected(*period)).collect();
                    if left.is_empty() {
                        continue;
                    }
                    if new.passed {
                        new.message.clone_from(&old.message);
                        new.passed = false;
                    }
                    let mut periods: Vec<_> =
                        new.periods.iter().flat_map(PeriodRange::iter).chain(left).collect();
                    periods.sort_unstable();
                    periods.dedup();
                    new.periods = PeriodRange::collect(periods);
                }
                Some(_) => {}
            }
        }
        self
    }
}

fn folder(state: &Path, dataset: &DatasetId) -> PathBuf {
    state.join("validated").join(dataset.as_str())
}

fn failed(path: &Path, error: &std::io::Error) -> StepError {
    let message = format!("cannot keep what was validated in {}: {error}", path.display());
    StepError::permanent(ErrorKind::Store, message)
        .help("`state` in frazil.yaml names the folder: it must be writable")
}

/// Does something with files, away from the runtime.
async fn files<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StepError::Cancelled)?
}

/// All that is known of a dataset, by the names of steps.
pub(crate) async fn all(state: &Path, dataset: &DatasetId) -> Result<Vec<Passed>, StepError> {
    let folder = folder(state, dataset);
    files(move || {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&folder, &error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| failed(&folder, &error))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
            // What another version or half a disk left says nothing.
            let known = serde_json::from_str::<Passed>(&text).ok().filter(|passed| passed.v == VERSION);
            all.extend(known);
        }
        all.sort_by(|one, other| one.by.cmp(&other.by));
        Ok(all)
    })
    .await
}

/// Keeps what passed; whole or not at all.
pub(super) async fn keep(state: &Path, dataset: &DatasetId, passed: Passed) -> Result<(), StepError> {
    let folder = folder(state, dataset);
    files(move || {
        std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
        let path = folder.join(format!("{}.json", passed.by));
        let beside = folder.join(format!("{}.{}.new", passed.by, std::process::id()));
        let text = serde_json::to_string(&passed).unwrap_or_default();
        std::fs::write(&beside, text).map_err(|error| failed(&beside, &error))?;
        std::fs::rename(&beside, &path).map_err(|error| failed(&path, &error))
    })
    .await
}
