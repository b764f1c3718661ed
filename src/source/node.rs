//! The tree of a YAML file.

use super::Core;
use super::Span;

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where the value stands. Of a map in block style: from its first key to the end of its last value. Of a value
    /// that came through an alias: where it was defined.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text that has no type yet.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the order of the file, without duplicate keys.
    Map(Vec<Entry>),
}

/// What begins an expression in a scalar.
pub const OPEN: &str = "${{";

/// A scalar as written: a place in the plan gives it its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, with escapes and line folding undone.
    pub text: String,
    /// How it was written.
    pub style: Style,
    /// Where each `${{` of the text stands in the file, in bytes from the start of the span; only where the text does
    /// not stand there as it is.
    pub marks: Vec<u32>,
}

impl Scalar {
    /// A scalar that stands in no file, or as it is.
    #[must_use]
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
            marks: Vec::new(),
        }
    }

    /// The scalar as it is written in a file, where that is not its text.
    #[must_use]
    pub(super) fn written(mut self, written: &str) -> Self {
        let quotes = 2;
        if self.text.contains(OPEN) && written.len() > self.text.len() + quotes {
            let marks = written.match_indices(OPEN);
            let marks: Vec<u32> = marks.filter_map(|(at, _)| at.try_into().ok()).collect();
            // An escape may hide one.
            if marks.len() == self.text.matches(OPEN).count() {
                self.marks = marks;
            }
        }
        self
    }
}

/// How a scalar was written. Only a plain one can be anything but a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes. Where it stands on one line, its span covers exactly its text.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// A literal (`|`) or folded (`>`) block.
    Block,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// A key: always text, whatever a resolver would make of it (`on`, `1.10`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Its place.
    pub span: Span,
}

impl Node {
    /// The value of a key. A walk over the entries: build an index where many are looked up in a large map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key. A walk over the entries, as [`Node::get`].
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map().iter().find(|entry| entry.key.text == key)
    }

    /// The text of a scalar, of whatever type and style.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    /// The scalar.
    #[must_use]
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Seq(_) | Value::Map(_) => None,
        }
    }

    /// The entries of a map; none for anything else.
    #[must_use]
    pub fn as_map(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar(_) | Value::Seq(_) => &[],
        }
    }

    /// The items of a list; none for anything else.
    #[must_use]
    pub fn as_seq(&self) -> &[Self] {
        match &self.value {
            Value::Seq(items) => items,
            Value::Scalar(_) | Value::Map(_) => &[],
        }
    }

    /// Whether it is a map, be it empty.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Whether it is a list, be it empty.
    #[must_use]
    pub fn is_seq(&self) -> bool {
        matches!(self.value, Value::Seq(_))
    }

    /// Whether it is nothing: an empty value, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_scalar()
            .is_some_and(|scalar| scalar.core() == Core::Null)
    }

    /// What it is, for a message: `a map`, `a list`, `a string`, `a number`, `a bool`, `nothing`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Map(_) => "a map",
            Value::Seq(_) => "a list",
            Value::Scalar(scalar) => match scalar.core() {
                Core::Null => "nothing",
                Core::Bool(_) => "a bool",
                Core::Int(_) | Core::Float(_) => "a number",
                Core::Str => "a string",
            },
        }
    }

    /// Where to point when something is missing in it: the first key of a map, the first item of a list, else all.
    #[must_use]
    pub fn head(&self) -> Span {
        match &self.value {
            Value::Map(entries) => entries.first().map_or(self.span, |first| first.key.span),
            Value::Seq(items) => items.first().map_or(self.span, Self::head),
            Value::Scalar(_) => self.span,
        }
    }

    /// The node that a JSON pointer names (`/steps/install/with`), with its key where it is the value of one.
    /// The empty pointer is the node itself.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<(Option<&Key>, &Self)> {
        if pointer.is_empty() {
            return Some((None, self));
        }
        let mut found = (None, self);
        for token in pointer.strip_prefix('/')?.split('/') {
            let token = token.replace("~1", "/").replace("~0", "~");
            found = match &found.1.value {
                Value::Map(_) => {
                    let entry = found.1.entry(&token)?;
                    (Some(&entry.key), &entry.value)
                }
                Value::Seq(items) => (None, items.get(token.parse::<usize>().ok()?)?),
                Value::Scalar(_) => return None,
            };
        }
        Some(found)
    }
}
