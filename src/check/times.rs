//! Times that contradict each other: they bound nothing, or leave no room for what they bound.

use super::tree::Tree;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::Span as Length;
use crate::model::policy::{Backoff, Retry};
use crate::source::{Node, Span};

/// The length that a value says, where it says one.
fn length(tree: &Tree) -> Option<Length> {
    tree.text()?.parse().ok()
}

fn wrong(message: String, span: Span, label: &str) -> Diagnostic {
    Diagnostic::new(Code::BadValue, message).at(span, label)
}

/// A timeout, as far as it is known: of a step, of those that name none, or of a plan.
pub(super) fn timeout(tree: &Tree, out: &mut Diagnostics) {
    let parts = [Some(tree), tree.get("attempt"), tree.get("total")];
    for part in parts.into_iter().flatten() {
        if length(part).is_some_and(|length| length.0.is_zero()) {
            let message = "a timeout of nothing leaves no time to do anything".to_owned();
            out.push(wrong(message, part.span, "over before it begins"));
        }
    }
    if let (Some(attempt), Some(total)) = (tree.get("attempt"), tree.get("total"))
        && let (Some(longer), Some(shorter)) = (length(attempt), length(total))
        && longer > shorter
    {
        let message = format!("one attempt may take {longer}, and all of them together {shorter}");
        out.push(
            wrong(message, attempt.span, "longer than the whole").also(total.span, "the whole"),
        );
    }
}

/// What a gate must wait for, against the time that it has.
pub(super) fn waits(with: &Tree, total: Length, place: Span, out: &mut Diagnostics) {
    let window = with.get("prometheus").and_then(|query| query.get("window"));
    for (what, tree) in [("soak", with.get("soak")), ("window", window)] {
        if let Some(tree) = tree
            && let Some(wait) = length(tree)
            && wait > total
        {
            let message =
                format!("the {what} of {wait} is longer than the step's timeout, {total}");
            out.push(wrong(message, tree.span, "never ends in time").also(place, "of this step"));
        }
    }
}

/// The delays of a retry: `retry` as it results, `node` as it is written at this place.
pub(super) fn backoff(retry: &Retry, node: &Node, out: &mut Diagnostics) {
    let Some(Backoff {
        initial,
        factor,
        max,
        ..
    }) = retry.backoff
    else {
        return;
    };
    let place = |name: &str| {
        let found = node.pointer(&format!("/backoff/{name}"));
        found.map(|(_, node)| node.span)
    };
    if let Some(span) = place("factor").filter(|_| factor.is_some_and(|one| !one.is_finite())) {
        let message = "a delay cannot be multiplied by what is no finite number".to_owned();
        out.push(wrong(message, span, "not a finite number"));
    }
    if let (Some(initial), Some(max)) = (initial, max)
        && initial > max
        && let Some(span) = place("initial").or_else(|| place("max"))
    {
        let message = format!("the first delay, {initial}, is above the longest, {max}");
        out.push(wrong(message, span, "contradicts the other"));
    }
}
