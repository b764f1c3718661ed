use proptest::prelude::*;

use super::*;
use crate::source::{SourceMap, Span};

fn cycle(nodes: &[usize]) -> Cycle {
    Cycle {
        nodes: nodes.to_vec(),
    }
}

#[test]
fn ties_go_by_the_order_of_the_file() {
    let graph = Graph::new(5, [(3, 0), (1, 4)]);
    assert_eq!(graph.order(), Ok(vec![1, 2, 3, 0, 4]));
}

#[test]
fn the_shortest_cycle_of_each_knot_is_named() {
    let graph = Graph::new(
        8,
        [
            (0, 1),
            (1, 2),
            (2, 0),
            (1, 0),
            (3, 4),
            (4, 6),
            (6, 3),
            (2, 5),
            (5, 3),
        ],
    );
    assert_eq!(graph.order(), Err(vec![cycle(&[0, 1]), cycle(&[3, 4, 6])]));
    let alone = Graph::new(2, [(0, 0), (0, 1)]);
    assert_eq!(alone.order(), Err(vec![cycle(&[0])]));
}

/// Neither the stack nor the time of a search grows out of hand with the length of a cycle.
#[test]
fn the_longest_cycle_is_named() {
    let many = 50_000;
    let ring = Graph::new(many, (0..many).map(|at| (at, (at + 1) % many)));
    let found = ring.order().expect_err("a cycle");
    assert_eq!(
        found,
        [Cycle {
            nodes: (0..many).collect()
        }]
    );
}

#[test]
fn slices_reach_through() {
    let graph = Graph::new(4, [(0, 1), (1, 2)]);
    assert_eq!(graph.ancestors(&[1]), [true, true, false, false]);
    assert_eq!(graph.descendants(&[1]), [false, true, true, false]);
}

fn drawing(nodes: usize, edges: &[(usize, usize)]) -> Drawing {
    let mut sources = SourceMap::new();
    let span = Span::at(sources.add("a.yaml", ""), 0, 0);
    let node = |at: usize| Node {
        id: format!("n{at}"),
        kind: "",
        groups: Vec::new(),
        span,
        when: None,
        assumed: false,
    };
    let edge = |&(from, to): &(usize, usize)| Edge {
        from,
        to,
        why: "",
        span,
    };
    Drawing {
        name: String::new(),
        nodes: (0..nodes).map(node).collect(),
        edges: edges.iter().map(edge).collect(),
        sources,
    }
}

/// Which node reaches which.
fn reach(nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<bool>> {
    let graph = Graph::new(nodes, edges.iter().copied());
    (0..nodes).map(|node| graph.descendants(&[node])).collect()
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
            Err(cycles) => {
                prop_assert!(!cycles.is_empty());
                for mut round in cycles.into_iter().map(|cycle| cycle.nodes) {
                    round.push(round[0]);
                    for pair in round.windows(2) {
                        prop_assert!(edges.contains(&(pair[0], pair[1])));
                    }
                }
            }
        }
    }

    #[test]
    fn a_reduction_reaches_the_same_with_the_fewest_edges(
        edges in prop::collection::btree_set((0_usize..70, 1_usize..70), 0..120)
    ) {
        // Forward edges only: the order of the nodes then keeps every one.
        let edges: std::collections::BTreeSet<_> = edges.into_iter().map(|(a, d)| (a, (a + d).min(99))).collect();
        let edges: Vec<_> = edges.into_iter().collect();
        let whole = drawing(100, &edges);
        let kept: Vec<_> = reduce::reduced(&whole).into_iter().map(|edge| (edge.from, edge.to)).collect();
        let all = reach(100, &edges);
        prop_assert_eq!(&reach(100, &kept), &all);
        for left_out in 0..kept.len() {
            let mut fewer = kept.clone();
            fewer.remove(left_out);
            prop_assert!(reach(100, &fewer) != all, "{:?} can go too", kept[left_out]);
        }
    }
}
