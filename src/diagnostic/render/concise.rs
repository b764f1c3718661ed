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
            super::visible(&line.to_string()).replace('\n', "\\n") + "\n"
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
