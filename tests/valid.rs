//! Plans of every language feature, in `tests/valid`: nothing is said of them, and what becomes of each is beside it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use plan::check::{Given, Outcome, Purpose, ReadFile, Role, Slice, Work, load};
use plan::diagnostic::{self, Look};
use plan::graph;
use plan::model::Action;

struct Disk;

impl ReadFile for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs_err::read(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs_err::canonicalize(path)
    }
}

/// The plans, each with its name.
fn plans() -> BTreeMap<String, PathBuf> {
    let entries = fs_err::read_dir("tests/valid").unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                path,
            )
        })
        .collect()
}

fn checked(path: &Path, purpose: Purpose) -> Outcome {
    let given = Given {
        set: vec![("regions".to_owned(), "north,south".to_owned())],
        env: vec![("token".to_owned(), "hush".to_owned())],
        ..Given::default()
    };
    // Only the plan that asks for them is given values.
    let given = if path.ends_with("cluster.yaml") && purpose == Purpose::Run {
        given
    } else {
        Given::default()
    };
    let loaded = load(path, &Disk, &given, purpose);
    let found = |lookup: &plan::check::Lookup| {
        (
            lookup.node.clone(),
            vec!["pay".to_owned(), "shop".to_owned()],
        )
    };
    let looked_up = match purpose {
        Purpose::Run => loaded.lookups().iter().map(found).collect(),
        _ => BTreeMap::new(),
    };
    loaded.check(None, &looked_up, &Slice::default())
}

fn said(outcome: &Outcome) -> String {
    let format = diagnostic::Format::Full;
    diagnostic::render(&outcome.diagnostics, &outcome.sources, format, Look::Plain)
}

#[test]
fn nothing_is_said_of_them_and_their_graphs_are_these() {
    insta::with_settings!({ snapshot_path => "valid", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, path) in plans() {
            let outcome = checked(&path, Purpose::Graph);
            assert!(outcome.diagnostics.is_empty(), "{}", said(&outcome));
            let text = graph::render(&outcome.drawing, graph::Format::Text, false);
            insta::assert_snapshot!(name, text);
        }
    });
}

#[test]
fn each_can_be_run() {
    for path in plans().into_values() {
        let outcome = checked(&path, Purpose::Run);
        assert!(
            outcome.checked.is_some(),
            "{}: {}",
            path.display(),
            said(&outcome)
        );
    }
}

#[test]
fn every_kind_key_and_gate_occurs() {
    let texts: Vec<String> = plans()
        .values()
        .map(|path| fs_err::read_to_string(path).unwrap())
        .collect();
    let all = texts.concat();
    let kinds = plan::model::Kind::ALL.map(plan::model::Kind::as_str);
    for word in kinds.iter().chain(&plan::model::action::GATE_CHECKS) {
        assert!(all.contains(word), "no plan in tests/valid has {word}");
    }
    for kind in plan::model::Kind::ALL {
        let schema = plan::model::schema::kind_schema(kind);
        for parameter in schema["properties"].as_object().unwrap().keys() {
            let wanted = format!("{parameter}:");
            assert!(
                all.contains(&wanted),
                "no plan in tests/valid gives {} its `{parameter}`",
                kind.as_str()
            );
        }
    }
}

#[test]
fn the_paths_of_a_sub_plan_are_relative_to_the_root() {
    let outcome = checked(Path::new("tests/valid/sub-plans.yaml"), Purpose::Run);
    let plan = outcome.checked.unwrap();
    let install = plan
        .tasks()
        .iter()
        .find(|task| task.id.as_str() == "first.install");
    let Role::Step(Work::Ready(action)) = &install.unwrap().role else {
        panic!("all of its parameters are known");
    };
    let Action::InstallRevision(install) = &**action else {
        panic!("it installs");
    };
    assert_eq!(install.values, ["parts/values.yaml"]);
    let stored: Vec<&str> = plan.files().keys().map(String::as_str).collect();
    assert_eq!(
        stored,
        ["parts/move.yaml", "parts/values.yaml", "sub-plans.yaml"]
    );
}

#[test]
fn what_is_given_nearer_to_the_run_wins_and_a_secret_is_no_input_to_show() {
    let path = Path::new("tests/valid/yaml.yaml");
    let file = |text: &str| ("inputs.yaml".to_owned(), text.as_bytes().to_vec());
    let mut given = Given {
        fleet: vec![
            ("on".to_owned(), "fleet".into()),
            ("pattern".to_owned(), "f-1".into()),
        ],
        ..Given::default()
    };
    let value = |given: &Given, name: &str| {
        let loaded = load(path, &Disk, given, Purpose::Run);
        let outcome = loaded.check(None, &BTreeMap::new(), &Slice::default());
        let plan = outcome.checked.as_ref();
        plan.unwrap_or_else(|| panic!("{}", said(&outcome)))
            .inputs()[name]
            .clone()
    };
    assert_eq!(value(&Given::default(), "on"), "no");
    assert_eq!(value(&given, "on"), "fleet");
    given.files = vec![file("on: first"), file("on: second")];
    assert_eq!(value(&given, "on"), "second");
    assert_eq!(value(&given, "pattern"), "f-1");
    given.set = vec![
        ("on".to_owned(), "set".to_owned()),
        ("on".to_owned(), "last".to_owned()),
    ];
    assert_eq!(value(&given, "on"), "last");

    let plan = checked(Path::new("tests/valid/cluster.yaml"), Purpose::Run)
        .checked
        .unwrap();
    assert_eq!(plan.secrets(), ["hush"]);
    assert!(!plan.inputs().contains_key("token"), "{:?}", plan.inputs());
}
