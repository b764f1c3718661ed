//! `plan` on a real mesh: the API server, the controllers, two istiods and a connected client for each proxy, as
//! `tests/mesh/up` makes them. Needs root; `cargo test` leaves it out, and
//! `cargo test --test mesh -- --nocapture --test-threads 1` runs it.
#![expect(dead_code, reason = "the cases on a desk need more")]
#![expect(clippy::print_stdout, reason = "what a long test has come to")]

mod e2e;

#[path = "e2e/canary.rs"]
mod canary;
#[path = "e2e/case.rs"]
mod case;
#[path = "e2e/envoy.rs"]
mod envoy;
#[path = "e2e/kills.rs"]
mod kills;
#[path = "e2e/verdicts.rs"]
mod verdicts;

/// Today's Istio on today's Kubernetes.
const MODERN: case::Case = case::Case {
    bed: "modern",
    upgrade: &["plans/upgrade-canary.yaml", "--set", "soak=2s"],
    waves: &[&["shop"], &["pay"], &["cart", "web"]],
    pods: case::SHOP_PODS,
    versions: &[],
};

#[test]
fn the_upgrade_does_what_its_dry_run_showed_and_does_it_once() {
    canary::does_what_was_shown(&MODERN);
}

#[test]
fn a_run_that_is_killed_resumes_to_the_same_end() {
    kills::resumes_to_the_same_end(&MODERN);
}

#[test]
fn proxies_that_misbehave_get_their_verdict_and_stop_the_run() {
    verdicts::stop_the_run(&MODERN);
}

#[test]
fn real_envoys_tell_whom_they_dial() {
    envoy::tell_whom_they_dial();
}
