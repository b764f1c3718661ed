//! `plan approve`, `plan reject` and `plan cancel`: words to a run, from wherever.

use super::args::{AnswerArgs, CancelArgs};
use super::drive::{self, failed};
use super::error::CliError;
use super::exit::Exit;
use super::origin;
use crate::diagnostic::suggest::closest;
use crate::event::{Event, EventKind, RunResult};
use crate::journal::{AnswerError, Gate, Phase, RunDir, RunLock, RunState, StoreError, decided};
use crate::model::{NodeId, Outcome};
use crate::report::command;
use crate::report::status::word;

/// Says yes or no at a gate.
pub(super) fn answer(args: &AnswerArgs, approve: bool) -> Result<Exit, CliError> {
    let dir =
        RunDir::find(&args.state.state_dir, Some(&args.run)).map_err(|error| failed(&error))?;
    let state = dir.state().map_err(|error| failed(&error))?;
    let by = args.by.clone().unwrap_or_else(origin::user);
    let by = by.trim();
    let gates = named(&state, &args.step);
    if gates.is_empty() {
        return Err(not_open(args, &dir, &state));
    }
    let (mut refused, mut taken) = (None, false);
    for (node, gate) in gates {
        let answered = dir
            .mailbox()
            .answer(&state, node, approve, by, origin::now());
        match answered {
            Ok(()) => {
                let word = if approve { "approved" } else { "rejected" };
                say!("{word} by {by}: {node} ({})", gate.message);
                taken = true;
            }
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    match refused {
        Some(error) if !taken => return Err(untaken(&error)),
        Some(error) => say!("{error}"),
        None => {}
    }
    if !dir.is_held() {
        let resume = format!("resume {}", dir.id());
        say!("next: {}", command(&resume, Some(&args.state.state_dir)));
    }
    Ok(Exit::Done)
}

/// The open gates that a name means: as with `--approve`, a step stands for all of its items, and `all` for each.
fn named<'s>(state: &'s RunState, name: &str) -> Vec<(&'s NodeId, &'s Gate)> {
    if let Some(one) = state.open_gates().find(|(id, _)| id.as_str() == name) {
        return vec![one];
    }
    let meant = |(id, _): &(&NodeId, &Gate)| name == "all" || id.without_items() == name;
    state.open_gates().filter(meant).collect()
}

fn untaken(error: &AnswerError) -> CliError {
    let told = error.to_string();
    match error {
        AnswerError::Io { source, .. } => CliError::new(Exit::Failed, told).because(source),
        _ => CliError::usage(told),
    }
}

/// Why there is nothing to answer: no such gate, or one that was decided.
fn not_open(args: &AnswerArgs, dir: &RunDir, state: &RunState) -> CliError {
    let step = &args.step;
    let was_open = state.nodes.iter().find(|(id, node)| {
        (id.as_str() == step || id.without_items() == *step)
            && node.openings > 0
            && node.outcome.is_some()
    });
    if let Some((id, node)) = was_open {
        let approved = node.outcome == Some(Outcome::Succeeded);
        let how = match node.outputs.get("by").and_then(|by| by.as_str()) {
            Some(by) => decided(approved, by),
            None => node.message.clone(),
        };
        return CliError::usage(format!("`{id}` is decided already: {how}"));
    }
    let open: Vec<&str> = state.open_gates().map(|(id, _)| id.as_str()).collect();
    let error = CliError::usage(format!("no gate of {} waits at `{step}`", dir.id()));
    match closest(step, open.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None if open.is_empty() => {
            let status = command(&format!("status {}", dir.id()), Some(&args.state.state_dir));
            error.help(format!(
                "no gate is open; `{status}` shows where the run stands"
            ))
        }
        None => error.help(format!("these wait: {}", open.join(", "))),
    }
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
            unattended: true,
        },
    };
    journal
        .append(&cancelled)
        .map_err(|error| unwritten(&error))?;
    journal.settle().await.map_err(|error| unwritten(&error))
}
