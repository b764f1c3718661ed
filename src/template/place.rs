//! Where in the file a part of a scalar stands.

use std::ops::Range;
use std::sync::Arc;

use crate::source::{OPEN, Scalar, Span, Style};

/// The place of a scalar, and how offsets in its text are offsets in the file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) span: Span,
    /// The distance from the start of the span to the start of the text, where the text stands in the file as it is.
    lead: Option<usize>,
    /// Else, of each `${{`: where it is in the text, and where in the span. An expression is seldom folded or escaped.
    marks: Arc<[(usize, usize)]>,
}

impl Place {
    /// A plain or quoted scalar whose length shows that nothing was escaped or folded maps exactly.
    pub(super) fn of(scalar: &Scalar, span: Span) -> Self {
        let written = span.range().len();
        let lead = match scalar.style {
            Style::Plain if written == scalar.text.len() => Some(0),
            Style::Quoted if written == scalar.text.len() + 2 => Some(1),
            _ => None,
        };
        let in_text = scalar.text.match_indices(OPEN).map(|(at, _)| at);
        let in_file = scalar.marks.iter().map(|mark| *mark as usize);
        let marks = in_text.zip(in_file).collect();
        Self { span, lead, marks }
    }

    /// The place of a part of the text; the whole scalar where it cannot be told.
    pub(super) fn at(&self, range: &Range<usize>) -> Span {
        if let Some(lead) = self.lead {
            return self.span.part(lead + range.start, range.len());
        }
        let mark = self.marks.iter().rev().find(|(at, _)| *at <= range.start);
        mark.map_or(self.span, |(at, mark)| {
            self.span.part(mark + range.start - at, range.len())
        })
    }
}
