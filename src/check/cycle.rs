//! A cycle of needs, told edge by edge.

use super::parsed::Steps;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// Words a cycle, edge by edge.
pub(super) fn cycle(nodes: &[usize], edges: &[(usize, usize, Span)], steps: &Steps) -> Diagnostic {
    let name = |node: usize| steps.list[node].key.text.as_str();
    let mut round: Vec<&str> = nodes.iter().rev().map(|node| name(*node)).collect();
    round.push(round[0]);
    let mut problem = Diagnostic::new(
        Code::Cycle,
        format!("steps wait for each other: {}", round.join(" → ")),
    );
    // From the last: each waits for the one before it, the first for the last.
    for place in (0..nodes.len()).rev() {
        let (needed, needing) = match place {
            0 => (nodes[nodes.len() - 1], nodes[0]),
            _ => (nodes[place - 1], nodes[place]),
        };
        let span = edges
            .iter()
            .find(|(from, to, _)| (*from, *to) == (needed, needing))
            .map(|edge| edge.2);
        let label = format!("`{}` waits for `{}`", name(needing), name(needed));
        problem = match (span, problem.primary.is_some()) {
            (Some(span), false) => problem.at(span, label),
            (Some(span), true) => problem.also(span, label),
            (None, _) => problem,
        };
    }
    problem
}
