//! One event a line: the journal's own lines.

use std::io;

use super::{Out, Reporter};
use crate::event::Event;
use crate::journal::RunState;

/// Writes each event as a line of JSON.
pub struct Json {
    out: Out,
    result: io::Result<()>,
}

impl Json {
    /// Writes to `out`.
    pub fn new(out: Out) -> Self {
        Self {
            out,
            result: Ok(()),
        }
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }
}

impl Reporter for Json {
    fn event(&mut self, event: &Event, _: &RunState) {
        if self.result.is_ok() {
            self.result = self.write(event);
        }
    }

    fn finish(&mut self, _: &RunState) -> io::Result<()> {
        std::mem::replace(&mut self.result, Ok(()))
    }
}
