//! `plan approve`, `plan reject` and `plan cancel`: words to a run, from wherever.

use super::args::{AnswerArgs, CancelArgs};
use super::drive::{self, failed};
use super::error::CliError;
use super::exit::Exit;
use super::origin;
use crate::diagnostic::suggest::closest;
use crate::event::{Event, EventKind, RunResult};
use crate::journal::{Phase, RunDir, RunLock, RunState, StoreError};
use crate::model::NodeId;
use crate::report::command;
use crate::report::status::word;

/// Says yes or no at a gate.
pub(super) fn answer(args: &AnswerArgs, approve: bool) -> Result<Exit, CliError> {
    let dir =
        RunDir::find(&args.state.state_dir, Some(&args.run)).map_err(|error| failed(&error))?;
    let state = dir.state().map_err(|error| failed(&error))?;
    let node = NodeId::new(&args.step);
    let Some((_, gate)) = state.open_gates().find(|(id, _)| **id == node) else {
        let open: Vec<&str> = state.open_gates().map(|(id, _)| id.as_str()).collect();
        let error = CliError::usage(format!("no gate of {} waits at `{}`", dir.id(), args.step));
        return Err(match closest(&args.step, open.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None if open.is_empty() => {
                let status = command(&format!("status {}", dir.id()), Some(&args.state.state_dir));
                error.help(format!(
                    "no gate is open; `{status}` shows where the run stands"
                ))
            }
            None => error.help(format!("these wait: {}", open.join(", "))),
        });
    };
    let by = args.by.clone().unwrap_or_else(origin::user);
    dir.mailbox()
        .answer(&state, &node, approve, &by, origin::now())
        .map_err(|error| CliError::usage(error.to_string()))?;
    let word = if approve { "approved" } else { "rejected" };
    say!("{word} by {by}: {} ({})", args.step, gate.message);
    if !dir.is_held() {
        let resume = format!("resume {}", dir.id());
        say!("next: {}", command(&resume, Some(&args.state.state_dir)));
    }
    Ok(Exit::Done)
}

/// Stops a run; it can be resumed. A run whose process lives is asked to; one without a process ends here.
pub(super) async fn cancel(args: &CancelArgs) -> Result<Exit, CliError> {
    let dir =
        RunDir::find(&args.state.state_dir, Some(&args.run)).map_err(|error| failed(&error))?;
    let id = dir.id();
    let resume = command(&format!("resume {id}"), Some(&args.state.state_dir));
    match dir.lock(&drive::me()) {
        Ok(lock) => {
            let state = unended(&dir)?;
            end(&dir, lock, &state).await?;
            say!("{id} is cancelled; {resume} goes on");
            if state.phase == Phase::Open {
                say!(
                    "its process was gone: a lock that it left on the cluster ends by itself within a minute"
                );
            }
        }
        Err(StoreError::Held(_)) => {
            unended(&dir)?;
            dir.mailbox().cancel(&origin::user()).map_err(|error| {
                CliError::new(Exit::Failed, "the word could not be left").because(&error)
            })?;
            say!("{id} stops when its running calls have ended; {resume} goes on");
        }
        Err(error) => return Err(failed(&error)),
    }
    Ok(Exit::Done)
}

/// Where the run stands, if it has not ended.
fn unended(dir: &RunDir) -> Result<RunState, CliError> {
    let state = dir.state().map_err(|error| failed(&error))?;
    match state.phase {
        _ if !dir.has_begun() => Err(CliError::usage(format!(
            "{} has not begun: there is nothing to stop",
            dir.id()
        ))),
        Phase::Ended(_) => Err(CliError::usage(format!(
            "{} has ended already: {}",
            dir.id(),
            word(&state, false)
        ))),
        Phase::Open | Phase::Suspended(_) => Ok(state),
    }
}

/// Writes the end that no process is there to write.
async fn end(dir: &RunDir, lock: RunLock, state: &RunState) -> Result<(), CliError> {
    let unwritten = |error: &dyn std::error::Error| {
        CliError::new(Exit::Failed, "the journal could not be written").because(error)
    };
    let mut journal = dir.journal(lock).map_err(|error| failed(&error))?;
    let cancelled = Event {
        seq: state.seq + 1,
        at: origin::now(),
        event: EventKind::RunFinished {
            result: RunResult::Cancelled,
            message: format!("cancelled by {}", origin::user()),
        },
    };
    journal
        .append(&cancelled)
        .map_err(|error| unwritten(&error))?;
    journal.settle().await.map_err(|error| unwritten(&error))
}
