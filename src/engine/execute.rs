//! One attempt of one node: its deadline, its end from outside, and a panic in it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::model::Action;
use crate::model::action::Gate;
use crate::model::policy::Timeout;
use crate::steps::{Done, Execute, Probe, StepContext, StepError};

/// An approval whose time ran out while the run was suspended still hears the answer that came in time.
pub(super) const HEARING: Duration = Duration::from_secs(1);

/// What an attempt is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Run the action.
    Run,
    /// Prove that it is done; change nothing.
    Prove,
}

/// When an attempt must have ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// The attempt's own end.
    pub(super) attempt: Option<Instant>,
    /// The end of the step with all its attempts.
    pub(super) total: Option<Instant>,
}

impl Limits {
    /// Whichever comes first.
    pub(super) fn first(self) -> Option<Instant> {
        match (self.attempt, self.total) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself.
    Itself(Result<Done, StepError>),
    /// Its own time was up: the next may have more luck.
    AttemptTimedOut,
    /// The step's time was up.
    TimedOut,
    /// The dispatcher gave it up.
    Abandoned,
}

/// Runs one attempt to its end.
pub(super) async fn attempt(
    execute: Arc<dyn Execute>,
    task: Task,
    action: Arc<Action>,
    context: StepContext,
    limits: Limits,
    abandon: CancellationToken,
) -> Ended {
    let work = async {
        match task {
            Task::Run => execute.run(&action, &context).await,
            Task::Prove => execute.probe(&action, &context).await.and_then(proven),
        }
    };
    let work = AssertUnwindSafe(work).catch_unwind();
    let deadline = async {
        match limits.first() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        ended = work => Ended::Itself(ended.unwrap_or_else(|panic| Err(bug(&*panic)))),
        () = abandon.cancelled() => Ended::Abandoned,
        () = deadline => {
            if limits.total.is_some_and(|total| limits.attempt.is_none_or(|own| total <= own)) {
                Ended::TimedOut
            } else {
                Ended::AttemptTimedOut
            }
        }
    }
}

/// Whether a step waits for people or for time, which no attempt can hurry.
pub(super) fn waits(action: &Action) -> bool {
    matches!(action, Action::Gate(gate)
        if gate.approval.is_some() || gate.soak.is_some() || gate.window.is_some())
}

/// The longest that a step may take. An approval's time goes on while the run is suspended; any other step that is
/// taken up again gets its time again.
pub(super) fn total(
    timeout: Timeout,
    action: &Action,
    now: Timestamp,
    began: Timestamp,
) -> Option<Duration> {
    let total = timeout.total?.0;
    if !matches!(
        action,
        Action::Gate(Gate {
            approval: Some(_),
            ..
        })
    ) {
        return Some(total);
    }
    let passed = Duration::try_from(now.duration_since(began)).unwrap_or_default();
    Some(total.saturating_sub(passed).max(HEARING.min(total)))
}

/// What a step comes to that must prove done instead of running.
///
/// # Errors
/// That it is not.
pub(crate) fn proven(probe: Probe) -> Result<Done, StepError> {
    match probe {
        Probe::Done(how) => Ok(Done {
            message: format!("was done before: {how}"),
            ..Done::default()
        }),
        Probe::Open(why) => {
            Err(StepError::failed("is needed by what was asked for, and is not done").details(why))
        }
    }
}

fn bug(panic: &(dyn Any + Send)) -> StepError {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    StepError::failed(format!("a bug in plan: the step panicked: {said}"))
        .help("please report it; the other steps are not affected")
}
