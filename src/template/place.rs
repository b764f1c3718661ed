//! Where in the file a part of a scalar stands.

use std::ops::Range;

use crate::source::{Scalar, Span, Style};

/// The place of a scalar, and how offsets in its text are offsets in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) span: Span,
    /// The distance from the start of the span to the start of the text, where the text stands in the file as it is.
    lead: Option<usize>,
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
        Self { span, lead }
    }

    /// The place of a part of the text; the whole scalar where it cannot be told.
    pub(super) fn at(&self, range: &Range<usize>) -> Span {
        match self.lead {
            Some(lead) => self.span.part(lead + range.start, range.len()),
            None => self.span,
        }
    }
}
