//! `plan` beside kubectl and istioctl on a large real mesh: 50 namespaces, 200 Deployments, 1 000 proxies. Requests are
//! asserted, times printed as ratios; needs root and a quarter of an hour, so `cargo test` leaves it out, and
//! `cargo test --release --test large -- --nocapture` runs it.
#![expect(dead_code, reason = "the other cases need more")]
#![expect(clippy::print_stdout, reason = "ratios are to be read")]

mod e2e;

use std::time::{Duration, Instant};

use e2e::audit;
use e2e::bed::Bed;
use e2e::process::StateDir;

const PLAN: &str = "tests/e2e/large.yaml";

/// Moves a namespace by its labels, restarts everything in it, and waits for each rollout.
const SERIAL: &str = r#"set -e
for n in $(seq -f team-%g 50); do
  kubectl label namespace "$n" istio-injection- istio.io/rev=canary
  kubectl -n "$n" rollout restart deployment
  for d in $(kubectl -n "$n" get deployments -o name); do kubectl -n "$n" rollout status "$d"; done
done"#;

/// The same backwards, all namespaces at once, with the waiting at the end.
const AT_ONCE: &str = r#"set -e
kubectl label namespace $(seq -f team-%g 50) istio.io/rev- istio-injection=enabled
for n in $(seq -f team-%g 50); do kubectl -n "$n" rollout restart deployment; done
for n in $(seq -f team-%g 50); do kubectl -n "$n" rollout status deployment; done"#;

/// How `plan` runs, taking turns with the script: what else the machine does changes with time.
const TURNS: [&[&str]; 2] = [&["--concurrency", "50"], &[]];

#[test]
fn a_large_mesh_moves_with_few_requests() {
    let bed = Bed::up_with(&["modern", "--large"]);
    let state = StateDir::new();
    let namespaces: Vec<String> = (1..=50).map(|number| format!("team-{number}")).collect();
    let namespaces = format!("namespaces={}", namespaces.join(","));
    let with = ["--yes", "--set", &namespaces];
    let install = ["run", "plans/upgrade-canary.yaml", "--until", "ready"];
    state.plan(&bed, &[&install[..], &with].concat()).exits(0);

    let mut own = 0;
    for turn in TURNS {
        let mark = audit::mark(&bed);
        let (planned, ()) = timed(|| {
            let run = [&["run", PLAN][..], &with, turn].concat();
            state.plan(&bed, &run).exits(0);
        });
        own = own.max(told("plan", &audit::requests(&bed, mark, "plan/")));
        let (verified, ()) = timed(|| {
            let run = ["run", "tests/e2e/large-verify.yaml", "--yes"];
            state.plan(&bed, &run).exits(0);
        });
        let list = ["proxy-status", "--revision", "canary"];
        let (listed, _) = timed(|| bed.output("istioctl-1.29.1", &list));
        let (at_once, _) = timed(|| bed.output("bash", &["-c", AT_ONCE]));
        ratio(
            "a run of one verify-xds, to istioctl proxy-status",
            verified,
            listed,
        );
        let what = format!("the upgrade {turn:?}, to a script that restarts all at once");
        ratio(&what, planned, at_once);
    }

    let mark = audit::mark(&bed);
    let (serial, _) = timed(|| bed.output("bash", &["-c", SERIAL]));
    println!("the script that goes one by one: {serial:.1?}");
    let theirs = told("kubectl", &audit::requests(&bed, mark, "kubectl/"));
    assert!(2 * own < theirs, "{own} requests, kubectl makes {theirs}");
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed(), done)
}

fn ratio(what: &str, ours: Duration, others: Duration) {
    let by = ours.as_secs_f64() / others.as_secs_f64();
    println!("{what}: {by:.2} ({ours:.1?} to {others:.1?})");
}

/// Prints what was asked, and gives how often.
fn told(who: &str, requests: &[audit::Request]) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for request in requests {
        let what = format!(
            "{} {} {}",
            request.verb(),
            request.resource(),
            request.subresource()
        );
        *counts.entry(what).or_insert(0_usize) += 1;
    }
    println!("{who}: {} requests", requests.len());
    for (what, count) in counts {
        println!("  {count:5} {what}");
    }
    requests.len()
}
