//! One line for each diagnostic.

use std::fmt;

use super::place::Place;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::source::SourceMap;

/// `file:line:col: error[P0105]: message`, without the place where there is none.
pub(super) fn render(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let line = Line {
                diagnostic,
                sources,
            };
            one_line(&line.to_string())
        })
        .collect()
}

struct Line<'a> {
    diagnostic: &'a Diagnostic,
    sources: &'a SourceMap,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.diagnostic;
        if let Some(label) = &one.primary {
            write!(f, "{}: ", Place::of(label.span, self.sources))?;
        }
        write!(f, "{}[{}]: {}", one.level(), one.code, one.message)?;
        if let Some(node) = &one.node {
            write!(f, " (in {node})")?;
        }
        match &one.allowed {
            Some(reason) => write!(f, " (allowed: {reason})"),
            None => Ok(()),
        }
    }
}

/// Control characters as escapes: a text out of a plan neither breaks the line nor commands the terminal.
fn one_line(text: &str) -> String {
    let shown = text.chars().flat_map(|char| {
        let (plain, escaped) = if char.is_control() {
            (None, Some(char.escape_default()))
        } else {
            (Some(char), None)
        };
        plain.into_iter().chain(escaped.into_iter().flatten())
    });
    shown.chain(['\n']).collect()
}
