//! Directed graphs of numbered things: an order that edges allow, or a circle that forbids one.

use petgraph::{
    algo::{tarjan_scc, toposort},
    graph::{DiGraph, NodeIndex},
    visit::{Bfs, NodeFiltered},
};

/// A graph of `count` things, numbered from 0; an edge leads from what comes first to what follows.
#[derive(Debug)]
pub(crate) struct Graph {
    // Things are held last first: sorting then keeps their order wherever edges leave a choice.
    inner: DiGraph<usize, ()>,
}

impl Graph {
    /// The graph of these edges, each from what comes first to what follows.
    pub(crate) fn new(count: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut inner = DiGraph::with_capacity(count, 0);
        for thing in (0..count).rev() {
            inner.add_node(thing);
        }
        let mut graph = Self { inner };
        for (first, then) in edges {
            let (first, then) = (graph.index(first), graph.index(then));
            graph.inner.update_edge(first, then, ());
        }
        graph
    }

    fn index(&self, thing: usize) -> NodeIndex {
        NodeIndex::new(self.inner.node_count() - 1 - thing)
    }

    /// All things, each after those that come before it; none when some go in a circle.
    pub(crate) fn order(&self) -> Option<Vec<usize>> {
        let sorted = toposort(&self.inner, None).ok()?;
        Some(sorted.into_iter().map(|at| self.inner[at]).collect())
    }

    /// What follows `thing`, at once or through others, nearest first.
    pub(crate) fn below(&self, thing: usize) -> Vec<usize> {
        let mut walk = Bfs::new(&self.inner, self.index(thing));
        let mut found = Vec::new();
        while let Some(at) = walk.next(&self.inner) {
            found.push(self.inner[at]);
        }
        found.retain(|at| *at != thing);
        found
    }

    /// What follows `thing` over things that pass `wanted` alone.
    pub(crate) fn below_where(&self, thing: usize, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let part = NodeFiltered::from_fn(&self.inner, |at| wanted(self.inner[at]));
        let mut walk = Bfs::new(&part, self.index(thing));
        let mut found = Vec::new();
        while let Some(at) = walk.next(&part) {
            found.push(self.inner[at]);
        }
        found.retain(|at| *at != thing);
        found
    }

    /// One circle for each knot of things that follow each other: each leads to the next, the last
    /// to the first. The lowest number comes first.
    pub(crate) fn circles(&self) -> Vec<Vec<usize>> {
        let knots = tarjan_scc(&self.inner);
        let tied = |knot: &&Vec<NodeIndex>| knot.len() > 1 || self.inner.contains_edge(knot[0], knot[0]);
        let mut circles: Vec<Vec<usize>> = knots.iter().filter(tied).map(|knot| self.circle(knot)).collect();
        circles.sort_unstable();
        circles
    }

    /// Walks forward inside a knot until a thing comes twice.
    fn circle(&self, knot: &[NodeIndex]) -> Vec<usize> {
        let start = knot.iter().copied().min_by_key(|at| self.inner[*at]);
        let mut path: Vec<NodeIndex> = start.into_iter().collect();
        let begin = loop {
            let next = path.last().and_then(|at| {
                let inside = self.inner.neighbors(*at).filter(|next| knot.contains(next));
                inside.min_by_key(|next| self.inner[*next])
            });
            // Inside a knot every thing is followed by another.
            let Some(next) = next else { break 0 };
            if let Some(seen) = path.iter().position(|at| *at == next) {
                break seen;
            }
            path.push(next);
        };
        let mut circle: Vec<usize> = path[begin..].iter().map(|at| self.inner[*at]).collect();
        let lowest = circle.iter().enumerate().min_by_key(|(_, thing)| **thing).map_or(0, |(at, _)| at);
        circle.rotate_left(lowest);
        circle
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// An order holds every edge; where there is none, every circle is one.
        #[test]
        fn there_is_an_order_or_a_circle(edges in prop::collection::vec((0usize..9, 0usize..9), 0..14)) {
            let graph = Graph::new(9, edges.iter().copied());
            let circles = graph.circles();
            match graph.order() {
                Some(order) => {
                    let place = |thing: usize| order.iter().position(|at| *at == thing).unwrap();
                    prop_assert_eq!(order.len(), 9);
                    prop_assert!(edges.iter().all(|(first, then)| place(*first) < place(*then)));
                    prop_assert!(circles.is_empty());
                }
                None => prop_assert!(!circles.is_empty()),
            }
            for circle in &circles {
                for (from, to) in circle.iter().zip(circle.iter().cycle().skip(1)) {
                    prop_assert!(edges.contains(&(*from, *to)));
                }
            }
        }
    }

    #[test]
    fn what_no_edge_orders_stays_as_it_was() {
        assert_eq!(Graph::new(5, [(3, 1)]).order(), Some(vec![0, 2, 3, 1, 4]));
        assert_eq!(Graph::new(4, [(0, 2), (2, 3)]).below(0), [2, 3]);
    }
}
