//! The test target that needs nothing: one module per file, and a check that no file is forgotten.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;
mod invalid;
mod kills;
mod readme;
mod run;
mod scenarios;
mod serve;
mod snapshot;
mod truth;
mod valid;

#[test]
fn no_test_file_is_forgotten() {
    let own = fs_err::read_to_string(file!()).expect("this file");
    let manifest = fs_err::read_to_string("Cargo.toml").expect("Cargo.toml");
    for entry in fs_err::read_dir("tests").expect("tests/") {
        let name = entry.expect("an entry").file_name();
        let Some(stem) = name.to_str().and_then(|n| n.strip_suffix(".rs")) else {
            continue;
        };
        assert!(
            manifest.contains(&format!("path = \"tests/{stem}.rs\""))
                || own.contains(&format!("mod {stem};")),
            "tests/{stem}.rs is not compiled: add `mod {stem};`"
        );
    }
}
