//! One file for each format.

mod concise;

use super::Diagnostics;
use crate::source::SourceMap;

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With the lines of the file, for people.
    Full,
    /// One line each: `file:line:col: error[P0105]: …`.
    Concise,
    /// An array of objects.
    Json,
    /// Workflow commands, which GitHub shows in the pull request.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// Whether the format for people is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// No escape sequences.
    Plain,
    /// ANSI colours.
    Ansi,
}

/// The diagnostics in a format, in the order in which they are: sort them first.
#[must_use]
pub fn render(
    diagnostics: &Diagnostics,
    sources: &SourceMap,
    format: Format,
    look: Look,
) -> String {
    let _ = (format, look);
    concise::render(diagnostics, sources)
}
