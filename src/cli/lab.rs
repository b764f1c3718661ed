//! `plan lab serve`: the embedded cluster for programs outside the process.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tempfile::TempPath;
use tokio::signal::unix::{SignalKind, signal};

use super::error::CliError;
use super::exit::Exit;
use super::{origin, scenario, stdout};

/// `plan lab`.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Serve it on a loopback port, for kubectl, istioctl and `plan run --kubeconfig`, and print its kubeconfig's path
    Serve(ServeArgs),
}

/// `plan lab serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// What it holds: a scenario's name or file, or a snapshot
    #[arg(default_value = "shop")]
    pub(crate) scenario: String,

    /// The port on 127.0.0.1; default: any free one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,

    /// Where the kubeconfig goes, a file that does not exist; default: a temporary one
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig_out: Option<PathBuf>,
}

/// Serves until SIGINT or SIGTERM; the kubeconfig goes with it.
pub(super) async fn serve(args: &ServeArgs) -> Result<Exit, CliError> {
    let broken = |error: &std::io::Error| CliError::new(Exit::Bug, "no signals").because(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| broken(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| broken(&error))?;
    let beginning = scenario::alone(scenario::read(&args.scenario)?.survivable()?);
    let lab = beginning.open(Some(origin::now()), 0).await?;
    lab.api.evaluate_rbac();
    let door = lab.api.open(args.port).await.map_err(|error| {
        CliError::usage(format!("port {} cannot be taken", args.port)).because(&error)
    })?;
    let url = door.url();
    let kubeconfig = write(args.kubeconfig_out.as_deref(), &door.kubeconfig())?;
    anstream::eprintln!("lab: {}, simulated in this process", beginning.inventory());
    anstream::eprintln!(
        "it serves {url} until Ctrl-C; export KUBECONFIG={}",
        kubeconfig.display()
    );
    if !lab.unready.is_empty() {
        let names = lab.unready.join(", ");
        anstream::eprintln!("not all workloads are ready yet in: {names}");
    }
    stdout(&format!("{}\n", kubeconfig.display()))?;
    tokio::select! {
        ended = door.serve() => {
            return Err(CliError::new(Exit::Failed, "the port is lost")
                .because(&ended.err().unwrap_or_else(|| std::io::ErrorKind::Other.into())));
        }
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(Exit::Done)
}

/// Writes a new file for the user alone, which is removed when the path is dropped.
fn write(path: Option<&Path>, text: &str) -> Result<TempPath, CliError> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    use std::io::Write as _;
    let failed = |error: std::io::Error| {
        CliError::usage("the kubeconfig cannot be written")
            .because(&error)
            .help("--kubeconfig-out takes a file that does not exist yet; it is removed at the end")
    };
    let Some(path) = path else {
        let mut file = tempfile::Builder::new()
            .prefix("plan-lab-")
            .suffix(".kubeconfig")
            .tempfile()
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        return Ok(file.into_temp_path());
    };
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let path =
        TempPath::try_from_path(fs_err::canonicalize(path).map_err(failed)?).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(path)
}
