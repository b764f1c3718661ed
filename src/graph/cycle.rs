//! The shortest cycle: what a person can take in and break.

use std::collections::VecDeque;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// A cycle of needs: each node is needed by the next, the last by the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Positions, starting with the one that stands first in the file.
    pub nodes: Vec<usize>,
}

/// How many edges are looked at in one knot before the best so far is good enough: keeps the largest plans quick.
const WORK: usize = 10_000_000;

/// A shortest cycle of each knot of the graph: of each set of nodes that all need each other. Sorted by the first node.
pub(super) fn shortest(graph: &DiGraph<(), (), u32>) -> Vec<Cycle> {
    // Kosaraju's algorithm keeps its own stack, so that a long cycle does not end the thread's.
    let mut cycles: Vec<Cycle> = kosaraju_scc(graph)
        .into_iter()
        .filter(|knot| knot.len() > 1 || graph.contains_edge(knot[0], knot[0]))
        .map(|knot| Search::new(graph, knot).run())
        .collect();
    cycles.sort_unstable_by(|one, other| one.nodes.cmp(&other.nodes));
    cycles
}

/// The search for a shortest cycle in one knot.
struct Search<'g> {
    graph: &'g DiGraph<(), (), u32>,
    knot: Vec<NodeIndex>,
    /// For each node, its place in the knot; `usize::MAX` outside.
    place: Vec<usize>,
    /// For each place, the search that saw it last and the place that it came from.
    seen: Vec<(usize, usize)>,
    work: usize,
}

impl<'g> Search<'g> {
    fn new(graph: &'g DiGraph<(), (), u32>, mut knot: Vec<NodeIndex>) -> Self {
        knot.sort_unstable();
        let mut place = vec![usize::MAX; graph.node_count()];
        for (at, node) in knot.iter().enumerate() {
            place[node.index()] = at;
        }
        Self {
            graph,
            seen: vec![(usize::MAX, 0); knot.len()],
            knot,
            place,
            work: WORK,
        }
    }

    fn run(mut self) -> Cycle {
        let mut best: Vec<usize> = Vec::new();
        for start in 0..self.knot.len() {
            let limit = match best.len() {
                0 => usize::MAX,
                1 => break,
                length => length,
            };
            if let Some(found) = self.back_to(start, limit) {
                best = found;
            } else if self.work == 0 {
                break;
            }
        }
        let first = (0..best.len()).min_by_key(|&at| best[at]).unwrap_or(0);
        best.rotate_left(first);
        let nodes = best.into_iter().map(|at| self.knot[at].index()).collect();
        Cycle { nodes }
    }

    /// The shortest way from a node back to itself, if it is shorter than `limit`; breadth first.
    fn back_to(&mut self, start: usize, limit: usize) -> Option<Vec<usize>> {
        let mut queue = VecDeque::from([(start, 1)]);
        while let Some((node, length)) = queue.pop_front() {
            if length >= limit {
                return None;
            }
            let next = self.graph.neighbors(self.knot[node]);
            let mut next: Vec<usize> = next.map(|node| self.place[node.index()]).collect();
            next.sort_unstable();
            // The first search always ends: without its cycle there would be nothing to show.
            self.work = self.work.saturating_sub(next.len());
            if self.work == 0 && limit != usize::MAX {
                return None;
            }
            for neighbour in next {
                if neighbour == start {
                    return Some(self.trace(start, node));
                }
                if neighbour != usize::MAX && self.seen[neighbour].0 != start {
                    self.seen[neighbour] = (start, node);
                    queue.push_back((neighbour, length + 1));
                }
            }
        }
        None
    }

    fn trace(&self, start: usize, end: usize) -> Vec<usize> {
        let mut way = vec![end];
        let mut node = end;
        while node != start {
            node = self.seen[node].1;
            way.push(node);
        }
        way.reverse();
        way
    }
}
