//! The original case on a real mesh, Istio 1.5 to 1.6 on Kubernetes 1.21, where injected pods get the label
//! `istio.io/rev`. By hand, since its parts take long to build: `cargo test --test legacy -- --nocapture`.
#![expect(dead_code, reason = "the cases of today's Istio need more")]
#![expect(clippy::print_stdout, reason = "the run's own report is the evidence")]

mod e2e;

use e2e::bed::Bed;
use e2e::process::StateDir;
use e2e::state::assert_upgraded;

#[test]
fn the_upgrade_from_1_5_moves_every_pod() {
    let bed = Bed::up("legacy");
    let state = StateDir::new();
    let arguments = ["run", "plans/upgrade-1.6.yaml", "--yes", "--approve", "all"];
    let ended = state.plan(&bed, &arguments).exits(0);
    println!("{}", ended.stdout);
    assert_upgraded(&bed, &["default"], 20);
    let labelled = bed.list("pods -n default -l istio.io/rev=canary");
    assert_eq!(
        labelled.len(),
        20,
        "pods with the label istio.io/rev=canary"
    );
}
