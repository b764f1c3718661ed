//! Driving a run: its locks, its journal, its reports, signals, people, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressDrawTarget;
use serde::{Deserialize, Serialize};

use super::args::{DriveArgs, Output, ReportFile, ReportKind};
use super::error::CliError;
use super::exit::Exit;
use super::source::Source;
use super::terminal::Terminal;
use super::{connect, origin, style};
use crate::check::{Checked, Role, Task, Work};
use crate::cluster::Cluster;
use crate::diagnostic::suggest::closest;
use crate::engine::{
    self, Approve, Control, EngineError, Gatekeeper, Options, Orders, Run, RunEnd, RunOutcome,
};
use crate::event::RunResult;
use crate::journal::{RunDir, RunState, StoreError};
use crate::model::{Action, Kind, NodeId, RunId, Span};
use crate::report::{self, Reporter, Screen};
use crate::steps::{Simulated, Steps};

/// What is to be run.
pub(super) struct Job {
    /// Its directory.
    pub(super) dir: RunDir,
    /// The plan.
    pub(super) checked: Arc<Checked>,
    /// The cluster.
    pub(super) cluster: Cluster,
    /// What `for_each` found there.
    pub(super) looked_up: BTreeMap<String, Vec<String>>,
    /// The steps outside of the slice, which must prove done.
    pub(super) prove: BTreeSet<NodeId>,
    /// The directory of the plan, for what is not copied.
    pub(super) root: PathBuf,
    /// Where the cluster is a lab, what stands in for the world outside: approvals are granted, nothing is asked.
    pub(super) simulated: Option<Simulated>,
    /// Where its time, its chance and its name come from.
    pub(super) source: Source,
    /// Where the run stood, when it is taken up again.
    pub(super) resume: Option<RunState>,
    /// How it was driven before.
    pub(super) driven: Driven,
}

/// How a run is driven, as far as it is said: what a resume takes over where its flags are silent.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Driven {
    concurrency: Option<u32>,
    keep_going: Option<bool>,
    timeout: Option<Span>,
}

impl Driven {
    /// What the flags say.
    pub(super) fn of(args: &DriveArgs) -> Self {
        Self {
            concurrency: args.concurrency,
            keep_going: args.keep_going,
            timeout: args.timeout,
        }
    }

    /// What the flags say, and this where they are silent.
    fn under(self, args: &DriveArgs) -> Self {
        let flags = Self::of(args);
        Self {
            concurrency: flags.concurrency.or(self.concurrency),
            keep_going: flags.keep_going.or(self.keep_going),
            timeout: flags.timeout.or(self.timeout),
        }
    }
}

/// Runs it to its end, or until it must wait for people.
pub(super) async fn drive(job: Job, args: &DriveArgs, state_dir: &Path) -> Result<Exit, CliError> {
    let id = job.dir.id().clone();
    approvals(&job.checked, &args.approve)?;
    let files = report_files(&args.report)?;
    let lock = job.dir.lock(&me()).map_err(|error| match error {
        StoreError::Held(_) => {
            let say = |words: &str| report::command(&format!("{words} {id}"), Some(state_dir));
            let (status, cancel) = (say("status"), say("cancel"));
            CliError::new(Exit::Locked, error.to_string()).help(format!(
                "`{status}` shows how far it is; `{cancel}` ends it"
            ))
        }
        _ => failed(&error),
    })?;
    let namespaces = super::run::istio_namespaces(&job.checked);
    let leases = connect::lock(&job.cluster, &namespaces, &id, &job.source, state_dir).await?;
    let leases = Arc::new(leases);
    let mut journal = job.dir.journal(lock).map_err(|error| failed(&error))?;
    if job.source.is_lab() {
        journal = journal.in_turn();
    }
    let plan = job.dir.plan_file().map_err(|error| failed(&error))?;
    let copies = plan.parent().unwrap_or(&job.root).to_path_buf();
    let workspace = super::run::workspace(copies, job.root.clone(), job.simulated.clone());
    let again = if job.resume.is_some() { " goes on" } else { "" };
    say!("run {id}{again} ({})", job.dir.path().display());
    let (reporters, screen) = reporters(args, files, job.source.is_lab());
    let (control, orders) = Control::channel();
    let signals = tokio::spawn(signals(control));
    let run = Run {
        id: id.clone(),
        execute: Arc::new(Steps::new(job.cluster.clone(), workspace)),
        journal,
        reporters,
        clock: job.source.clock(),
        options: options(&job, args, state_dir),
        gatekeeper: style::is_interactive()
            .then(|| Arc::new(Terminal::new(screen)) as Arc<dyn Gatekeeper>),
        lease: Some(Arc::clone(&leases) as Arc<dyn engine::Lease>),
        // A lab's hours are over before anybody could say something.
        mailbox: (!job.source.is_lab()).then(|| job.dir.mailbox()),
        resume: job.resume,
        checked: job.checked,
    };
    let goes_on = report::command(&format!("resume {id}"), Some(state_dir));
    let outcome = run_to_end(run, orders, &job.dir, &goes_on).await;
    signals.abort();
    if let Ok(leases) = Arc::try_unwrap(leases) {
        leases.release().await;
    }
    let outcome = outcome?;
    if args.output == Output::Json {
        // The other outputs say it themselves.
        for line in report::next(&outcome.state) {
            say!("{line}");
        }
    }
    Ok(exit(&outcome.end))
}

async fn run_to_end(
    run: Run,
    orders: Orders,
    dir: &RunDir,
    goes_on: &str,
) -> Result<RunOutcome, CliError> {
    let outcome = engine::run(run, orders).await.map_err(|error| {
        let (exit, cause) = match &error {
            EngineError::Journal(_) => (Exit::Failed, "the cause is mended"),
            EngineError::Illegal(_) | EngineError::Stuck(_) => (Exit::Bug, "it is"),
        };
        let help = if dir.has_begun() {
            format!("nothing further was changed; `{goes_on}` goes on when {cause}")
        } else {
            "nothing was begun, and nothing of the run is kept: run it again when the cause is mended".to_owned()
        };
        CliError::new(exit, "the run cannot go on")
            .because(&error)
            .help(help)
    })?;
    match &outcome.report {
        // A reader that has gone away has seen what it wanted.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Exit::Failed, "a report could not be written").because(error))
        }
        _ => Ok(outcome),
    }
}

fn exit(end: &RunEnd) -> Exit {
    match end {
        RunEnd::Finished(RunResult::Succeeded) => Exit::Done,
        RunEnd::Finished(RunResult::Failed | RunResult::TimedOut) => Exit::Failed,
        RunEnd::Finished(RunResult::Rejected) | RunEnd::Suspended(_) => Exit::Gate,
        RunEnd::Finished(RunResult::Interrupted | RunResult::Cancelled) => Exit::Interrupted,
    }
}

fn options(job: &Job, args: &DriveArgs, state_dir: &Path) -> Options {
    let (driven, usual) = (job.driven.under(args), Options::default());
    Options {
        concurrency: driven.concurrency.map_or(usual.concurrency, |many| {
            usize::try_from(many).unwrap_or(usize::MAX)
        }),
        keep_going: driven.keep_going.unwrap_or(usual.keep_going),
        timeout: driven.timeout,
        seed: job.source.seed(),
        approve: Approve {
            simulated: job.simulated.is_some(),
            all: args.approve.iter().any(|step| step == "all"),
            steps: args.approve.iter().cloned().collect(),
        },
        origin: job.source.origin(&job.cluster),
        looked_up: job.looked_up.clone(),
        prove: job.prove.clone(),
        state_dir: Some(state_dir.to_path_buf()),
    }
}

/// That each gate which is approved beforehand is one that asks.
fn approvals(checked: &Checked, names: &[String]) -> Result<(), CliError> {
    let asks = |task: &&Task| match &task.role {
        Role::Step(Work::Ready(action)) => {
            matches!(&**action, Action::Gate(gate) if gate.approval.is_some())
        }
        Role::Step(Work::Deferred(kind, _)) => *kind == Kind::Gate,
        _ => false,
    };
    let gates: Vec<&NodeId> = checked
        .tasks()
        .iter()
        .filter(asks)
        .map(|task| &task.id)
        .collect();
    let known: BTreeSet<String> = gates
        .iter()
        .flat_map(|gate| [gate.to_string(), gate.without_items()])
        .collect();
    let Some(wrong) = names
        .iter()
        .find(|name| *name != "all" && !known.contains(*name))
    else {
        return Ok(());
    };
    let error = CliError::usage(format!(
        "`--approve {wrong}`: no approval of that name is asked for"
    ));
    let names = || known.iter().map(String::as_str);
    Err(match closest(wrong, names()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => error.help("this run asks for none"),
        None => error.help(format!(
            "it asks for: {}",
            names().collect::<Vec<_>>().join(", ")
        )),
    })
}

/// Writes the reports of a run that has ended.
pub(super) fn report_ended(args: &DriveArgs, state: &RunState) -> Result<(), CliError> {
    let reports = report_files(&args.report)?.into_iter().map(report_file);
    for mut report in reports {
        report.finish(state).map_err(|error| {
            CliError::new(Exit::Failed, "a report could not be written").because(&error)
        })?;
    }
    Ok(())
}

fn report_file((kind, out): (ReportKind, fs_err::File)) -> Box<dyn Reporter> {
    match kind {
        ReportKind::Junit => Box::new(report::Junit::new(Box::new(out))),
        ReportKind::Markdown => Box::new(report::Markdown::new(Box::new(out))),
    }
}

/// Makes the report files: one that cannot be written is told before anything begins.
pub(super) fn report_files(
    reports: &[ReportFile],
) -> Result<Vec<(ReportKind, fs_err::File)>, CliError> {
    let make = |file: &ReportFile| {
        let out =
            fs_err::File::create(&file.path).map_err(|error| CliError::usage(error.to_string()))?;
        Ok((file.kind, out))
    };
    reports.iter().map(make).collect()
}

/// The reports, and the screen where progress is drawn.
fn reporters(
    args: &DriveArgs,
    files: Vec<(ReportKind, fs_err::File)>,
    lab: bool,
) -> (Vec<Box<dyn Reporter>>, Option<Screen>) {
    let mut all: Vec<Box<dyn Reporter>> = Vec::new();
    let mut screen = None;
    match args.output {
        Output::Json => all.push(Box::new(report::Json::new(Box::new(std::io::stdout())))),
        Output::Text if style::is_terminal() => {
            let drawn = Screen::new(ProgressDrawTarget::stderr, Box::new(std::io::stderr()));
            let progress = report::Progress::new(drawn.clone());
            screen = Some(drawn);
            if lab {
                all.push(Box::new(report::Paced::new(progress)));
            } else {
                all.push(Box::new(progress));
            }
        }
        Output::Text => all.push(Box::new(report::Text::new(Box::new(std::io::stdout())))),
    }
    all.extend(files.into_iter().map(report_file));
    (all, screen)
}

/// Passes SIGINT, SIGTERM and SIGHUP on to the run: who loses the terminal wants a run that can go on.
async fn signals(control: Control) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        control.interrupt();
    }
}

/// What this process says of itself in the lock of a run.
pub(super) fn me() -> String {
    format!(
        "process {} of {} on {}",
        std::process::id(),
        origin::user(),
        origin::host()
    )
}

/// A run that is not there is wrong usage; anything else is the file system's.
pub(super) fn failed(error: &StoreError) -> CliError {
    match error {
        StoreError::NoRuns(_) => CliError::usage(error.to_string())
            .help("`plan run FILE` begins one; `--state-dir` says where runs are kept"),
        StoreError::Unknown { run, runs } => {
            let told = CliError::usage(error.to_string());
            match closest(run, runs.iter().map(RunId::as_str)) {
                Some(near) => told.help(format!("did you mean `{near}`?")),
                None => told.help("`plan runs` lists them; `--state-dir` says where runs are kept"),
            }
        }
        StoreError::Ambiguous { .. } => {
            CliError::usage(error.to_string()).help("type more of its id")
        }
        StoreError::Unreadable { .. } => {
            CliError::new(Exit::Failed, "the run cannot be read").because(error)
        }
        _ => CliError::new(Exit::Failed, "the run's directory is of no use").because(error),
    }
}
