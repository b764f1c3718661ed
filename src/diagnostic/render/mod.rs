//! One file for each format.

mod concise;
mod full;
mod github;
mod json;
mod place;
mod sarif;

use std::borrow::Cow;

use serde::Serialize;

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
///
/// Without diagnostics, the line-wise formats are empty, and the others an empty document.
#[must_use]
pub fn render(
    diagnostics: &Diagnostics,
    sources: &SourceMap,
    format: Format,
    look: Look,
) -> String {
    match format {
        Format::Full => full::render(diagnostics, sources, look),
        Format::Concise => concise::render(diagnostics, sources),
        Format::Json => json::render(diagnostics, sources),
        Format::Github => github::render(diagnostics, sources),
        Format::Sarif => sarif::render(diagnostics, sources),
    }
}

/// The text with control characters as visible escapes: what a plan says does not command the terminal. Line breaks
/// stay.
fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |char: char| char.is_control() && char != '\n';
    if !text.contains(hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if hidden(char) {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown.into()
}

/// A document that ends with a line break.
fn pretty(document: &impl Serialize) -> String {
    // Our documents have text keys only, so nothing can fail.
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests;
