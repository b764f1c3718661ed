//! `plan snapshot`: takes one, and the lab that begins with one.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::args::ClusterArgs;
use super::connect;
use super::error::CliError;
use super::exit::Exit;
use super::origin;
use crate::model::action::ISTIO_SYSTEM;
use crate::model::counted;
use crate::snapshot::{Answer, Keep, Snapshot};
use crate::steps::snapshot::take;

/// How the name of a snapshot's file ends.
const ENDING: &str = ".json.gz";

/// `plan snapshot`.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// The cluster.
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,

    /// The file, which ends in .json.gz; - for stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// The control plane's namespace
    #[arg(long, value_name = "NAME", default_value = ISTIO_SYSTEM)]
    pub(crate) istio_namespace: String,

    /// Keep what is left out otherwise, since it may hold secrets
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) keep: Vec<Keep>,
}

impl ValueEnum for Keep {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Env => PossibleValue::new("env").help("The values of environment variables"),
            Self::Arguments => {
                PossibleValue::new("arguments").help("The commands and arguments of containers")
            }
            Self::Annotations => PossibleValue::new("annotations")
                .help("Annotations that neither Istio nor plan nor the controllers read"),
            Self::LastApplied => {
                PossibleValue::new("last-applied").help("What kubectl apply noted")
            }
        })
    }
}

/// Takes a snapshot, and says what is in it and what is not.
pub(super) async fn run(args: &SnapshotArgs) -> Result<Exit, CliError> {
    let name = args.output.to_string_lossy();
    if name != "-" && !name.ends_with(ENDING) {
        return Err(CliError::usage(format!(
            "`{name}` does not end in {ENDING}, by which `--lab` knows a snapshot"
        )));
    }
    // As in a dry run, nothing but reads, reviews of access and requests for tokens can go out.
    let (cluster, _) = connect::connect(&args.cluster, true).await?;
    let keep: BTreeSet<Keep> = args.keep.iter().copied().collect();
    let snapshot = take(&cluster, &args.istio_namespace, &keep, origin::now())
        .await
        .map_err(|error| {
            let failed = CliError::new(Exit::Failed, "the snapshot was not taken").because(&error);
            match error.failure.help {
                Some(help) => failed.help(help),
                None => failed.help(
                    "it needs `list` on what plans read, and `create` on pods/portforward in Istio's namespace",
                ),
            }
        })?;
    let failed = |error: std::io::Error| CliError::new(Exit::Failed, error.to_string());
    let bytes = snapshot.to_bytes().map_err(failed)?;
    if name == "-" {
        std::io::stdout().write_all(&bytes).map_err(failed)?;
    } else {
        fs_err::write(&args.output, &bytes).map_err(failed)?;
    }
    say!(
        "{name}: {}, {} KiB",
        inventory(&snapshot),
        bytes.len().div_ceil(1024)
    );
    for istiod in &snapshot.istiods {
        if let Answer::Unasked(why) = &istiod.answer {
            say!(
                "  {} could not be asked who is connected, so every proxy counts as connected: {why}",
                istiod.pod
            );
        }
    }
    say!("left out:");
    for dropped in &snapshot.dropped {
        let count = if dropped.count == 0 {
            String::new()
        } else {
            format!(": {}", dropped.count)
        };
        say!("  {}{count}", dropped.what);
    }
    Ok(Exit::Done)
}

/// Whether a name is meant to be that of a snapshot.
pub(super) fn is_snapshot(name: &str) -> bool {
    name.ends_with(ENDING)
}

/// Reads a snapshot's file.
///
/// # Errors
/// Usage, where there is none; invalid, where it cannot be used.
pub(super) fn read(name: &str) -> Result<Snapshot, CliError> {
    let bytes =
        fs_err::read(Path::new(name)).map_err(|error| CliError::usage(error.to_string()))?;
    Snapshot::from_bytes(&bytes).map_err(|error| {
        CliError::new(Exit::Invalid, format!("{name} cannot be used"))
            .because(&error)
            .help(error.help())
    })
}

/// What a snapshot has, in a line.
pub(super) fn inventory(snapshot: &Snapshot) -> String {
    let count = |kind: &str| {
        let all = snapshot.objects.iter();
        all.filter(|object| object["kind"] == kind).count()
    };
    format!(
        "Kubernetes {}, {}, {} in {}, as of {}",
        snapshot.kubernetes,
        counted(snapshot.istiods.len(), "istiod"),
        counted(count("Pod"), "pod"),
        counted(count("Namespace"), "namespace"),
        snapshot.taken.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
}
