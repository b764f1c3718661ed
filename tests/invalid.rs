//! What is wrong with a plan, and what is not.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use plan::check::{self, Given, Purpose, ReadFile, Slice};
use plan::diagnostic::{self, Format, Look};

struct Disk;

impl ReadFile for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs_err::read(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs_err::canonicalize(path)
    }
}

fn outcome(path: &Path) -> check::Outcome {
    let loaded = check::load(path, &Disk, &Given::default(), Purpose::Run);
    loaded.check(None, &BTreeMap::new(), &Slice::default())
}

fn full(outcome: &check::Outcome) -> String {
    diagnostic::render(
        &outcome.diagnostics,
        &outcome.sources,
        Format::Full,
        Look::Plain,
    )
}

#[test]
fn the_shipped_plans_are_sound() {
    for entry in fs_err::read_dir("plans").expect("plans/") {
        let path = entry.expect("an entry").path();
        let outcome = outcome(&path);
        assert!(outcome.checked.is_some(), "{}", full(&outcome));
    }
}
