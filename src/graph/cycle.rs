//! The shortest cycle: what a person can take in and break.

use std::collections::VecDeque;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// A cycle of needs: each node is needed by the next, the last by the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Positions, starting with the one that stands first in the file.
    pub nodes: Vec<usize>,
}

/// How many starts are tried before the best so far is good enough: keeps dense graphs quick.
const STARTS: usize = 500;

/// A shortest cycle; among equals the one that stands first. The graph must have one.
pub(super) fn shortest(graph: &DiGraph<(), (), u32>) -> Cycle {
    let mut component = vec![usize::MAX; graph.node_count()];
    let mut starts = Vec::new();
    for (number, nodes) in tarjan_scc(graph).into_iter().enumerate() {
        let knotted = nodes.len() > 1 || graph.contains_edge(nodes[0], nodes[0]);
        if knotted {
            for node in nodes {
                component[node.index()] = number;
                starts.push(node);
            }
        }
    }
    starts.sort_unstable();
    let mut best: Vec<usize> = Vec::new();
    for start in starts.into_iter().take(STARTS) {
        let limit = if best.is_empty() {
            usize::MAX
        } else {
            best.len()
        };
        if let Some(found) = back_to(graph, start, &component, limit) {
            best = found;
        }
        if best.len() == 1 {
            break;
        }
    }
    let first = (0..best.len()).min_by_key(|&at| best[at]).unwrap_or(0);
    best.rotate_left(first);
    Cycle { nodes: best }
}

/// The shortest way from a node back to itself, if it is shorter than `limit`; breadth first, inside its component.
fn back_to(
    graph: &DiGraph<(), (), u32>,
    start: NodeIndex,
    component: &[usize],
    limit: usize,
) -> Option<Vec<usize>> {
    let mut from = vec![usize::MAX; graph.node_count()];
    let mut queue = VecDeque::from([(start, 1)]);
    while let Some((node, length)) = queue.pop_front() {
        if length >= limit {
            return None;
        }
        let mut next: Vec<NodeIndex> = graph.neighbors(node).collect();
        next.sort_unstable();
        for neighbour in next {
            if neighbour == start {
                return Some(trace(&from, start.index(), node.index()));
            }
            let at = neighbour.index();
            if component[at] == component[start.index()] && from[at] == usize::MAX {
                from[at] = node.index();
                queue.push_back((neighbour, length + 1));
            }
        }
    }
    None
}

fn trace(from: &[usize], start: usize, end: usize) -> Vec<usize> {
    let mut way = vec![end];
    let mut node = end;
    while node != start {
        node = from[node];
        way.push(node);
    }
    way.reverse();
    way
}
