//! Plain lines, for logs and pipes.

use std::io;

use super::summary::{headline, next};
use super::{Out, Reporter, plain, words};
use crate::event::Event;
use crate::journal::RunState;

/// Writes a line for what people want to know.
pub struct Text {
    out: Out,
    result: io::Result<()>,
}

impl Text {
    /// Writes to `out`.
    pub fn new(out: Out) -> Self {
        Self {
            out,
            result: Ok(()),
        }
    }

    fn lines(&mut self, lines: &[String]) {
        let mut text = plain(&lines.join("\n"));
        if text.is_empty() || self.result.is_err() {
            return;
        }
        text.push('\n');
        self.result = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
    }
}

impl Reporter for Text {
    fn event(&mut self, event: &Event, state: &RunState) {
        let lines = words::lines(event, state);
        if lines.is_empty() {
            return;
        }
        let clock = event.at.strftime("%H:%M:%S");
        let dated: Vec<String> = lines.iter().map(|line| format!("{clock} {line}")).collect();
        self.lines(&dated);
    }

    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        self.lines(&ending(state));
        std::mem::replace(&mut self.result, Ok(()))
    }
}

/// The last lines: how it ended, what it came to, how to go on.
pub(super) fn ending(state: &RunState) -> Vec<String> {
    let mut lines = vec![headline(state)];
    if !state.message.is_empty() {
        lines.push(state.message.clone());
    }
    lines.extend(next(state));
    lines
}
