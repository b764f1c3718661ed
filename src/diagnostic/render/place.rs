//! A span as file, lines and columns.

use std::fmt;

use crate::source::SourceMap;
use crate::source::Span;

/// Where a span is, for a reader: lines and columns from 1, columns in characters, the end behind the last character.
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
}

impl<'a> Place<'a> {
    pub(super) fn of(span: Span, sources: &'a SourceMap) -> Self {
        let file = sources.file(span.file);
        let (line, column) = file.line_col(span.start);
        let (end_line, end_column) = file.line_col(span.end);
        Self {
            file: file.path(),
            line,
            column,
            end_line,
            end_column,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
