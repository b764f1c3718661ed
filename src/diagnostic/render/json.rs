//! An array of objects, for programs.

use serde::Serialize;

use super::place::Place;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Label;
use crate::source::SourceMap;

/// A diagnostic as an object. Every field is always there; what is not known is null.
#[derive(Serialize)]
struct Object<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    help: Option<&'a str>,
    node: Option<&'a str>,
    allowed: Option<&'a str>,
    labels: Vec<LabelObject<'a>>,
}

#[derive(Serialize)]
struct LabelObject<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
}

/// Pretty-printed, with a line break at the end.
pub(super) fn render(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let objects: Vec<_> = diagnostics.iter().map(|one| object(one, sources)).collect();
    super::pretty(&objects)
}

fn object<'a>(one: &'a Diagnostic, sources: &'a SourceMap) -> Object<'a> {
    let place = one
        .primary
        .as_ref()
        .map(|label| Place::of(label.span, sources));
    let place = place.as_ref();
    let labels = one.primary.iter().chain(&one.secondary);
    Object {
        code: one.code.as_str(),
        severity: one.severity.as_str(),
        message: &one.message,
        file: place.map(|place| place.file),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        end_line: place.map(|place| place.end_line),
        end_column: place.map(|place| place.end_column),
        help: one.help.as_deref(),
        node: one.node.as_deref(),
        allowed: one.allowed.as_deref(),
        labels: labels
            .filter(|label| !label.message.is_empty())
            .map(|label| label_object(label, sources))
            .collect(),
    }
}

fn label_object<'a>(label: &'a Label, sources: &'a SourceMap) -> LabelObject<'a> {
    let place = Place::of(label.span, sources);
    LabelObject {
        file: place.file,
        line: place.line,
        column: place.column,
        end_line: place.end_line,
        end_column: place.end_column,
        message: &label.message,
    }
}
