//! The command line: the only place that knows the terminal, the environment and exit codes.

/// Says a line on stderr.
macro_rules! say {
    ($($words:tt)*) => {
        crate::cli::stderr(&format!("{}\n", crate::report::plain(&format!($($words)*))))
    };
}

mod answer;
pub(crate) mod args;
mod connect;
mod drive;
mod dry_run;
mod error;
pub mod exit;
mod explain;
mod graph;
mod lab;
mod load;
mod new;
mod origin;
mod rehearse;
mod render;
mod resume;
mod run;
mod scenario;
mod schema;
mod snapshot;
mod source;
mod status;
mod style;
mod terminal;
mod validate;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::{Cli, Command};
use error::CliError;
use exit::Exit;

/// How long tasks that were abandoned may hold up the end of the process.
const LINGER: Duration = Duration::from_millis(100);

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
    match log(&cli).and_then(|()| dispatch(&cli)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = error.exit();
            say!("{error}");
            exit.into()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Exit, CliError> {
    match &cli.command {
        Command::Run(args) if args.lab.is_some() => wait_in_lab(run::run(args)),
        Command::Run(args) => wait_for(run::run(args)),
        Command::Resume(args) => wait_for(resume::run(args)),
        Command::Rehearse(args) => rehearse::rehearse(args),
        Command::Validate(args) => validate::run(args),
        Command::Render(args) => render::run(args),
        Command::Graph(args) => graph::run(args),
        Command::Runs(args) => status::runs(args),
        Command::Status(args) => status::show(args),
        Command::Approve(args) => answer::answer(args, true),
        Command::Reject(args) => answer::answer(args, false),
        Command::Cancel(args) => wait_for(answer::cancel(args)),
        Command::Lab(lab::LabCommand::Serve(args)) => wait_for(lab::serve(args)),
        Command::Snapshot(args) => wait_for(snapshot::run(args)),
        Command::Explain(args) => explain::run(args),
        Command::Schema(args) => schema::run(args),
        Command::New(args) => new::run(args),
        Command::Completions(args) => schema::completions(args),
    }
}

/// Runs what talks to a cluster.
fn wait_for(work: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    wait_on(&mut tokio::runtime::Builder::new_multi_thread(), work)
}

/// Runs what happens in a lab: on one thread, and on time that passes when nothing else is left to do.
fn wait_in_lab<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    wait_on(builder.start_paused(true), work)
}

fn wait_on<T>(
    builder: &mut tokio::runtime::Builder,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Exit::Bug, "no runtime").because(&error))?;
    let ended = runtime.block_on(work);
    // A question at the terminal that nobody answers any more must not hold up the end.
    runtime.shutdown_timeout(LINGER);
    ended
}

/// Tracing goes to stderr, where it is asked for.
fn log(cli: &Cli) -> Result<(), CliError> {
    let level = match cli.verbose {
        0 => None,
        1 => Some("plan=debug"),
        2 => Some("plan=debug,kube=debug,hyper=info"),
        _ => Some("trace"),
    };
    let Some(filter) = cli.log.as_deref().or(level) else {
        return Ok(());
    };
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| CliError::usage(format!("--log: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

/// Writes to stderr; that nobody reads it any more is no error.
fn stderr(text: &str) {
    let mut err = anstream::stderr().lock();
    let _closed_pipe = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Writes data to stdout as it is: whether it has colours was decided with [`style`]. A reader that has gone away is no
/// error; a disk that is full is one.
fn stdout(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Exit::Failed, "stdout cannot be written").because(&error))
        }
        _ => Ok(()),
    }
}
