//! `plan run`: check, then execute; or show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, json};

use super::args::RunArgs;
use super::drive::{Driven, Job, drive, failed};
use super::error::CliError;
use super::exit::Exit;
use super::load::{judge, load, slice};
use super::source::Source;
use super::{connect, dry_run, origin, scenario, style};
use crate::check::{Checked, ClusterFacts, Purpose, Role, Work};
use crate::cluster::Cluster;
use crate::journal::{Manifest, RunDir, StoreError, Stored, StoredFile};
use crate::lab::scenario::Lab;
use crate::model::action::ISTIO_SYSTEM;
use crate::model::{Action, NodeId, RunId};
use crate::steps::{Simulated, Steps, Workspace};

/// Checks the plan, looks at the cluster, asks, and runs.
pub(super) async fn run(args: &RunArgs) -> Result<Exit, CliError> {
    let loaded = load(&args.plan, Purpose::Run)?;
    // What is wrong with the text is said before the cluster is asked.
    if loaded.diagnostics().has_errors() {
        judge(loaded.diagnostics(), loaded.sources())?;
    }
    let ask = !(args.dry_run || args.lab.is_some() || args.drive.yes);
    if ask && !style::is_interactive() {
        return Err(CliError::usage("nobody is there to say yes")
            .help("pass --yes, or look first with --dry-run or --lab"));
    }
    let reports = if args.dry_run {
        dry_run::report_files(&args.drive.report)?
    } else {
        Vec::new()
    };
    let root = directory(&args.plan.file)?;
    let (lab, source, cluster, facts) = world(args).await?;
    let simulated = lab.as_ref().map(scenario::simulated);
    let looked_up = connect::look_up(&loaded, &cluster).await?;
    let outcome = loaded.check(Some(&facts), &looked_up, &slice(&args.slice));
    judge(&outcome.diagnostics, &outcome.sources)?;
    let checked = outcome.checked.ok_or_else(unchecked)?;
    if args.dry_run {
        let workspace = workspace(root.clone(), root, simulated);
        let steps = Steps::new(cluster, workspace);
        return dry_run::run(
            &checked,
            &steps,
            source.now(),
            args.drive.output,
            reports,
            args.detailed_exitcode,
        )
        .await;
    }
    if ask && !confirmed(&checked, cluster.context(), cluster.server()) {
        say!("nothing was changed");
        return Ok(Exit::Interrupted);
    }
    let stored = store(args, &checked, &root, &cluster, source);
    let dir = keep(args, checked.name(), source, &stored)?;
    let job = Job {
        dir,
        prove: prove(&checked),
        checked: Arc::new(checked),
        cluster,
        looked_up,
        root,
        simulated,
        source,
        resume: None,
        driven: Driven::of(&args.drive),
    };
    let dir = job.dir.clone();
    let ended = drive(job, &args.drive, &args.state.state_dir).await;
    if ended.is_err() && !dir.has_begun() {
        // There is nothing to resume, and nothing to keep.
        let _nothing_to_keep = fs_err::remove_dir_all(dir.path());
    }
    ended
}

/// Makes the directory of the new run, under a name that no other has.
fn keep(args: &RunArgs, plan: &str, source: Source, stored: &Stored) -> Result<RunDir, CliError> {
    let state_dir = &args.state.state_dir;
    if args.seed.is_some() {
        forget(state_dir, &source.run_id(plan, 0), stored)?;
    }
    let mut tries = 0;
    loop {
        match RunDir::create(state_dir, &source.run_id(plan, tries), stored) {
            Err(StoreError::Taken(_)) if tries < u16::MAX => tries += 1,
            made => return made.map_err(|error| failed(&error)),
        }
    }
}

/// A lab's run that is repeated from its seed takes the place of the one before: they are the same.
fn forget(state_dir: &Path, id: &RunId, stored: &Stored) -> Result<(), CliError> {
    let Ok(before) = RunDir::find(state_dir, Some(id.as_str())) else {
        return Ok(());
    };
    let seed = |stored: &Stored| stored.manifest.options.get("seed").cloned();
    let same = before
        .stored()
        .is_ok_and(|before| seed(&before) == seed(stored));
    if before.id() != id || before.is_held() || !same {
        return Ok(());
    }
    fs_err::remove_dir_all(before.path())
        .map_err(|error| CliError::new(Exit::Failed, error.to_string()))
}

/// The cluster that is meant: the user's, or a lab that lives as long as the run.
async fn world(args: &RunArgs) -> Result<(Option<Lab>, Source, Cluster, ClusterFacts), CliError> {
    let Some(scenario) = &args.lab else {
        let (cluster, facts) = connect::connect(&args.cluster, args.dry_run).await?;
        return Ok((None, Source::System, cluster, facts));
    };
    let drawn = || u64::try_from(origin::now().as_second()).unwrap_or_default();
    let seed = args.seed.unwrap_or_else(drawn);
    let scenario = scenario::read(scenario)?.survivable()?;
    let outcome =
        load(&args.plan, Purpose::Run)?.check(None, &BTreeMap::new(), &slice(&args.slice));
    if outcome.diagnostics.has_errors() {
        judge(&outcome.diagnostics, &outcome.sources)?;
    }
    let checked = outcome.checked.ok_or_else(unchecked)?;
    let scenario = scenario::fit(scenario, &checked)?;
    let (lab, cluster, facts) = connect::lab(&scenario, seed, args.dry_run).await?;
    let source = Source::lab(&lab, seed);
    Ok((Some(lab), source, cluster, facts))
}

/// Where a run's files are, and what stands in for the world in a lab.
pub(super) fn workspace(files: PathBuf, root: PathBuf, simulated: Option<Simulated>) -> Workspace {
    Workspace {
        files,
        root,
        path: origin::path(),
        simulated,
    }
}

pub(super) fn unchecked() -> CliError {
    CliError::new(Exit::Bug, "a plan without errors that cannot be run")
}

pub(super) fn directory(file: &Path) -> Result<PathBuf, CliError> {
    let full = fs_err::canonicalize(file).map_err(|error| CliError::usage(error.to_string()))?;
    Ok(full.parent().unwrap_or(Path::new("/")).to_path_buf())
}

/// The steps that the slice leaves out and that must prove done.
pub(super) fn prove(checked: &Checked) -> BTreeSet<NodeId> {
    checked.prove().clone()
}

fn confirmed(checked: &Checked, context: Option<&str>, server: &str) -> bool {
    let steps = checked
        .tasks()
        .iter()
        .filter(|task| matches!(task.role, Role::Step(_)))
        .count();
    let context = context.unwrap_or("in-cluster");
    let question = format!(
        "{}: {steps} steps on context {context} ({server}). Run it? [y/N]",
        checked.name()
    );
    matches!(style::ask(&question).as_deref(), Some("y" | "yes"))
}

fn store(
    args: &RunArgs,
    checked: &Checked,
    root: &Path,
    cluster: &Cluster,
    source: Source,
) -> Stored {
    let name = args
        .plan
        .file
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut options = Map::new();
    options.insert("context".to_owned(), json!(cluster.context()));
    // A resume may come from another directory.
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let kubeconfig = args.cluster.kubeconfig.as_ref().map(absolute);
    options.insert("kubeconfig".to_owned(), json!(kubeconfig));
    options.insert("as".to_owned(), json!(args.cluster.impersonate));
    options.insert("only".to_owned(), json!(args.slice.only));
    options.insert("from".to_owned(), json!(args.slice.from));
    options.insert("until".to_owned(), json!(args.slice.until));
    options.insert("driven".to_owned(), json!(Driven::of(&args.drive)));
    if source.is_lab() {
        options.insert("lab".to_owned(), json!(args.lab));
        options.insert("seed".to_owned(), json!(source.seed().to_string()));
    }
    Stored {
        manifest: Manifest {
            root: name,
            base: root.to_path_buf(),
            inputs: checked.inputs().clone(),
            origin: source.origin(cluster),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            options,
            digests: Map::new(),
        },
        files: checked
            .files()
            .iter()
            .map(|(path, bytes)| StoredFile {
                path: path.clone(),
                bytes: bytes.clone(),
            })
            .collect(),
    }
}

/// The Istio namespaces that the steps touch: each has a lock of its own.
pub(super) fn istio_namespaces(checked: &Checked) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = checked
        .tasks()
        .iter()
        .filter_map(|task| match &task.role {
            Role::Step(Work::Ready(action)) => Some(istio_namespace(action).to_owned()),
            Role::Step(Work::Deferred(..)) | Role::Open | Role::Wave | Role::Close { .. } => None,
        })
        .collect();
    if all.is_empty() {
        all.insert(ISTIO_SYSTEM.to_owned());
    }
    all
}

fn istio_namespace(action: &Action) -> &str {
    match action {
        Action::Precheck(step) => &step.istio_namespace,
        Action::InstallRevision(step) => &step.istio_namespace,
        Action::WaitReady(step) => &step.istio_namespace,
        Action::LabelNs(step) => &step.istio_namespace,
        Action::Restart(step) => &step.istio_namespace,
        Action::VerifyXds(step) => &step.istio_namespace,
        Action::Gate(step) => &step.istio_namespace,
    }
}
