//! Workflow commands, which GitHub turns into annotations of the pull request.

use std::fmt;

use super::place::Place;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::source::SourceMap;

/// `::error file=…,line=…,col=…,endLine=…,endColumn=…,title=…::message`, one line for each diagnostic.
pub(super) fn render(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| {
            Command {
                diagnostic,
                sources,
            }
            .to_string()
        })
        .collect()
}

struct Command<'a> {
    diagnostic: &'a Diagnostic,
    sources: &'a SourceMap,
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.diagnostic;
        let level = if one.allowed.is_some() {
            "notice"
        } else {
            one.severity.as_str()
        };
        write!(f, "::{level} ")?;
        if let Some(label) = &one.primary {
            let place = Place::of(label.span, self.sources);
            let Place {
                line,
                column,
                end_line,
                ..
            } = place;
            write!(
                f,
                "file={},line={line},col={column},endLine={end_line},",
                property(place.file)
            )?;
            // GitHub takes columns of a single line only, and the end as the last column that belongs to it.
            if end_line == line {
                write!(f, "endColumn={},", (place.end_column - 1).max(column))?;
            }
        }
        let title = format!("{} {}", one.code, one.code.title());
        write!(f, "title={}::{}", property(&title), data(&one.message))?;
        if let Some(node) = &one.node {
            write!(f, " (in {})", data(node))?;
        }
        if let Some(reason) = &one.allowed {
            write!(f, " (allowed: {})", data(reason))?;
        }
        if let Some(help) = &one.help {
            write!(f, "%0Ahelp: {}", data(help))?;
        }
        writeln!(f)
    }
}

/// Escapes a message (`escapeData` of actions/toolkit, packages/core/src/command.ts).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes a property (`escapeProperty`, same file).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
