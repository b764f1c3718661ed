//! `plan rehearse`: the plan again and again in a lab, with faults, and what came of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::args::{Output, PlanArgs};
use super::error::CliError;
use super::exit::Exit;
use super::load::{judge, load};
use super::{connect, origin, run, scenario, stdout, wait_in_lab};
use crate::check::{Purpose, Slice};
use crate::engine::{Approve, Options};
use crate::event::Origin;
use crate::rehearsal::invariants::Invariant;
use crate::rehearsal::{self, Class, Rehearsal, Summary};
use crate::report::quoted;

/// `plan rehearse`.
#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    /// The plan and its inputs.
    #[command(flatten)]
    pub(crate) plan: PlanArgs,

    /// The world that it is tried on: a scenario's name or file, or a snapshot (see `plan explain lab`)
    #[arg(
        long,
        visible_alias = "snapshot",
        value_name = "SCENARIO",
        default_value = "shop"
    )]
    pub(crate) lab: String,

    /// What goes wrong, by chance, beside the scenario's own faults
    #[arg(long, value_enum, value_delimiter = ',', default_value = "none")]
    pub(crate) faults: Vec<Faults>,

    /// How often it is tried, each time with the next seed
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seeds: u32,

    /// The first seed; a rehearsal repeats from its seed
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,

    /// How many steps may run at once
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: u32,

    /// How the result is shown
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Output,
}

/// What `--faults` takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Faults {
    /// No fault.
    None,
    /// Every class.
    All,
    /// One class.
    Of(Class),
}

impl ValueEnum for Faults {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::None,
            Self::All,
            Self::Of(Class::Answers),
            Self::Of(Class::Connections),
            Self::Of(Class::Slow),
            Self::Of(Class::Watches),
            Self::Of(Class::Server),
            Self::Of(Class::Istiod),
            Self::Of(Class::Crash),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::None => ("none", "Nothing"),
            Self::All => ("all", "Everything"),
            Self::Of(Class::Answers) => ("answers", "Refusals: 429, 500, 503, 409"),
            Self::Of(Class::Connections) => (
                "connections",
                "Lost connections, before or after the request is carried out",
            ),
            Self::Of(Class::Slow) => ("slow", "Slow answers"),
            Self::Of(Class::Watches) => ("watches", "Watches that are cut or fall silent, and 410"),
            Self::Of(Class::Server) => ("server", "An API server that is gone for a while"),
            Self::Of(Class::Istiod) => ("istiod", "A control plane whose pods die"),
            Self::Of(Class::Crash) => ("crash", "The death of plan itself, once, and its resume"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// Rehearses, and tells.
pub(super) fn rehearse(args: &RehearseArgs) -> Result<Exit, CliError> {
    let rehearsal = wait_in_lab(prepare(args))?;
    let seeds: Vec<u64> = (args.seed..).take(args.seeds as usize).collect();
    let all = rehearsal
        .run_all(&seeds)
        .map_err(|error| scenario::not_opened(&error))?;
    let summary = Summary::of(rehearsal.checked.name(), &all);
    match args.output {
        Output::Text => stdout(&rehearsal::text(&summary, &again(args)))?,
        Output::Json => {
            let text = serde_json::to_string_pretty(&summary).map_err(|error| {
                CliError::new(Exit::Bug, "a summary that cannot be written").because(&error)
            })?;
            stdout(&format!("{text}\n"))?;
        }
    }
    Ok(if summary.well == summary.rehearsals {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The page about it.
pub(super) fn explain() -> String {
    let classes = Faults::value_variants().iter();
    let faults = classes
        .filter_map(ValueEnum::to_possible_value)
        .map(|class| {
            let help = class.get_help().map(ToString::to_string);
            format!("- `{}`: {}", class.get_name(), help.unwrap_or_default())
        });
    let rules = Invariant::ALL.map(|invariant| format!("- {}", invariant.rule()));
    include_str!("rehearse.md")
        .replace("{faults}", &faults.collect::<Vec<_>>().join("\n"))
        .replace("{rules}", &rules.join("\n"))
}

/// Checks the plan against the world that it is tried on.
async fn prepare(args: &RehearseArgs) -> Result<Rehearsal, CliError> {
    let loaded = load(&args.plan, Purpose::Run)?;
    let outcome = loaded.check(None, &BTreeMap::new(), &Slice::default());
    judge(&outcome.diagnostics, &outcome.sources)?;
    let checked = outcome.checked.ok_or_else(run::unchecked)?;
    let world = scenario::fit(scenario::read(&args.lab)?, &checked)?;
    let (lab, cluster, facts) = connect::lab(&world, args.seed, false).await?;
    let loaded = load(&args.plan, Purpose::Run)?;
    let looked_up = connect::look_up(&loaded, &cluster).await?;
    let outcome = loaded.check(Some(&facts), &looked_up, &Slice::default());
    let checked = outcome.checked.ok_or_else(run::unchecked)?;
    let root = run::directory(&args.plan.file)?;
    Ok(Rehearsal {
        namespaces: run::istio_namespaces(&checked),
        workspace: run::workspace(root.clone(), root, Some(scenario::simulated(&lab))),
        options: Options {
            concurrency: usize::try_from(args.concurrency).unwrap_or(usize::MAX),
            approve: Approve {
                simulated: true,
                ..Approve::default()
            },
            origin: Origin {
                user: origin::user(),
                host: "lab".to_owned(),
                pid: 0,
                context: None,
                server: Some(cluster.server().to_owned()),
                cluster: None,
            },
            looked_up,
            ..Options::default()
        },
        checked: Arc::new(checked),
        scenario: world.scenario,
        snapshot: world.snapshot,
        faults: classes(&args.faults),
    })
}

fn classes(faults: &[Faults]) -> Vec<Class> {
    let classes = faults.iter().flat_map(|faults| match faults {
        Faults::None => &[],
        Faults::All => &Class::ALL[..],
        Faults::Of(class) => std::slice::from_ref(class),
    });
    classes.copied().collect()
}

/// The command that shows one seed again, without the seed.
fn again(args: &RehearseArgs) -> String {
    let file = |path: &Path| quoted(&path.to_string_lossy());
    let mut words = vec![format!("plan rehearse {}", file(&args.plan.file))];
    let set = args.plan.set.iter();
    words.extend(set.map(|(name, value)| format!("--set {}", quoted(&format!("{name}={value}")))));
    let inputs = args.plan.inputs.iter();
    words.extend(inputs.map(|path| format!("--inputs {}", file(path))));
    words.push(format!("--lab={}", quoted(&args.lab)));
    let faults = args.faults.iter().filter_map(Faults::to_possible_value);
    let names: Vec<String> = faults.map(|value| value.get_name().to_owned()).collect();
    words.push(format!("--faults {}", names.join(",")));
    // How many run at once changes what happens from a seed.
    words.push(format!("--concurrency {}", args.concurrency));
    words.push("--seeds 1".to_owned());
    words.join(" ")
}
