//! The run's clock: the only source of the time of day below `cli`.

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the run's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that starts at a given time and goes with tokio's, also while that is paused: for the lab and for tests.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    from: Timestamp,
    since: Instant,
}

impl TokioClock {
    /// A clock that shows `from` now.
    pub fn starting_at(from: Timestamp) -> Self {
        Self {
            from,
            since: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.from
            .checked_add(self.since.elapsed())
            .unwrap_or(Timestamp::MAX)
    }
}
