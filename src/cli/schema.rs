//! `plan schema` and `plan completions`: what other tools read.

use clap::CommandFactory as _;

use super::args::{Cli, CompletionsArgs, SchemaArgs, SchemaName};
use super::error::CliError;
use super::exit::Exit;
use super::stdout;
use crate::lab::scenario::Scenario;
use crate::model::schema::plan_schema;

/// Prints a JSON schema.
pub(super) fn run(args: &SchemaArgs) -> Result<Exit, CliError> {
    let schema = match args.name {
        SchemaName::Plan => plan_schema(),
        SchemaName::Scenario => Scenario::schema(),
    };
    stdout(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}

/// Prints a shell's completions.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, CliError> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "plan", &mut out);
    stdout(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Done)
}
