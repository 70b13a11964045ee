use chrono::{DateTime, Utc};

use super::{Foreseen, History, NodePlan, PipelinePlan, PlanFile, ask_sizes, measure, total, walk};
use crate::{
    context::Scope,
    project::Stage,
    registry::Registry,
    store::{RunStore, RunStoreError},
};

impl PlanFile {
    /// What runs of these stages would do, one after the other, each with its scope. `online` asks
    /// sources for sizes; the history, where there is one, tells what past runs took.
    ///
    /// # Errors
    /// When the history cannot be read; what is wrong with a step stands in its plan.
    pub async fn make(
        work: &[(Stage, Scope)],
        instant: DateTime<Utc>,
        registry: &Registry,
        online: bool,
        history: Option<&dyn RunStore>,
    ) -> Result<Self, RunStoreError> {
        let mut pipelines = Vec::new();
        let mut foreseen = Foreseen::default();
        for (Stage { pipeline, units }, scope) in work {
            let mut nodes = walk(pipeline, units, registry, scope, &foreseen).await;
            foreseen.note(&nodes);
            if online {
                ask_sizes(pipeline, &mut nodes, registry, scope).await;
            }
            if nodes.iter().any(NodePlan::has_work) {
                let past = match history {
                    Some(store) => History::of(&pipeline.id, store).await?,
                    None => History::default(),
                };
                measure(&mut nodes, &past);
            }
            pipelines.push(PipelinePlan::of(pipeline, units, (*scope.params).clone(), nodes));
        }
        let total = total(pipelines.iter().flat_map(|pipeline| &pipeline.nodes));
        Ok(Self { frazil_plan: 1, instant, pipelines, total })
    }
}
