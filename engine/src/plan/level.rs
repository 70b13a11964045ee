use std::collections::BTreeMap;

use super::Foreseen;
use crate::{
    data::DatasetId,
    pipeline::{Pipeline, PipelineNode, Unit},
    registry::Registry,
    step::{PortKind, Write},
};

/// How far each of these nodes is from what the selection itself writes (0): what hangs from a
/// dataset that the plan writes stands one level above it. A node that writes nothing stands where
/// what it takes does.
pub(super) fn levels(
    pipeline: &Pipeline,
    units: &[usize],
    registry: &Registry,
    foreseen: &Foreseen,
) -> BTreeMap<usize, u32> {
    let mut levels = BTreeMap::new();
    // Of the nodes that give a dataset which the plan writes.
    let mut made: BTreeMap<usize, u32> = BTreeMap::new();
    for unit in units.iter().filter_map(|unit| pipeline.units.get(*unit)) {
        match unit {
            Unit::Node(at) => {
                let node = &pipeline.nodes[*at];
                let below = node.needs.iter().filter_map(|need| made.get(need)).max().copied();
                let lists = registry.get(&node.uses).is_some_and(|step| step.output == PortKind::Periods);
                let level = if lists || written(node).is_some() {
                    Some(below.map_or(0, |below| below + 1))
                } else {
                    below.or_else(|| node.step.reads().iter().find_map(|id| foreseen.level(id)))
                };
                levels.insert(*at, level.unwrap_or(0));
                if !lists && let Some(level) = level {
                    made.insert(*at, level);
                }
            }
            Unit::Segment(segment) => {
                let level = levels.get(&segment.periods).copied().unwrap_or(0);
                levels.extend(segment.nodes().into_iter().map(|node| (node, level)));
                made.insert(segment.sink, level);
            }
        }
    }
    levels
}

/// The dataset whose values a node changes.
pub(super) fn written(node: &PipelineNode) -> Option<DatasetId> {
    match node.step.writes() {
        Some(Write::Values(dataset)) => Some(dataset),
        Some(Write::Keep(_)) | None => None,
    }
}
