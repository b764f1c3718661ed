//! What several passes say alike.

use std::collections::BTreeSet;

use super::tree::{Branch, Tree};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::{Scalar, Span};

/// An unknown key, with the one that was probably meant.
pub(super) fn unknown_key(name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let problem = Diagnostic::new(Code::UnknownKey, format!("unknown key `{name}`"))
        .at(span, "not a key of this map")
        .suggest(name, known.iter().copied());
    match problem.help {
        Some(_) => problem,
        None => problem.help(format!("known are {}", quoted(known))),
    }
}

/// A key that is not there.
pub(super) fn missing(name: &str, owner: Span) -> Diagnostic {
    Diagnostic::new(Code::MissingKey, format!("the key `{name}` is missing"))
        .at(owner, format!("lacks `{name}`"))
}

/// A warning where other readers of YAML would see another value than the text.
pub(super) fn unquoted(scalar: &Scalar, span: Span) -> Option<Diagnostic> {
    let shown = scalar.rewritten()?;
    let text = &scalar.text;
    let message = format!("`{text}` is text here, and other readers take it for {shown}");
    Some(
        Diagnostic::new(Code::UnquotedNumber, message)
            .at(span, "looks like a number")
            .help(format!("quote it: \"{text}\"")),
    )
}

/// The same for each value of a place that asks for no type.
pub(super) fn unquoted_within(tree: &Tree, out: &mut Diagnostics) {
    match &tree.value {
        Branch::Scalar(scalar) if scalar.to_json().is_string() => {
            out.extend(unquoted(scalar, tree.span));
        }
        Branch::Seq(items) => items.iter().for_each(|item| unquoted_within(item, out)),
        Branch::Map(pairs) => pairs
            .iter()
            .for_each(|(_, value)| unquoted_within(value, out)),
        Branch::Scalar(_) | Branch::Template(_) | Branch::Broken(_) => {}
    }
}

/// Names in backticks, one after the other.
pub(super) fn quoted(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Takes out what only follows from another mistake at the same place.
pub(super) fn settle(out: &mut Diagnostics) {
    let place = |one: &Diagnostic| one.primary.as_ref().map(|label| label.span);
    let of = |wanted: &dyn Fn(&Diagnostic) -> bool| -> BTreeSet<Span> {
        out.iter()
            .filter(|one| wanted(one))
            .filter_map(place)
            .collect()
    };
    let wrong = of(&Diagnostic::is_error);
    let unread = of(&|one| one.code == Code::KeyNotScalar);
    out.retain(|one| match (one.code, place(one)) {
        // What it looks like matters only where it is right as a text.
        (Code::UnquotedNumber, Some(span)) => !wrong.contains(&span),
        // `{{ x }}` is a map whose key cannot be read, and a map by that mistake alone.
        (Code::WrongType, Some(span)) => {
            let within = |inner: &Span| {
                inner.file == span.file && inner.start == span.start + 1 && inner.end < span.end
            };
            !unread.iter().any(within)
        }
        _ => true,
    });
}
