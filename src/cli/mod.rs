//! The command line: the only place that knows the terminal, the environment and exit codes.

mod args;
mod error;
pub mod exit;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::{Cli, Command};
use error::CliError;
use exit::Exit;

/// Parses the arguments, runs the command, and maps its outcome to the documented exit codes.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _closed_pipe = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
                _ => Exit::Usage.into(),
            };
        }
    };
    match dispatch(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = error.exit();
            anstream::eprintln!("{error}");
            exit.into()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Exit, CliError> {
    match &cli.command {
        _ => Err(CliError::usage("not yet")),
    }
}
