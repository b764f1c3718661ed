//! The life of a node, as a table.
//!
//! | state | may become |
//! |---|---|
//! | `Pending` | `Ready` when its condition holds; `Ended` (skipped, not run, failed condition) |
//! | `Ready` | `Running` when there is room; `Ended` when the run stopped meanwhile |
//! | `Running` | `Asking`, `Backoff`, `Ended`; `Pending` when interrupted |
//! | `Asking` | `Running` when the gate is decided; `Ended` when nobody answers in time; `Pending` when interrupted |
//! | `Backoff` | `Running` with the next attempt; `Ended`; `Pending` when interrupted |
//! | `Ended` | `RollingBack` where it succeeded |
//! | `RollingBack` | `RolledBack`; `Ended` when it could not be taken back |
//! | `RolledBack` | nothing |

use crate::model::Outcome;

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its needs have not all ended, or the run stopped before it was decided.
    Pending,
    /// It waits for room.
    Ready,
    /// An attempt is under way.
    Running,
    /// Its attempt waits for people.
    Asking,
    /// It waits for its next attempt.
    Backoff,
    /// It ended.
    Ended(Outcome),
    /// What it did is being taken back.
    RollingBack,
    /// What it did was taken back.
    RolledBack,
}

/// What moves a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its needs have ended and its condition holds.
    Decide,
    /// An attempt starts.
    Start,
    /// Its attempt asks people.
    Ask,
    /// The gate is decided.
    Answer,
    /// The attempt failed and another follows.
    Retry,
    /// It ends.
    End(Outcome),
    /// The run stops; the node will run again.
    Interrupt,
    /// It is to be taken back.
    Undo,
    /// It was taken back.
    Undone,
}

/// Whether a task that ended so failed itself.
pub(super) const fn is_failure(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Failed | Outcome::TimedOut | Outcome::Rejected
    )
}

/// A move that a state does not know: a bug in `plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node that is {state:?} cannot {step:?}")]
pub struct Illegal {
    /// Where it was.
    pub state: State,
    /// What was asked of it.
    pub step: Step,
}

/// What a node becomes.
///
/// # Errors
/// [`Illegal`] for what the table does not have.
pub const fn next(state: State, step: Step) -> Result<State, Illegal> {
    Ok(match (state, step) {
        (State::Pending, Step::Decide) => State::Ready,
        (State::Ready | State::Backoff, Step::Start) | (State::Asking, Step::Answer) => {
            State::Running
        }
        (State::Running, Step::Ask) => State::Asking,
        (State::Running, Step::Retry) => State::Backoff,
        (
            State::Pending | State::Ready | State::Running | State::Asking | State::Backoff,
            Step::End(outcome),
        ) => State::Ended(outcome),
        (State::Ready | State::Running | State::Asking | State::Backoff, Step::Interrupt) => {
            State::Pending
        }
        (State::Ended(Outcome::Succeeded), Step::Undo) => State::RollingBack,
        (State::RollingBack, Step::Undone) => State::RolledBack,
        (State::RollingBack, Step::End(Outcome::Failed)) => State::Ended(Outcome::Failed),
        (state, step) => return Err(Illegal { state, step }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 8] = [
        State::Pending,
        State::Ready,
        State::Running,
        State::Asking,
        State::Backoff,
        State::Ended(Outcome::Succeeded),
        State::RollingBack,
        State::RolledBack,
    ];
    const STEPS: [Step; 9] = [
        Step::Decide,
        Step::Start,
        Step::Ask,
        Step::Answer,
        Step::Retry,
        Step::End(Outcome::Failed),
        Step::Interrupt,
        Step::Undo,
        Step::Undone,
    ];

    #[test]
    fn the_table_is_whole() {
        // One row a state, one column a step, `.` for what is illegal.
        let letter = |state| match state {
            Ok(State::Pending) => 'P',
            Ok(State::Ready) => 'R',
            Ok(State::Running) => 'X',
            Ok(State::Asking) => 'A',
            Ok(State::Backoff) => 'B',
            Ok(State::Ended(Outcome::Failed)) => 'F',
            Ok(State::Ended(_)) => 'E',
            Ok(State::RollingBack) => 'U',
            Ok(State::RolledBack) => 'D',
            Err(_) => '.',
        };
        let table: Vec<String> = STATES
            .iter()
            .map(|s| STEPS.iter().map(|e| letter(next(*s, *e))).collect())
            .collect();
        let expected = [
            "R....F...", // Pending
            ".X...FP..", // Ready
            "..A.BFP..", // Running
            "...X.FP..", // Asking
            ".X...FP..", // Backoff
            ".......U.", // Ended
            ".....F..D", // RollingBack
            ".........", // RolledBack
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn only_what_succeeded_is_taken_back() {
        for outcome in Outcome::ALL {
            let undo = next(State::Ended(outcome), Step::Undo);
            assert_eq!(undo.is_ok(), outcome == Outcome::Succeeded);
        }
    }
}
