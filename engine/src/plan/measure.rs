use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NodePlan, Planned, PlannedDocument, Work};
use crate::{
    context::Scope,
    data::{NodeId, PipelineId, Spent},
    executor::{TaskNode, bind},
    pipeline::Pipeline,
    registry::{Registry, Role},
    step::StepError,
    store::{RunStore, RunStoreError},
};

/// Runs that a figure is taken from: enough for a median that one odd run does not move.
const RUNS: usize = 50;

/// Source files of a step that are asked for their size at most.
pub const SIZES: usize = 5;

/// Where a figure comes from that nobody can know before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Sizes that the source was asked for.
    Head,
    /// The median of past runs.
    History,
}

/// Sizes of some of the source files of a step's work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Bytes of each.
    pub bytes: Vec<u64>,
    /// Whether only parts of the files are read, so that less comes than they hold.
    pub parts: bool,
}

/// What the steps of a pipeline did in past runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(BTreeMap<NodeId, Vec<Spent>>);

impl History {
    /// That of a pipeline.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(pipeline: &PipelineId, store: &dyn RunStore) -> Result<Self, RunStoreError> {
        let mut history = Self::default();
        for (node, spent) in store.spent(pipeline, RUNS).await? {
            history.0.entry(node).or_default().push(spent);
        }
        Ok(history)
    }

    /// The median over runs of how much of one thing goes with how much of another, times `count`.
    fn extrapolated(&self, node: &NodeId, count: usize, of: impl Fn(&Spent) -> (u64, u64)) -> Option<u64> {
        let runs = self.0.get(node)?.iter().map(of).filter(|(_, per)| *per > 0);
        let mut each: Vec<f64> = runs.map(|(much, per)| much as f64 / per as f64).collect();
        each.sort_unstable_by(f64::total_cmp);
        let (low, high) = (each.get(each.len().checked_sub(1)? / 2)?, each.get(each.len() / 2)?);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded, and not negative"
        )]
        let whole = ((low + high) / 2.0 * count as f64).round() as u64;
        Some(whole)
    }
}

/// Fills in what past runs say of bytes and time, where nothing better is known.
pub fn measure(nodes: &mut [NodePlan], history: &History) {
    for node in nodes {
        let Some(Planned { work, .. }) = &mut node.planned else { continue };
        if work.requests > 0 && (work.bytes.is_none() || work.parts) {
            let bytes = history.extrapolated(&node.node, work.requests, |s| (s.bytes, s.requests));
            if let Some(bytes) = bytes {
                (work.bytes, work.bytes_from, work.parts) = (Some(bytes), Some(Measure::History), false);
            }
        }
        if work.periods > 0 {
            work.millis = history.extrapolated(&node.node, work.periods, |s| (s.millis, s.periods));
            work.millis_from = work.millis.map(|_| Measure::History);
        }
    }
}

/// Asks sources for the sizes of a few of the files that would be fetched, and says of the whole
/// work what they make of it. What cannot be asked is a reason, not an error.
pub async fn ask_sizes(pipeline: &Pipeline, nodes: &mut [NodePlan], registry: &Registry, scope: &Scope) {
    for node in nodes {
        let Some(planned) = node.planned.as_mut().filter(|planned| planned.work.requests > 0) else {
            continue;
        };
        let PlannedDocument::Slices(slices) = &planned.document else { continue };
        let Some(own) = pipeline.nodes.iter().find(|own| own.id == node.node) else { continue };
        let asked: Result<Sizes, StepError> = async {
            match bind(registry, &TaskNode::from(own), scope)?.role {
                Role::Source(step) => step.sizes(&slices.periods, SIZES, scope).await,
                _ => Ok(Sizes::default()),
            }
        }
        .await;
        match asked {
            Ok(sizes) => take(planned, &sizes),
            Err(error) => {
                let error = scope.secrets.redact(&error.to_string());
                planned.reasons.push(format!("the source does not say how large its files are: {error}"));
            }
        }
    }
}

fn take(planned: &mut Planned, sizes: &Sizes) {
    let count = sizes.bytes.len() as u64;
    let Some(each) = sizes.bytes.iter().sum::<u64>().checked_div(count) else {
        return planned.reasons.push("the source does not say how large its files are".to_owned());
    };
    let work = &mut planned.work;
    work.bytes = Some(each.saturating_mul(work.requests as u64));
    (work.bytes_from, work.parts) = (Some(Measure::Head), sizes.parts);
    if sizes.parts {
        planned.reasons.push("only parts of its files are read, so less will come than they hold".to_owned());
    }
}

/// The work of all nodes together: what one of them does not know, nobody knows of all. The memory is
/// that of the one that takes most.
#[must_use]
pub fn total<'a>(nodes: impl IntoIterator<Item = &'a NodePlan>) -> Work {
    let mut total = Work { bytes: Some(0), chunks: Some(0), millis: Some(0), ..Work::default() };
    for work in nodes.into_iter().filter_map(|node| Some(&node.planned.as_ref()?.work)) {
        total.periods += work.periods;
        total.requests += work.requests;
        total.commits += work.commits;
        total.memory = total.memory.max(work.memory);
        if work.requests > 0 {
            total.bytes = total.bytes.zip(work.bytes).map(|(a, b)| a + b);
            total.bytes_from = total.bytes_from.max(work.bytes_from);
            total.parts |= work.parts;
        }
        if work.commits > 0 {
            total.chunks = total.chunks.zip(work.chunks).map(|(a, b)| a + b);
        }
        if work.periods > 0 {
            total.millis = total.millis.zip(work.millis).map(|(a, b)| a + b);
            total.millis_from = total.millis_from.max(work.millis_from);
        }
    }
    total.bytes_from = total.bytes_from.filter(|_| total.bytes.is_some());
    total.millis_from = total.millis_from.filter(|_| total.millis.is_some());
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(work: Work) -> NodePlan {
        let document = PlannedDocument::Nothing;
        let planned = Planned { document, work, reasons: Vec::new() };
        NodePlan { planned: Some(planned), ..NodePlan::named("n".parse().unwrap(), "fake") }
    }

    fn history(runs: &[(u64, u64, u64, u64)]) -> History {
        let spent =
            runs.iter().map(|&(periods, requests, bytes, millis)| Spent { periods, requests, bytes, millis });
        History([("n".parse().unwrap(), spent.collect())].into())
    }

    fn measured(work: Work, runs: &[(u64, u64, u64, u64)]) -> Work {
        let mut nodes = [node(work)];
        measure(&mut nodes, &history(runs));
        nodes[0].planned.as_ref().unwrap().work.clone()
    }

    #[test]
    fn figures_are_medians_of_runs_that_have_them() {
        let work = Work { periods: 10, requests: 20, ..Work::default() };
        let runs =
            [(1, 1, 100, 50), (2, 2, 100, 100), (0, 0, 0, 9_999), (1, 1, 1_000_000, 70), (4, 4, 800, 160)];
        let done = measured(work.clone(), &runs);
        // Bytes per file: 50, 100, 200, 1,000,000. Milliseconds per period: 40, 50, 50, 70.
        assert_eq!((done.bytes, done.bytes_from), (Some(3_000), Some(Measure::History)));
        assert_eq!((done.millis, done.millis_from), (Some(500), Some(Measure::History)));
        let unknown = measured(work.clone(), &[(0, 0, 0, 5)]);
        assert_eq!((unknown.bytes, unknown.bytes_from, unknown.millis), (None, None, None));
        // What was asked for is better than history, unless only parts of files are read.
        let asked = Work { bytes: Some(7), bytes_from: Some(Measure::Head), ..work };
        let kept = measured(asked.clone(), &runs);
        assert_eq!((kept.bytes, kept.bytes_from), (Some(7), Some(Measure::Head)));
        let parts = measured(Work { parts: true, ..asked }, &runs);
        assert_eq!(
            (parts.bytes, parts.bytes_from, parts.parts),
            (Some(3_000), Some(Measure::History), false)
        );
        let nothing = measured(Work::default(), &runs);
        assert_eq!((nothing.bytes, nothing.millis), (None, None));
    }

    #[test]
    fn what_one_does_not_know_nobody_knows_of_all() {
        let fetch = Work { requests: 3, bytes: Some(30), bytes_from: Some(Measure::Head), ..Work::default() };
        let sink = Work {
            periods: 3,
            commits: 1,
            chunks: Some(8),
            millis: Some(6),
            memory: Some(9),
            ..Work::default()
        };
        let nodes = [node(fetch.clone()), node(sink.clone()), node(Work::default())];
        let all = total(&nodes);
        assert_eq!((all.periods, all.requests, all.commits), (3, 3, 1));
        assert_eq!((all.bytes, all.bytes_from, all.chunks), (Some(30), Some(Measure::Head), Some(8)));
        assert_eq!((all.millis, all.memory), (Some(6), Some(9)));
        let unknown = Work { bytes: None, bytes_from: None, ..fetch };
        let all =
            total(&[node(unknown), node(Work { chunks: None, millis: None, ..sink.clone() }), node(sink)]);
        assert_eq!((all.bytes, all.bytes_from, all.chunks, all.millis), (None, None, None, None));
        assert_eq!(all.commits, 2);
    }
}
