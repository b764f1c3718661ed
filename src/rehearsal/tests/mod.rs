//! The shipped canary upgrade, rehearsed.

mod invariants;
mod needed;

use std::io;
use std::path::{Path, PathBuf};

use super::*;
use crate::check::{Given, Purpose, ReadFile, Slice};
use crate::engine::Approve;
use crate::lab::istio;
use crate::model::action::ISTIO_SYSTEM;
use crate::steps::Simulated;

/// The files as they are, but for the timeout of the steps.
struct Disk(&'static str);

impl ReadFile for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = fs_err::read_to_string(path)?;
        assert!(text.contains(TIMEOUT), "{path:?}");
        Ok(text.replace(TIMEOUT, self.0).into_bytes())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs_err::canonicalize(path)
    }
}

/// What the plan says of the timeout of its steps.
const TIMEOUT: &str = "timeout: 15m";

/// The upgrade of two namespaces with a short soak, and these faults.
fn canary(faults: &[Class]) -> Rehearsal {
    canary_within(TIMEOUT, faults)
}

/// The same with another timeout.
fn canary_within(timeout: &'static str, faults: &[Class]) -> Rehearsal {
    let given = Given {
        set: [("namespaces", "shop,pay"), ("soak", "1m")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Given::default()
    };
    let file = Path::new("plans/upgrade-canary.yaml");
    let outcome = crate::check::load(file, &Disk(timeout), &given, Purpose::Run).check(
        None,
        &BTreeMap::new(),
        &Slice::default(),
    );
    let version = "1.28.2".parse().unwrap();
    Rehearsal {
        checked: Arc::new(outcome.checked.expect("a sound plan")),
        scenario: Scenario::new("shop").fit(&version, ["shop", "pay"]),
        snapshot: None,
        workspace: Workspace {
            files: ".".into(),
            root: ".".into(),
            path: "".into(),
            simulated: Some(Simulated {
                render: Arc::new(|version, revision| Ok(istio::control_plane(version, revision))),
                answer: Arc::new(|_| None),
            }),
        },
        options: Options {
            approve: Approve {
                simulated: true,
                ..Approve::default()
            },
            ..Options::default()
        },
        namespaces: [ISTIO_SYSTEM.to_owned()].into(),
        faults: faults.to_vec(),
    }
}

#[test]
fn without_faults_it_ends_well_and_restarts_every_workload_once() {
    let done = canary(&[]).run(1).unwrap();
    assert_eq!(done.failure, None);
    assert_eq!(done.breaches, []);
    let restarted: Vec<&str> = done
        .workloads
        .iter()
        .filter(|(_, story)| story.restarts == 1)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        restarted,
        [
            "Deployment/pay/cart",
            "Deployment/pay/catalog",
            "Deployment/pay/checkout",
            "Deployment/shop/cart",
            "Deployment/shop/catalog",
            "Deployment/shop/checkout",
        ]
    );
    assert!(done.took > Duration::from_secs(60), "{:?}", done.took);
}

#[test]
fn a_seed_shows_the_same_rehearsal_again() {
    let rehearsal = canary(&Class::ALL);
    let journal = |seed| rehearsal.run(seed).unwrap().journal;
    for seed in [3, 4] {
        let (first, second) = (journal(seed), journal(seed));
        assert!(!first.is_empty());
        assert!(first == second, "seed {seed} is not the same twice");
    }
}

#[test]
fn with_faults_and_a_crash_every_run_ends_well_and_most_need_nobody() {
    // `.ci/run` has two thousand more.
    let seeds: Vec<u64> = (1..=12).collect();
    let all = canary(&Class::ALL).run_all(&seeds).unwrap();
    let summary = Summary::of("upgrade-canary", &all);
    let told = text(&summary, "rehearse");
    assert_eq!(summary.well, 12, "{told}");
    assert!(summary.crashed > 6, "{told}");
    assert!(summary.helped < 6, "{told}");
}
