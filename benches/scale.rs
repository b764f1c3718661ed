//! Large plans, beside ninja on the same graph in the same run: 10 000 steps with 100 000 needs.
//!
//! `cargo bench` prints both sides of each group; the ratio is what counts, since machines differ. Without a ninja on the
//! PATH only `plan` is measured.

#![expect(dead_code, reason = "the tests need more of the harness")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};

const STEPS: usize = 10_000;
const NEEDS: usize = 10;

/// A plan whose steps each need the ten before.
fn plan() -> String {
    let mut text = String::from("version: 1\nname: large\nsteps:\n");
    for step in 0..STEPS {
        let needs: Vec<String> = before(step).map(|needed| format!("s{needed}")).collect();
        let _infallible = writeln!(
            text,
            "  s{step}:\n    uses: gate\n    needs: [{}]\n    with: {{ soak: 0s }}",
            needs.join(", ")
        );
    }
    text
}

/// The same graph for ninja.
fn ninja() -> String {
    let mut text = String::from("rule step\n  command = true\n");
    for step in 0..STEPS {
        let needs: Vec<String> = before(step).map(|needed| format!("s{needed}")).collect();
        let _infallible = writeln!(text, "build s{step}: step {}", needs.join(" "));
    }
    text
}

fn before(step: usize) -> impl Iterator<Item = usize> {
    step.saturating_sub(NEEDS)..step
}

fn run(program: &str, args: &[&str], directory: &Path) -> bool {
    Command::new(program)
        .args(args)
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn graph(criterion: &mut Criterion) {
    let desk = harness::Desk::new();
    desk.file("plan.yaml", &plan());
    desk.file("build.ninja", &ninja());
    let own = env!("CARGO_BIN_EXE_plan");
    let mut group = criterion.benchmark_group("graph of 10 000 steps and 100 000 needs");
    group.sample_size(10);
    group.bench_function("plan validate", |bench| {
        bench.iter(|| assert!(run(own, &["validate", "plan.yaml"], desk.path())));
    });
    group.bench_function("plan graph", |bench| {
        let args = ["graph", "--format", "json", "plan.yaml"];
        bench.iter(|| assert!(run(own, &args, desk.path())));
    });
    if run("ninja", &["--version"], desk.path()) {
        group.bench_function("ninja -n", |bench| {
            let all = format!("s{}", STEPS - 1);
            bench.iter(|| assert!(run("ninja", &["-n", &all], desk.path())));
        });
    }
    group.finish();
}

fn execution(criterion: &mut Criterion) {
    let desk = harness::Desk::new();
    let mesh = harness::Mesh::start();
    let kubeconfig = mesh.kubeconfig(&desk);
    desk.file("plan.yaml", &plan());
    desk.file("build.ninja", &ninja());
    let own = env!("CARGO_BIN_EXE_plan");
    let mut group = criterion.benchmark_group("run of 10 000 steps that do nothing");
    group.sample_size(10);
    group.bench_function("plan run, journal on the disk", |bench| {
        let args = ["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig];
        bench.iter(|| assert!(run(own, &args, desk.path())));
    });
    if run("ninja", &["--version"], desk.path()) {
        group.bench_function("ninja, true", |bench| {
            let all = format!("s{}", STEPS - 1);
            bench.iter(|| assert!(run("ninja", &[&all], desk.path())));
        });
    }
    group.finish();
}

criterion_group!(benches, graph, execution);
criterion_main!(benches);
