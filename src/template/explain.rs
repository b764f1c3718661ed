//! The page on expressions: what `plan explain expressions` shows.

use std::fmt::Write as _;

use super::{FILTERS, FUNCTIONS, TESTS};
use crate::model::Outcome;

const NAMES: &[(&str, &str)] = &[
    ("inputs.NAME", "the value of an input"),
    ("steps.ID.outcome", "how a step ended"),
    (
        "steps.ID.outputs.NAME",
        "what a step gave; an id with a hyphen is written `steps['wait-ready']`",
    ),
    ("cluster.name", "the name of the cluster"),
    ("cluster.labels", "its labels, as a map"),
    ("cluster.version", "the version of its API server"),
    ("run.id", "the id of the run"),
    ("NAME", "the item of the group whose `as` gives the name"),
];

/// The page on expressions, in Markdown: names, operators, filters, tests, functions.
pub fn explain() -> String {
    let outcomes = Outcome::ALL.map(Outcome::as_str).join(", ");
    let mut page = format!(
        "# Expressions

`${{{{ expression }}}}` may stand in `with`, `for_each`, `waves`, `timeout` and messages; `when` is an expression by
itself. A value that is one expression keeps its type; with text around it, it is text. `${{{{ '${{{{' }}}}` writes the
mark itself. The language is that of Jinja's expressions: `and`, `or`, `not`, `in`, `==`, `!=`, `<`, `a if b else c`,
`~` to join as text, `value | filter`, `value is test`. A name without a value is an error, unless `default()` is used.

The outcomes of a step: {outcomes}.
"
    );
    for (title, rows, around) in [
        ("Names", NAMES, ""),
        ("Filters", FILTERS, ""),
        ("Tests", TESTS, ""),
        ("Functions, in `when` only", FUNCTIONS, "()"),
    ] {
        let _ = write!(page, "\n## {title}\n\n");
        for (name, what) in rows {
            let _ = writeln!(page, "- `{name}{around}`: {what}");
        }
    }
    page
}
