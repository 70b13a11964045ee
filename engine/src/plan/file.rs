use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{NodePlan, Work, heads, walk::releases};
use crate::{
    data::{DatasetId, NodeId, PipelineId, SnapshotId},
    pipeline::Pipeline,
    step::{ErrorKind, StepError},
};

/// A plan as `plan -o` writes it and `run plan.json` reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// Version of the format: 1.
    pub frazil_plan: u32,
    /// The instant that it is for.
    pub instant: DateTime<Utc>,
    /// The pipelines, in the order in which they would run.
    pub pipelines: Vec<PipelinePlan>,
    /// The work of all of them.
    #[serde(default)]
    pub total: Work,
}

/// The plan of one pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelinePlan {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Digest of its file.
    pub digest: String,
    /// The parameters, frozen.
    pub params: Map<String, Value>,
    /// What of it is walked: each unit by its node, a segment by its sink.
    pub units: Vec<NodeId>,
    /// The heads of all datasets that it reads or writes.
    pub heads: BTreeMap<DatasetId, Option<SnapshotId>>,
    /// The heads of the branches of releases that are under way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub releases: BTreeMap<DatasetId, SnapshotId>,
    /// What would be done.
    pub nodes: Vec<NodePlan>,
}

impl PipelinePlan {
    /// A plan of these units.
    #[must_use]
    pub fn of(
        pipeline: &Pipeline,
        units: &[usize],
        params: Map<String, Value>,
        nodes: Vec<NodePlan>,
    ) -> Self {
        let name = |unit: &usize| pipeline.nodes[pipeline.units[*unit].node()].id.clone();
        Self {
            pipeline: pipeline.id.clone(),
            digest: pipeline.digest.clone(),
            params,
            units: units.iter().map(name).collect(),
            heads: heads(&nodes),
            releases: releases(&nodes),
            nodes,
        }
    }

    /// Places of its units in the pipeline as it is now; none when one is not there any more.
    #[must_use]
    pub fn places(&self, pipeline: &Pipeline) -> Option<Vec<usize>> {
        let place =
            |name: &NodeId| pipeline.units.iter().position(|unit| pipeline.nodes[unit.node()].id == *name);
        self.units.iter().map(place).collect()
    }

    /// Whether the same plan made now stands on the same ground. A source that has less than was
    /// planned is no difference.
    ///
    /// # Errors
    /// The first digest or head that differs.
    pub fn still_holds(&self, now: &Self) -> Result<(), StepError> {
        let stale = |message: String| {
            Err(StepError::permanent(ErrorKind::Refused, message).help("make the plan again"))
        };
        if self.digest != now.digest {
            return stale(format!(
                "the plan is stale: the file of `{}` has digest {} where {} was planned",
                self.pipeline, now.digest, self.digest
            ));
        }
        let show = |id: Option<&SnapshotId>| id.map_or("nothing".to_owned(), ToString::to_string);
        for (dataset, planned) in &self.heads {
            let found = now.heads.get(dataset).cloned().flatten();
            if found != *planned {
                return stale(format!(
                    "the plan is stale: `{dataset}` stands at {} where {} was planned",
                    show(found.as_ref()),
                    show(planned.as_ref())
                ));
            }
        }
        // A release that somebody went on with leaves `main` where it was.
        for dataset in self.releases.keys().chain(now.releases.keys()) {
            let (planned, found) = (self.releases.get(dataset), now.releases.get(dataset));
            if planned != found {
                return stale(format!(
                    "the plan is stale: the release of `{dataset}` stands at {} where {} was planned",
                    show(found),
                    show(planned)
                ));
            }
        }
        Ok(())
    }
}
