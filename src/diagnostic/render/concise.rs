//! One line for each diagnostic.

use std::fmt::Write as _;

use crate::diagnostic::Diagnostics;
use crate::source::SourceMap;

/// `file:line:col: error[P0105]: message`, without the place where there is none.
pub(super) fn render(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let mut out = String::new();
    for one in diagnostics {
        if let Some(label) = &one.primary {
            let file = sources.file(label.span.file);
            let (line, column) = file.line_col(label.span.start);
            let _ = write!(out, "{}:{line}:{column}: ", file.path());
        }
        let severity = if one.allowed.is_some() {
            "allowed"
        } else {
            one.severity.as_str()
        };
        let _ = write!(out, "{severity}[{}]: {}", one.code, one.message);
        if let Some(node) = &one.node {
            let _ = write!(out, " (in {node})");
        }
        if let Some(reason) = &one.allowed {
            let _ = write!(out, " (allowed: {reason})");
        }
        out.push('\n');
    }
    out
}
