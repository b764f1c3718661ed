//! Leaving out what follows from the rest, for a picture that can be read.

use super::draw::{Drawing, Edge};

/// Above this many nodes times edges a reduction costs more than it shows.
const MOST: usize = 4_000_000;

/// The edges that are not implied by others. The nodes must be in an order that keeps every edge; a drawing too large
/// to be reduced in passing keeps all.
pub(super) fn reduced(drawing: &Drawing) -> Vec<&Edge> {
    let nodes = drawing.nodes.len();
    if nodes.saturating_mul(drawing.edges.len()) > MOST {
        return drawing.edges.iter().collect();
    }
    // reach[n]: what n needs, directly or not, as a set of bits.
    let words = nodes.div_ceil(64);
    let mut reach = vec![vec![0_u64; words]; nodes];
    let mut incoming: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for edge in &drawing.edges {
        incoming[edge.to].push(edge.from);
    }
    let mut implied: Vec<Vec<u64>> = vec![vec![0; words]; nodes];
    for node in 0..nodes {
        for &needed in &incoming[node] {
            for word in 0..words {
                let through = reach[needed][word];
                implied[node][word] |= through;
                reach[node][word] |= through;
            }
            reach[node][needed / 64] |= 1 << (needed % 64);
        }
    }
    drawing
        .edges
        .iter()
        .filter(|edge| implied[edge.to][edge.from / 64] >> (edge.from % 64) & 1 == 0)
        .collect()
}
