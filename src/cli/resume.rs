//! `plan resume`: goes on where a run stood, with the plan as it was.

use std::path::PathBuf;
use std::sync::Arc;

use super::args::{ClusterArgs, ResumeArgs};
use super::drive::{Job, drive, failed};
use super::error::CliError;
use super::exit::Exit;
use super::load::{judge, recorded};
use super::source::Source;
use super::{connect, run, stderr};
use crate::check::{Purpose, Slice};
use crate::event::{Origin, RunResult};
use crate::journal::{Phase, RunDir, Stored};

/// Resumes a run.
pub(super) async fn run(args: &ResumeArgs) -> Result<Exit, CliError> {
    let dir =
        RunDir::find(&args.state.state_dir, Some(&args.run)).map_err(|error| failed(&error))?;
    let state = dir.state().map_err(|error| failed(&error))?;
    if state.phase == Phase::Ended(RunResult::Succeeded) {
        say!("{} has ended well; there is nothing to resume", dir.id());
        return Ok(Exit::Done);
    }
    if state.origin.is_lab() {
        let seed = dir.stored().ok().and_then(|stored| option(&stored, "seed"));
        let again = seed.map_or_else(String::new, |seed| format!(" --seed {seed}"));
        return Err(
            CliError::usage(format!("{} ran in a lab, which ended with it", dir.id()))
                .help(format!("`plan run FILE --lab{again}` runs it again")),
        );
    }
    let stored = dir.stored().map_err(|error| failed(&error))?;
    if !args.as_recorded {
        refuse_changes(&dir)?;
    }
    let plan = dir.plan_file().map_err(|error| failed(&error))?;
    let loaded = recorded(&plan, &stored.manifest.inputs, &args.inputs, Purpose::Run)?;
    if loaded.diagnostics().has_errors() {
        judge(loaded.diagnostics(), loaded.sources())?;
    }
    let (cluster, facts) = connect::connect(&cluster_args(args, &stored), false).await?;
    same_cluster(args, &state.origin, cluster.server())?;
    let looked_up = if dir.has_begun() {
        state.looked_up.clone()
    } else {
        connect::look_up(&loaded, &cluster).await?
    };
    let outcome = loaded.check(Some(&facts), &looked_up, &slice(&stored));
    judge(&outcome.diagnostics, &outcome.sources)?;
    let checked = outcome.checked.ok_or_else(run::unchecked)?;
    if state.phase == Phase::Ended(RunResult::Cancelled) {
        say!("run {} was cancelled: {}", dir.id(), state.message);
    }
    let job = Job {
        dir,
        prove: run::prove(&checked),
        checked: Arc::new(checked),
        cluster,
        looked_up,
        root: stored.manifest.base,
        simulated: None,
        source: Source::System,
        resume: Some(state),
    };
    drive(job, &args.drive, &args.state.state_dir).await
}

/// The plan that people look at and the one that would go on must be the same.
fn refuse_changes(dir: &RunDir) -> Result<(), CliError> {
    let changes = dir
        .changed_files(|path| fs_err::read(path).ok())
        .map_err(|error| failed(&error))?;
    if changes.is_empty() {
        return Ok(());
    }
    for change in &changes {
        let now = change.now.as_deref().map_or_else(String::new, |bytes| {
            String::from_utf8_lossy(bytes).into_owned()
        });
        let then = String::from_utf8_lossy(&change.then);
        let diff = similar::TextDiff::from_lines(&*then, &now);
        let names = (
            format!("{} (as recorded)", change.path),
            format!("{} (now)", change.path),
        );
        stderr(&diff.unified_diff().header(&names.0, &names.1).to_string());
    }
    let names: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    Err(CliError::new(
        Exit::Stale,
        format!("changed since the run began: {}", names.join(", ")),
    )
    .help("`--as-recorded` goes on with the plan as it was; a new plan is a new run"))
}

/// A kubeconfig of today may give another cluster the name that the run's had; flags say that it is meant.
fn same_cluster(args: &ResumeArgs, before: &Origin, server: &str) -> Result<(), CliError> {
    let meant = args.cluster.context.is_some() || args.cluster.kubeconfig.is_some();
    match &before.server {
        Some(then) if then != server && !meant => Err(CliError::usage(format!(
            "the run was on {then}, and its context leads to {server} now"
        ))
        .help("name the cluster with --kubeconfig or --context, if it is the same")),
        _ => Ok(()),
    }
}

/// The flags, and what the run began with where they are silent.
fn cluster_args(args: &ResumeArgs, stored: &Stored) -> ClusterArgs {
    let option = |name| option(stored, name);
    ClusterArgs {
        context: args.cluster.context.clone().or_else(|| option("context")),
        kubeconfig: args
            .cluster
            .kubeconfig
            .clone()
            .or_else(|| option("kubeconfig").map(PathBuf::from)),
        impersonate: args.cluster.impersonate.clone().or_else(|| option("as")),
    }
}

fn slice(stored: &Stored) -> Slice {
    let option = |name| option(stored, name);
    Slice {
        only: option("only"),
        from: option("from"),
        until: option("until"),
    }
}

/// A flag that the run began with.
fn option(stored: &Stored, name: &str) -> Option<String> {
    let value = stored.manifest.options.get(name)?;
    value.as_str().map(str::to_owned)
}
