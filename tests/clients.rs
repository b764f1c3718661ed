//! The real kubectl and istioctl against `plan lab serve` and against the real API server: one table of commands
//! (`tests/clients/commands`), and both sides say the same. Needs root and what `tests/mesh/build` makes; `cargo test`
//! leaves it out, `cargo test --test clients -- --nocapture` runs it.
#![expect(clippy::print_stdout, reason = "what a long test has come to")]

#[expect(dead_code, reason = "the cases of a whole mesh need more")]
mod e2e;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::bed::{Bed, repository};
use regex::Regex;
use similar::TextDiff;
use tempfile::TempDir;

/// The lab beside the real mesh: the same Kubernetes and Istio, and nothing else.
const SCENARIO: &str = "name: clients\nkubernetes: \"1.35\"\nistio: { revisions: [{ version: 1.28.2 }] }\nnamespaces: [{ name: default, labels: {}, workloads: [] }]\n";

/// What differs from run to run, in the order in which it is replaced.
const PLACEHOLDERS: [(&str, &str); 15] = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| [+-]\d{4})",
        "TIME",
    ),
    (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "TIME"),
    (r"\b(127|10)\.\d+\.\d+\.\d+(:\d+)?(,10\S+)?", "IP"),
    (
        r#"resourceVersion: "\d+"|Resource Version: +\d+"#,
        "REVISION",
    ),
    (r"(LIVE|MERGED)-\d+", "$1"),
    (r"eyJ\S+", "TOKEN"),
    (r"v1\.35\.\d+", "v1.35"),
    (r"pod-template-hash=\w+", "pod-template-hash=HASH"),
    (
        r"\b(web|made|db|once)-[a-z0-9]{7,10}-[a-z0-9]{5}\b",
        "$1-HASH-SUFFIX",
    ),
    (r"\b(web|made|db|once)-[a-z0-9]{5,10}\b", "$1-HASH"),
    (r"\b(\d+d)?(\d+h)?(\d+m)?\d+s\b", "AGE"),
    (r#"Context "[^"]+""#, "CONTEXT"),
    (r"(?m)^Waiting for .*\n", ""),
    (r"[ \t]+", " "),
];

/// One of the two clusters.
struct Side<'bed> {
    bed: &'bed Bed,
    kubeconfig: PathBuf,
    home: TempDir,
    placeholders: Vec<(Regex, &'static str)>,
}

impl<'bed> Side<'bed> {
    /// With a copy of the kubeconfig, which the commands may change.
    fn new(bed: &'bed Bed, kubeconfig: &Path) -> Self {
        let home = TempDir::new().expect("a directory");
        let copy = home.path().join("kubeconfig");
        std::fs::copy(kubeconfig, &copy).expect("a kubeconfig");
        let read = |(pattern, text)| (Regex::new(pattern).expect("a pattern"), text);
        Self {
            bed,
            kubeconfig: copy,
            home,
            placeholders: PLACEHOLDERS.map(read).to_vec(),
        }
    }

    /// What a command prints on both streams, and its exit code, made comparable.
    fn says(&self, command: &str) -> String {
        // Only a patch has spaces of its own, and none here does.
        let mut words = command.split(' ');
        let program = words.next().expect("a program");
        let ran = self
            .bed
            .command(program)
            .args(words)
            .current_dir(repository("tests/clients"))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .output()
            .expect("the program can be started");
        let text = format!(
            "{}{}= {:?}\n",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
            ran.status.code()
        );
        // How many events there are depends on the pace of each side; `tests/truth` has them.
        let text = text.replace(&self.home.path().display().to_string(), "HOME");
        let (before, after) = text.split_once("\nEvents:").unwrap_or((&text, ""));
        let end = after.rsplit_once("= Some").map_or("", |(_, end)| end);
        self.placeholders
            .iter()
            .fold(format!("{before}{end}"), |text, (pattern, placeholder)| {
                pattern.replace_all(&text, *placeholder).into_owned()
            })
    }
}

#[test]
fn the_lab_answers_clients_as_the_real_server_does() {
    let bed = Bed::up("modern");
    let directory = TempDir::new().expect("a directory");
    let scenario = directory.path().join("clients.yaml");
    fs_err::write(&scenario, SCENARIO).expect("a scenario");
    let mut lab = bed
        .command(env!("CARGO_BIN_EXE_plan"))
        .args(["lab", "serve"])
        .arg(&scenario)
        .stdout(Stdio::piped())
        .spawn()
        .expect("plan can be started");
    let mut path = String::new();
    BufReader::new(lab.stdout.as_mut().expect("piped"))
        .read_line(&mut path)
        .expect("a path");
    let simulated = Side::new(&bed, Path::new(path.trim_end()));
    let real = Side::new(&bed, Path::new(bed.var("KUBECONFIG")));
    let table = fs_err::read_to_string(repository("tests/clients/commands")).expect("the table");
    let commands = || table.lines().filter(|line| !line.starts_with('#'));
    assert!(commands().count() > 100, "the table is there");
    // Both go their way at once: their waits are the longest part.
    let (simulated, real): (Vec<String>, Vec<String>) = std::thread::scope(|scope| {
        let other = scope.spawn(|| commands().map(|command| real.says(command)).collect());
        let own = commands().map(|command| simulated.says(command)).collect();
        (own, other.join().expect("no panic"))
    });
    lab.kill().expect("it runs");
    lab.wait().expect("it ends");
    let mut different = 0;
    for ((command, simulated), real) in commands().zip(&simulated).zip(&real) {
        if simulated != real {
            different += 1;
            let diff = TextDiff::from_lines(real, simulated);
            println!("$ {command}\n{}", diff.unified_diff().header("real", "lab"));
        }
    }
    println!("{} commands", simulated.len());
    assert_eq!(different, 0, "commands that the lab answers otherwise");
}
