//! YAML 1.2 to the tree, without the parts of YAML that surprise.

use granit_parser::Parser;

use super::FileId;
use super::Node;
use super::SourceMap;
use super::Span;
use super::syntax;
use super::tree::Builder;
use super::tree::MAX_DEPTH;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;

/// The size of the largest file that is read. A plan of 10 000 steps and 100 000 needs has some 4 MB.
pub const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;

/// Adds a file to the map, `path` as it is to be shown, and parses it.
///
/// The tree is absent where nothing could be read. After an error it holds what is sound: see [`parse`].
pub fn load(
    sources: &mut SourceMap,
    path: &str,
    bytes: &[u8],
    diagnostics: &mut Diagnostics,
) -> (FileId, Option<Node>) {
    if bytes.len() > MAX_FILE_BYTES {
        let file = sources.add(path, "");
        diagnostics.push(too_large(file, bytes.len()));
        return (file, None);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let file = sources.add(path, text);
            let text = sources.file(file).text().clone();
            (file, parse(file, &text, diagnostics))
        }
        Err(error) => {
            // Up to the first bad byte the offsets of both texts agree, and no place behind it is named.
            let file = sources.add(path, &String::from_utf8_lossy(bytes));
            let mark = if bytes.starts_with("\u{feff}".as_bytes()) {
                3
            } else {
                0
            };
            let at = error.valid_up_to() - mark;
            let byte = bytes[error.valid_up_to()];
            diagnostics.push(
                Diagnostic::new(Code::NotUtf8, "the file is not valid UTF-8")
                    .at(
                        Span::at(file, at, at + '\u{fffd}'.len_utf8()),
                        format!("byte 0x{byte:02x}"),
                    )
                    .help("save the file with the encoding UTF-8"),
            );
            (file, None)
        }
    }
}

/// Parses the text of a file of the map. `text` is [`SourceFile::text`](super::SourceFile::text).
///
/// Duplicate keys, tags, merge keys, unknown anchors, keys that are no names and further documents are errors, and what
/// they spoil is left out. After an error that ends the reading, the tree holds the entries of the topmost map that were
/// complete; [`Diagnostics::is_truncated`] tells.
pub fn parse(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    if text.len() > MAX_FILE_BYTES {
        diagnostics.push(too_large(file, text.len()));
        return None;
    }
    if let Some(diagnostic) = control_character(file, text) {
        diagnostics.push(diagnostic);
        return None;
    }
    // Deeper than we go ourselves, so that it is our limit that is named.
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    let mut builder = Builder::new(file, text, diagnostics);
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, place)) => {
                if builder.event(event, place).is_break() {
                    break;
                }
            }
            Err(error) => {
                builder.report(syntax::explain(file, text, &error));
                break;
            }
        }
    }
    builder.finish()
}

fn too_large(file: FileId, bytes: usize) -> Diagnostic {
    let limit = MAX_FILE_BYTES / (1024 * 1024);
    Diagnostic::new(
        Code::FileTooLarge,
        format!("the file has {bytes} bytes; at most {limit} MiB are read"),
    )
    .at(Span::at(file, 0, 0), "")
    .help("split the plan into sub-plans")
}

/// NUL bytes end the text for some readers, and other control characters deceive the reader at a terminal.
fn control_character(file: FileId, text: &str) -> Option<Diagnostic> {
    let refused =
        |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
    let at = text.bytes().position(refused)?;
    let byte = text.as_bytes()[at];
    let (code, message) = if byte == 0 {
        (Code::NulByte, "the file contains a NUL byte".to_owned())
    } else {
        (
            Code::YamlSyntax,
            format!("the file contains the control character U+{byte:04X}"),
        )
    };
    let help = "remove it; in a double-quoted string it can be written as an escape";
    Some(
        Diagnostic::new(code, message)
            .at(Span::at(file, at, at + 1), "")
            .help(help),
    )
}
