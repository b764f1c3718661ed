//! The pure graph: order, cycles, slices, drawing.
//!
//! Nodes are positions in the order of the file; everything that is equal is decided by it, so that the same plan
//! always gives the same order, the same words and the same picture.

mod cycle;
mod draw;
mod picture;
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
    /// A shortest cycle of each knot: of each set of nodes that all need each other. There is at least one.
    pub fn order(&self) -> Result<Vec<usize>, Vec<Cycle>> {
        let mut open = vec![0_usize; self.len()];
        for edge in self.inner.raw_edges() {
            open[edge.target().index()] += 1;
        }
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
mod tests;
