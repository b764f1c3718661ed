//! How a step ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a step, group or sub-plan ended; what `steps.X.outcome` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it was for, or found it done.
    Succeeded,
    /// Its own `when` was false, or its list was empty.
    Skipped,
    /// It failed, after the retries it was allowed.
    Failed,
    /// Its time ran out.
    TimedOut,
    /// A gate said no.
    Rejected,
    /// It never started, because of what came before.
    NotRun,
}

impl Outcome {
    /// All outcomes, for documentation and completions.
    pub const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::Skipped,
        Self::Failed,
        Self::TimedOut,
        Self::Rejected,
        Self::NotRun,
    ];

    /// The name used in expressions, journals and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Rejected => "rejected",
            Self::NotRun => "not_run",
        }
    }

    /// Whether a need that ended so lets its dependants start.
    pub const fn satisfies(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
