//! Colour: where a terminal wants it, and nobody has said no.

use std::io::IsTerminal as _;

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
