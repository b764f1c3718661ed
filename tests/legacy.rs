//! The original case on a real mesh, Istio 1.5 to 1.6 on Kubernetes 1.21, where injected pods get the label
//! `istio.io/rev`: what `tests/mesh.rs` asserts of today's Istio, asserted of this one. Its parts take long to build:
//! `cargo test --test legacy -- --nocapture --test-threads 1`.
#![expect(dead_code, reason = "the cases on a desk need more")]
#![expect(clippy::print_stdout, reason = "what a long test has come to")]

mod e2e;

#[path = "e2e/canary.rs"]
mod canary;
#[path = "e2e/case.rs"]
mod case;
#[path = "e2e/kills.rs"]
mod kills;
#[path = "e2e/verdicts.rs"]
mod verdicts;

const LEGACY: case::Case = case::Case {
    bed: "legacy",
    upgrade: &["plans/upgrade-1.6.yaml"],
    waves: &[&["default"]],
    pods: 20,
    versions: &[
        "customresourcedefinitions.v1beta1.apiextensions.k8s.io",
        "mutatingwebhookconfigurations.v1beta1.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.v1beta1.admissionregistration.k8s.io",
        "poddisruptionbudgets.v1beta1.policy",
        "horizontalpodautoscalers.v2beta1.autoscaling",
        "envoyfilters.v1alpha3.networking.istio.io",
    ],
};

#[test]
fn the_upgrade_from_1_5_moves_every_pod() {
    let bed = canary::does_what_was_shown(&LEGACY);
    let labelled = bed.list("pods -n default -l istio.io/rev=canary");
    assert_eq!(
        labelled.len(),
        LEGACY.pods,
        "pods with the label istio.io/rev=canary"
    );
}

#[test]
fn a_run_that_is_killed_resumes_to_the_same_end() {
    kills::resumes_to_the_same_end(&LEGACY);
}

#[test]
fn proxies_that_misbehave_get_their_verdict_and_stop_the_run() {
    verdicts::stop_the_run(&LEGACY);
}
