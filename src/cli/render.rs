//! `plan render`: the plan with its inputs filled in and its groups expanded.

use std::collections::BTreeMap;

use super::args::RenderArgs;
use super::error::CliError;
use super::exit::Exit;
use super::load::{judge, load, slice};
use super::stdout;
use crate::check::{self, Purpose};

/// Prints every step as it would run.
pub(super) fn run(args: &RenderArgs) -> Result<Exit, CliError> {
    let loaded = load(&args.plan, Purpose::Render)?;
    let outcome = loaded.check(None, &BTreeMap::new(), &slice(&args.slice));
    judge(&outcome.diagnostics, &outcome.sources)?;
    if let Some(checked) = &outcome.checked {
        stdout(&check::render(checked))?;
    }
    Ok(Exit::Done)
}
