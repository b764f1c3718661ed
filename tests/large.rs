//! `plan` beside kubectl and istioctl on a large real mesh: 50 namespaces, 200 Deployments, 1 000 proxies. Requests are
//! asserted, times printed as ratios; needs root and a quarter of an hour, so `cargo test` leaves it out, and
//! `cargo test --release --test large -- --nocapture` runs it.
#![expect(dead_code, reason = "the other cases need more")]
#![expect(clippy::print_stdout, reason = "ratios are to be read")]

mod e2e;

use std::time::Instant;

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

#[test]
fn a_large_mesh_moves_with_few_requests() {
    let bed = Bed::up_with(&["modern", "--large"]);
    let state = StateDir::new();
    let namespaces: Vec<String> = (1..=50).map(|number| format!("team-{number}")).collect();
    let namespaces = format!("namespaces={}", namespaces.join(","));
    let install = [
        "run",
        "plans/upgrade-canary.yaml",
        "--yes",
        "--until",
        "ready",
    ];
    state
        .plan(&bed, &[&install[..], &["--set", &namespaces]].concat())
        .expect(0);

    let mark = audit::mark(&bed);
    let began = Instant::now();
    state
        .plan(
            &bed,
            &[
                "run",
                PLAN,
                "--yes",
                "--concurrency",
                "50",
                "--set",
                &namespaces,
            ],
        )
        .expect(0);
    let planned = began.elapsed();
    let own = told("plan", &audit::requests(&bed, mark, "plan/"));

    let began = Instant::now();
    state
        .plan(&bed, &["run", "tests/e2e/large-verify.yaml", "--yes"])
        .expect(0);
    let verified = began.elapsed();
    let began = Instant::now();
    bed.output("istioctl-1.29.1", &["proxy-status", "--revision", "canary"]);
    let listed = began.elapsed();

    let began = Instant::now();
    bed.output("bash", &["-c", AT_ONCE]);
    let at_once = began.elapsed();

    let mark = audit::mark(&bed);
    let began = Instant::now();
    bed.output("bash", &["-c", SERIAL]);
    let serial = began.elapsed();
    let theirs = told("kubectl", &audit::requests(&bed, mark, "kubectl/"));

    let ratio = |what: &str, ours: std::time::Duration, others: std::time::Duration| {
        let by = ours.as_secs_f64() / others.as_secs_f64();
        println!("{what}: {by:.2} ({ours:.1?} to {others:.1?})");
    };
    ratio(
        "the upgrade, to a script that restarts all at once",
        planned,
        at_once,
    );
    ratio(
        "the upgrade, to a script that goes one by one",
        planned,
        serial,
    );
    ratio(
        "a run of one verify-xds, to istioctl proxy-status",
        verified,
        listed,
    );
    assert!(2 * own < theirs, "{own} requests, kubectl makes {theirs}");
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
