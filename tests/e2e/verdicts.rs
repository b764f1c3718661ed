//! Proxies that do not move: each gets its verdict by name, the step fails, and nothing further runs.

use std::collections::BTreeMap;

use plan::event::{EventKind, Failure};
use plan::model::Outcome;

use crate::case::Case;
use crate::e2e::bed::{Bed, repository};
use crate::e2e::process::StateDir;
use crate::e2e::state::replica_sets;

/// Moves a namespace of misbehaving proxies, and asserts that it ends there.
pub(crate) fn stop_the_run(case: &Case) {
    let bed = Bed::up_with(&[case.bed, "--workloads", "modern"]);
    bed.apply(&repository("tests/e2e/odd.yaml"), "odd");

    let state = StateDir::new();
    let to = format!("to={}", bed.var("ISTIO_NEW"));
    let ended = state
        .plan(
            &bed,
            &["run", "tests/e2e/verdicts.yaml", "--yes", "--set", &to],
        )
        .exits(1);

    let (error, outcomes) = outcomes(&state);
    let verdicts: BTreeMap<&str, &str> = error
        .details
        .iter()
        .filter_map(|line| {
            let (verdict, rest) = line.split_once(' ')?;
            let pod = rest.trim_start().split('.').next()?;
            // POD is DEPLOYMENT-HASH-ID.
            Some((pod.rsplitn(3, '-').last()?, verdict))
        })
        .collect();
    let wanted = BTreeMap::from([
        ("nack", "ERROR"),
        ("never-ack", "STALE"),
        ("stay-old", "OLD"),
        ("both", "BOTH"),
        ("absent", "MISSING"),
    ]);
    assert_eq!(verdicts, wanted, "{error:#?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    for line in &error.details {
        let pod = line.split_whitespace().nth(1).expect("a pod");
        assert!(said.contains(pod), "{pod} is not named in: {said}");
    }

    for step in ["label", "restart", "verify"] {
        let outcome = outcomes.get(&format!("migrate[web].{step}"));
        assert!(
            matches!(outcome, None | Some(Outcome::NotRun)),
            "{step} in web: {outcome:?}"
        );
    }
    let labels = bed.list("namespace web")[0]["metadata"]["labels"].clone();
    assert_eq!(
        labels["istio-injection"], "enabled",
        "web was labelled: {labels}"
    );
    assert!(
        replica_sets(&bed, &["web"])
            .values()
            .all(|count| *count == 1),
        "web was restarted"
    );
}

/// Why `verify` failed, and how every node ended.
fn outcomes(state: &StateDir) -> (Failure, BTreeMap<String, Outcome>) {
    let mut why = None;
    let mut outcomes = BTreeMap::new();
    for event in state.journal() {
        if let EventKind::NodeFinished {
            node,
            outcome,
            error,
            ..
        } = event
        {
            if node.as_str() == "migrate[odd].verify" {
                assert_eq!(outcome, Outcome::Failed);
                why = error;
            }
            outcomes.insert(node.to_string(), outcome);
        }
    }
    (why.expect("why verify failed"), outcomes)
}
