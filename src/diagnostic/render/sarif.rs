//! SARIF 2.1.0, as GitHub's code scanning reads it.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::place::Place;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Severity;
use crate::source::SourceMap;
use crate::source::Span;

/// One run, with the rules of the codes that occur.
pub(super) fn render(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let codes: BTreeSet<Code> = diagnostics.iter().map(|one| one.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let results: Vec<_> = diagnostics
        .iter()
        .map(|one| result(one, &codes, sources))
        .collect();
    let rules: Vec<_> = codes.iter().map(|code| rule(*code)).collect();
    super::pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            // Columns count characters, not UTF-16 units.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "name": format!("{code:?}"),
        "shortDescription": {"text": code.title()},
        "fullDescription": {"text": summary(code)},
        "help": {"text": code.explain(), "markdown": code.explain()},
        "defaultConfiguration": {"level": level(code.severity())},
    })
}

/// The first paragraph of the page: code scanning takes 1024 characters at most.
fn summary(code: Code) -> &'static str {
    code.explain().split("\n\n").nth(1).unwrap_or(code.title())
}

fn result(one: &Diagnostic, codes: &[Code], sources: &SourceMap) -> Value {
    let mut text = one.message.clone();
    if let Some(node) = &one.node {
        text = format!("{text} (in {node})");
    }
    if let Some(help) = &one.help {
        text = format!("{text}\nhelp: {help}");
    }
    let mut result = json!({
        "ruleId": one.code.as_str(),
        "ruleIndex": codes.iter().position(|code| *code == one.code),
        "level": level(one.severity),
        "message": {"text": text},
    });
    // Code scanning refuses a result without a place: then it is the beginning of the first file.
    let start = || {
        sources
            .iter()
            .next()
            .map(|(file, _)| (Span::at(file, 0, 0), ""))
    };
    let primary = one
        .primary
        .as_ref()
        .map(|label| (label.span, label.message.as_str()));
    if let Some((span, message)) = primary.or_else(start) {
        result["locations"] = json!([location(span, message, sources)]);
    }
    if !one.secondary.is_empty() {
        let labels = one.secondary.iter();
        result["relatedLocations"] = labels
            .map(|label| location(label.span, &label.message, sources))
            .collect();
    }
    if let Some(reason) = &one.allowed {
        result["suppressions"] =
            json!([{"kind": "inSource", "status": "accepted", "justification": reason}]);
    }
    result
}

fn location(span: Span, message: &str, sources: &SourceMap) -> Value {
    let place = Place::of(span, sources);
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(place.file)},
            "region": {
                "startLine": place.line,
                "startColumn": place.column,
                "endLine": place.end_line,
                "endColumn": place.end_column,
            },
        },
    });
    if !message.is_empty() {
        location["message"] = json!({"text": message});
    }
    location
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// A path as a relative URI: code scanning finds the file by it.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
