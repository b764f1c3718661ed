//! Files that are no plans: a value of a type, checked against the schema of that type.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::schema::{NoTypes, Schema, validate};
use super::tree::Tree;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::de::from_node;
use crate::source::{SourceMap, Span, load};

/// A file that was read.
#[derive(Debug)]
pub struct Document<T> {
    /// Its value; absent where something is wrong.
    pub value: Option<T>,
    /// What is wrong, sorted.
    pub diagnostics: Diagnostics,
    /// The file that the diagnostics speak of.
    pub sources: SourceMap,
}

/// Reads a file without templates. Never fails: what is wrong is told, everything at once.
pub fn document<T: JsonSchema + DeserializeOwned>(path: &str, bytes: &[u8]) -> Document<T> {
    let mut sources = SourceMap::new();
    let mut out = Diagnostics::new();
    let (file, node) = load(&mut sources, path, bytes, &mut out);
    let truncated = out.is_truncated();
    let mut value = None;
    if let Some(node) = node {
        let (tree, top) = (Tree::from_node(&node), Span::at(file, 0, 0));
        validate(
            &Schema::of::<T>(),
            &tree,
            top,
            &NoTypes,
            truncated,
            &mut out,
        );
        if !out.has_errors() {
            match from_node(&node) {
                Ok(read) => value = Some(read),
                Err(error) => {
                    let mut problem = Diagnostic::from(error);
                    if problem.primary.is_none() {
                        problem = problem.at(top, "");
                    }
                    out.push(problem);
                }
            }
        }
    }
    out.sort_dedup();
    Document {
        value: value.filter(|_| !out.has_errors()),
        diagnostics: out,
        sources,
    }
}
