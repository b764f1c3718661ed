//! Text to a tree in which every key and value knows its place.
//!
//! [`load`] takes the bytes of a file to a [`Node`]; [`de`] takes a [`Node`] to a type, by the type that each place
//! asks for. No file is opened here: the caller reads, so the module stays pure.

mod anchors;
pub mod de;
mod file;
mod json;
mod node;
mod scalar;
mod span;
mod syntax;
mod tree;
mod yaml;

pub use self::anchors::{MAX_ALIAS_BYTES, MAX_ALIAS_NODES};
pub use self::file::{Place, SourceFile, SourceMap};
pub use self::node::{Entry, Key, Node, OPEN, Scalar, Style, Value};
pub use self::scalar::Core;
pub use self::span::{FileId, Span};
pub use self::tree::{MAX_DEPTH, MAX_NODES};
pub use self::yaml::{MAX_FILE_BYTES, load, parse};

#[cfg(test)]
mod tests;
