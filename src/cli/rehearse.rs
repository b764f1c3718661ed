//! `plan rehearse`: the plan again and again in a lab, with faults, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::{FaultClass, Output, RehearseArgs};
use super::error::CliError;
use super::exit::Exit;
use super::load::{judge, load};
use super::{connect, origin, run, scenario, stdout, wait_in_lab};
use crate::check::{Purpose, Slice};
use crate::engine::{Approve, Options};
use crate::event::Origin;
use crate::rehearsal::{self, Class, Rehearsal, Summary};

/// Rehearses, and tells.
pub(super) fn rehearse(args: &RehearseArgs) -> Result<Exit, CliError> {
    let rehearsal = wait_in_lab(prepare(args))?;
    let seeds: Vec<u64> = (args.seed..).take(args.seeds as usize).collect();
    let all = rehearsal
        .run_all(&seeds)
        .map_err(|error| scenario::not_opened(&error))?;
    let summary = Summary::of(rehearsal.checked.name(), &all);
    match args.output {
        Output::Text => stdout(&rehearsal::text(&summary, &again(args))),
        Output::Json => {
            let text = serde_json::to_string_pretty(&summary).map_err(|error| {
                CliError::new(Exit::Bug, "a summary that cannot be written").because(&error)
            })?;
            stdout(&format!("{text}\n"));
        }
    }
    Ok(if summary.well == summary.rehearsals {
        Exit::Done
    } else {
        Exit::Failed
    })
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
                all: true,
                ..Approve::default()
            },
            origin: Origin {
                user: origin::user(),
                host: "lab".to_owned(),
                pid: 0,
                context: None,
                server: Some(cluster.server().to_owned()),
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

fn classes(faults: &[FaultClass]) -> Vec<Class> {
    if faults.contains(&FaultClass::All) {
        return Class::ALL.to_vec();
    }
    let class = |fault: &FaultClass| match fault {
        FaultClass::Answers => Some(Class::Answers),
        FaultClass::Connections => Some(Class::Connections),
        FaultClass::Slow => Some(Class::Slow),
        FaultClass::Watches => Some(Class::Watches),
        FaultClass::Server => Some(Class::Server),
        FaultClass::Istiod => Some(Class::Istiod),
        FaultClass::Crash => Some(Class::Crash),
        FaultClass::None | FaultClass::All => None,
    };
    faults.iter().filter_map(class).collect()
}

/// The command that shows one seed again, without the seed.
fn again(args: &RehearseArgs) -> String {
    let mut words = vec![format!("plan rehearse {}", args.plan.file.display())];
    let set = args.plan.set.iter();
    words.extend(set.map(|(name, value)| format!("--set '{name}={value}'")));
    let inputs = args.plan.inputs.iter();
    words.extend(inputs.map(|file| format!("--inputs {}", file.display())));
    words.push(format!("--lab={}", args.lab));
    let faults = args.faults.iter().map(|class| class.name());
    words.push(format!("--faults {}", faults.collect::<Vec<_>>().join(",")));
    words.push("--seeds 1".to_owned());
    words.join(" ")
}
