//! The way of an event: numbered, dated, masked, then to the journal, the state and the reports.

use std::sync::Arc;

use super::clock::Clock;
use crate::event::{Event, EventKind, Mask};
use crate::journal::{Journal, JournalError, RunState};
use crate::report::Reporter;

/// Where the events of a run go.
pub(super) struct Log {
    pub(super) journal: Journal,
    pub(super) state: RunState,
    pub(super) reporters: Vec<Box<dyn Reporter>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) mask: Mask,
}

impl Log {
    /// Records what happened; gives the number by which the journal will say that it is durable.
    pub(super) fn emit(&mut self, kind: EventKind) -> Result<u64, JournalError> {
        let event = Event {
            seq: self.state.seq + 1,
            at: self.clock.now(),
            event: self.mask.event(kind),
        };
        self.journal.append(&event)?;
        self.state.apply(&event);
        for reporter in &mut self.reporters {
            reporter.event(&event, &self.state);
        }
        Ok(event.seq)
    }

    /// Ends the reports; the first that cannot be written is told.
    pub(super) fn finish(&mut self) -> std::io::Result<()> {
        let mut result = Ok(());
        for reporter in &mut self.reporters {
            // All are ended, whatever the others say.
            result = result.and(reporter.finish(&self.state));
        }
        result
    }
}
