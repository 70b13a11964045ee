use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{Action, DatasetId, Frequency, Period, PeriodRange, SnapshotId},
    step::StepError,
};
use futures::{StreamExt, TryStreamExt};
use icechunk::{
    format::snapshot::{SnapshotInfo, SnapshotProperties},
    repository::VersionInfo,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{CommitNotes, Cube, fault, read, time::TimeIndex};
pub use crate::source_state::FileState;

/// Where the numbers of a cube come from, carried forward from commit to commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Digest of the definition that made the head.
    pub definition: Option<String>,
    /// The dataset's `version`.
    pub version: Option<String>,
    /// What was read of each source dataset.
    pub sources: BTreeMap<DatasetId, SourceState>,
    /// What files and repositories that are no datasets looked like when they were read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileState>,
    /// Work on newer source snapshots that is done in part.
    pub pending: Option<Pending>,
    /// On the branch of a release: what it is, and from where it began.
    pub release: Option<ReleaseState>,
    /// Periods that a person asked to be listed again, and that hold no numbers yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<PeriodRange>,
    /// On the branch of an audited dataset: periods that did not pass and were not written since.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<PeriodRange>,
}

/// A release as its own commits tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseState {
    /// The head of `main` that its first commit followed.
    pub from: SnapshotId,
    /// From the first to the last period that it was asked to hold; where the source had no more,
    /// up to the last that it had.
    pub range: PeriodRange,
    /// Of a derived dataset: the digest of the layout that it has here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
}

/// What was read of a source dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Where its repository is.
    pub repository: String,
    /// The snapshot that was read.
    pub snapshot: SnapshotId,
}

/// Work that a commit did not finish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The source snapshot that the work was on.
    pub snapshot: SnapshotId,
    /// Where there are several sources: that of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<DatasetId, SnapshotId>,
    /// Periods of this dataset that are done for it.
    pub done: Vec<PeriodRange>,
}

/// What changed in a cube since one of its snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These periods, from what the commits say.
    Periods(Vec<PeriodRange>),
    /// These periods at most: a commit that does not say what it did was read by its chunks.
    Foreign(Vec<PeriodRange>),
    /// The snapshot is not one of the ancestors of this one: anything may have changed.
    NotAncestor,
}

/// The properties of one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CommitRecord {
    pub(super) run: Option<String>,
    pub(super) added: Vec<PeriodRange>,
    pub(super) revised: Vec<PeriodRange>,
    pub(super) filled: Vec<PeriodRange>,
    /// All periods of the version before, in the first commit of another one.
    pub(super) replaced: Vec<PeriodRange>,
    pub(super) same: bool,
    /// What a person said of the periods.
    pub(super) mark: Option<CommitMark>,
}

/// What a person said of the periods of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitMark {
    /// What they are since.
    pub to: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl CommitRecord {
    /// As properties of a commit, with what is carried forward.
    pub(super) fn properties(&self, provenance: &Provenance) -> SnapshotProperties {
        let mut properties = SnapshotProperties::new();
        if let Some(run) = &self.run {
            properties.insert("run".to_owned(), json!(run));
        }
        // What is empty is left out: with every commit Icechunk reads and writes the properties of all
        // commits that the repository keeps.
        let lists = [
            ("added", &self.added),
            ("revised", &self.revised),
            ("filled", &self.filled),
            ("replaced", &self.replaced),
        ];
        let periods: Map<String, Value> = lists
            .into_iter()
            .filter(|(_, ranges)| !ranges.is_empty())
            .map(|(name, ranges)| {
                let ranges = ranges.iter().map(|range| String::from(*range)).collect::<Vec<_>>();
                (name.to_owned(), json!(ranges))
            })
            .collect();
        let periods = Value::Object(periods);
        properties.insert("periods".to_owned(), periods);
        properties.insert("values".to_owned(), json!(if self.same { "same" } else { "changed" }));
        if let Some(mark) = &self.mark {
            properties.insert("mark".to_owned(), json!(mark));
        }
        if let Ok(Value::Object(carried)) = serde_json::to_value(provenance) {
            let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
            properties.extend(carried.into_iter().filter(|(_, value)| !is_empty(value)));
        }
        properties
    }

    /// What a commit says of itself; none when it was not made by frazil.
    fn read(properties: &SnapshotProperties) -> Option<Self> {
        let (periods, values) = (properties.get("periods")?, properties.get("values")?.as_str()?);
        let ranges = |key: &str| -> Option<Vec<PeriodRange>> {
            let Some(listed) = periods.as_object()?.get(key) else { return Some(Vec::new()) };
            listed.as_array()?.iter().map(|r| r.as_str()?.to_owned().try_into().ok()).collect()
        };
        Some(Self {
            run: properties.get("run").and_then(Value::as_str).map(str::to_owned),
            added: ranges("added")?,
            revised: ranges("revised")?,
            filled: ranges("filled")?,
            replaced: ranges("replaced")?,
            same: values == "same",
            mark: properties.get("mark").and_then(|mark| serde_json::from_value(mark.clone()).ok()),
        })
    }

    fn ranges(&self) -> impl Iterator<Item = PeriodRange> + '_ {
        let changed = self.added.iter().chain(&self.revised).chain(&self.filled);
        changed.chain(&self.replaced).copied()
    }
}

impl Provenance {
    /// Takes what files looked like, where any were looked at.
    pub(super) fn was_read_from(&mut self, notes: &CommitNotes) {
        if !notes.files.is_empty() {
            self.files.clone_from(&notes.files);
        }
    }

    /// What the properties of a head say. What another program wrote says nothing.
    pub(super) fn read(properties: &SnapshotProperties) -> Self {
        let map: Map<String, Value> = properties.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        serde_json::from_value(Value::Object(map)).unwrap_or_default()
    }
}

/// One commit of a cube, as its properties tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Its name.
    pub id: SnapshotId,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// The run that made it; none where another program did.
    pub run: Option<String>,
    /// Periods that were put on the axis.
    pub added: Vec<PeriodRange>,
    /// Periods that were there and may have another value since.
    pub revised: Vec<PeriodRange>,
    /// Gaps and incomplete windows that hold values since.
    pub filled: Vec<PeriodRange>,
    /// Where its numbers come from.
    pub provenance: Provenance,
    /// What a person said of its periods, where that is what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<CommitMark>,
}

impl Commit {
    fn of(commit: SnapshotInfo) -> Self {
        let record = CommitRecord::read(&commit.metadata).unwrap_or_default();
        Self {
            id: SnapshotId(commit.id.to_string()),
            at: commit.flushed_at,
            run: record.run,
            added: record.added,
            revised: record.revised,
            filled: record.filled,
            provenance: Provenance::read(&commit.metadata),
            mark: record.mark,
        }
    }

    /// What it did with `period`; none where it did nothing.
    #[must_use]
    pub fn action(&self, period: Period) -> Option<Action> {
        let lists =
            [(&self.added, Action::Add), (&self.revised, Action::Revise), (&self.filled, Action::Fill)];
        let of = |range: &PeriodRange| range.frequency() == period.frequency() && range.contains(period);
        lists.into_iter().find(|(ranges, _)| ranges.iter().any(of)).map(|(_, action)| action)
    }
}

impl Cube {
    /// Its commits from this state back, as long as `more` says so of the last one.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn commits(
        &self,
        mut more: impl FnMut(&Commit) -> bool + Send,
    ) -> Result<Vec<Commit>, StepError> {
        if self.external.is_some() {
            return Ok(Vec::new());
        }
        let unreadable = format!("cannot read the history of {}", self.snapshot.repository);
        let ancestry = self.repository.ancestry(&VersionInfo::SnapshotId(self.id.clone())).await;
        let mut ancestry = ancestry.map_err(fault::icechunk(&unreadable))?.boxed();
        let mut commits: Vec<Commit> = Vec::new();
        while let Some(commit) = ancestry.try_next().await.map_err(fault::icechunk(&unreadable))? {
            // The first snapshot holds nothing.
            if commit.is_initial() {
                break;
            }
            let commit = Commit::of(commit);
            let go_on = more(&commit);
            commits.push(commit);
            if !go_on {
                break;
            }
        }
        Ok(commits)
    }

    /// What changed between `since` and this snapshot, as ascending ranges of periods.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn changes_since(&self, since: &SnapshotId) -> Result<Changes, StepError> {
        let unreadable = format!("cannot read the history of {}", self.snapshot.repository);
        let Ok(since) = icechunk::format::SnapshotId::try_from(since.0.as_str()) else {
            return Ok(Changes::NotAncestor);
        };
        if self.external.is_some() {
            return Ok(if since == self.id { Changes::Periods(Vec::new()) } else { Changes::NotAncestor });
        }
        let mut ancestry = self
            .repository
            .ancestry(&VersionInfo::SnapshotId(self.id.clone()))
            .await
            .map_err(fault::icechunk(&unreadable))?
            .boxed();
        let mut changed: Vec<PeriodRange> = Vec::new();
        let mut foreign = false;
        loop {
            let Some(commit) = ancestry.try_next().await.map_err(fault::icechunk(&unreadable))? else {
                return Ok(Changes::NotAncestor);
            };
            if commit.id == since {
                break;
            }
            match CommitRecord::read(&commit.metadata) {
                Some(record) if record.same => {}
                Some(record) => changed.extend(record.ranges()),
                // The first snapshot holds nothing.
                None if commit.is_initial() => {}
                None => {
                    foreign = true;
                    let parent = commit.parent_id.clone();
                    changed.extend(self.touched(parent, commit.id, &unreadable).await?);
                }
            }
        }
        let changed = merged(changed, self.axis.step());
        Ok(if foreign { Changes::Foreign(changed) } else { Changes::Periods(changed) })
    }

    /// The periods of the chunks that a commit touched, on the axis as it is now. Whatever moved
    /// chunks or arrays counts as a change of everything.
    async fn touched(
        &self,
        parent: Option<icechunk::format::SnapshotId>,
        commit: icechunk::format::SnapshotId,
        unreadable: &str,
    ) -> Result<Vec<PeriodRange>, StepError> {
        let all = whole(&self.axis);
        let Some(parent) = parent else { return Ok(all) };
        let diff = self
            .repository
            .diff(&VersionInfo::SnapshotId(parent.clone()), &VersionInfo::SnapshotId(commit.clone()))
            .await
            .map_err(fault::icechunk(unreadable))?;
        let time = self.time.as_str();
        let rebuilt =
            !diff.new_arrays.is_empty() || !diff.deleted_arrays.is_empty() || !diff.moved_nodes.is_empty();
        let of_time = diff.updated_chunks.keys().any(|path| path.to_string() == time)
            || diff.updated_arrays.iter().any(|path| path.to_string() == time);
        let mut ranges = Vec::new();
        match (rebuilt, of_time) {
            (true, _) => return Ok(all),
            (false, false) => {}
            (false, true) => match self.appended(parent, commit, unreadable).await? {
                Some(added) => {
                    let added = self.axis.periods().get(added).unwrap_or_default().iter().copied();
                    ranges.extend(PeriodRange::collect(added));
                }
                None => return Ok(all),
            },
        }
        for variable in &self.template.variables {
            let path = self.template.path(&variable.name);
            let length = usize::try_from(variable.unit()[0]).unwrap_or(usize::MAX);
            let chunks = diff.updated_chunks.iter().filter(|(p, _)| p.to_string() == path);
            for chunk in chunks.flat_map(|(_, chunks)| chunks) {
                let Some(&at) = chunk.0.first() else { continue };
                let start = (at as usize).saturating_mul(length);
                let end = start.saturating_add(length).min(self.axis.len());
                ranges.extend(PeriodRange::collect(
                    self.axis.periods().get(start..end).unwrap_or_default().iter().copied(),
                ));
            }
        }
        Ok(ranges)
    }
}

impl Cube {
    /// Positions of the labels that a commit put behind those that there were; none where it changed
    /// more of the time axis than that.
    async fn appended(
        &self,
        parent: icechunk::format::SnapshotId,
        commit: icechunk::format::SnapshotId,
        unreadable: &str,
    ) -> Result<Option<Range<usize>>, StepError> {
        let mut both = Vec::new();
        for id in [parent, commit] {
            let session = self.repository.readonly_session(&VersionInfo::SnapshotId(id)).await;
            let session = session.map_err(fault::icechunk(unreadable))?;
            let nodes = read::nodes(&session, unreadable).await?;
            let attributes = nodes.get(&self.time).map(|document| document["attributes"].clone());
            let labels = read::vector(&session, &nodes, &self.time, 0, unreadable).await?;
            both.push((attributes, labels.map(|(_, labels)| labels)));
        }
        let [(before, Some(old)), (after, Some(new))] = both.as_slice() else { return Ok(None) };
        let same = before == after && old.dtype() == new.dtype() && new.bytes().starts_with(old.bytes());
        Ok(same.then(|| old.len()..new.len()))
    }
}

fn whole(axis: &TimeIndex) -> Vec<PeriodRange> {
    PeriodRange::collect(axis.periods().iter().copied())
}

/// The same periods as the fewest ascending ranges. Ranges of another step say nothing here.
fn merged(mut ranges: Vec<PeriodRange>, step: Frequency) -> Vec<PeriodRange> {
    ranges.retain(|r| r.frequency() == step && !r.is_empty());
    ranges.sort_unstable();
    let mut merged: Vec<PeriodRange> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.first <= last.last.plus(1) => last.last = last.last.max(range.last),
            _ => merged.push(range),
        }
    }
    merged
}
