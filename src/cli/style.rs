//! Colour: where a terminal wants it, and nobody has said no.

use std::io::IsTerminal as _;

use super::stderr;
use crate::diagnostic::Look;

/// How to render for stderr; anstream strips what is not wanted.
pub(super) fn look() -> Look {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => Look::Plain,
        _ => Look::Ansi,
    }
}

/// As [`look`], for stdout.
pub(super) fn look_stdout() -> Look {
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => Look::Plain,
        _ => Look::Ansi,
    }
}

/// Whether somebody can be asked.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether progress can be drawn: who takes stdout elsewhere wants plain lines there.
pub(super) fn is_terminal() -> bool {
    std::io::stderr().is_terminal() && std::io::stdout().is_terminal()
}

/// Asks on stderr and reads a line; `None` where there is none.
pub(super) fn ask(question: &str) -> Option<String> {
    stderr(&format!("{question} "));
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim().to_lowercase())
}
