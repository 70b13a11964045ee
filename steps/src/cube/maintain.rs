//! Lets go of the past of a dataset: snapshots by age and count, then objects that nothing refers to.
//!
//! What would go is found first, by the same look as what goes then: manifests of all snapshots that are
//! kept are walked, and what is listed in the store and is not among what they name is garbage.

use std::{
    collections::HashSet,
    num::{NonZeroU16, NonZeroUsize},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Context, Scope},
    data::{DatasetId, SnapshotId},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
    store::{RunQuery, RunStore, SqliteStore},
};
use futures::{StreamExt, TryStreamExt, stream};
use icechunk::{
    Repository,
    format::{SnapshotId as Id, format_constants::SpecVersionBin},
    ops::gc::{self, ExpiredRefAction, GCConfig},
    repository::VersionInfo,
    storage::ListInfo,
};

use super::{
    Provenance, fault, lock,
    repo::{self, Place},
    retention::{Cut, Held, Past, Retention},
    sweep::{Gone, Sweep},
    write::writable,
};

/// Snapshots and manifests that are held at a time while what is kept is walked: some megabytes.
const SNAPSHOTS: NonZeroU16 = NonZeroU16::MIN.saturating_add(15);
const MANIFESTS: NonZeroU16 = NonZeroU16::MIN.saturating_add(7);
const MANIFEST_BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(64 << 20);

/// Deletions on their way, each of up to a thousand objects.
const DELETIONS: NonZeroU16 = NonZeroU16::MIN.saturating_add(3);

/// The folder of copies that Icechunk makes of the entry of a repository before each change of it.
const COPIES: &str = "overwritten";

/// What would be let go at `now`; none while there is no such dataset. Changes nothing.
///
/// # Errors
/// When a store of the project cannot be read: what cannot be seen may refer to anything.
pub async fn foresee(
    info: &DatasetInfo,
    retention: Retention,
    now: DateTime<Utc>,
    scope: &Scope,
) -> Result<Option<Sweep>, StepError> {
    writable(info)?;
    let Some(repository) = repo::open(info, scope).await? else { return Ok(None) };
    let looked = look(&repository, info, retention, now, scope).await;
    looked.map(|(sweep, ..)| Some(sweep)).map_err(|error| repo::redacted(error, scope))
}

/// Lets it go, under the dataset's lock; none while there is no such dataset.
///
/// # Errors
/// When a store of the project cannot be read, or this one not be written. What was deleted until then
/// nothing referred to.
pub async fn sweep(
    info: &DatasetInfo,
    retention: Retention,
    now: DateTime<Utc>,
    cx: &Context,
) -> Result<Option<Sweep>, StepError> {
    writable(info)?;
    let Some(repository) = repo::open(info, &cx.scope).await? else { return Ok(None) };
    let place = Place::of(&info.location)?;
    let _held = lock::take(&place, &info.location.url, cx).await?;
    let swept = under_lock(&repository, info, retention, now, &cx.scope).await;
    let swept = swept.map_err(|error| repo::redacted(error, &cx.scope))?;
    lock::sync(&place).await?;
    Ok(Some(swept))
}

async fn under_lock(
    repository: &Repository,
    info: &DatasetInfo,
    retention: Retention,
    now: DateTime<Utc>,
    scope: &Scope,
) -> Result<Sweep, StepError> {
    let (sweep, cut, garbage) = look(repository, info, retention, now, scope).await?;
    if sweep.is_nothing() {
        return Ok(sweep);
    }
    let what = format!("cannot maintain {}", info.location.url);
    let updates = repository.config().num_updates_per_repo_info_file();
    let manager = repository.asset_manager();
    if !cut.released.is_empty() {
        gc::expire(
            Arc::clone(manager),
            cut.before,
            ExpiredRefAction::Ignore,
            ExpiredRefAction::Ignore,
            None,
            updates,
        )
        .await
        .map_err(|error| fault::store(&what, &error))?;
    }
    // Copies of the entry alone go without a change of it, or each look would leave a new one.
    if sweep.deleted.keys().any(|folder| folder != COPIES) {
        let config = config(garbage.before, false);
        let summary = gc::garbage_collect(Arc::clone(manager), &config, None, updates)
            .await
            .map_err(|error| fault::store(&what, &error))?;
        for message in &summary.delete_errors {
            tracing::warn!(dataset = %info.id, message, "an object could not be deleted");
        }
    }
    let (storage, settings) = (repository.storage(), repository.storage_context());
    for batch in garbage.copies.chunks(1_000) {
        let deleted = storage.delete_batch(&settings, COPIES, batch.to_vec()).await;
        deleted.map_err(|error| fault::store(&what, &error.kind))?;
    }
    Ok(sweep)
}

fn config(before: DateTime<Utc>, dry_run: bool) -> GCConfig {
    GCConfig::clean_all(
        before,
        before,
        None,
        SNAPSHOTS,
        MANIFEST_BYTES,
        MANIFEST_BYTES.saturating_add(MANIFEST_BYTES.get()),
        MANIFESTS,
        DELETIONS,
        SNAPSHOTS,
        None,
        dry_run,
    )
}

/// What is deleted by age alone.
struct Garbage {
    before: DateTime<Utc>,
    /// Copies of the entry, with their sizes.
    copies: Vec<(String, u64)>,
}

async fn look(
    repository: &Repository,
    info: &DatasetInfo,
    retention: Retention,
    now: DateTime<Utc>,
    scope: &Scope,
) -> Result<(Sweep, Cut, Garbage), StepError> {
    let what = repo::unreadable(info);
    let past = past(repository, &what).await?;
    let held = Held { recorded: recorded(info, scope).await?, running: running(scope).await? };
    let cut = past.cut(retention, &held, now);
    let aged = retention.unreferenced.before(now);
    let before = held.running.map_or(aged, |running| running.min(aged));
    let gone = |id: &Id| {
        let snapshot = past.snapshots.get(id)?;
        let message = snapshot.message.clone();
        Some(Gone { id: SnapshotId(id.to_string()), at: snapshot.flushed_at, message })
    };
    let mut sweep = Sweep {
        before: cut.before,
        reasons: cut.reasons.clone(),
        snapshots: cut.released.iter().filter_map(gone).collect(),
        unreferenced_before: before,
        ..Sweep::default()
    };
    garbage(repository, &past, &cut, &mut sweep, &what).await?;
    let copies = copies(repository, before, &mut sweep, &what).await?;
    Ok((sweep, cut, Garbage { before, copies }))
}

/// All that can be reached.
async fn past(repository: &Repository, what: &str) -> Result<Past, StepError> {
    let mut past = Past::default();
    for name in repository.list_branches().await.map_err(fault::icechunk(what))? {
        let tip = repository.lookup_branch(&name).await.map_err(fault::icechunk(what))?;
        past.branches.insert(name, tip);
    }
    for name in repository.list_tags().await.map_err(fault::icechunk(what))? {
        let tip = repository.lookup_tag(&name).await.map_err(fault::icechunk(what))?;
        past.tags.insert(name, tip);
    }
    let tips: Vec<Id> = past.branches.values().chain(past.tags.values()).cloned().collect();
    for tip in tips {
        let ancestry = repository.ancestry(&VersionInfo::SnapshotId(tip)).await;
        let mut ancestry = ancestry.map_err(fault::icechunk(what))?.boxed();
        while let Some(snapshot) = ancestry.try_next().await.map_err(fault::icechunk(what))? {
            // The rest of the line came with another reference.
            if past.snapshots.insert(snapshot.id.clone(), snapshot).is_some() {
                break;
            }
        }
    }
    Ok(past)
}

/// States of this dataset that others of the project were made from, as the heads of all their branches
/// tell it.
async fn recorded(info: &DatasetInfo, scope: &Scope) -> Result<Vec<(DatasetId, SnapshotId)>, StepError> {
    let mut recorded = Vec::new();
    let others = scope.datasets.values().filter(|other| other.id != info.id && !other.location.read_only);
    for other in others {
        let Some(repository) = repo::open(other, scope).await? else { continue };
        let what = repo::unreadable(other);
        for branch in repository.list_branches().await.map_err(fault::icechunk(&what))? {
            let tip = repo::tip(&repository, &branch, other, scope).await?;
            let about = repository.lookup_snapshot(&tip).await.map_err(fault::icechunk(&what))?;
            let provenance = Provenance::read(&about.metadata);
            let state = provenance.sources.get(&info.id);
            let state = state.filter(|state| state.repository == info.location.url);
            recorded.extend(state.map(|state| (other.id.clone(), state.snapshot.clone())));
            let pending = provenance.pending.map(|p| p.others.get(&info.id).cloned().unwrap_or(p.snapshot));
            recorded.extend(pending.map(|snapshot| (other.id.clone(), snapshot)));
        }
    }
    Ok(recorded)
}

/// When the oldest run of this state folder was accepted that is not over: also one whose process died
/// and that nobody settled yet, as what it had written is still to be committed. One that waits for
/// its turn has written nothing.
async fn running(scope: &Scope) -> Result<Option<DateTime<Utc>>, StepError> {
    let Some(store) = SqliteStore::open_to_read(&scope.project.state).await? else { return Ok(None) };
    let query = RunQuery { unfinished: true, opened: true, ..RunQuery::default() };
    Ok(store.list(&query).await?.into_iter().map(|run| run.accepted).min())
}

/// Counts what nothing will refer to, and what stays.
async fn garbage(
    repository: &Repository,
    past: &Past,
    cut: &Cut,
    sweep: &mut Sweep,
    what: &str,
) -> Result<(), StepError> {
    let manager = repository.asset_manager();
    let before = sweep.unreferenced_before;
    let released: HashSet<&Id> = cut.released.iter().collect();
    let mut kept: HashSet<Id> = past.snapshots.keys().filter(|id| !released.contains(id)).cloned().collect();
    let failed = |error: &dyn std::fmt::Display| {
        StepError::permanent(ErrorKind::Store, format!("{what}: {}", error.to_string().trim()))
    };
    let listed = manager.list_snapshots().await.map_err(fault::icechunk(what))?;
    let listed: Vec<ListInfo<Id>> = listed.try_collect().await.map_err(fault::icechunk(what))?;
    // What is younger stays although nothing leads to it: its writer may be at work.
    kept.extend(listed.iter().filter(|one| !goes(one.created_at, before)).map(|one| one.id.clone()));
    for one in &listed {
        sweep.count("snapshots", !kept.contains(&one.id), one.size_bytes);
    }
    let walked = kept.iter().cloned().collect::<Vec<_>>();
    let manager_of = Arc::clone(manager);
    let snapshots = stream::iter(walked)
        .map(move |id| {
            let manager = Arc::clone(&manager_of);
            async move { manager.fetch_snapshot(&id).await }
        })
        .buffer_unordered(usize::from(SNAPSHOTS.get()));
    let (chunks, manifests, _) = gc::find_retained(Arc::clone(manager), &config(before, true), snapshots)
        .await
        .map_err(|error| failed(&error))?;
    // Logs of what was done stay as long as anything that came of it.
    let mut logs: HashSet<Id> = past.snapshots.keys().cloned().chain(kept).collect();
    logs.extend(
        past.snapshots.values().flat_map(|snapshot| snapshot.pruned_ancestor_tx_logs.iter().cloned()),
    );
    let mut listed = manager.list_transaction_logs().await.map_err(fault::icechunk(what))?;
    while let Some(one) = listed.try_next().await.map_err(fault::icechunk(what))? {
        sweep.count("transactions", goes(one.created_at, before) && !logs.contains(&one.id), one.size_bytes);
    }
    let mut listed = manager.list_manifests().await.map_err(fault::icechunk(what))?;
    while let Some(one) = listed.try_next().await.map_err(fault::icechunk(what))? {
        let goes = goes(one.created_at, before) && !manifests.contains(&one.id);
        sweep.count("manifests", goes, one.size_bytes);
    }
    let mut listed = manager.list_chunks().await.map_err(fault::icechunk(what))?;
    while let Some(one) = listed.try_next().await.map_err(fault::icechunk(what))? {
        sweep.count("chunks", goes(one.created_at, before) && !chunks.contains(&one.id), one.size_bytes);
    }
    Ok(())
}

/// Whether an object is old enough for certain: some stores tell whole seconds only.
fn goes(created: DateTime<Utc>, before: DateTime<Utc>) -> bool {
    let whole = created.timestamp_subsec_nanos() == 0;
    created + chrono::Duration::seconds(i64::from(whole)) <= before
}

/// Copies of the entry of the repository that are old enough. They are a backup, and the older part of
/// the log of what was done to the repository; see docs/decisions for what is lost with them.
async fn copies(
    repository: &Repository,
    before: DateTime<Utc>,
    sweep: &mut Sweep,
    what: &str,
) -> Result<Vec<(String, u64)>, StepError> {
    if repository.spec_version() == SpecVersionBin::V1 {
        return Ok(Vec::new());
    }
    let listed = repository.storage().list_objects(&repository.storage_context(), COPIES).await;
    let mut listed = listed.map_err(|error| fault::store(what, &error.kind))?;
    let mut copies = Vec::new();
    while let Some(one) = listed.try_next().await.map_err(|error| fault::store(what, &error.kind))? {
        let deleted = one.id.starts_with("repo.") && goes(one.created_at, before);
        sweep.count(COPIES, deleted, one.size_bytes);
        if deleted {
            copies.push((one.id, one.size_bytes));
        }
    }
    Ok(copies)
}
