//! A run that is killed at the worst moments, again and again, and gets to the same end.

use plan::event::EventKind;

use crate::e2e::bed::Bed;
use crate::e2e::process::StateDir;
use crate::e2e::state::{NAMESPACES, assert_upgraded};

/// A moment, as the journal tells it.
enum Moment {
    /// Right after the intent of changing such an object is on the disk.
    Intent(&'static str, &'static str),
    /// Right after the change.
    Act(&'static str, &'static str),
    /// While waiting.
    Wait(&'static str),
}

/// In the order in which a run comes by. Each namespace is used for one moment of a kind, since a resumed run finds
/// done what the killed one has done.
const MOMENTS: [Moment; 10] = [
    Moment::Intent("install", "Deployment/istio-system/istiod-canary"),
    Moment::Act(
        "install",
        "MutatingWebhookConfiguration/istio-sidecar-injector-canary",
    ),
    Moment::Intent("migrate[shop].label", "Namespace/shop"),
    Moment::Intent("migrate[shop].restart", "Deployment/shop/"),
    Moment::Wait("migrate[shop].restart"),
    Moment::Act("migrate[pay].label", "Namespace/pay"),
    Moment::Act("migrate[pay].restart", "Deployment/pay/"),
    Moment::Wait("migrate[pay].restart"),
    Moment::Intent("check", "sleep"),
    Moment::Act("check", "sleep"),
];

impl Moment {
    fn is(&self, event: &EventKind) -> bool {
        match (self, event) {
            (Self::Intent(step, object), EventKind::ActIntended { node, act })
            | (Self::Act(step, object), EventKind::ActDone { node, act, .. }) => {
                node.as_str() == *step && act.object.starts_with(object)
            }
            (Self::Wait(step), EventKind::Waiting { node, .. }) => node.as_str() == *step,
            _ => false,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Intent(step, object) => format!("{step} is about to change {object}"),
            Self::Act(step, object) => format!("{step} has changed {object}"),
            Self::Wait(step) => format!("{step} waits"),
        }
    }
}

#[test]
fn a_run_that_is_killed_resumes_to_the_same_end() {
    let bed = Bed::up("modern");
    let state = StateDir::new();
    let mut running = state.start(
        &bed,
        &[
            "run",
            "tests/e2e/kills.yaml",
            "--yes",
            "--approve",
            "all",
            "--set",
            "soak=1s",
        ],
    );
    let mut run = None;
    for moment in &MOMENTS {
        running.until(&moment.name(), |event| moment.is(event));
        running.kill();
        println!("killed when {}", moment.name());
        let id = run.get_or_insert_with(|| state.run_id());
        running = state.start(&bed, &["resume", id, "--yes", "--approve", "all"]);
    }
    let ended = running.wait().exits(0);
    println!("{}", ended.stdout);
    let resumed = state
        .journal()
        .iter()
        .filter(|event| matches!(event, EventKind::RunResumed { .. }))
        .count();
    assert_eq!(resumed, MOMENTS.len(), "every kill is followed by a resume");
    assert_upgraded(&bed, &NAMESPACES, 40);
}
