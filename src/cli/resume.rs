//! `plan resume`: goes on where a run stood, with the plan as it was.

use std::path::PathBuf;
use std::sync::Arc;

use super::args::{ClusterArgs, ResumeArgs};
use super::drive::{Driven, Job, drive, failed, report_ended};
use super::error::CliError;
use super::exit::Exit;
use super::load::{judge, recorded};
use super::source::Source;
use super::{connect, run, stderr};
use crate::check::{Purpose, Slice};
use crate::cluster::Cluster;
use crate::event::{Origin, RunResult};
use crate::journal::{Phase, RunDir, Stored};
use crate::report::quoted;

/// Resumes a run.
pub(super) async fn run(args: &ResumeArgs) -> Result<Exit, CliError> {
    let dir =
        RunDir::find(&args.state.state_dir, Some(&args.run)).map_err(|error| failed(&error))?;
    let state = dir.state().map_err(|error| failed(&error))?;
    if state.phase == Phase::Ended(RunResult::Succeeded) {
        report_ended(&args.drive, &state)?;
        say!("{} has ended well; there is nothing to resume", dir.id());
        return Ok(Exit::Done);
    }
    if state.origin.is_lab() {
        let stored = dir.stored().ok();
        let option = |name| stored.as_ref().and_then(|stored| option(stored, name));
        let lab = option("lab").filter(|lab| lab != "shop");
        let lab = lab.map_or_else(String::new, |lab| format!("={}", quoted(&lab)));
        let seed = option("seed").map_or_else(String::new, |seed| format!(" --seed {seed}"));
        let again = format!("{lab}{seed}");
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
    same_cluster(args, [&stored.manifest.origin, &state.origin], &cluster)?;
    let looked_up = if dir.has_begun() {
        state.looked_up.clone()
    } else {
        connect::look_up(&loaded, &cluster).await?
    };
    let outcome = loaded.check(Some(&facts), &looked_up, &slice(&stored));
    judge(&outcome.diagnostics, &outcome.sources)?;
    let checked = outcome.checked.ok_or_else(run::unchecked)?;
    if state.phase == Phase::Ended(RunResult::Cancelled) {
        // What follows are the numbers of what it had done.
        let reason = state.message.split(';').next().unwrap_or_default();
        say!("run {} was cancelled: {reason}", dir.id());
    }
    let driven = stored.manifest.options.get("driven").cloned();
    let driven = driven.and_then(|driven| serde_json::from_value(driven).ok());
    let driven: Driven = driven.unwrap_or_default();
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
        driven,
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

/// A run goes on where it began. A cluster that does not tell which one it is is known by its address: flags say that
/// another one is meant.
fn same_cluster(
    args: &ResumeArgs,
    before: [&Origin; 2],
    cluster: &Cluster,
) -> Result<(), CliError> {
    let then = before.iter().find_map(|origin| origin.cluster.as_deref());
    let [_, last] = before;
    let server = cluster.server();
    if let (Some(then), Some(now)) = (then, cluster.identity()) {
        if then == now {
            return Ok(());
        }
        let at = last.server.as_deref().unwrap_or("another address");
        return Err(CliError::new(
            Exit::Stale,
            format!("the run was on another cluster: on {at}, and this is {server}"),
        )
        .help(format!(
            "its namespace kube-system had the UID {then}, that of this one has {now}; a plan for another cluster is a new run"
        )));
    }
    let meant = args.cluster.context.is_some() || args.cluster.kubeconfig.is_some();
    match &last.server {
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
