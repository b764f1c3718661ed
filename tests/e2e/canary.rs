//! A shipped plan: what its dry run shows, what the run does, and what a second run leaves alone.

use std::collections::{BTreeMap, BTreeSet};

use plan::event::{ActResult, EventKind};
use plan::model::Outcome;
use serde_json::Value;

use crate::case::Case;
use crate::e2e::audit::{self, Field, Fields, Mark, Request};
use crate::e2e::bed::Bed;
use crate::e2e::process::StateDir;
use crate::e2e::state::assert_upgraded;

/// Everything that the plan could touch.
const TOUCHED: &str = "namespaces,customresourcedefinitions,serviceaccounts,clusterroles,clusterrolebindings,roles,\
rolebindings,configmaps,services,deployments,horizontalpodautoscalers,poddisruptionbudgets,\
mutatingwebhookconfigurations,validatingwebhookconfigurations";

/// Asserts what the dry run shows, that the run does exactly that, once, while nobody else works on the mesh, and that
/// the same run after it finds nothing to do.
pub(crate) fn does_what_was_shown(case: &Case) -> Bed {
    let bed = Bed::up(case.bed);
    assert_lab_takes_what_istioctl_renders(&bed, case);

    let mark = audit::mark(&bed);
    let shown = dry_run(&bed, case);
    let rehearsed = rehearse(&bed, case);
    assert_only_looked(&bed, mark);

    let before = snapshot(&bed, case);
    let mark = audit::mark(&bed);
    let state = StateDir::new();
    run_beside_another(&bed, case, &state);
    assert_upgraded(&bed, &case.namespaces(), case.pods);
    assert_accepted_at_the_end(&state);
    assert_eq!(
        rehearsed,
        waves(case, &state),
        "what was changed in the lab from the snapshot, and what then was changed"
    );
    let changes = audit::changes(audit::requests(&bed, mark, "plan/"));
    assert_labels_swapped_at_once(case, &changes);
    assert_same(&shown, &made(&before, &changes));

    assert_second_run_changes_nothing(&bed, case);
    bed
}

/// With an istioctl of the version on the PATH, a lab that begins with nothing installs what that renders.
fn assert_lab_takes_what_istioctl_renders(bed: &Bed, case: &Case) {
    let text = StateDir::new()
        .plan(bed, &upgrade(case, &["--lab"]))
        .exits(0)
        .stdout;
    assert!(text.contains("install: run "), "istioctl renders: {text}");
    assert!(text.contains("taking over"), "all that it renders: {text}");
}

/// The command line of the upgrade.
fn upgrade<'a>(case: &Case, more: &[&'a str]) -> Vec<&'a str> {
    let common = ["run", "--yes", "--timeout", "10m"];
    [&common[..], case.upgrade, more].concat()
}

/// What a dry run said.
struct Shown {
    /// The fields that will change, with their values.
    fields: Fields,
    /// Those of them whose values it says the server will draw.
    drawn: BTreeSet<Field>,
}

/// What the dry run says will change.
fn dry_run(bed: &Bed, case: &Case) -> Shown {
    let arguments = upgrade(case, &["--dry-run", "--output", "json"]);
    let ended = StateDir::new().plan(bed, &arguments).exits(0);
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let mut shown = Shown {
        fields: Fields::new(),
        drawn: BTreeSet::new(),
    };
    let steps = document["steps"].as_array().expect("steps");
    for change in steps
        .iter()
        .filter_map(|step| step["changes"].as_array())
        .flatten()
    {
        let after = &change["after"];
        let fields = audit::differences(&change["before"], after);
        shown.fields.extend(fields);
        let drawn = change["drawn"].as_array().expect("a list").iter();
        let pointers = drawn.map(|pointer| pointer.as_str().expect("a pointer").to_owned());
        let named = pointers.map(|pointer| (audit::identity(after), pointer));
        shown.drawn.extend(named);
    }
    assert!(!shown.fields.is_empty(), "{document}");
    shown
}

/// Takes a snapshot, runs the plan in the lab that begins with it, and tells what was changed there.
fn rehearse(bed: &Bed, case: &Case) -> Vec<BTreeSet<String>> {
    let state = StateDir::new();
    let file = state.file("cluster.json.gz");
    bed.output(env!("CARGO_BIN_EXE_plan"), &["snapshot", "-o", &file]);
    let lab = format!("--lab={file}");
    state.plan(bed, &upgrade(case, &[&lab])).exits(0);
    waves(case, &state)
}

/// The run itself. While it works, another is told who does, and changes nothing.
fn run_beside_another(bed: &Bed, case: &Case, state: &StateDir) {
    let arguments = upgrade(case, &["--approve", "all"]);
    let mut running = state.start(bed, &arguments);
    running.until("it changes something", |event| {
        matches!(event, EventKind::ActDone { .. })
    });
    let other = StateDir::new();
    let holder = state.run_id();
    let refused = other.plan(bed, &arguments).exits(5);
    assert!(
        refused.stderr.contains(&holder),
        "{holder} is not named in: {}",
        refused.stderr
    );
    let journal = other.run().map(|run| run.join("journal.jsonl"));
    assert!(
        journal.is_none_or(|journal| !journal.exists()),
        "the refused run did something"
    );
    let ended = running.wait().exits(0);
    println!("{}", ended.stdout);
}

/// Which objects each step changed: before the first wave, in each wave, and after them. That the waves came one after
/// the other is asserted.
fn waves(case: &Case, state: &StateDir) -> Vec<BTreeSet<String>> {
    let mut waves = vec![BTreeSet::new(); case.waves.len() + 2];
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
        let is_of = |namespace: &&str| node.as_str().starts_with(&format!("migrate[{namespace}]"));
        let wave = match case.waves.iter().position(|wave| wave.iter().any(is_of)) {
            Some(wave) => wave + 1,
            None if last == 0 => 0,
            None => case.waves.len() + 1,
        };
        assert!(last <= wave, "{node} changed {} too late", act.object);
        last = wave;
        waves[wave].insert(format!("{node}: {} {}", act.verb, act.object));
    }
    waves
}

/// The gate at the end was asked when every proxy was verified, and opened once.
fn assert_accepted_at_the_end(state: &StateDir) {
    let (mut verified, mut open, mut decided) = (0, 0, 0);
    let journal = state.journal();
    for event in &journal {
        match event {
            EventKind::NodeFinished { node, .. } if node.as_str().ends_with("].verify") => {
                assert_eq!(open, 0, "{node} ended after the gate was asked");
                verified += 1;
            }
            EventKind::GateOpened { node, .. } if node.as_str() == "accept" => open += 1,
            EventKind::NodeFinished { node, outcome, .. } if node.as_str() == "accept" => {
                assert_eq!(*outcome, Outcome::Succeeded);
                decided += 1;
            }
            _ => {}
        }
    }
    assert!(verified > 0, "{journal:#?}");
    assert_eq!((open, decided), (1, 1));
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

/// The objects as they are, by version and name.
fn snapshot(bed: &Bed, case: &Case) -> BTreeMap<(String, String), Value> {
    let kinds = [&[TOUCHED], case.versions].concat().join(",");
    bed.list(&format!("{kinds} -A"))
        .into_iter()
        .map(|object| (versioned(&object), object))
        .collect()
}

fn versioned(object: &Value) -> (String, String) {
    (object["apiVersion"].to_string(), audit::identity(object))
}

/// What the run's requests made of the objects.
fn made(before: &BTreeMap<(String, String), Value>, changes: &[Request]) -> Fields {
    let mut state = before.clone();
    let mut fields = Fields::new();
    for request in changes.iter().filter(|request| request.succeeded()) {
        let after = request.answered();
        let old = state.insert(versioned(after), after.clone());
        let old = old.unwrap_or_default();
        fields.extend(audit::differences(&old, after));
    }
    fields
}

/// The same fields with the same values. Two kinds of values nobody can foresee, and the dry run says which: what
/// the server draws for a new object, and who restarted a workload, which has the run's name in it.
fn assert_same(shown: &Shown, made: &Fields) {
    let line = |((object, pointer), value): (&Field, &Value)| format!("{object} {pointer} {value}");
    let only_in = |some: &Fields, others: &Fields| -> Vec<String> {
        let missing = some
            .iter()
            .filter(|(field, _)| !others.contains_key(*field));
        missing.map(line).collect()
    };
    let unseen = only_in(made, &shown.fields);
    let undone = only_in(&shown.fields, made);
    assert!(
        unseen.is_empty() && undone.is_empty(),
        "done but not shown: {unseen:#?}\nshown but not done: {undone:#?}"
    );
    let others = made
        .iter()
        .filter(|(field, value)| shown.fields[*field] != **value);
    let others: BTreeSet<&Field> = others.map(|(field, _)| field).collect();
    let restarts = made
        .keys()
        .filter(|(_, pointer)| pointer.ends_with("plan~1restarted-by"));
    let unforeseeable: BTreeSet<&Field> = shown.drawn.iter().chain(restarts).collect();
    assert_eq!(
        others, unforeseeable,
        "the fields with other values than shown"
    );
    assert!(!shown.drawn.is_empty(), "a new Service has an address");
}

/// Each namespace was patched once, and that patch carries both labels.
fn assert_labels_swapped_at_once(case: &Case, changes: &[Request]) {
    for namespace in case.namespaces() {
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

fn assert_second_run_changes_nothing(bed: &Bed, case: &Case) {
    let before = snapshot(bed, case);
    let mark = audit::mark(bed);
    let state = StateDir::new();
    let ended = state
        .plan(bed, &upgrade(case, &["--approve", "all"]))
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
    assert_upgraded(bed, &case.namespaces(), case.pods);
}
