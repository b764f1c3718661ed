//! With the lines of the file around each place.

use annotate_snippets::AnnotationKind;
use annotate_snippets::Element;
use annotate_snippets::Group;
use annotate_snippets::Level;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet;
use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::renderer::DecorStyle;

use super::Look;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Label;
use crate::diagnostic::Severity;
use crate::source::FileId;
use crate::source::SourceMap;
use crate::source::Span;

/// How many lines of a place are shown: where more belong to it, the first tells enough.
const MAX_LINES: usize = 3;

/// A frame for each diagnostic, with an empty line between two.
pub(super) fn render(diagnostics: &Diagnostics, sources: &SourceMap, look: Look) -> String {
    let renderer = match look {
        Look::Plain => Renderer::plain(),
        Look::Ansi => Renderer::styled(),
    };
    let renderer = renderer
        .decor_style(DecorStyle::Ascii)
        .term_width(DEFAULT_TERM_WIDTH);
    diagnostics
        .iter()
        .map(|diagnostic| renderer.render(&[group(diagnostic, sources)]) + "\n\n")
        .collect()
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a SourceMap) -> Group<'a> {
    let level = match diagnostic.severity {
        _ if diagnostic.allowed.is_some() => Level::NOTE.with_name("allowed"),
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.as_str());
    Group::with_title(title)
        .elements(snippets(diagnostic, sources))
        .elements(footers(diagnostic))
}

/// One snippet for each file, that of the primary place first.
fn snippets<'a>(diagnostic: &'a Diagnostic, sources: &'a SourceMap) -> Vec<Element<'a>> {
    let mut files: Vec<FileId> = Vec::new();
    let labels = || diagnostic.primary.iter().chain(&diagnostic.secondary);
    for label in labels() {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    files
        .into_iter()
        .map(|id| {
            let file = sources.file(id);
            let annotations = labels().filter(|label| label.span.file == id).map(|label| {
                let primary = diagnostic
                    .primary
                    .as_ref()
                    .is_some_and(|one| std::ptr::eq(one, label));
                let kind = if primary {
                    AnnotationKind::Primary
                } else {
                    AnnotationKind::Context
                };
                annotation(label, kind, sources)
            });
            Snippet::source(&**file.text())
                .path(file.path())
                .annotations(annotations)
                .into()
        })
        .collect()
}

fn annotation<'a>(
    label: &'a Label,
    kind: AnnotationKind,
    sources: &SourceMap,
) -> annotate_snippets::Annotation<'a> {
    let text = (!label.message.is_empty()).then_some(label.message.as_str());
    kind.span(shown(label.span, sources).range()).label(text)
}

/// The span, or the part of it on its first line where it has too many.
fn shown(span: Span, sources: &SourceMap) -> Span {
    let text = sources.file(span.file).slice(span);
    if text.lines().count() <= MAX_LINES {
        return span;
    }
    span.part(0, text.lines().next().map_or(0, str::len))
}

fn footers(diagnostic: &Diagnostic) -> Vec<Element<'_>> {
    let node = diagnostic
        .node
        .as_ref()
        .map(|node| Level::NOTE.message(format!("in {node}")));
    let reason = diagnostic.allowed.as_ref();
    let allowed = reason.map(|reason| Level::NOTE.message(format!("allowed: {reason}")));
    let help = diagnostic
        .help
        .as_ref()
        .map(|help| Level::HELP.message(help.as_str()));
    [node, allowed, help]
        .into_iter()
        .flatten()
        .map(Element::from)
        .collect()
}
