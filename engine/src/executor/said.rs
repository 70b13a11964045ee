use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::data::NodeId;

/// Lines of a node that go into the run log of one process: with lines of a kilobyte a megabyte. A
/// program that has more to say writes a log of its own.
const KEPT: usize = 1_000;

/// What programs printed, on its way to the run log.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<BTreeMap<NodeId, Lines>>);

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<String>,
    /// Lines that were kept since the beginning.
    kept: usize,
    /// Lines that were not, since they were asked for last.
    more: u64,
}

impl Said {
    /// Keeps a line, or counts it.
    pub(super) fn keep(&self, node: &NodeId, line: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = all.entry(node.clone()).or_default();
        if lines.kept < KEPT {
            lines.kept += 1;
            lines.waiting.push(line.to_owned());
        } else {
            lines.more += 1;
        }
    }

    /// What these nodes said since they were asked last: lines, and how many more.
    pub(super) fn take(&self, nodes: &[NodeId]) -> Vec<(NodeId, Vec<String>, u64)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let take = |node: &NodeId| {
            let lines = all.get_mut(node)?;
            let (waiting, more) = (std::mem::take(&mut lines.waiting), std::mem::take(&mut lines.more));
            (!waiting.is_empty() || more > 0).then(|| (node.clone(), waiting, more))
        };
        nodes.iter().filter_map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_given_once_and_the_first_of_them_only() {
        let (said, node): (Said, NodeId) = (Said::default(), "model".parse().unwrap());
        let nodes = [node.clone()];
        assert_eq!(said.take(&nodes), []);
        said.keep(&node, "one");
        said.keep(&node, "two");
        assert_eq!(said.take(&nodes), [(node.clone(), vec!["one".to_owned(), "two".to_owned()], 0)]);
        assert_eq!(said.take(&nodes), []);
        (0..KEPT).for_each(|n| said.keep(&node, &n.to_string()));
        let taken = said.take(&nodes);
        assert_eq!((taken[0].1.len(), taken[0].2), (KEPT - 2, 2));
        said.keep(&node, "late");
        assert_eq!(said.take(&nodes), [(node.clone(), Vec::new(), 1)]);
    }
}
