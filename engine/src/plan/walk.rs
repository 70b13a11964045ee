use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Foreseen, Planned, PlannedDocument, PlannedSlices, fits,
    level::{levels, written},
};
use crate::{
    context::Scope,
    data::{DatasetId, NodeId, Period, Periods, Snapshot, SnapshotId},
    executor::{TaskNode, bind, together, wrong_role},
    explain::Explained,
    pipeline::{Branch, Pipeline, PipelineNode, Segment, Unit},
    registry::{Registry, Role},
    step::{Arity, StepError},
};

/// What a run would do at one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// The node.
    pub node: NodeId,
    /// Its step type.
    pub uses: String,
    /// How far it is from what the selection itself writes (0): what hangs from a dataset that is
    /// written stands one level above it.
    #[serde(default)]
    pub level: u32,
    /// The dataset whose values it changes.
    #[serde(default)]
    pub writes: Option<DatasetId>,
    /// What it would give, what that costs and why.
    pub planned: Option<Planned>,
    /// Why that cannot be said, or would be refused.
    pub error: Option<StepError>,
    /// The nodes that would give nothing, where it would be skipped for them.
    pub lacks: Vec<NodeId>,
}

impl NodePlan {
    /// A node of which nothing is known yet.
    pub(super) fn named(node: NodeId, uses: &str) -> Self {
        let (uses, planned, error) = (uses.to_owned(), None, None);
        Self { node, uses, level: 0, writes: None, planned, error, lacks: Vec::new() }
    }

    fn of(node: &TaskNode) -> Self {
        Self::named(node.id.clone(), &node.uses)
    }

    /// Whether a run would change something here.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.planned.as_ref().is_some_and(|planned| planned.work.periods > 0 || planned.work.commits > 0)
    }
}

/// What a run of these units would do, node by node, over planned documents. Reads stores alone;
/// `foreseen` is what other pipelines would do before.
pub async fn walk(
    pipeline: &Pipeline,
    units: &[usize],
    registry: &Registry,
    scope: &Scope,
    foreseen: &Foreseen,
) -> Vec<NodePlan> {
    let mut known: BTreeMap<usize, usize> = BTreeMap::new();
    let mut plans: Vec<NodePlan> = Vec::new();
    for unit in units.iter().map(|&unit| &pipeline.units[unit]) {
        match unit {
            Unit::Node(at) => {
                let node = TaskNode::from(&pipeline.nodes[*at]);
                let (input, lacks) = inputs(&pipeline.nodes[*at].needs, pipeline, &known, &plans);
                let many = registry.get(&node.uses).is_some_and(|step| step.input.arity == Arity::Many);
                let mut plan = NodePlan::of(&node);
                if lacks.is_empty() || (many && !input.is_empty()) {
                    let root = input.is_empty();
                    let mut planned = plan_node(&node, input, registry, scope).await;
                    if let (true, Ok(planned)) = (root, &mut planned) {
                        foreseen.lay_over(planned);
                    }
                    plan.fill(planned, scope);
                } else {
                    plan.lacks = lacks;
                }
                known.insert(*at, plans.len());
                plans.push(plan);
            }
            Unit::Segment(segment) => {
                let planned = plan_segment(segment, pipeline, &known, &plans, registry, scope).await;
                let sources = segment.branches.iter().map(|branch| branch.source);
                known.extend(sources.chain([segment.sink]).zip(plans.len()..));
                plans.extend(planned);
            }
        }
    }
    let levels = levels(pipeline, units, registry, foreseen);
    for (node, at) in known {
        let Some(plan) = plans.get_mut(at) else { continue };
        plan.level = levels.get(&node).copied().unwrap_or(0);
        plan.writes = written(&pipeline.nodes[node]);
    }
    plans
}

impl NodePlan {
    fn fill(&mut self, planned: Result<Planned, StepError>, scope: &Scope) {
        match planned {
            Ok(planned) => {
                self.error = fits(&self.node, &planned.work, scope).err();
                self.planned = Some(planned);
            }
            Err(error) => self.error = Some(error),
        }
    }
}

fn inputs(
    needs: &[usize],
    pipeline: &Pipeline,
    known: &BTreeMap<usize, usize>,
    plans: &[NodePlan],
) -> (Vec<Planned>, Vec<NodeId>) {
    let (mut input, mut lacks) = (Vec::new(), Vec::new());
    for need in needs {
        match known.get(need).and_then(|at| plans[*at].planned.clone()) {
            Some(planned) => input.push(planned),
            None => lacks.push(pipeline.nodes[*need].id.clone()),
        }
    }
    (input, lacks)
}

async fn plan_node(
    node: &TaskNode,
    input: Vec<Planned>,
    registry: &Registry,
    scope: &Scope,
) -> Result<Planned, StepError> {
    match bind(registry, node, scope)?.role {
        Role::Node(step) => step.plan(input, scope).await,
        _ => Err(wrong_role(node)),
    }
}

/// The plans of its sources, and that of its sink.
async fn plan_segment(
    segment: &Segment,
    pipeline: &Pipeline,
    known: &BTreeMap<usize, usize>,
    plans: &[NodePlan],
    registry: &Registry,
    scope: &Scope,
) -> Vec<NodePlan> {
    let node = |at: usize| TaskNode::from(&pipeline.nodes[at]);
    let mut settles = NodePlan::of(&node(segment.sink));
    let (input, lacks) = inputs(&[segment.periods], pipeline, known, plans);
    let listed = input.into_iter().next().map(|planned| planned.document);
    let (mut planned, mut streams) = (Vec::new(), Vec::new());
    for branch in &segment.branches {
        let mut reads = NodePlan::of(&node(branch.source));
        match &listed {
            Some(PlannedDocument::Periods(periods)) => {
                match plan_stream(branch, pipeline, periods, registry, scope).await {
                    Ok(slices) => {
                        reads.planned = Some(flow(&slices));
                        streams.push(slices);
                    }
                    Err(error) => reads.error = Some(error),
                }
            }
            _ => reads.lacks.clone_from(&lacks),
        }
        if reads.planned.is_none() {
            settles.lacks.push(reads.node.clone());
        }
        planned.push(reads);
    }
    if let (Some(PlannedDocument::Periods(periods)), true) = (listed, settles.lacks.is_empty()) {
        let slices = together(periods, &streams);
        let sink = node(segment.sink);
        let settled = async {
            match bind(registry, &sink, scope)?.role {
                Role::Sink(step) => step.plan(&slices, scope).await,
                _ => Err(wrong_role(&sink)),
            }
        };
        let settled = settled.await.map(|planned| Planned {
            work: planned.work.clone(),
            reasons: planned.reasons.clone(),
            document: PlannedDocument::Snapshot(planned),
        });
        settles.fill(settled, scope);
    }
    planned.push(settles);
    planned
}

async fn plan_stream(
    branch: &Branch,
    pipeline: &Pipeline,
    periods: &Periods,
    registry: &Registry,
    scope: &Scope,
) -> Result<PlannedSlices, StepError> {
    let node = |at: usize| TaskNode::from(&pipeline.nodes[at]);
    let mut filters = Vec::new();
    for filter in branch.filters.iter().map(|&at| node(at)) {
        match bind(registry, &filter, scope)?.role {
            Role::Filter(step) => filters.push(step),
            _ => return Err(wrong_role(&filter)),
        }
    }
    let halo = filters.iter().map(|filter| filter.halo()).max().unwrap_or(0);
    let source = node(branch.source);
    let slices = match bind(registry, &source, scope)?.role {
        Role::Source(step) => step.plan(periods, halo, scope).await?,
        _ => return Err(wrong_role(&source)),
    };
    filters.iter().try_fold(slices, |slices, filter| filter.plan(slices, scope))
}

fn flow(slices: &PlannedSlices) -> Planned {
    let mut planned = Planned::idle(PlannedDocument::Slices(slices.clone()));
    planned.work.requests = slices.requests;
    planned.work.bytes = slices.bytes;
    planned.reasons.clone_from(&slices.reasons);
    planned
}

/// What the step that writes a dataset says of each of some of its periods, seen from these states of
/// its sources; nothing for those that are fetched.
///
/// # Errors
/// When its settings cannot be evaluated, or a store cannot be read.
pub async fn explain(
    node: &PipelineNode,
    sources: &[Snapshot],
    periods: &[Period],
    registry: &Registry,
    scope: &Scope,
) -> Result<Vec<Vec<Explained>>, StepError> {
    match bind(registry, &TaskNode::from(node), scope)?.role {
        Role::Node(step) => step.explain(sources, periods, scope).await,
        _ => Ok(Vec::new()),
    }
}

/// The heads that a plan was made against, by dataset.
#[must_use]
pub fn heads(plans: &[NodePlan]) -> BTreeMap<DatasetId, Option<SnapshotId>> {
    let mut heads = BTreeMap::new();
    for planned in plans.iter().filter_map(|plan| plan.planned.as_ref()) {
        match &planned.document {
            PlannedDocument::Periods(periods) => {
                heads.entry(periods.dataset.clone()).or_insert_with(|| periods.base.clone());
            }
            PlannedDocument::Snapshot(planned) => {
                let snapshot = &planned.snapshot;
                heads.insert(snapshot.dataset.clone(), snapshot.id.clone());
            }
            PlannedDocument::Slices(_) | PlannedDocument::Nothing => {}
        }
    }
    heads
}

/// The heads of the branches of releases that these plans go on with.
pub(super) fn releases(plans: &[NodePlan]) -> BTreeMap<DatasetId, SnapshotId> {
    let planned = plans.iter().filter_map(|plan| plan.planned.as_ref());
    let aside = planned.filter_map(|planned| match &planned.document {
        PlannedDocument::Snapshot(planned) => {
            Some((planned.snapshot.dataset.clone(), planned.aside.clone()?))
        }
        _ => None,
    });
    aside.collect()
}

/// The units that give `dataset` in `pipeline`, with all that they need; none where none does.
#[must_use]
pub fn units_for(pipeline: &Pipeline, dataset: &DatasetId) -> Option<Vec<usize>> {
    let mut of_node = BTreeMap::new();
    for (at, unit) in pipeline.units.iter().enumerate() {
        of_node.extend(unit.nodes().into_iter().map(|node| (node, at)));
    }
    let writes =
        |node: &usize| pipeline.nodes[*node].step.writes().is_some_and(|write| write.dataset() == dataset);
    let mut open: Vec<usize> = (0..pipeline.nodes.len()).filter(writes).collect();
    if open.is_empty() {
        return None;
    }
    let mut units = BTreeSet::new();
    while let Some(node) = open.pop() {
        let Some(&unit) = of_node.get(&node) else { continue };
        if units.insert(unit) {
            open.extend(
                pipeline.units[unit].nodes().iter().flat_map(|&node| pipeline.nodes[node].needs.clone()),
            );
            if let Unit::Segment(segment) = &pipeline.units[unit] {
                open.push(segment.periods);
            }
        }
    }
    Some(units.into_iter().collect())
}
