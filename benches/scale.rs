//! Large plans, beside ninja on the same graph in the same run: 10 000 steps with 100 000 needs. And a fleet in the lab.
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
    for format in ["text", "json"] {
        group.bench_function(format!("plan graph --format {format}"), |bench| {
            let args = ["graph", "--format", format, "plan.yaml"];
            bench.iter(|| assert!(run(own, &args, desk.path())));
        });
    }
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

/// An upgrade of every namespace that is injected.
const FLEET: &str = r#"version: 1
name: fleet
steps:
  install:
    uses: install-revision
    with: { revision: canary, version: 1.29.1, take_over: ["CustomResourceDefinition/*.istio.io"] }
  ready:
    uses: wait-ready
    needs: [install]
    with: { revision: canary, version: 1.29.1 }
  migrate:
    needs: [ready]
    for_each: { namespaces: { selector: istio-injection=enabled } }
    as: namespace
    waves: [1, 20%, 100%]
    steps:
      label:
        uses: label-ns
        with: { namespace: "${{ namespace }}", revision: canary }
      restart:
        uses: restart
        needs: [label]
        with: { namespace: "${{ namespace }}", revision: canary }
      verify:
        uses: verify-xds
        needs: [restart]
        with: { namespace: "${{ namespace }}", revision: canary, version: 1.29.1 }
"#;

/// The most memory that the upgrade of the fleet may take, in KiB.
const MEMORY: u64 = 300 * 1024;

/// 50 namespaces, 200 workloads and 1 000 pods, upgraded in the lab.
fn fleet(criterion: &mut Criterion) {
    let desk = harness::Desk::new();
    desk.file("plan.yaml", FLEET);
    let own = env!("CARGO_BIN_EXE_plan");
    let args = ["run", "plan.yaml", "--lab=fleet-50"];
    let mut group = criterion.benchmark_group("fleet-50: 1 000 pods in the lab");
    group.sample_size(10);
    group.bench_function("plan run --lab=fleet-50", |bench| {
        bench.iter(|| assert!(run(own, &args, desk.path())));
    });
    group.finish();
    let peak = peak(own, &args, desk.path());
    anstream::eprintln!("plan run --lab=fleet-50: {} MiB at most", peak / 1024);
    assert!(peak < MEMORY, "{peak} KiB");
}

/// The high-water mark of a program's memory, in KiB.
fn peak(program: &str, args: &[&str], directory: &Path) -> u64 {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs_err::read_to_string(format!("/proc/{}/status", child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let size = line.and_then(|text| text.split_whitespace().next()?.parse().ok());
        peak = size.unwrap_or(peak);
        #[expect(
            clippy::disallowed_methods,
            reason = "another process is watched, on real time"
        )]
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(child.wait().unwrap().success());
    peak
}

criterion_group!(benches, graph, execution, fleet);
criterion_main!(benches);
