//! The exit codes, one by one.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing wrong.
    Done,
    /// The run failed.
    Failed,
    /// The dry run found changes; only with `--detailed-exitcode`.
    Changes,
    /// The plan or an `--inputs` file is invalid.
    Invalid,
    /// The plan changed since the run began.
    Stale,
    /// Another run holds the lock.
    Locked,
    /// Waiting at a gate, or a gate said no.
    Gate,
    /// Interrupted or cancelled, so that `plan resume` goes on; or nobody said yes before the start.
    Interrupted,
    /// The cluster could not be reached before the first step.
    Unreachable,
    /// Wrong usage: a flag, a `--set` value, an unknown file or run.
    Usage,
    /// A bug in `plan`.
    Bug,
}

impl Exit {
    /// All of them, for documentation.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::Changes,
        Self::Invalid,
        Self::Stale,
        Self::Locked,
        Self::Gate,
        Self::Interrupted,
        Self::Unreachable,
        Self::Usage,
        Self::Bug,
    ];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Invalid => 3,
            Self::Stale => 4,
            Self::Locked => 5,
            Self::Gate => 6,
            Self::Interrupted => 7,
            Self::Unreachable => 8,
            Self::Usage => 64,
            Self::Bug => 70,
        }
    }

    /// What it means, for `plan explain exit-codes`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, nothing wrong",
            Self::Failed => "the run failed",
            Self::Changes => "the dry run found changes (only with --detailed-exitcode)",
            Self::Invalid => "the plan or an --inputs file is invalid",
            Self::Stale => "the plan changed since the run began",
            Self::Locked => "another run holds the lock",
            Self::Gate => "waiting at a gate, or rejected",
            Self::Interrupted => {
                "interrupted or cancelled (`plan resume` goes on), or not begun: the question was answered no"
            }
            Self::Unreachable => "the cluster could not be reached before the first step",
            Self::Usage => "wrong usage: a flag, a --set value, an unknown file or run",
            Self::Bug => "a bug in plan",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
