//! Finds the `${{ … }}` in a text.

use std::ops::Range;

use super::limits;
use super::place::Place;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::OPEN;

/// A part of a text, as a range of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Range<usize>),
    /// What stands between the marks, without the blanks around it.
    Expression(Range<usize>),
}

/// Cuts a text at its expressions. String literals and maps in an expression may hold `}}`.
pub(super) fn pieces(text: &str, place: &Place) -> Result<Vec<Piece>, Box<Diagnostic>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut expressions = 0;
    while let Some(open) = text[at..].find(OPEN).map(|found| at + found) {
        expressions += 1;
        if expressions > limits::EXPRESSIONS {
            let message = format!("more than {} expressions in one value", limits::EXPRESSIONS);
            return Err(Box::new(
                Diagnostic::new(Code::TemplateSyntax, message).at(place.span, "too many"),
            ));
        }
        if at < open {
            pieces.push(Piece::Text(at..open));
        }
        let start = open + OPEN.len();
        let end = close(&text[start..])
            .map(|found| start + found)
            .map_err(|unclosed| Box::new(not_closed(unclosed, open..text.len(), place)))?;
        pieces.push(Piece::Expression(trimmed(text, start..end)));
        at = end + 2;
    }
    if at < text.len() || pieces.is_empty() {
        pieces.push(Piece::Text(at..text.len()));
    }
    Ok(pieces)
}

/// What is open where the text ends.
#[derive(Clone, Copy)]
enum Unclosed {
    String,
    Brace,
}

/// The offset of the `}}` that ends an expression.
fn close(text: &str) -> Result<usize, Unclosed> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut quote = None;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None => match byte {
                b'\'' | b'"' => quote = Some(byte),
                b'{' => depth += 1,
                b'}' if depth > 0 => depth -= 1,
                b'}' if bytes.get(at + 1) == Some(&b'}') => return Ok(at),
                _ => {}
            },
        }
        at += 1;
    }
    Err(if quote.is_some() {
        Unclosed::String
    } else {
        Unclosed::Brace
    })
}

fn not_closed(unclosed: Unclosed, range: Range<usize>, place: &Place) -> Diagnostic {
    let diagnostic = Diagnostic::new(Code::TemplateSyntax, "an expression is not closed")
        .at(place.at(&range), "begins here");
    match unclosed {
        Unclosed::String => diagnostic.help("a string in it has no closing quote"),
        Unclosed::Brace => {
            diagnostic.help("close it with `}}`; for the text `${{` itself write `${{ '${{' }}`")
        }
    }
}

/// The range without the blanks at its ends.
pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inner = &text[range.clone()];
    let start = range.start + (inner.len() - inner.trim_start().len());
    start..start + inner.trim().len()
}
