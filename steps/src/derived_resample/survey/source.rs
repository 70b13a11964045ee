//! One of the datasets that windows are made from, as it is or as it will be.

use std::sync::Arc;

use frazil_engine::{
    context::Scope,
    data::{Item, Period, Snapshot, SnapshotId, Status},
    dataset::DatasetInfo,
    plan::{Foretold, PlannedSnapshot},
    step::{ErrorKind, StepError},
};

use super::{axis, step_of};
use crate::{
    cube::{Changes, Cube, Template},
    derived_resample::{
        DerivedResample, check,
        decide::{self, Changed},
        pieces::Pieces,
    },
};

/// A source and its state that is worked on, with what will be done to it before.
#[derive(Debug, Clone)]
pub(in crate::derived_resample) struct Given<'a> {
    pub(in crate::derived_resample) snapshot: Snapshot,
    pub(in crate::derived_resample) items: &'a [Item],
    pub(in crate::derived_resample) statuses: &'a [Foretold],
    /// Its layout, where it will be another one than is stored.
    layout: Option<Template>,
}

impl<'a> Given<'a> {
    /// As it stands.
    pub(in crate::derived_resample) fn found(snapshot: &Snapshot) -> Self {
        Self { snapshot: snapshot.clone(), items: &[], statuses: &[], layout: None }
    }

    /// As it will stand.
    pub(in crate::derived_resample) fn planned(planned: &'a PlannedSnapshot) -> Self {
        let layout = planned.layout.clone().and_then(|layout| serde_json::from_value(layout).ok());
        let (items, statuses) = (&planned.changes[..], &planned.statuses[..]);
        Self { snapshot: planned.snapshot.clone(), items, statuses, layout }
    }
}

/// One of the datasets that windows are made from.
#[derive(Debug)]
pub(in crate::derived_resample) struct Source {
    /// The state of it that is worked on.
    pub(in crate::derived_resample) snapshot: Snapshot,
    /// It; none while it has no commit.
    pub(in crate::derived_resample) cube: Option<Cube>,
    /// Its periods as pieces of windows.
    pub(in crate::derived_resample) from: Pieces,
    pub(in crate::derived_resample) info: Arc<DatasetInfo>,
    /// Its layout, as it is or as it will be.
    pub(in crate::derived_resample) template: Option<Template>,
    periods: Vec<(Period, Status)>,
    pub(in crate::derived_resample) changed: Changed,
    pub(in crate::derived_resample) since: Option<Changed>,
}

impl Source {
    pub(in crate::derived_resample) async fn open(
        step: &DerivedResample,
        own: &DatasetInfo,
        Given { snapshot, layout, .. }: &Given<'_>,
        scope: &Scope,
    ) -> Result<Self, StepError> {
        let info = scope.dataset(&snapshot.dataset)?;
        let from = step_of(info)?;
        if let Some((message, help)) = check::unfit(from, step_of(own)?, step.windows) {
            let message = format!("{} {message}", step.dataset);
            return Err(StepError::permanent(ErrorKind::Data, message).help(help));
        }
        let cube = match &snapshot.id {
            Some(id) => Some(Cube::open_at(info, scope, id).await?),
            None => None,
        };
        Ok(Self {
            snapshot: snapshot.clone(),
            info: Arc::clone(info),
            from: Pieces { step: from, rule: step.windows },
            periods: cube.as_ref().map(axis).unwrap_or_default(),
            changed: Changed::All,
            since: None,
            template: layout.clone().or_else(|| cube.as_ref().map(|cube| cube.template().clone())),
            cube,
        })
    }

    pub(in crate::derived_resample) async fn changes(
        &self,
        since: Option<&SnapshotId>,
    ) -> Result<Changed, StepError> {
        let (Some(cube), Some(since)) = (&self.cube, since) else { return Ok(Changed::All) };
        Ok(match cube.changes_since(since).await? {
            Changes::Periods(ranges) | Changes::Foreign(ranges) => Changed::Ranges(ranges),
            Changes::NotAncestor => Changed::All,
        })
    }

    /// As it will be once `planned` is done to it.
    pub(in crate::derived_resample) fn forward(&mut self, planned: &[Item], statuses: &[Foretold]) {
        if planned.is_empty() {
            return;
        }
        let (periods, touched) = decide::forward(&self.periods, planned, statuses);
        self.periods = periods;
        for changed in [Some(&mut self.changed), self.since.as_mut()].into_iter().flatten() {
            if let Changed::Ranges(ranges) = changed {
                ranges.extend(touched.iter().copied());
            }
        }
    }

    pub(in crate::derived_resample) fn seen(&self) -> decide::Source<'_> {
        decide::Source {
            name: self.snapshot.dataset.as_str(),
            axis: &self.periods,
            from: self.from,
            changed: &self.changed,
            since: self.since.as_ref(),
        }
    }
}
