//! For every code a file in `tests/invalid` that gives this code and nothing else, with what is said of it beside it.
//!
//! Most cases hold only `inputs` and `steps` whose names no other case uses, so that any of them can be combined. A
//! first line `# args: …` says how the plan is called: `run` (every input must have a value), `--set`, `--from`, `--until`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use plan::check::{Given, Outcome, Purpose, ReadFile, Slice, load};
use plan::diagnostic::{Code, Format, Look, render};
use plan::source::{MAX_FILE_BYTES, MAX_NODES};

const FOLDER: &str = "tests/invalid";
/// How many combinations are tried, and where the dice begin.
const DRAWS: u64 = 60;
const SEED: u64 = 5;

/// The cases that cannot stand in one file with others, each with its reason.
const ALONE: [(Code, &str); 13] = [
    (Code::NotUtf8, SYNTAX),
    (Code::NulByte, SYNTAX),
    (Code::FileTooLarge, SYNTAX),
    (Code::YamlSyntax, SYNTAX),
    (Code::Tag, SYNTAX),
    (Code::MergeKey, SYNTAX),
    (Code::SeveralDocuments, "it is about the end of the file"),
    (Code::TabIndentation, SYNTAX),
    (Code::UnknownAnchor, SYNTAX),
    (Code::AliasBudget, SYNTAX),
    (Code::TooDeep, SYNTAX),
    (Code::TooManyNodes, SYNTAX),
    (Code::UnsupportedVersion, "there is one `version`"),
];
const SYNTAX: &str = "an error of the text: what seems to be missing may stand behind it";

/// One case.
struct Case {
    code: Code,
    /// `P0301-unknown-step`
    name: String,
    bytes: Vec<u8>,
}

/// The corpus, by its codes.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs_err::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let code: Code = name.split('-').next().unwrap().parse().unwrap();
        let mut bytes = fs_err::read(&path).unwrap();
        bytes.extend(grown(code).into_bytes());
        cases.push(Case { code, name, bytes });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// What makes a file as large as it must be for its code.
fn grown(code: Code) -> String {
    match code {
        Code::FileTooLarge => "#".repeat(MAX_FILE_BYTES),
        Code::TooManyNodes => format!("description: [{}]\n", "0,".repeat(MAX_NODES)),
        _ => String::new(),
    }
}

/// The disk, with one file in the folder that is not on it.
struct Overlay {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl ReadFile for Overlay {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.path.file_name() == path.file_name() {
            return Ok(self.bytes.clone());
        }
        fs_err::read(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        if path == self.path {
            return Ok(fs_err::canonicalize(FOLDER)?.join(path.file_name().unwrap()));
        }
        fs_err::canonicalize(path)
    }
}

/// Checks a text as the file of that name, called as its first lines say.
fn checked(name: &str, bytes: &[u8]) -> Outcome {
    let path = PathBuf::from(format!("{FOLDER}/{name}.yaml"));
    let text = String::from_utf8_lossy(bytes);
    let mut given = Given::default();
    let mut purpose = Purpose::Validate;
    let mut slice = Slice::default();
    let args = text.lines().map_while(|line| line.strip_prefix("# args: "));
    let mut words = args.flat_map(str::split_whitespace);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap().to_owned();
        match word {
            "run" => purpose = Purpose::Run,
            "--set" => {
                let value = value();
                let (name, value) = value.split_once('=').unwrap();
                given.set.push((name.to_owned(), value.to_owned()));
            }
            "--from" => slice.from = Some(value()),
            "--until" => slice.until = Some(value()),
            other => panic!("{name}: unknown argument {other}"),
        }
    }
    // A reader lives as long as the process.
    let overlay = Box::leak(Box::new(Overlay {
        path: path.clone(),
        bytes: bytes.to_vec(),
    }));
    load(&path, overlay, &given, purpose).check(None, &BTreeMap::new(), &slice)
}

fn codes(outcome: &Outcome) -> Vec<Code> {
    let mut codes: Vec<Code> = outcome.diagnostics.iter().map(|one| one.code).collect();
    codes.sort_unstable();
    codes
}

fn shown(outcome: &Outcome, format: Format) -> String {
    render(&outcome.diagnostics, &outcome.sources, format, Look::Plain)
}

/// The files in one, each part after the other.
fn combined(cases: &[&Case]) -> String {
    let mut parts: BTreeMap<&str, String> = BTreeMap::new();
    for case in cases {
        let text = std::str::from_utf8(&case.bytes).unwrap();
        let mut part = "";
        for line in text.lines() {
            part = match line {
                "inputs:" | "steps:" => {
                    part = line;
                    continue;
                }
                _ if line.starts_with("# args: ") => "args",
                _ if line.starts_with(' ') => part,
                _ => "",
            };
            writeln!(parts.entry(part).or_default(), "{line}").unwrap();
        }
    }
    let part = |name: &str| parts.get(name).cloned().unwrap_or_default();
    let inputs = part("inputs:");
    let inputs = if inputs.is_empty() {
        inputs
    } else {
        format!("inputs:\n{inputs}")
    };
    format!(
        "{}version: 1\nname: combined\n{inputs}steps:\n{}",
        part("args"),
        part("steps:")
    )
}

fn in_snapshots(assert: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("invalid");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(assert);
}

#[test]
fn every_code_has_a_case() {
    let found: Vec<Code> = cases().iter().map(|case| case.code).collect();
    assert_eq!(found, Code::ALL);
}

#[test]
fn each_case_gives_its_code_and_nothing_else() {
    let mut wrong = String::new();
    for case in cases() {
        let outcome = checked(&case.name, &case.bytes);
        if codes(&outcome) != [case.code] {
            writeln!(wrong, "== {}\n{}", case.name, shown(&outcome, Format::Full)).unwrap();
        }
        let runs = outcome.checked.is_some();
        assert!(!runs || !outcome.diagnostics.has_errors(), "{}", case.name);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_said_of_each() {
    in_snapshots(|| {
        for case in cases() {
            let outcome = checked(&case.name, &case.bytes);
            insta::assert_snapshot!(case.name.clone(), shown(&outcome, Format::Full));
        }
    });
}

#[test]
fn any_eight_combined_give_those_eight() {
    let mut cases = cases();
    cases.retain(|case| ALONE.iter().all(|(code, _)| *code != case.code));
    let mut dice = SEED;
    for draw in 0..DRAWS {
        let eight = shuffled(&cases, &mut dice);
        let text = combined(&eight);
        let outcome = checked("combined", text.as_bytes());
        let mut wanted: Vec<Code> = eight.iter().map(|case| case.code).collect();
        wanted.sort_unstable();
        assert_eq!(
            codes(&outcome),
            wanted,
            "seed {SEED}, draw {draw}:\n{text}\n{}",
            shown(&outcome, Format::Concise)
        );
    }
}

/// Eight of them, in an order by the dice (splitmix64).
fn shuffled<'a>(cases: &'a [Case], dice: &mut u64) -> Vec<&'a Case> {
    let mut all: Vec<&Case> = cases.iter().collect();
    all.sort_by_cached_key(|_| {
        *dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*dice ^ (*dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    });
    all.truncate(8);
    all
}

#[test]
fn one_file_in_every_format() {
    let cases = cases();
    let picked = [
        Code::UnknownKey,
        Code::UnquotedNumber,
        Code::UnknownStep,
        Code::OutputMaySkip,
        Code::Cycle,
        Code::RestartUnverified,
        Code::SubPlanCycle,
        Code::UndeclaredInput,
    ];
    let eight: Vec<&Case> = cases
        .iter()
        .filter(|case| picked.contains(&case.code))
        .collect();
    let outcome = checked("combined", combined(&eight).as_bytes());
    in_snapshots(|| {
        for (name, format) in [
            ("combined-full", Format::Full),
            ("combined-concise", Format::Concise),
            ("combined-json", Format::Json),
            ("combined-github", Format::Github),
            ("combined-sarif", Format::Sarif),
        ] {
            insta::assert_snapshot!(name, shown(&outcome, format));
        }
    });
}

#[test]
fn the_shipped_plans_are_sound() {
    static DISK: Overlay = Overlay {
        path: PathBuf::new(),
        bytes: Vec::new(),
    };
    for entry in fs_err::read_dir("plans").unwrap() {
        let path = entry.unwrap().path();
        let loaded = load(&path, &DISK, &Given::default(), Purpose::Run);
        let outcome = loaded.check(None, &BTreeMap::new(), &Slice::default());
        assert!(
            outcome.checked.is_some(),
            "{}",
            shown(&outcome, Format::Full)
        );
    }
}
