//! `${{ expression }}` in a scalar: parsed once, checked without values, evaluated with those that are known.
//!
//! The text of the plan is parsed first, so a template never makes YAML. Only `${{ }}` is special; `{% %}` and `{# #}`
//! are text like any other, and `${{ '${{' }}` writes the mark itself. The expressions are those of Jinja, in an empty
//! environment: nothing of files, environment, time or chance, and only the [`FILTERS`], [`TESTS`] and
//! [`FUNCTIONS`] named here. A value that is not there is an error; [limits] keep hostile templates short.

mod eval;
mod explain;
mod expression;
mod functions;
mod infer;
pub mod limits;
mod place;
mod references;
mod scan;

pub use eval::{Evaluated, Found, Lookup};
pub use explain::explain;
pub use functions::{FILTERS, FUNCTIONS, TESTS};
pub use infer::{Type, Types};
pub use references::{CLUSTER_FIELDS, ROOTS, RUN_FIELDS, Reference, WORDS};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{OPEN, Scalar, Span};
use expression::Expression;
use place::Place;
use scan::Piece;

/// A scalar with its expressions, parsed and free of mistakes that need no values to be seen.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
    place: Place,
    form: Form,
    parts: Vec<Part>,
    references: Vec<Reference>,
    calls: Calls,
}

/// Where the scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A value: text, or one expression, or both.
    Value,
    /// A `when`: one expression that must be true or false.
    Condition,
}

/// A part of a scalar.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Expression(Expression),
}

/// Which of the functions about a run are called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Calls {
    always: bool,
    failure: bool,
}

/// A text that is no template, and why.
#[derive(Debug)]
pub struct Flawed {
    /// What is wrong with it.
    pub problems: Vec<Diagnostic>,
    /// The names that it refers to, as far as it could be read: they may be wrong as well.
    pub references: Vec<Reference>,
}

impl Flawed {
    fn of(problem: Diagnostic) -> Self {
        Self {
            problems: vec![problem],
            references: Vec::new(),
        }
    }
}

/// Whether the text holds the beginning of an expression.
pub fn is_template(text: &str) -> bool {
    text.contains(OPEN)
}

impl Template {
    /// Parses the value of a scalar. Without an expression in it, it is a template of its text.
    ///
    /// # Errors
    /// Every mistake that can be seen without values: syntax, limits, unknown filters, tests and functions, names that
    /// lack a part, `always()` outside of `when`.
    pub fn parse(scalar: &Scalar, span: Span) -> Result<Self, Flawed> {
        let place = Place::of(scalar, span);
        let pieces = scan::pieces(&scalar.text, &place).map_err(|problem| Flawed::of(*problem))?;
        Self::build(scalar, place, Form::Value, &pieces)
    }

    /// Parses a condition: an expression, bare or in `${{ }}`.
    ///
    /// # Errors
    /// As [`Template::parse`], where `always()` and `failure()` are allowed; and text around `${{ }}`.
    pub fn condition(scalar: &Scalar, span: Span) -> Result<Self, Flawed> {
        let place = Place::of(scalar, span);
        let text = &scalar.text;
        let pieces = if is_template(text) {
            scan::pieces(text, &place).map_err(|problem| Flawed::of(*problem))?
        } else {
            vec![Piece::Expression(scan::trimmed(text, 0..text.len()))]
        };
        let blank = |piece: &Piece| matches!(piece, Piece::Text(range) if text[range.clone()].trim().is_empty());
        let pieces: Vec<Piece> = pieces.into_iter().filter(|piece| !blank(piece)).collect();
        match pieces.as_slice() {
            [Piece::Expression(_)] => Self::build(scalar, place, Form::Condition, &pieces),
            _ => Err(Flawed::of(
                Diagnostic::new(Code::TemplateSyntax, "a condition is one expression")
                    .at(span, "text and `${{ }}` are mixed here")
                    .help("write the whole condition as one expression, without `${{ }}`"),
            )),
        }
    }

    fn build(scalar: &Scalar, place: Place, form: Form, pieces: &[Piece]) -> Result<Self, Flawed> {
        let mut template = Self {
            text: scalar.text.clone(),
            place,
            form,
            parts: Vec::with_capacity(pieces.len()),
            references: Vec::new(),
            calls: Calls::default(),
        };
        let mut problems = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(range) => {
                    let text = scalar.text[range.clone()].to_owned();
                    template.parts.push(Part::Text(text));
                }
                Piece::Expression(range) => {
                    let mut expression =
                        Expression::new(&scalar.text, range.clone(), template.place.clone());
                    expression.name = template.collect(&expression, &mut problems);
                    template.parts.push(Part::Expression(expression));
                }
            }
        }
        if problems.is_empty() {
            Ok(template)
        } else {
            let references = template.references;
            Err(Flawed {
                problems,
                references,
            })
        }
    }

    /// Takes what an expression refers to and calls, and what is wrong with it; gives the name that it is, where it is
    /// nothing else.
    fn collect(
        &mut self,
        expression: &Expression,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<(String, Vec<String>)> {
        let ast = match expression.parse() {
            Ok(ast) => ast,
            Err(problem) => {
                problems.push(*problem);
                return None;
            }
        };
        let found = references::collect(&ast, expression);
        problems.extend(found.problems);
        self.references.extend(found.references);
        self.calls.always |= found.always.is_some();
        self.calls.failure |= found.failure.is_some();
        if self.form == Form::Value {
            for (name, span) in [("always", found.always), ("failure", found.failure)] {
                problems.extend(span.map(|span| {
                    Diagnostic::new(
                        Code::UnknownFunction,
                        format!("`{name}()` is for `when` only"),
                    )
                    .at(span, "has no meaning in a value")
                }));
            }
        }
        references::reference(&ast)
    }

    /// The text as written, for people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of the scalar.
    pub fn span(&self) -> Span {
        self.place.span
    }

    /// Whether there is no expression in it.
    pub fn is_literal(&self) -> bool {
        self.expressions().next().is_none()
    }

    /// Whether it is one expression and nothing else, so that the value keeps its type. The line break at the end of a
    /// block scalar does not count.
    pub fn is_whole(&self) -> bool {
        self.whole().is_some()
    }

    /// The names that its expressions refer to, in the order of the text; a name used twice is there twice.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Whether it calls `always()`.
    pub fn calls_always(&self) -> bool {
        self.calls.always
    }

    /// Whether it calls `failure()`.
    pub fn calls_failure(&self) -> bool {
        self.calls.failure
    }

    /// The type of its value, as far as it can be told, and what is wrong with the types in it.
    pub fn infer(&self, types: &dyn Types) -> (Type, Vec<Diagnostic>) {
        let mut problems = Vec::new();
        let mut inferred = Type::String;
        for expression in self.expressions() {
            inferred = infer::infer(expression, types, &mut problems);
        }
        if !self.is_whole() {
            inferred = Type::String;
        } else if self.form == Form::Condition && !matches!(inferred, Type::Bool | Type::Unknown) {
            problems.push(
                Diagnostic::new(Code::WhenNotBool, "a condition must be true or false")
                    .at(self.place.span, format!("this is {inferred}"))
                    .help("compare it, such as `… == 'x'`"),
            );
        }
        (inferred, problems)
    }

    /// Its value, as far as the names in it have values.
    ///
    /// # Errors
    /// A value that is not there, an operation that its operands do not allow, a limit that was passed, a condition
    /// that is neither true nor false; with the place in the file.
    pub fn eval(&self, lookup: &dyn Lookup) -> Result<Evaluated, Box<Diagnostic>> {
        eval::eval(self, lookup)
    }

    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    fn whole(&self) -> Option<&Expression> {
        let breaks = |text: &str| text.chars().all(|c| c == '\n');
        match self.parts.as_slice() {
            [Part::Expression(expression)] => Some(expression),
            [Part::Expression(expression), Part::Text(text)] if breaks(text) => Some(expression),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
