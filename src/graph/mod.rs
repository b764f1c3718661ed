//! The pure graph: order, cycles, slices, drawing.
//!
//! Nodes are positions in the order of the file; everything that is equal is decided by it, so that the same plan
//! always gives the same order, the same words and the same picture.

mod cycle;
mod draw;
mod reduce;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

pub use cycle::Cycle;
pub use draw::{Drawing, Edge, Format, Node, render};

/// A directed graph over positions: an edge goes from what is needed to what needs it.
#[derive(Debug, Clone)]
pub struct Graph {
    inner: DiGraph<(), (), u32>,
}

impl Graph {
    /// A graph of `nodes` nodes. An edge is a need: `(needed, needing)`.
    pub fn new(nodes: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut inner = DiGraph::with_capacity(nodes, 0);
        for _ in 0..nodes {
            inner.add_node(());
        }
        for (needed, needing) in edges {
            inner.add_edge(NodeIndex::new(needed), NodeIndex::new(needing), ());
        }
        Self { inner }
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.inner.node_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An order in which every node comes after all that it needs; among those that could be next, the one that stands
    /// first in the file.
    ///
    /// # Errors
    /// A shortest cycle.
    pub fn order(&self) -> Result<Vec<usize>, Cycle> {
        let mut open: Vec<usize> = self
            .inner
            .node_indices()
            .map(|node| {
                self.inner
                    .neighbors_directed(node, Direction::Incoming)
                    .count()
            })
            .collect();
        let mut ready: BinaryHeap<Reverse<usize>> = (0..self.len())
            .filter(|&node| open[node] == 0)
            .map(Reverse)
            .collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(node)) = ready.pop() {
            order.push(node);
            for next in self.inner.neighbors(NodeIndex::new(node)) {
                open[next.index()] -= 1;
                if open[next.index()] == 0 {
                    ready.push(Reverse(next.index()));
                }
            }
        }
        if order.len() == self.len() {
            Ok(order)
        } else {
            Err(cycle::shortest(&self.inner))
        }
    }

    /// The nodes and all that they need, marked.
    pub fn ancestors(&self, of: &[usize]) -> Vec<bool> {
        self.reach(of, Direction::Incoming)
    }

    /// The nodes and all that needs them, marked.
    pub fn descendants(&self, of: &[usize]) -> Vec<bool> {
        self.reach(of, Direction::Outgoing)
    }

    fn reach(&self, from: &[usize], direction: Direction) -> Vec<bool> {
        let mut seen = vec![false; self.len()];
        let mut stack = from.to_vec();
        while let Some(node) = stack.pop() {
            if !std::mem::replace(&mut seen[node], true) {
                let next = self
                    .inner
                    .neighbors_directed(NodeIndex::new(node), direction);
                stack.extend(next.map(NodeIndex::index));
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_by_the_order_of_the_file() {
        let graph = Graph::new(5, [(3, 0), (1, 4)]);
        assert_eq!(graph.order(), Ok(vec![1, 2, 3, 0, 4]));
    }

    #[test]
    fn the_shortest_cycle_is_named() {
        let graph = Graph::new(6, [(0, 1), (1, 2), (2, 0), (3, 4), (4, 3), (2, 5)]);
        assert_eq!(graph.order(), Err(Cycle { nodes: vec![3, 4] }));
        let alone = Graph::new(1, [(0, 0)]);
        assert_eq!(alone.order(), Err(Cycle { nodes: vec![0] }));
    }

    #[test]
    fn slices_reach_through() {
        let graph = Graph::new(4, [(0, 1), (1, 2)]);
        assert_eq!(graph.ancestors(&[1]), [true, true, false, false]);
        assert_eq!(graph.descendants(&[1]), [false, true, true, false]);
    }

    proptest! {
        #[test]
        fn an_order_keeps_every_edge(edges in prop::collection::vec((0_usize..30, 0_usize..30), 0..80)) {
            let graph = Graph::new(30, edges.clone());
            match graph.order() {
                Ok(order) => {
                    let mut place = [0; 30];
                    for (at, &node) in order.iter().enumerate() {
                        place[node] = at;
                    }
                    for (needed, needing) in edges {
                        prop_assert!(place[needed] < place[needing]);
                    }
                }
                Err(cycle) => {
                    let mut round = cycle.nodes.clone();
                    round.push(round[0]);
                    for pair in round.windows(2) {
                        prop_assert!(edges.contains(&(pair[0], pair[1])));
                    }
                }
            }
        }
    }
}
