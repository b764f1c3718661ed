//! `plan status` and `plan runs`: where runs stand.

use serde_json::json;

use super::args::{Output, RunsArgs, StatusArgs};
use super::drive::failed;
use super::error::CliError;
use super::exit::Exit;
use super::{origin, stdout};
use crate::journal::RunDir;
use crate::report::status;

/// Shows one run.
pub(super) fn show(args: &StatusArgs) -> Result<Exit, CliError> {
    let dir =
        RunDir::find(&args.state.state_dir, args.run.as_deref()).map_err(|error| failed(&error))?;
    match args.output {
        Output::Text => {
            let mut state = dir.state().map_err(|error| failed(&error))?;
            dir.mailbox().read_into(&mut state);
            stdout(&status::status(&state, dir.is_held(), origin::now()))?;
        }
        Output::Json => {
            let recorded = dir.read().map_err(|error| failed(&error))?;
            for event in &recorded.events {
                let line = serde_json::to_string(event).map_err(|error| {
                    CliError::new(Exit::Bug, "an event that cannot be written").because(&error)
                })?;
                stdout(&format!("{line}\n"))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// Lists all runs, the newest first.
pub(super) fn runs(args: &RunsArgs) -> Result<Exit, CliError> {
    let dirs = RunDir::list(&args.state.state_dir).map_err(|error| failed(&error))?;
    let mut rows = Vec::new();
    for dir in &dirs {
        rows.push((dir, dir.state()));
    }
    match args.output {
        Output::Json => {
            let all: Vec<_> = rows
                .iter()
                .map(|(dir, state)| match state {
                    Ok(state) => json!({
                        "run": dir.id(), "plan": state.plan, "state": status::word(state, dir.is_held()),
                        "started": state.started, "by": state.origin,
                    }),
                    Err(error) => json!({ "run": dir.id(), "state": "unreadable", "error": error.to_string() }),
                })
                .collect();
            stdout(&format!("{:#}\n", json!(all)))?;
        }
        Output::Text if rows.is_empty() => {
            say!("no runs in {}", args.state.state_dir.display());
        }
        Output::Text => {
            for (dir, state) in &rows {
                let row = match state {
                    Ok(state) => status::row(state, dir.is_held(), origin::now()),
                    Err(error) => format!("{}  unreadable: {error}", dir.id()),
                };
                stdout(&format!("{row}\n"))?;
            }
        }
    }
    Ok(Exit::Done)
}
