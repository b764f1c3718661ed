//! The shipped plan for today's Istio: what its dry run shows, what the run does, and what a second run leaves alone.

use std::collections::{BTreeMap, BTreeSet};

use plan::event::{ActResult, EventKind};
use serde_json::Value;

use crate::e2e::audit::{self, Fields, Mark, Request};
use crate::e2e::bed::Bed;
use crate::e2e::process::StateDir;
use crate::e2e::state::{NAMESPACES, assert_upgraded};

/// The plan, without a person to ask and with little patience for soaks.
const UPGRADE: [&str; 7] = [
    "run",
    "plans/upgrade-canary.yaml",
    "--yes",
    "--set",
    "soak=2s",
    "--timeout",
    "10m",
];
const APPROVE: [&str; 2] = ["--approve", "all"];

/// Everything that the plan could touch.
const TOUCHED: &str = "namespaces,customresourcedefinitions,serviceaccounts,clusterroles,clusterrolebindings,roles,\
rolebindings,configmaps,services,deployments,horizontalpodautoscalers,poddisruptionbudgets,\
mutatingwebhookconfigurations,validatingwebhookconfigurations";

#[test]
fn the_upgrade_does_what_its_dry_run_showed_and_does_it_once() {
    let bed = Bed::up("modern");

    let mark = audit::mark(&bed);
    let shown = dry_run(&bed);
    let rehearsed = rehearse(&bed);
    assert_only_looked(&bed, mark);

    let before = snapshot(&bed);
    let mark = audit::mark(&bed);
    let state = StateDir::new();
    let run = state
        .plan(&bed, &[&UPGRADE[..], &APPROVE[..]].concat())
        .exits(0);
    println!("{}", run.stdout);
    assert_upgraded(&bed, &NAMESPACES, 40);
    assert_eq!(
        rehearsed,
        waves(&state),
        "what was changed in the lab from the snapshot, and what then was changed"
    );
    let changes = audit::changes(audit::requests(&bed, mark, "plan/"));
    assert_labels_swapped_at_once(&changes);
    assert_same(&shown, &made(&before, &changes));

    assert_second_run_changes_nothing(&bed);
    assert_one_run_at_a_time(&bed);
}

/// What the dry run says will change.
fn dry_run(bed: &Bed) -> Fields {
    let arguments = [&UPGRADE[..], &["--dry-run", "--output", "json"]].concat();
    let ended = StateDir::new().plan(bed, &arguments).exits(0);
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let mut fields = Fields::new();
    let steps = document["steps"].as_array().expect("steps");
    for change in steps
        .iter()
        .filter_map(|step| step["changes"].as_array())
        .flatten()
    {
        fields.extend(audit::differences(&change["before"], &change["after"]));
    }
    assert!(!fields.is_empty(), "{document}");
    fields
}

/// Takes a snapshot, runs the plan in the lab that begins with it, and tells what was changed there.
fn rehearse(bed: &Bed) -> [BTreeSet<String>; 5] {
    let state = StateDir::new();
    let file = state.file("cluster.json.gz");
    bed.output(env!("CARGO_BIN_EXE_plan"), &["snapshot", "-o", &file]);
    let lab = format!("--lab={file}");
    let arguments = [&UPGRADE[..], &[lab.as_str()]].concat();
    state.plan(bed, &arguments).exits(0);
    waves(&state)
}

/// Which objects each step changed: before the first wave, in each of the three, and after them. That the waves came
/// one after the other is asserted.
fn waves(state: &StateDir) -> [BTreeSet<String>; 5] {
    let mut waves = <[BTreeSet<String>; 5]>::default();
    let mut last = 0;
    for event in state.journal() {
        let EventKind::ActDone {
            node,
            act,
            result: ActResult::Changed,
        } = event
        else {
            continue;
        };
        let wave = match node.as_str() {
            node if node.starts_with("migrate[shop]") => 1,
            node if node.starts_with("migrate[pay]") => 2,
            node if node.starts_with("migrate[") => 3,
            _ if last == 0 => 0,
            _ => 4,
        };
        assert!(last <= wave, "{node} changed {} too late", act.object);
        last = wave;
        waves[wave].insert(format!("{node}: {} {}", act.verb, act.object));
    }
    waves
}

/// The dry run's requests were reads, dry runs, reviews of access and requests for tokens, and all went out under its name.
fn assert_only_looked(bed: &Bed, mark: Mark) {
    let requests = audit::requests(bed, mark, "plan-dry-run/");
    assert!(!requests.is_empty(), "the dry run asked nothing");
    let harmless = |request: &Request| {
        request.is_read()
            || request.is_dry()
            || request.resource() == "selfsubjectaccessreviews"
            || matches!(request.subresource(), "token" | "portforward")
    };
    let others: Vec<String> = requests
        .iter()
        .filter(|request| !harmless(request))
        .map(Request::line)
        .collect();
    assert!(others.is_empty(), "the dry run also did: {others:#?}");
    let disguised = audit::requests(bed, mark, "plan/");
    assert!(
        disguised.is_empty(),
        "the dry run went by another name: {disguised:#?}"
    );
}

fn snapshot(bed: &Bed) -> BTreeMap<String, Value> {
    bed.list(&format!("{TOUCHED} -A"))
        .into_iter()
        .map(|object| (audit::identity(&object), object))
        .collect()
}

/// What the run's requests made of the objects.
fn made(before: &BTreeMap<String, Value>, changes: &[Request]) -> Fields {
    let mut state = before.clone();
    let mut fields = Fields::new();
    for request in changes.iter().filter(|request| request.succeeded()) {
        let after = request.answered();
        let name = audit::identity(after);
        let old = state.insert(name, after.clone()).unwrap_or_default();
        fields.extend(audit::differences(&old, after));
    }
    fields
}

/// The same fields with the same values. Two things nobody can foresee: the value that says who restarted a workload,
/// which has the run's name in it, and the address that the API server draws for a new Service.
fn assert_same(shown: &Fields, made: &Fields) {
    let line = |(field, value): (&(String, String), &Value)| {
        let (object, pointer) = field;
        if object.starts_with("Service/") && pointer.starts_with("/spec/clusterIP") {
            None
        } else if pointer.ends_with("plan~1restarted-by") {
            Some(format!("{object} {pointer}"))
        } else {
            Some(format!("{object} {pointer} {value}"))
        }
    };
    let shown: BTreeSet<String> = shown.iter().filter_map(line).collect();
    let made: BTreeSet<String> = made.iter().filter_map(line).collect();
    let unseen: Vec<_> = made.difference(&shown).collect();
    let undone: Vec<_> = shown.difference(&made).collect();
    assert!(
        unseen.is_empty() && undone.is_empty(),
        "done but not shown: {unseen:#?}\nshown but not done: {undone:#?}"
    );
}

/// Each namespace was patched once, and that patch carries both labels.
fn assert_labels_swapped_at_once(changes: &[Request]) {
    for namespace in NAMESPACES {
        let patches: Vec<&Request> = changes
            .iter()
            .filter(|request| request.resource() == "namespaces" && request.name() == namespace)
            .collect();
        assert_eq!(patches.len(), 1, "{namespace}: {patches:#?}");
        let sent = patches[0].sent().to_string();
        assert!(
            sent.contains("istio-injection") && sent.contains("istio.io/rev")
                || sent.contains("istio.io~1rev"),
            "{namespace}: {sent}"
        );
    }
}

fn assert_second_run_changes_nothing(bed: &Bed) {
    let before = snapshot(bed);
    let mark = audit::mark(bed);
    let state = StateDir::new();
    let ended = state
        .plan(bed, &[&UPGRADE[..], &APPROVE[..]].concat())
        .exits(0);
    println!("{}", ended.stdout);
    // An apply that changes nothing is a request, but no change.
    let changes = audit::changes(audit::requests(bed, mark, "plan/"));
    let fields = made(&before, &changes);
    assert!(fields.is_empty(), "the second run changed {fields:#?}");
    for event in state.journal() {
        if let EventKind::NodeFinished {
            node,
            changed,
            message,
            ..
        } = event
        {
            assert!(!changed, "{node} says that it changed something: {message}");
        }
    }
    let said = format!("{}{}", ended.stdout, ended.stderr).to_lowercase();
    assert!(
        said.contains("nothing changed")
            || said.contains("changed nothing")
            || said.contains("nothing was changed"),
        "{said}"
    );
    assert_upgraded(bed, &NAMESPACES, 40);
}

/// While one run soaks, another is told who is at work.
fn assert_one_run_at_a_time(bed: &Bed) {
    let (first, second) = (StateDir::new(), StateDir::new());
    let soaking = [&UPGRADE[..3], &["--set", "soak=5m"], &APPROVE[..]].concat();
    let mut running = first.start(bed, &soaking);
    running.until(
        "the first run soaks",
        |event| matches!(event, EventKind::Waiting { node, .. } if node.as_str().contains("soak")),
    );
    let refused = second
        .plan(bed, &[&UPGRADE[..], &APPROVE[..]].concat())
        .exits(5);
    let holder = first.run_id();
    assert!(
        refused.stderr.contains(&holder),
        "{holder} is not named in: {}",
        refused.stderr
    );
    running.interrupt();
    running.wait().exits(7);
}
