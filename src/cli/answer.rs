//! `plan approve`, `plan reject` and `plan cancel`: words to a run, from wherever.

use super::args::{AnswerArgs, CancelArgs};
use super::drive::failed;
use super::error::CliError;
use super::exit::Exit;
use super::origin;
use crate::diagnostic::suggest::closest;
use crate::journal::{Phase, RunDir};
use crate::model::NodeId;

/// Says yes or no at a gate.
pub(super) fn answer(args: &AnswerArgs, approve: bool) -> Result<Exit, CliError> {
    let dir =
        RunDir::find(&args.state.state_dir, Some(&args.run)).map_err(|error| failed(&error))?;
    let state = dir.read().map_err(|error| failed(&error))?.state();
    let node = NodeId::new(&args.step);
    let Some((_, gate)) = state.open_gates().find(|(id, _)| **id == node) else {
        let open: Vec<&str> = state.open_gates().map(|(id, _)| id.as_str()).collect();
        let error = CliError::usage(format!("no gate of {} waits at `{}`", dir.id(), args.step));
        return Err(match closest(&args.step, open.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None if open.is_empty() => {
                error.help("no gate is open; `plan status` shows where the run stands")
            }
            None => error.help(format!("these wait: {}", open.join(", "))),
        });
    };
    let by = args.by.clone().unwrap_or_else(origin::user);
    dir.mailbox()
        .answer(&state, &node, approve, &by)
        .map_err(|error| CliError::usage(error.to_string()))?;
    let word = if approve { "approved" } else { "rejected" };
    anstream::eprintln!("{word} by {by}: {} ({})", args.step, gate.message);
    if !dir.is_held() {
        anstream::eprintln!("next: plan resume {}", dir.id());
    }
    Ok(Exit::Done)
}

/// Stops a run; it can be resumed.
pub(super) fn cancel(args: &CancelArgs) -> Result<Exit, CliError> {
    let dir =
        RunDir::find(&args.state.state_dir, Some(&args.run)).map_err(|error| failed(&error))?;
    let state = dir.read().map_err(|error| failed(&error))?.state();
    if let Phase::Ended(result) = state.phase {
        return Err(CliError::usage(format!(
            "{} has ended already: {result:?}",
            dir.id()
        )));
    }
    dir.mailbox().cancel(&origin::user()).map_err(|error| {
        CliError::new(Exit::Failed, "the word could not be left").because(&error)
    })?;
    if dir.is_held() {
        anstream::eprintln!(
            "{} stops when its running calls have ended; plan resume {} goes on",
            dir.id(),
            dir.id()
        );
    } else {
        anstream::eprintln!(
            "{} does not run; nothing further starts until it is resumed",
            dir.id()
        );
    }
    Ok(Exit::Done)
}
