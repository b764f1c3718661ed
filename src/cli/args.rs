//! The flags, as the user types them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::lab::LabCommand;
use super::rehearse::RehearseArgs;
use super::snapshot::SnapshotArgs;
use crate::journal::STATE_DIR;
use crate::model::Span;

/// Declarative Istio upgrades: reviewed, rehearsed, reversible.
#[derive(Debug, Parser)]
#[command(name = "plan", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say more on stderr; repeat for yet more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// What to log, as tracing's directives: `plan=debug,kube=trace`
    #[arg(long, global = true, value_name = "FILTER", env = "PLAN_LOG")]
    pub(crate) log: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a plan, then execute it
    Run(Box<RunArgs>),
    /// Try a plan in the lab again and again, with faults, and tell what came of it
    Rehearse(RehearseArgs),
    /// Check plans and show what is wrong
    Validate(ValidateArgs),
    /// Show the resolved plan
    Render(RenderArgs),
    /// Draw the graph
    Graph(GraphArgs),
    /// List the runs
    Runs(RunsArgs),
    /// Show where a run stands
    Status(StatusArgs),
    /// Go on with a run that ended early
    Resume(Box<ResumeArgs>),
    /// Say yes at a gate
    Approve(AnswerArgs),
    /// Say no at a gate
    Reject(AnswerArgs),
    /// Stop a run; it can be resumed
    Cancel(CancelArgs),
    /// The embedded cluster
    #[command(subcommand)]
    Lab(LabCommand),
    /// Take a snapshot of a cluster, to rehearse against
    Snapshot(SnapshotArgs),
    /// Explain a step kind, a diagnostic code, expressions, the exit codes, the lab, or rehearsals
    Explain(ExplainArgs),
    /// Print a JSON schema
    Schema(SchemaArgs),
    /// Write a plan to begin with
    New(NewArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

/// Which plan, with which inputs.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The plan
    pub(crate) file: PathBuf,

    /// An input's value: a list as a,b or JSON, a map as JSON, anything else as it stands; repeatable, the last wins
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_set)]
    pub(crate) set: Vec<(String, String)>,

    /// A YAML file of input values; repeatable, the last wins
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: Vec<PathBuf>,
}

/// Which part of the plan.
#[derive(Debug, Args)]
pub(crate) struct SliceArgs {
    /// This step alone; what it needs must prove done
    #[arg(long, value_name = "STEP", conflicts_with_all = ["from", "until"])]
    pub(crate) only: Option<String>,

    /// This step and all that follows; what it needs must prove done
    #[arg(long, value_name = "STEP")]
    pub(crate) from: Option<String>,

    /// This step and all that it needs
    #[arg(long, value_name = "STEP")]
    pub(crate) until: Option<String>,
}

/// Which cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// The kubeconfig's context; default: its current one
    #[arg(long)]
    pub(crate) context: Option<String>,

    /// The kubeconfig; default: $KUBECONFIG, ~/.kube/config, then the pod's service account
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// The user to impersonate
    #[arg(long = "as", value_name = "USER")]
    pub(crate) impersonate: Option<String>,
}

/// Where runs are kept.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// The directory that holds the runs
    #[arg(
        long,
        value_name = "DIR",
        default_value = STATE_DIR,
        env = "PLAN_STATE_DIR"
    )]
    pub(crate) state_dir: PathBuf,
}

/// How a run is driven and shown.
#[derive(Debug, Args)]
pub(crate) struct DriveArgs {
    /// Skip the question before the start; required where there is no terminal
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Approve a gate beforehand, by its name or, for all items of a group, without the item (`migrate.accept`); `all` for each; repeatable
    #[arg(long, value_name = "STEP")]
    pub(crate) approve: Vec<String>,

    /// How many steps may run at once [default: 8; of a run that goes on, what it began with]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: Option<u32>,

    /// After a failure, finish the branches that do not depend on it; `--keep-going=false` where a run that goes on began with it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) keep_going: Option<bool>,

    /// The longest that the run may take, such as 90m or 4h, without the time that it waits suspended; stronger than the plan's own
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub(crate) timeout: Option<Span>,

    /// What stdout carries: text for people, or the journal's events as JSON, one a line
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Output,

    /// A report file at the end: junit=FILE or markdown=FILE; repeatable; of a dry run, markdown=FILE
    #[arg(long, value_name = "KIND=FILE", value_parser = parse_report)]
    pub(crate) report: Vec<ReportFile>,
}

/// `plan run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  plan run upgrade.yaml --lab
  plan run upgrade.yaml --dry-run --set namespaces=shop,pay
  plan run upgrade.yaml --yes --approve accept --report junit=report.xml

`plan explain exit-codes` says what the exit code means.")]
pub(crate) struct RunArgs {
    /// The plan and its inputs.
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// The part of it.
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
    /// The cluster.
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where the run is kept.
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// How it is driven.
    #[command(flatten)]
    pub(crate) drive: DriveArgs,

    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Run against the embedded cluster, simulated in the process: a scenario's name or file, or a snapshot (see `plan explain lab`)
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, require_equals = true, default_missing_value = "shop",
          conflicts_with_all = ["context", "kubeconfig", "impersonate"])]
    pub(crate) lab: Option<String>,

    /// With --lab: where time, names and chance come from; a run repeats from its seed [default: a new one each time]
    #[arg(long, value_name = "N", requires = "lab")]
    pub(crate) seed: Option<u64>,

    /// With --dry-run: exit 2 where something would change
    #[arg(long, requires = "dry_run")]
    pub(crate) detailed_exitcode: bool,
}

/// `plan resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run; a unique beginning of its id is enough
    pub(crate) run: String,
    /// The cluster; its default is what the run began with.
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where the run is kept.
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// How it is driven.
    #[command(flatten)]
    pub(crate) drive: DriveArgs,

    /// A YAML file with the sensitive inputs, which no run keeps; all others stay as they were
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Go on with the plan as it was, although its files have changed
    #[arg(long)]
    pub(crate) as_recorded: bool,
}

/// `plan validate`.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The plans
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// An input's value: a list as a,b or JSON, a map as JSON, anything else as it stands; repeatable, the last wins
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_set)]
    pub(crate) set: Vec<(String, String)>,

    /// A YAML file of input values; repeatable, the last wins
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: Vec<PathBuf>,

    /// How problems are shown
    #[arg(long, value_enum, default_value = "full")]
    pub(crate) format: DiagnosticFormat,

    /// Treat these as errors
    #[arg(long, value_enum)]
    pub(crate) deny: Option<Deny>,
}

/// `plan render`.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// The plan and its inputs.
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// The part of it.
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
}

/// `plan graph`.
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The plan and its inputs.
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// The part of it.
    #[command(flatten)]
    pub(crate) slice: SliceArgs,

    /// How it is drawn
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: GraphFormat,

    /// Say why each edge is there
    #[arg(long)]
    pub(crate) why: bool,
}

/// `plan runs`.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Where the runs are kept.
    #[command(flatten)]
    pub(crate) state: StateArgs,

    /// How they are shown
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Output,
}

/// `plan status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The run; the newest where none is named
    pub(crate) run: Option<String>,
    /// Where the run is kept.
    #[command(flatten)]
    pub(crate) state: StateArgs,

    /// How it is shown
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Output,
}

/// `plan approve` and `plan reject`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The run; a unique beginning of its id is enough
    pub(crate) run: String,
    /// The gate, by its name or, for all items of a group, without the item (`migrate.accept`); `all` for each that waits
    pub(crate) step: String,
    /// Where the run is kept.
    #[command(flatten)]
    pub(crate) state: StateArgs,

    /// Who decides, in the journal; default: $USER
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

/// `plan cancel`.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run; a unique beginning of its id is enough
    pub(crate) run: String,
    /// Where the run is kept.
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

/// `plan explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A step kind, a diagnostic code, `expressions`, `exit-codes`, `lab` or `rehearse`; default: a list of them all
    pub(crate) topic: Option<String>,
}

/// `plan schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The file that it describes
    #[arg(value_enum, default_value = "plan")]
    pub(crate) name: SchemaName,
}

/// `plan new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The file to write; stdout where none is named
    pub(crate) file: Option<PathBuf>,
}

/// `plan completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// What stdout carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How diagnostics are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiagnosticFormat {
    /// With snippet and help.
    Full,
    /// `file:line:col: error[CODE]: message`.
    Concise,
    /// An array of objects.
    Json,
    /// GitHub workflow commands.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// How the graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For a terminal.
    Text,
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// For programs.
    Json,
}

/// What `--deny` turns into errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deny {
    /// Warnings.
    Warnings,
}

/// The schemas that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// The plan file.
    Plan,
    /// The file of a scenario for the lab.
    Scenario,
}

/// A report file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportFile {
    /// Its kind.
    pub(crate) kind: ReportKind,
    /// Where it goes.
    pub(crate) path: PathBuf,
}

/// The kinds of report files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportKind {
    /// JUnit XML.
    Junit,
    /// Markdown.
    Markdown,
}

fn parse_set(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write NAME=VALUE, for example --set revision=canary")?;
    if !crate::model::id::is_variable(name) {
        return Err(format!("`{name}` is no input name"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_timeout(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error| format!("{error}"))?;
    if span.0.is_zero() {
        return Err("no run ends in no time".to_owned());
    }
    Ok(span)
}

fn parse_report(text: &str) -> Result<ReportFile, String> {
    let kind = |name| match name {
        "junit" => Some(ReportKind::Junit),
        "markdown" => Some(ReportKind::Markdown),
        _ => None,
    };
    text.split_once('=')
        .and_then(|(name, path)| {
            let path = PathBuf::from(path);
            kind(name).map(|kind| ReportFile { kind, path })
        })
        .ok_or_else(|| "write junit=FILE or markdown=FILE".to_owned())
}
