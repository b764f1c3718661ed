//! Live progress of a lab: its hours pass in no time, and people want to see them pass.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

use super::Reporter;
use crate::event::Event;
use crate::journal::RunState;

/// The longest that people wait for one event.
const LONGEST: Duration = Duration::from_millis(250);

/// Shows each event after as much real time as passed in the lab, but never more than a moment.
pub struct Paced<R> {
    inner: R,
    last: Option<Timestamp>,
}

impl<R: Reporter> Paced<R> {
    /// Paces `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner, last: None }
    }
}

/// How long people wait between two events.
fn pause(last: Option<Timestamp>, now: Timestamp) -> Duration {
    let passed = last.map(|last| Duration::try_from(now.duration_since(last)).unwrap_or_default());
    passed.unwrap_or_default().min(LONGEST)
}

impl<R: Reporter> Reporter for Paced<R> {
    #[expect(
        clippy::disallowed_methods,
        reason = "real time for real eyes: nothing of the lab is to go on meanwhile"
    )]
    fn event(&mut self, event: &Event, state: &RunState) {
        std::thread::sleep(pause(self.last.replace(event.at), event.at));
        self.inner.event(event, state);
    }

    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        self.inner.finish(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_pass_in_a_moment_and_moments_as_they_are() {
        let start = Timestamp::UNIX_EPOCH;
        let after = |ms| pause(Some(start), start + Duration::from_millis(ms));
        assert_eq!(pause(None, start), Duration::ZERO);
        assert_eq!(after(20), Duration::from_millis(20));
        assert_eq!(after(3_600_000), LONGEST);
    }
}
