//! One expression: its text, its place, and its syntax tree.

use std::ops::Range;

use minijinja::machinery::ast::Expr;
use minijinja::machinery::{self, Token};
use minijinja::syntax::SyntaxConfig;

use super::limits;
use super::place::Place;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// An expression of a scalar. The tree borrows the text, so it is made anew where it is needed.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    pub(super) source: String,
    /// Its root and path, where it is nothing but a name: the commonest case, and known after the first look.
    pub(super) name: Option<(String, Vec<String>)>,
    start: usize,
    place: Place,
}

impl Expression {
    pub(super) fn new(text: &str, range: Range<usize>, place: Place) -> Self {
        Self {
            source: text[range.clone()].to_owned(),
            name: None,
            start: range.start,
            place,
        }
    }

    /// The place of a part of the expression.
    pub(super) fn at(&self, range: &Range<usize>) -> Span {
        self.place
            .at(&(self.start + range.start..self.start + range.end))
    }

    /// The place of the whole expression.
    pub(super) fn span(&self) -> Span {
        self.at(&(0..self.source.len()))
    }

    /// The text of a part of the expression.
    pub(super) fn slice(&self, range: &Range<usize>) -> &str {
        self.source.get(range.clone()).unwrap_or_default()
    }

    /// The syntax tree.
    pub(super) fn parse(&self) -> Result<Expr<'_>, Box<Diagnostic>> {
        if self.source.is_empty() {
            return Err(problem(
                "an expression is empty",
                self.span(),
                "nothing in it",
            ));
        }
        if self.source.len() > limits::EXPRESSION_BYTES {
            let message = format!(
                "an expression is longer than {} bytes",
                limits::EXPRESSION_BYTES
            );
            return Err(problem(&message, self.span(), "too long"));
        }
        if let Some(problem) = self.hyphen() {
            return Err(problem);
        }
        self.count()?;
        machinery::parse_expr(&self.source).map_err(|error| self.syntax(&error))
    }

    /// Refuses what would nest too deep: the parser itself bounds brackets, but not chains of operators.
    fn count(&self) -> Result<(), Box<Diagnostic>> {
        let mut operators = 0;
        for token in machinery::tokenize(&self.source, true, SyntaxConfig::default()) {
            let (token, _) = token.map_err(|error| self.syntax(&error))?;
            operators += usize::from(nests(&token));
        }
        if operators <= limits::OPERATORS {
            return Ok(());
        }
        let message = format!(
            "an expression has more than {} operators",
            limits::OPERATORS
        );
        Err(problem(&message, self.span(), "too much in one expression"))
    }

    /// Finds `steps.wait-ready`, which Jinja reads as a subtraction.
    fn hyphen(&self) -> Option<Box<Diagnostic>> {
        let range = hyphenated_step(&self.source)?;
        let id = &self.source[range.start + STEPS.len()..range.end];
        let problem = Diagnostic::new(
            Code::HyphenInExpression,
            format!("`steps.{id}` is a subtraction"),
        )
        .at(self.at(&range), "reads as a minus")
        .help(format!("write `steps['{id}']`"));
        Some(Box::new(problem))
    }

    fn syntax(&self, error: &minijinja::Error) -> Box<Diagnostic> {
        let span = match error.range() {
            Some(range) if !range.is_empty() => self.at(&range),
            _ => self.span(),
        };
        let detail = error.detail().unwrap_or("it is not an expression");
        let mut told = problem(
            &format!("an expression cannot be read: {detail}"),
            span,
            "here",
        );
        told.help = FOREIGN
            .iter()
            .find(|(sign, _)| self.source.contains(sign))
            .map(|(_, help)| (*help).to_owned());
        told
    }
}

fn problem(message: &str, span: Span, label: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Code::TemplateSyntax, message).at(span, label))
}

/// What other languages write, and what is written here.
const FOREIGN: [(&str, &str); 4] = [
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("!", "write `not`"),
    ("?", "write `a if condition else b`"),
];

const STEPS: &str = "steps.";

/// Whether a token makes the tree deeper.
fn nests(token: &Token<'_>) -> bool {
    match token {
        Token::Ident(word) => matches!(*word, "and" | "or" | "not" | "in" | "is" | "if" | "else"),
        Token::Str(_)
        | Token::String(_)
        | Token::Int(_)
        | Token::Int128(_)
        | Token::Float(_)
        | Token::Comma
        | Token::Colon
        | Token::Assign
        | Token::BracketClose
        | Token::ParenClose
        | Token::BraceClose => false,
        _ => true,
    }
}

/// The range of the first `steps.a-b` outside of string literals: an id with a hyphen, right behind `steps.`.
fn hyphenated_step(source: &str) -> Option<Range<usize>> {
    let bytes = source.as_bytes();
    let mut quote = None;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            None if matches!(byte, b'\'' | b'"') => quote = Some(byte),
            None if bytes[at..].starts_with(STEPS.as_bytes()) && !continues_word(bytes, at) => {
                let start = at + STEPS.len();
                let id = bytes[start..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
                    .count();
                let id = source[start..start + id].trim_end_matches('-');
                if id.contains('-') {
                    return Some(at..start + id.len());
                }
            }
            Some(_) | None => {}
        }
        at += 1;
    }
    None
}

/// Whether the byte at this place belongs to a longer word or path.
fn continues_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_some_and(
        |before| matches!(bytes[before], b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.'),
    )
}
