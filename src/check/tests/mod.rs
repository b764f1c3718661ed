//! What a plan becomes: the names, the order and the slices of its tasks; and that nothing in a file brings it down.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::check::{self, Given, Outcome as Checkup, Purpose, ReadFile, Role, Slice, Work};
use crate::diagnostic::{self, Format, Look};
use crate::model::Outcome;

mod once;
mod refused;
mod secrets;
mod told;

/// The disk, or one text under whatever name.
struct Text<'a>(&'a str);

impl ReadFile for Text<'_> {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/plans").join(path))
    }
}

fn checked(text: &str, slice: &Slice) -> Checkup {
    let file = Text(text);
    let loaded = check::load(
        Path::new("plan.yaml"),
        &file,
        &Given::default(),
        Purpose::Run,
    );
    loaded.check(None, &BTreeMap::new(), slice)
}

fn said(outcome: &Checkup) -> String {
    diagnostic::render(
        &outcome.diagnostics,
        &outcome.sources,
        Format::Concise,
        Look::Plain,
    )
}

/// The names of the tasks that run, and of those that must prove done.
fn names(text: &str, slice: &Slice) -> (Vec<String>, Vec<String>) {
    let outcome = checked(text, slice);
    let Some(plan) = &outcome.checked else {
        panic!("{}", said(&outcome));
    };
    let prove = plan.prove().iter().map(ToString::to_string).collect();
    let tasks = plan
        .tasks()
        .iter()
        .filter(|task| !plan.prove().contains(&task.id));
    (tasks.map(|task| task.id.to_string()).collect(), prove)
}

#[test]
fn an_output_that_is_a_template_alone_is_told() {
    let text = "version: 1\nname: a\noutputs: { x: \"${{ steps.b.outputs.value }}\" }\nsteps:\n  b: { uses: gate, with: { soak: 1s } }\n";
    let told = said(&checked(text, &Slice::default()));
    assert!(
        told.contains("an output is a map: `{ value: … }`, found a string"),
        "{told}"
    );
}

const WAVES: &str = r"
version: 1
name: waves
inputs:
  namespaces: { type: list, default: [a, b/c, d] }
steps:
  ready: { uses: wait-ready, with: { revision: canary } }
  migrate:
    needs: [ready]
    for_each: ${{ inputs.namespaces }}
    as: item
    waves: [1, 10%, 100%]
    between:
      steps:
        soak: { uses: gate, with: { soak: 1m } }
    steps:
      hold: { uses: gate, with: { soak: 1s } }
  done: { uses: gate, needs: [migrate], with: { soak: 1s } }
";

#[test]
fn items_waves_and_what_is_between_them_have_names() {
    let (tasks, prove) = names(WAVES, &Slice::default());
    assert_eq!(
        tasks,
        [
            "ready",
            "migrate:open",
            "migrate[a].hold",
            "migrate:between[1]",
            "migrate.between[1].soak",
            "migrate:wave[1]",
            "migrate[b%2Fc].hold",
            "migrate[d].hold",
            "migrate",
            "done",
        ]
    );
    assert!(prove.is_empty());
}

#[test]
fn a_slice_leaves_out_what_it_can_and_wants_proof_of_what_it_needs() {
    let from = Slice {
        from: Some("done".to_owned()),
        ..Slice::default()
    };
    let (_, prove) = names(WAVES, &from);
    assert!(prove.contains(&"migrate[a].hold".to_owned()), "{prove:?}");
    assert!(!prove.contains(&"done".to_owned()));
    let until = Slice {
        until: Some("migrate[a].hold".to_owned()),
        ..Slice::default()
    };
    let (tasks, prove) = names(WAVES, &until);
    assert_eq!(
        tasks,
        ["ready", "migrate:open", "migrate[a].hold", "migrate"]
    );
    assert!(prove.is_empty());
}

#[test]
fn what_is_between_waves_is_looked_at_though_there_is_one_wave_only() {
    let text = "version: 1\nname: x\nsteps:\n  a:\n    for_each: [one]\n    as: item\n    waves: [1, 100%]\n    between:\n      steps:\n        ask: { uses: gate, with: { approval: { message: m } } }\n    steps:\n      hold: { uses: gate, with: { soak: 1s } }\n";
    let outcome = checked(text, &Slice::default());
    let said = said(&outcome);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("[P0503]"), "{said}");
    let bounded = text.replace(
        "uses: gate, with: { approval",
        "uses: gate, timeout: 1h, with: { approval",
    );
    let (tasks, _) = names(&bounded, &Slice::default());
    assert_eq!(tasks, ["a:open", "a[one].hold", "a"]);
}

/// A run in which every step has ended well, and has given one value.
struct Ended(serde_json::Map<String, serde_json::Value>);

impl check::Results for Ended {
    fn run_id(&self) -> &'static str {
        "r"
    }

    fn outcome(&self, _: usize) -> Option<Outcome> {
        Some(Outcome::Succeeded)
    }

    fn outputs(&self, _: usize) -> Option<&crate::event::Outputs> {
        Some(&self.0)
    }

    fn failure(&self) -> bool {
        false
    }
}

#[test]
fn parameters_that_only_the_run_knows_are_checked_as_those_that_were_known() {
    let text = "version: 1\nname: x\nsteps:\n  a: { uses: gate, timeout: 1m, with: { command: { argv: [x] } } }\n  b: { uses: gate, timeout: 1m, with: { approval: { message: m, quorum: \"${{ steps.a.outputs.value }}\" } } }\n  c: { uses: wait-ready, with: { revision: \"${{ steps.a.outputs.value }}\" } }\n";
    let plan = checked(text, &Slice::default())
        .checked
        .expect("a sound plan");
    let evaluated = |id: &str, value: serde_json::Value| {
        let ended = Ended([("value".to_owned(), value)].into_iter().collect());
        let task = plan.tasks().iter().find(|task| task.id.as_str() == id);
        let Role::Step(Work::Deferred(_, with)) = &task.expect("the task").role else {
            panic!("{id} waits for a value");
        };
        with.evaluate(&ended).map_err(|error| error.to_string())
    };
    assert_eq!(evaluated("b", 2.into()).unwrap()["approval"]["quorum"], 2);
    for (id, value, said) in [
        ("b", 0.into(), "plan.yaml:5:73: `0` is below 1"),
        (
            "b",
            "two".into(),
            "plan.yaml:5:73: expected a whole number, found a string",
        ),
        (
            "c",
            "Upper".into(),
            "plan.yaml:6:44: `Upper` is no name of a revision",
        ),
    ] {
        let error = evaluated(id, value).unwrap_err();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn every_task_stands_after_all_that_it_needs() {
    let outcome = checked(WAVES, &Slice::default());
    let plan = outcome.checked.expect("a sound plan");
    for (at, task) in plan.tasks().iter().enumerate() {
        assert!(task.needs.iter().all(|need| need.task < at), "{}", task.id);
    }
}

#[test]
fn the_shipped_plans_are_sound() {
    for entry in fs_err::read_dir("plans").expect("plans/") {
        let text = fs_err::read_to_string(entry.expect("an entry").path()).expect("a plan");
        let outcome = checked(&text, &Slice::default());
        assert!(outcome.checked.is_some(), "{}", said(&outcome));
    }
}

#[test]
fn whatever_the_shape_it_is_told_and_never_a_panic() {
    let head = "version: 1\nname: x\n";
    for text in [
        String::new(),
        "a".to_owned(),
        "[]".to_owned(),
        "version: 1\nname: x\n".to_owned(),
        format!("{head}steps: []"),
        format!("{head}steps: {{a: }}"),
        format!("{head}steps: {{a: {{steps: {{}}}}}}"),
        format!("{head}steps: {{a: {{uses: gate, with: []}}}}"),
        format!(
            "{head}steps: {{a: {{uses: [gate], for_each: {{}}, as: 3, waves: x, between: 4, needs: {{}}}}}}"
        ),
        format!(
            "{head}steps: {{a: {{uses: gate, when: [], timeout: [], retry: 4, allow: {{}}, on_failure: {{}}}}}}"
        ),
        format!("{head}inputs: 4\noutputs: []\ndefaults: 3\ntimeout: {{}}\nsteps: 5"),
    ] {
        let outcome = checked(&text, &Slice::default());
        assert!(outcome.diagnostics.has_errors(), "{text}");
        assert!(outcome.checked.is_none(), "{text}");
    }
}

#[test]
fn a_picture_of_a_slice_tells_what_must_be_done_already() {
    let file = Text(WAVES);
    let loaded = check::load(
        Path::new("plan.yaml"),
        &file,
        &Given::default(),
        Purpose::Graph,
    );
    let slice = Slice {
        only: Some("migrate".to_owned()),
        ..Slice::default()
    };
    let drawing = loaded.check(None, &BTreeMap::new(), &slice).drawing;
    let assumed: Vec<&str> = drawing
        .nodes
        .iter()
        .filter(|node| node.assumed)
        .map(|node| node.id.as_str())
        .collect();
    assert_eq!(assumed, ["ready"]);
}
