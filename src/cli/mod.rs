//! The command line: the only place that knows the terminal, the environment and exit codes.

pub(crate) mod args;
mod error;
pub mod exit;
mod explain;
mod new;
mod schema;

use std::io::Write as _;
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
        Command::Explain(args) => explain::run(args),
        Command::Schema(args) => schema::run(args),
        Command::New(args) => new::run(args),
        Command::Completions(args) => schema::completions(args),
        _ => Err(CliError::usage("not yet")),
    }
}

/// Writes data to stdout; a reader that has gone away is no error.
fn stdout(text: &str) {
    let mut out = anstream::stdout().lock();
    let _closed_pipe = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
