//! Leaving out what follows from the rest, for a picture that can be read.

use super::draw::{Drawing, Edge};

/// Above this many words of 64 nodes times edges a reduction costs more than it shows: 10 000 nodes with 100 000 edges
/// are well below.
const MOST: usize = 50_000_000;

/// The edges that are not implied by others. The nodes must be in an order that keeps every edge; a drawing too large
/// to be reduced in passing keeps all.
pub(super) fn reduced(drawing: &Drawing) -> Vec<&Edge> {
    let nodes = drawing.nodes.len();
    let words = nodes.div_ceil(64);
    if words.saturating_mul(nodes.max(drawing.edges.len())) > MOST {
        return drawing.edges.iter().collect();
    }
    let mut incoming: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (at, edge) in drawing.edges.iter().enumerate() {
        incoming[edge.to].push(at);
    }
    // One row of bits a node: what it needs, directly or not.
    let mut reach = vec![0_u64; nodes * words];
    let mut kept = vec![false; drawing.edges.len()];
    for (node, mut edges) in incoming.into_iter().enumerate() {
        let (before, own) = reach.split_at_mut(node * words);
        let own = &mut own[..words];
        // From the nearest need to the farthest: what an edge adds, only a nearer one can have implied.
        edges.sort_by_key(|&at| std::cmp::Reverse(drawing.edges[at].from));
        for at in edges {
            let needed = drawing.edges[at].from;
            let bit = 1 << (needed % 64);
            kept[at] = own[needed / 64] & bit == 0;
            if kept[at] && needed < node {
                let row = &before[needed * words..][..words];
                own.iter_mut()
                    .zip(row)
                    .for_each(|(one, other)| *one |= other);
            }
            own[needed / 64] |= bit;
        }
    }
    let edges = drawing.edges.iter().zip(kept);
    edges
        .filter_map(|(edge, kept)| kept.then_some(edge))
        .collect()
}
