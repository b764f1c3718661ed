//! Text to a tree in which every key and value knows its place.
//!
//! `load` takes the bytes of a file to a [`Node`]; `de` takes a [`Node`] to a type, by the type that each place
//! asks for. No file is opened here: the caller reads, so the module stays pure.

mod file;
mod json;
mod node;
mod scalar;
mod span;

pub use self::file::{SourceFile, SourceMap};
pub use self::node::{Entry, Key, Node, Scalar, Style, Value};
pub use self::scalar::Core;
pub use self::span::{FileId, Span};
