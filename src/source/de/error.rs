//! What does not fit, in words and with its place.

use std::fmt;

use serde::de::Expected;
use serde::de::Unexpected;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::source::Core;
use crate::source::Entry;
use crate::source::Node;
use crate::source::Span;
use crate::source::Value;

/// Why a node is not of the type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong: a lowercase fragment.
    pub message: String,
    /// Of the innermost key or value that is to blame. Absent only in what a type's own `Deserialize` makes.
    pub span: Option<Span>,
    /// [`Code::UnknownKey`], [`Code::MissingKey`], [`Code::WrongType`] or [`Code::BadValue`].
    pub code: Code,
    /// Of an unknown key or name: what it was, and what it could be.
    pub unknown: Option<(String, &'static [&'static str])>,
}

impl Error {
    fn new(code: Code, message: String) -> Self {
        Self {
            message,
            span: None,
            code,
            unknown: None,
        }
    }

    /// The place, unless an inner one is known.
    pub(super) fn or_at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// The node, unless an inner place is known. What is missing in it is told at its head.
    pub(super) fn or_in(self, node: &Node) -> Self {
        // The key of the map that lacks something is the better place: it is known one level up.
        if self.code == Code::MissingKey {
            return self;
        }
        self.or_at(node.span)
    }

    /// The value of an entry, unless an inner place is known. What is missing in it is told at its key.
    pub(super) fn or_in_entry(self, entry: &Entry) -> Self {
        let missing = self.code == Code::MissingKey;
        self.or_at(if missing {
            entry.key.span
        } else {
            entry.value.span
        })
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let mut diagnostic = Self::new(error.code, error.message);
        if let Some(span) = error.span {
            diagnostic = diagnostic.at(span, "");
        }
        let Some((name, known)) = error.unknown else {
            return diagnostic;
        };
        let diagnostic = diagnostic.suggest(&name, known.iter().copied());
        if diagnostic.help.is_some() || known.is_empty() {
            return diagnostic;
        }
        diagnostic.help(format!("known are {}", list(known)))
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Code::BadValue, message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(
            Code::WrongType,
            format!("expected {}, found {}", wanted(expected), Found(found)),
        )
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(
            Code::BadValue,
            format!("expected {}, found {}", wanted(expected), Found(found)),
        )
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Self::new(
            Code::BadValue,
            format!("expected {}, found {len} of them", wanted(expected)),
        )
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self {
            unknown: Some((variant.to_owned(), expected)),
            ..Self::new(Code::BadValue, format!("unknown value `{variant}`"))
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self {
            unknown: Some((field.to_owned(), expected)),
            ..Self::new(Code::UnknownKey, format!("unknown key `{field}`"))
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Code::MissingKey, format!("the key `{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(
            Code::DuplicateKey,
            format!("the key `{field}` is given twice"),
        )
    }
}

/// Serde's words for what was found, as a reader of YAML would say it.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Unit => f.write_str("nothing"),
            Unexpected::Bool(bool) => write!(f, "the bool `{bool}`"),
            Unexpected::Unsigned(number) => write!(f, "the number `{number}`"),
            Unexpected::Signed(number) => write!(f, "the number `{number}`"),
            Unexpected::Float(number) => write!(f, "the number `{number}`"),
            Unexpected::Str(text) => write!(f, "the string {text:?}"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Map => f.write_str("a map"),
            Unexpected::UnitVariant => f.write_str("the name alone"),
            other => other.fmt(f),
        }
    }
}

/// The error that a node is something else than what is expected.
pub(super) fn not(node: &Node, expected: &'static str) -> Error {
    let found = match &node.value {
        Value::Seq(_) => Unexpected::Seq,
        Value::Map(_) => Unexpected::Map,
        Value::Scalar(scalar) => match scalar.core() {
            Core::Null => Unexpected::Unit,
            Core::Bool(bool) => Unexpected::Bool(bool),
            Core::Int(int) => Unexpected::Signed(int),
            Core::Float(float) => Unexpected::Float(float),
            Core::Str => Unexpected::Str(&scalar.text),
        },
    };
    <Error as serde::de::Error>::invalid_type(found, &expected).or_at(node.span)
}

/// Serde's words for what was expected, as a reader of YAML would say it.
fn wanted(expected: &dyn Expected) -> String {
    let said = expected.to_string();
    match said.as_str() {
        "a sequence" => "a list",
        "a boolean" => "`true` or `false`",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, which may be negative",
        "f32" | "f64" => "a number",
        "unit" => "nothing",
        "newtype variant" | "struct variant" => "a map with the name as its key",
        _ => return said,
    }
    .to_owned()
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
