//! What several passes say alike.

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
