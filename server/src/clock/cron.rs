//! Lines of cron.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use frazil_engine::{
    event::Cause,
    pipeline::{Overlap, Pipeline, Trigger},
    project::Project,
    step::StepError,
    trigger::Timer,
};

use super::{Name, Started, Triggers};

/// The longest time between two looks at the clock on the wall: it jumps, and stands while a machine
/// sleeps, without anybody being told.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait where a run could not be taken on.
const AGAIN: TimeDelta = TimeDelta::seconds(5);

/// Who comes back within this is no new trigger: files are written anew one after the other.
const AWAY: TimeDelta = TimeDelta::minutes(1);

/// A trigger that waits.
#[derive(Debug)]
struct Slot {
    pipeline: Arc<Pipeline>,
    trigger: Trigger,
    timer: Timer,
    /// All up to here is settled.
    settled: DateTime<Utc>,
    /// When there is something to do.
    next: DateTime<Utc>,
}

/// All triggers that wait.
#[derive(Debug, Default)]
pub(super) struct Slots {
    project: Option<Arc<Project>>,
    slots: BTreeMap<Name, Slot>,
    /// Triggers that are in no file any more, and since when.
    away: BTreeMap<Name, DateTime<Utc>>,
    looked: DateTime<Utc>,
}

/// Looks at the clock again and again.
pub(super) async fn work(triggers: &Triggers) {
    let mut slots = Slots::default();
    let mut failing = false;
    loop {
        match slots.look(triggers).await {
            Ok(()) => failing = false,
            // Nothing is started that cannot be noted; once is enough to say so.
            Err(error) if !failing => {
                tracing::error!(%error, "no trigger fires: what they have seen cannot be read or noted");
                failing = true;
            }
            Err(_) => {}
        }
        triggers.clock.sleep(LOOK).await;
    }
}

impl Slots {
    pub(super) async fn look(&mut self, triggers: &Triggers) -> Result<(), StepError> {
        let (project, now) = (triggers.live.project(), triggers.clock.now());
        if self.project.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &project)) {
            self.follow(&project, triggers, now).await?;
            self.project = Some(project);
        }
        if now < self.looked {
            tracing::warn!(
                by = %(self.looked - now), "the clock was set back: what has started does not start again"
            );
            self.slots.values_mut().for_each(|slot| slot.next = now);
        }
        self.looked = now;
        for (name, slot) in &mut self.slots {
            if slot.next <= now {
                slot.fire(name, triggers, now).await?;
            }
        }
        let gone: Vec<_> = self.away.iter().filter(|(_, since)| now - **since > AWAY).collect();
        for (name, _) in &gone {
            triggers.seen.forget(&name.0, &name.1).await?;
        }
        let gone: BTreeSet<_> = gone.into_iter().map(|(name, _)| name.clone()).collect();
        self.away.retain(|name, _| !gone.contains(name));
        Ok(())
    }

    /// Takes over the triggers of a project; one that is new begins now.
    async fn follow(
        &mut self,
        project: &Project,
        triggers: &Triggers,
        now: DateTime<Utc>,
    ) -> Result<(), StepError> {
        let mut seen: BTreeMap<Name, String> = triggers.seen.all().await?;
        seen.retain(|(_, trigger), _| !trigger.starts_with("dataset "));
        let mut slots = BTreeMap::new();
        for pipeline in project.pipelines.values() {
            for trigger in &pipeline.triggers {
                let Some(timer) = Timer::of(&pipeline.id, trigger) else { continue };
                let name = (pipeline.id.clone(), trigger.name());
                let settled = match seen.remove(&name).and_then(|text| text.parse().ok()) {
                    Some(settled) => settled,
                    None => {
                        note(triggers, &name, now).await?;
                        now
                    }
                };
                self.away.remove(&name);
                let (pipeline, trigger) = (Arc::clone(pipeline), trigger.clone());
                slots.insert(name, Slot { pipeline, trigger, timer, settled, next: now });
            }
        }
        for name in seen.into_keys().chain(std::mem::take(&mut self.slots).into_keys()) {
            if !slots.contains_key(&name) {
                self.away.entry(name).or_insert(now);
            }
        }
        self.slots = slots;
        Ok(())
    }
}

impl Slot {
    /// Starts what is due.
    async fn fire(&mut self, name: &Name, triggers: &Triggers, now: DateTime<Utc>) -> Result<(), StepError> {
        let (pipeline, line) = (&name.0, &name.1);
        let due = self.timer.due(self.settled, now);
        if due.anew {
            tracing::warn!(%pipeline, trigger = %line, "the clock had been far ahead: the trigger begins anew");
        }
        if due.left_out > 0 {
            tracing::info!(%pipeline, trigger = %line, count = due.left_out, "missed starts are left out");
        }
        // Those of a catch-up wait for each other, whatever becomes of two that meet by the clock.
        let overlap = match self.trigger.overlap {
            _ if due.starts.len() > 1 => Overlap::Queue,
            overlap => overlap.unwrap_or(Overlap::Skip),
        };
        for at in &due.starts {
            let cause = Cause::Cron { line: line.clone(), scheduled: *at };
            match triggers.start((&self.pipeline, &self.trigger), *at, overlap, cause).await {
                Started::Run(run) => {
                    tracing::info!(%pipeline, trigger = %line, %run, scheduled = %at, "started");
                    let late = (triggers.clock.now() - at).to_std().unwrap_or_default();
                    triggers.metrics.started(pipeline, late.as_secs_f64());
                }
                Started::Not(why) => {
                    tracing::warn!(%pipeline, trigger = %line, scheduled = %at, %why, "a start is left out");
                }
                Started::Later(why) => {
                    tracing::warn!(%pipeline, trigger = %line, scheduled = %at, %why, "a start has to wait");
                    self.next = now + AGAIN;
                    return Ok(());
                }
            }
            note(triggers, name, *at).await?;
            self.settled = *at;
        }
        if self.settled != due.settled {
            note(triggers, name, due.settled).await?;
            self.settled = due.settled;
        }
        self.next = due.next.unwrap_or(DateTime::<Utc>::MAX_UTC);
        Ok(())
    }
}

async fn note(triggers: &Triggers, name: &Name, settled: DateTime<Utc>) -> Result<(), StepError> {
    let text = settled.to_rfc3339_opts(SecondsFormat::Nanos, true);
    Ok(triggers.seen.note(&name.0, &name.1, &text).await?)
}
