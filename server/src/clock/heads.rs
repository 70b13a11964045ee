//! Commits to datasets that pipelines hang from.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use frazil_engine::{
    data::{DatasetId, SnapshotId},
    dataset::{DatasetInfo, Location},
    event::Cause,
    pipeline::{Overlap, Pipeline, Trigger},
    project::Project,
    step::StepError,
};
use frazil_steps::cube::Shelf;
use futures::{StreamExt as _, stream};
use tokio::sync::broadcast;

use super::{Name, Started, Triggers};
use crate::{live::Current, runner::Change};

/// How often heads in folders are looked at: a look reads one small file.
const LOOK: Duration = Duration::from_secs(2);

/// How often those in object stores are, where a look is a request; also at once after runs of our own.
const FAR: TimeDelta = TimeDelta::seconds(30);

/// How long a look may take: a store that does not answer does not keep others waiting for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at a time.
const AT_ONCE: usize = 8;

/// What is known of heads.
#[derive(Debug, Default)]
struct Heads {
    shelves: BTreeMap<DatasetId, (Location, Shelf)>,
    /// When each was looked at.
    looked: BTreeMap<DatasetId, DateTime<Utc>>,
    /// Datasets that could not be looked at: that is said once.
    failing: BTreeSet<DatasetId>,
    wakes: Wakes,
}

/// Pipelines and their triggers by the dataset that they hang from.
pub(super) type Hanging<'a> = BTreeMap<DatasetId, Vec<(&'a Pipeline, &'a Trigger)>>;

/// What is known of triggers.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    /// Those of which what they saw last was noted by this process, after whatever it started for it.
    noted: BTreeSet<Name>,
}

/// Looks at heads again and again.
pub(super) async fn work(triggers: &Triggers) {
    let mut heads = Heads::default();
    let mut failing = false;
    let mut ours = false;
    let mut changes = triggers.starter.changes();
    loop {
        match heads.look(triggers, ours).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                tracing::error!(%error, "no dataset wakes a pipeline: the state cannot be read or written");
                failing = true;
            }
            Err(_) => {}
        }
        ours = wait(triggers, &mut changes).await;
    }
}

/// Whether a run of ours came to its end before it was time to look again.
async fn wait(triggers: &Triggers, changes: &mut broadcast::Receiver<Arc<Change>>) -> bool {
    let mut pause = triggers.clock.sleep(LOOK);
    loop {
        let change = tokio::select! {
            () = &mut pause => return false,
            change = changes.recv() => change,
        };
        match change {
            Ok(change) if triggers.starter.is_over(&change.run).await => return true,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return true,
            Err(broadcast::error::RecvError::Closed) => {
                pause.await;
                return false;
            }
        }
    }
}

impl Heads {
    async fn look(&mut self, triggers: &Triggers, ours: bool) -> Result<(), StepError> {
        let Current { project, .. } = triggers.live.current();
        let hanging = hanging(&project);
        if hanging.is_empty() {
            return Ok(());
        }
        let heads = self.heads(triggers, hanging.keys(), ours).await;
        self.wakes.follow(triggers, &heads, &hanging).await
    }

    /// The heads of datasets that hold something and that it is time to look at.
    async fn heads(
        &mut self,
        triggers: &Triggers,
        wanted: impl Iterator<Item = &DatasetId>,
        ours: bool,
    ) -> Vec<(DatasetId, SnapshotId)> {
        let (now, current) = (triggers.clock.now(), triggers.live.current());
        let mut open = Vec::new();
        for id in wanted {
            let Some(info) = current.project.datasets.get(id) else { continue };
            let last = self.looked.get(id).filter(|_| !ours && info.location.url.contains("://"));
            if last.is_some_and(|last| (now - *last).abs() < FAR) {
                continue;
            }
            self.looked.insert(id.clone(), now);
            let shelf = self.shelves.get(id).filter(|(place, _)| *place == info.location);
            open.push((Arc::clone(info), shelf.map(|(_, shelf)| shelf.clone())));
        }
        let looks = open.into_iter().map(|(info, shelf)| {
            let current = current.clone();
            async move {
                let found = tokio::time::timeout(PATIENCE, head(&info, shelf, &current)).await;
                (info, found)
            }
        });
        let found: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        let mut heads = Vec::new();
        for (info, found) in found {
            let why = match found {
                Ok(Ok(found)) => {
                    self.failing.remove(&info.id);
                    if let Some((shelf, head)) = found {
                        self.shelves.insert(info.id.clone(), (info.location.clone(), shelf));
                        heads.extend(head.map(|head| (info.id.clone(), head)));
                    }
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "its store does not answer".to_owned(),
            };
            self.shelves.remove(&info.id);
            if self.failing.insert(info.id.clone()) {
                tracing::warn!(dataset = %info.id, %why, "whether it moved cannot be seen");
            }
        }
        heads
    }
}

pub(super) fn hanging(project: &Project) -> Hanging<'_> {
    let mut hanging = Hanging::new();
    for pipeline in project.pipelines.values() {
        for trigger in &pipeline.triggers {
            if let Some(dataset) = &trigger.dataset {
                hanging.entry(dataset.clone()).or_default().push((pipeline, trigger));
            }
        }
    }
    hanging
}

/// The repository of a dataset and its head; none where there is none.
async fn head(
    info: &DatasetInfo,
    shelf: Option<Shelf>,
    current: &Current,
) -> Result<Option<(Shelf, Option<SnapshotId>)>, StepError> {
    let Current { project, secrets } = current;
    // Looking belongs to no pipeline; that it hangs from one changes nothing of what is there.
    let Some(any) = project.pipelines.keys().next() else { return Ok(None) };
    let scope = project.scope(any, serde_json::Map::new(), Utc::now(), Arc::clone(secrets));
    let shelf = match shelf {
        Some(shelf) => shelf,
        None => match Shelf::open(info, &scope).await? {
            Some(shelf) => shelf,
            None => return Ok(None),
        },
    };
    let head = shelf.head(info, &scope, Duration::ZERO).await?;
    Ok(Some((shelf, head)))
}

impl Wakes {
    /// Wakes what hangs from datasets that moved.
    pub(super) async fn follow(
        &mut self,
        triggers: &Triggers,
        heads: &[(DatasetId, SnapshotId)],
        hanging: &Hanging<'_>,
    ) -> Result<(), StepError> {
        let seen = triggers.seen.all().await?;
        for (dataset, head) in heads {
            for (pipeline, trigger) in hanging.get(dataset).into_iter().flatten() {
                let name = (pipeline.id.clone(), trigger.name());
                if seen.get(&name) != Some(&head.0) {
                    let cause = Cause::Dataset { dataset: dataset.clone(), snapshot: head.clone() };
                    self.wake(triggers, name, (pipeline, trigger), cause, head).await?;
                }
            }
        }
        Ok(())
    }

    /// Starts a run for a head that a trigger has not seen, if none waits that will see it.
    async fn wake(
        &mut self,
        triggers: &Triggers,
        name: Name,
        (pipeline, trigger): (&Pipeline, &Trigger),
        cause: Cause,
        head: &SnapshotId,
    ) -> Result<(), StepError> {
        let (id, line) = (&name.0, &name.1);
        // It may be known by a run that was started before it could be noted. Otherwise the same head again
        // is one that went away meanwhile and came back.
        let is_noted = self.noted.remove(&name);
        let known = waits(triggers, pipeline, trigger).await?
            || (!is_noted && triggers.starter.started(id, &cause).await?);
        if !known {
            // One that is at work may have looked already: another comes after it.
            let overlap = trigger.overlap.unwrap_or(Overlap::Queue);
            match triggers.start((pipeline, trigger), triggers.clock.now(), overlap, cause).await {
                Started::Run(run) => {
                    tracing::info!(pipeline = %id, trigger = %line, snapshot = %head, %run, "started");
                }
                Started::Not(why) => {
                    tracing::warn!(pipeline = %id, trigger = %line, snapshot = %head, %why, "a start is left out");
                }
                Started::Later(why) => {
                    tracing::warn!(pipeline = %id, trigger = %line, snapshot = %head, %why, "a start has to wait");
                    return Ok(());
                }
            }
        }
        triggers.seen.note(id, line, &head.0).await?;
        self.noted.insert(name);
        Ok(())
    }
}

/// Whether a run waits that is as one that the trigger started now, and will see what the dataset holds by
/// now. What its parameters make of the instant is no difference.
async fn waits(triggers: &Triggers, pipeline: &Pipeline, trigger: &Trigger) -> Result<bool, StepError> {
    let project = triggers.live.project();
    let own = |instant| pipeline.accept_params(&trigger.params, &project.config, instant);
    let waiting = triggers.starter.waiting(&pipeline.id).await?;
    Ok(waiting.into_iter().any(|(instant, params)| own(instant).is_ok_and(|own| own == params)))
}
