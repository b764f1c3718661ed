//! Plans of every language feature, in `tests/valid`: nothing is said of them, and what becomes of each is beside it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use plan::check::{Given, Outcome, Purpose, ReadFile, Slice, load};
use plan::diagnostic::{self, Look};
use plan::graph;

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
