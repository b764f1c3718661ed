//! The lab's scenarios: which one is meant, and what `plan explain lab` says.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::error::CliError;
use super::exit::Exit;
use super::load::show;
use crate::check::{Checked, Role, Work, document};
use crate::diagnostic::suggest::closest;
use crate::lab::istio;
use crate::lab::scenario::{Effect, Gate, Lab, NAMES, Namespace, OpenError, Scenario, named};
use crate::mesh::istiod::DEFAULT;
use crate::mesh::version::Version;
use crate::model::Action;
use crate::model::counted;
use crate::snapshot::Snapshot;
use crate::steps::{Answer, Simulated};

/// The version that the lab begins with where neither plan nor scenario names one.
const OLD: &str = "1.5.10";
/// The namespace that the lab begins with where neither plan nor scenario names one.
const SHOP: &str = "shop";

/// What a lab begins with: a scenario, or a snapshot to which things happen as a scenario says.
pub(super) struct Beginning {
    /// The scenario.
    pub(super) scenario: Scenario,
    /// The cluster that takes the place of what the scenario describes.
    pub(super) snapshot: Option<Snapshot>,
}

impl Beginning {
    /// Starts the lab, at this time where one is given; that of a snapshot goes on from when it was taken.
    ///
    /// # Errors
    /// What of it the lab does not have.
    pub(super) async fn open(&self, at: Option<Timestamp>, seed: u64) -> Result<Lab, CliError> {
        let opened = match (&self.snapshot, at) {
            (Some(snapshot), _) => self.scenario.open_snapshot(snapshot, seed),
            (None, Some(at)) => self.scenario.open_at(at, seed).await,
            (None, None) => self.scenario.open(seed).await,
        };
        opened.map_err(|error| not_opened(&error))
    }

    /// The same, if `plan` outlives all of its faults.
    ///
    /// # Errors
    /// Usage: whoever dies cannot be resumed in a lab that dies with them.
    pub(super) fn survivable(self) -> Result<Self, CliError> {
        let faults = &self.scenario.faults;
        if faults.iter().all(|fault| fault.effect != Effect::CrashPlan) {
            return Ok(self);
        }
        let name = &self.scenario.name;
        Err(CliError::usage(format!(
            "the scenario `{name}` lets plan die (`crash-plan`), and this lab would die with it"
        ))
        .help(
            "`plan rehearse FILE --lab=SCENARIO` lets plan die and resumes the run in the same lab",
        ))
    }

    /// What there is, in a line.
    pub(super) fn inventory(&self) -> String {
        match &self.snapshot {
            Some(snapshot) => format!(
                "{}: {}",
                self.scenario.name,
                super::snapshot::inventory(snapshot)
            ),
            None => inventory(&self.scenario),
        }
    }
}

/// Reads a scenario by its name, or from a file, or a snapshot.
///
/// # Errors
/// Usage, where there is none; invalid, where something is wrong in it.
pub(super) fn read(name: &str) -> Result<Beginning, CliError> {
    if super::snapshot::is_snapshot(name) {
        return Ok(Beginning {
            scenario: Scenario::new(name),
            snapshot: Some(super::snapshot::read(name)?),
        });
    }
    let scenario = scenario(name)?;
    Ok(Beginning {
        scenario,
        snapshot: None,
    })
}

fn scenario(scenario: &str) -> Result<Scenario, CliError> {
    let path = Path::new(scenario);
    let bytes = match named(scenario) {
        Some(text) => text.as_bytes().to_vec(),
        None if path.is_file() => {
            fs_err::read(path).map_err(|error| CliError::usage(error.to_string()))?
        }
        None => return Err(unknown(scenario)),
    };
    let document = document::<Scenario>(scenario, &bytes);
    show(&document.diagnostics, &document.sources);
    document.value.ok_or_else(|| {
        let errors = counted(document.diagnostics.error_count(), "error");
        CliError::new(Exit::Invalid, format!("the scenario has {errors}"))
            .help("`plan schema scenario` prints what may stand in it")
    })
}

fn unknown(scenario: &str) -> CliError {
    let error = CliError::usage(format!(
        "there is no scenario `{scenario}`, and no such file"
    ));
    match closest(scenario, NAMES.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("there are {}, or a YAML file", NAMES.join(", "))),
    }
}

/// Fills in what the scenario leaves open, so that the plan finds something to do.
///
/// # Errors
/// That the plan begins with something that is no version.
pub(super) fn fit(mut beginning: Beginning, checked: &Checked) -> Result<Beginning, CliError> {
    if beginning.snapshot.is_some() {
        return Ok(beginning);
    }
    let (mut version, mut next) = (None, None);
    let mut namespaces = BTreeSet::new();
    for task in checked.tasks() {
        let Role::Step(Work::Ready(action)) = &task.role else {
            continue;
        };
        match &**action {
            Action::Precheck(step) => version = version.or(Some(step.from.clone())),
            Action::LabelNs(step) => namespaces.extend(step.namespace.clone()),
            Action::Restart(step) => namespaces.extend([step.namespace.clone()]),
            Action::VerifyXds(step) => namespaces.extend([step.namespace.clone()]),
            Action::InstallRevision(step) => next = next.or(Some(step.version.clone())),
            Action::WaitReady(_) | Action::Gate(_) => {}
        }
    }
    if namespaces.is_empty() {
        namespaces.insert(SHOP.to_owned());
    }
    let before = || next.and_then(|next| predecessor(&next));
    let text = version.or_else(before).unwrap_or_else(|| OLD.to_owned());
    let version: Version = text
        .parse()
        .map_err(|_| CliError::usage(format!("the lab knows no Istio `{text}`")))?;
    let names = namespaces.iter().map(String::as_str);
    beginning.scenario = beginning.scenario.fit(&version, names);
    Ok(beginning)
}

/// The version that a plan most likely begins with, where it only says what it installs: one minor before, if the lab
/// knows that.
fn predecessor(next: &str) -> Option<String> {
    let next: Version = next.parse().ok()?;
    // Of 1.5 there is one that everybody had.
    let minor = next.minor().checked_sub(1).filter(|minor| *minor > 5)?;
    let before = format!("{}.{minor}.0", next.major());
    let known = before
        .parse()
        .is_ok_and(|version| istio::supports(&version).is_ok());
    known.then_some(before)
}

/// Fills in what the scenario leaves open where there is no plan.
///
/// # Panics
/// Never: the version is the program's own.
pub(super) fn alone(mut beginning: Beginning) -> Beginning {
    if beginning.snapshot.is_none() {
        let version = OLD.parse().expect("a version");
        beginning.scenario = beginning.scenario.fit(&version, [SHOP]);
    }
    beginning
}

/// What a scenario has, in a line: `Istio 1.5.10 with a shop in default`.
fn inventory(scenario: &Scenario) -> String {
    let versions = scenario.istio.revisions.iter().filter_map(|revision| {
        let version = revision.version.as_ref()?;
        Some(match revision.name.as_str() {
            DEFAULT => version.to_string(),
            name => format!("{version} ({name})"),
        })
    });
    let versions: Vec<String> = versions.collect();
    let names: Vec<String> = scenario
        .namespaces
        .iter()
        .flat_map(Namespace::names)
        .collect();
    let namespaces = match names.as_slice() {
        [first, .., last] if names.len() > 8 => {
            format!("{} namespaces, {first} to {last}", names.len())
        }
        _ => names.join(", "),
    };
    format!(
        "{}: Istio {} with workloads in {namespaces}",
        scenario.name,
        versions.join(" and ")
    )
}

/// What stands in for the world outside of a lab.
pub(super) fn simulated(lab: &Lab) -> Simulated {
    let gates = lab.gates.clone();
    Simulated {
        render: Arc::new(|version, revision| {
            istio::supports(version).map_err(|error| error.to_string())?;
            Ok(istio::control_plane(version, revision))
        }),
        answer: Arc::new(move |node| {
            Gate::of(&gates, node).map(|gate| Answer {
                opens: gate.opens,
                by: gate.by.clone(),
                reason: gate.reason.clone(),
                value: gate.value.clone(),
                after: gate.after.map_or(Duration::ZERO, |span| span.0),
            })
        }),
    }
}

/// Why a lab did not open.
pub(super) fn not_opened(error: &OpenError) -> CliError {
    CliError::new(Exit::Invalid, "the lab cannot be opened").because(error)
}

/// The page of the lab.
pub(super) fn explain() -> String {
    let scenarios = NAMES.iter().filter_map(|name| {
        let scenario: Scenario = serde_yaml::from_str(named(name)?).ok()?;
        Some(format!("- `{name}`: {}\n", scenario.description))
    });
    std::iter::once(include_str!("lab.md").to_owned())
        .chain(scenarios)
        .collect()
}
