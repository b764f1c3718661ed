//! A run that is killed at the worst moments, again and again, and gets to the same end.

use plan::event::EventKind;

use crate::case::{Case, SHOP, SHOP_PODS};
use crate::e2e::bed::Bed;
use crate::e2e::process::{Running, StateDir};
use crate::e2e::state::assert_upgraded;

/// A moment, as the journal tells it.
enum Moment {
    /// Right after the intent of changing such an object is on the disk.
    Intent(&'static str, &'static str),
    /// Right after the change.
    Act(&'static str, &'static str),
    /// While waiting.
    Wait(&'static str),
    /// Right after people were asked.
    Asked(&'static str),
    /// Right after an answer was taken in.
    Answered(&'static str),
    /// Right after it was taken up again.
    Resumed,
}

/// In the order in which a run comes by. Each namespace is used for one moment of a kind, since a resumed run finds
/// done what the killed one has done.
const MOMENTS: [Moment; 11] = [
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
    Moment::Asked("accept"),
];

impl Moment {
    fn is(&self, event: &EventKind) -> bool {
        match (self, event) {
            (Self::Intent(step, object), EventKind::ActIntended { node, act })
            | (Self::Act(step, object), EventKind::ActDone { node, act, .. }) => {
                node.as_str() == *step && act.object.starts_with(object)
            }
            (Self::Wait(step), EventKind::Waiting { node, .. })
            | (Self::Asked(step), EventKind::GateOpened { node, .. })
            | (Self::Answered(step), EventKind::GateAnswered { node, .. }) => {
                node.as_str() == *step
            }
            (Self::Resumed, EventKind::RunResumed { .. }) => true,
            _ => false,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Intent(step, object) => format!("{step} is about to change {object}"),
            Self::Act(step, object) => format!("{step} has changed {object}"),
            Self::Wait(step) => format!("{step} waits"),
            Self::Asked(step) => format!("{step} has asked"),
            Self::Answered(step) => format!("{step} has its answer"),
            Self::Resumed => "it goes on".to_owned(),
        }
    }
}

/// Kills a run at each moment, and asserts that it ends as if nothing had been. The last ones are around an approval:
/// `hold` is a gate beside it that stays shut until the approval is through, so that the run is alive while it waits.
pub(crate) fn resumes_to_the_same_end(case: &Case) {
    let bed = Bed::up_with(&[case.bed, "--workloads", "modern"]);
    let state = StateDir::new();
    let set = [
        format!("from={}", bed.var("ISTIO_OLD")),
        format!("to={}", bed.var("ISTIO_NEW")),
        format!("go={}", state.file("go")),
    ];
    let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    let arguments = [&["run", "tests/e2e/kills.yaml", "--yes"], &set[..]].concat();
    let mut running = state.start(&bed, &arguments);
    let resume = || state.start(&bed, &["resume", &state.run_id(), "--yes"]);
    for moment in &MOMENTS {
        // A gate asks once: it may have done so before the last kill was through.
        let asked = matches!(moment, Moment::Asked(_));
        let came_before = asked && state.journal().iter().any(|event| moment.is(event));
        kill_at(
            if came_before {
                &Moment::Resumed
            } else {
                moment
            },
            running,
        );
        running = resume();
    }
    kill_at(&Moment::Wait("hold"), running);
    let approve = ["approve", &state.run_id(), "accept", "--by", "ann"];
    state.plan(&bed, &approve).exits(0);
    kill_at(&Moment::Answered("accept"), resume());
    fs_err::write(state.file("go"), "").expect("the file that `hold` waits for");
    let running = resume();
    let ended = running.wait().exits(0);
    println!("{}", ended.stdout);
    let journal = state.journal();
    let count = |wanted: fn(&EventKind) -> bool| journal.iter().filter(|e| wanted(e)).count();
    assert_eq!(
        count(|event| matches!(event, EventKind::RunResumed { .. })),
        MOMENTS.len() + 2,
        "every kill is followed by a resume"
    );
    assert_eq!(
        count(|event| matches!(event, EventKind::GateOpened { .. })),
        1,
        "the gate asks once"
    );
    let answers: Vec<&EventKind> = journal
        .iter()
        .filter(|event| matches!(event, EventKind::GateAnswered { .. }))
        .collect();
    assert!(
        matches!(answers[..], [EventKind::GateAnswered { approve: true, by, .. }] if by == "ann"),
        "{answers:?}"
    );
    assert_upgraded(&bed, &SHOP, SHOP_PODS);
}

/// Kills it then.
fn kill_at(moment: &Moment, mut running: Running<'_>) {
    running.until(&moment.name(), |event| moment.is(event));
    running.kill();
    println!("killed when {}", moment.name());
}
