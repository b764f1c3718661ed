//! The parser's errors in words that help.

use granit_parser::ErrorKind;
use granit_parser::ScanError;

use super::FileId;
use super::Span;
use super::tree;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;

/// The diagnostic of an error that ended the reading.
pub(super) fn explain(file: FileId, text: &str, error: &ScanError) -> Diagnostic {
    let at = error
        .marker()
        .byte_offset()
        .unwrap_or(text.len())
        .min(text.len());
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let width = text[at..]
        .chars()
        .next()
        .filter(|next| *next != '\n')
        .map_or(0, char::len_utf8);
    let span = Span::at(file, at, at + width);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return tree::too_deep(span);
    }
    if let Some(tab) = indenting_tab(error.kind(), line, at - line_start) {
        let at = line_start + tab;
        return Diagnostic::new(Code::TabIndentation, "a tab is used for indentation")
            .at(Span::at(file, at, at + 1), "tab")
            .help("indent with spaces");
    }
    if matches!(error.kind(), ErrorKind::UndeclaredTagHandle) {
        return Diagnostic::new(Code::Tag, "tags are not supported").at(span, "");
    }
    let (message, help) = reword(error.kind());
    let message = message.map_or_else(|| error.kind().to_string(), str::to_owned);
    let diagnostic = Diagnostic::new(Code::YamlSyntax, message).at(span, "");
    // In `{…}` and `[…]` a plain scalar ends at the first brace, so an expression must be quoted there.
    let flow_expression = line
        .find("${{")
        .is_some_and(|expression| line[..expression].contains(['{', '[']));
    if flow_expression {
        diagnostic.help("quote an expression inside `{…}` or `[…]`: \"${{ … }}\"")
    } else if let Some(help) = help {
        diagnostic.help(help)
    } else {
        diagnostic
    }
}

/// Where the tab is that the parser stumbled over, in bytes from the start of the line.
fn indenting_tab(kind: &ErrorKind, line: &str, column: usize) -> Option<usize> {
    let indentation = line.len() - line.trim_start().len();
    let named = matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
    );
    let searched = if named {
        column.max(indentation)
    } else {
        indentation
    };
    line.get(..(searched + 1).min(line.len()))?.find('\t')
}

/// A clearer message, where the parser speaks in terms of its grammar, and what to do.
fn reword(kind: &ErrorKind) -> (Option<&'static str>, Option<&'static str>) {
    match kind {
        ErrorKind::MappingValueNotAllowed => (
            Some("a `:` where no key can be"),
            Some("quote a value that contains `: `, and check the indentation"),
        ),
        ErrorKind::InvalidColonPlacement => (
            Some("a `:` where no key can be"),
            Some("close the `[`, `{` or quote before it"),
        ),
        ErrorKind::ExpectedBlockMappingKey => (
            Some("expected a key here"),
            Some("check the indentation: the keys of a map begin in one column"),
        ),
        ErrorKind::ExpectedBlockSequenceEntry => (
            Some("expected `- ` here"),
            Some("check the indentation: the items of a list begin in one column"),
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            Some("expected a `:` after the key"),
            Some("write `key: value`, with a space after the colon"),
        ),
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::UnexpectedEofFlowMapping => {
            (Some("expected `,` or `}`"), None)
        }
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::UnexpectedEofFlowSequence => {
            (Some("expected `,` or `]`"), None)
        }
        ErrorKind::UnclosedQuotedScalar => (
            Some("a quote is not closed"),
            Some("inside double quotes write `\\\"`, inside single quotes `''`"),
        ),
        ErrorKind::UnexpectedCharacter {
            character: '`' | '@',
        } => (None, Some("quote a value that begins with this character")),
        ErrorKind::UnexpectedCharacter { character: '%' } | ErrorKind::DirectiveDisallowed => (
            Some("YAML directives are not supported: a plan is YAML 1.2"),
            Some("remove the line; quote a value that begins with `%`"),
        ),
        ErrorKind::UnknownQuotedScalarEscape => (
            Some("an unknown escape in double quotes"),
            Some("write `\\\\` for a backslash, or use single quotes"),
        ),
        ErrorKind::InvalidIndentation => (
            None,
            Some("the keys of a map, and the items of a list, begin in one column"),
        ),
        _ => (None, None),
    }
}
