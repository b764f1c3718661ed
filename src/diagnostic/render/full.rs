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
use crate::diagnostic::Severity;
use crate::source::FileId;
use crate::source::SourceFile;
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
        .primary_title(super::visible(&diagnostic.message))
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
    let marks = |id| {
        labels()
            .filter(move |label| label.span.file == id)
            .map(|label| {
                let primary = diagnostic
                    .primary
                    .as_ref()
                    .is_some_and(|one| std::ptr::eq(one, label));
                let kind = if primary {
                    AnnotationKind::Primary
                } else {
                    AnnotationKind::Context
                };
                (kind, shown(label.span, sources), label.message.as_str())
            })
    };
    files
        .into_iter()
        .map(|id| snippet(sources.file(id), &marks(id).collect::<Vec<_>>()))
        .collect()
}

/// The lines from the first mark to the last: a large file is not searched for each diagnostic.
fn snippet<'a>(file: &'a SourceFile, marks: &[(AnnotationKind, Span, &'a str)]) -> Element<'a> {
    let text = &**file.text();
    let first = marks
        .iter()
        .map(|mark| mark.1.range().start)
        .min()
        .unwrap_or_default();
    let last = marks
        .iter()
        .map(|mark| mark.1.range().end)
        .max()
        .unwrap_or_default();
    let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..]
        .find('\n')
        .map_or(text.len(), |newline| last + newline);
    let (line, _) = file.line_col(u32::try_from(first).unwrap_or(u32::MAX));
    let annotations = marks.iter().map(|(kind, span, message)| {
        let range = span.range();
        let label = (!message.is_empty()).then(|| super::visible(message));
        kind.span(range.start - start..range.end - start)
            .label(label)
    });
    // Between two lines the carriage return of a Windows line end is known, at the end it is not.
    let shown = text[start..end]
        .strip_suffix('\r')
        .filter(|shown| last <= start + shown.len());
    Snippet::source(shown.unwrap_or(&text[start..end]))
        .line_start(line)
        .path(file.path())
        .annotations(annotations)
        .into()
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
    let remark =
        |title: &str, text: &str| Level::NOTE.message(format!("{title} {}", super::visible(text)));
    let node = diagnostic.node.as_deref().map(|node| remark("in", node));
    let allowed = diagnostic
        .allowed
        .as_deref()
        .map(|reason| remark("allowed:", reason));
    let help = diagnostic
        .help
        .as_deref()
        .map(|help| Level::HELP.message(super::visible(help)));
    [node, allowed, help]
        .into_iter()
        .flatten()
        .map(Element::from)
        .collect()
}
