//! `plan new`: a plan to begin with.

use super::args::NewArgs;
use super::error::CliError;
use super::exit::Exit;
use super::stdout;

/// The shipped canary upgrade: what most upgrades begin as.
const TEMPLATE: &str = include_str!("../../plans/upgrade-canary.yaml");

/// Writes the plan, never over a file that is there.
pub(super) fn run(args: &NewArgs) -> Result<Exit, CliError> {
    let Some(path) = &args.file else {
        stdout(TEMPLATE)?;
        return Ok(Exit::Done);
    };
    let file = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    let written =
        file.and_then(|mut file| std::io::Write::write_all(&mut file, TEMPLATE.as_bytes()));
    written.map_err(|error| CliError::usage(error.to_string()))?;
    say!(
        "wrote {}; next: plan validate {}",
        path.display(),
        path.display()
    );
    Ok(Exit::Done)
}
