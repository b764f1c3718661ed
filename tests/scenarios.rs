//! What a user sees of the lab's scenarios.

use crate::harness::{Desk, Ended};

#[test]
fn a_mistake_in_a_scenario_is_shown_where_it_is() {
    let desk = Desk::new();
    let text = fs_err::read_to_string("plans/upgrade-1.6.yaml").unwrap();
    desk.file("plan.yaml", &text);
    desk.file(
        "bad.yaml",
        "name: bad\ntimings: {}\nworkloads:\n  - { name: a, kind: Deploymnt }\nfaults:\n  - { effect: answer, at: soon }\n",
    );
    desk.plan(&["run", "plan.yaml", "--lab=bad.yaml"])
        .exits(3)
        .says("bad.yaml:2:1")
        .says("did you mean `timing`?")
        .says("bad.yaml:4:22")
        .says("did you mean `Deployment`?")
        .says("bad.yaml:6:27")
        .says("`soon` is not a duration")
        .says("plan schema scenario");
    desk.file("bad.yaml", "name: bad\nfaults:\n  - effect: answer\n");
    desk.plan(&["run", "plan.yaml", "--lab=bad.yaml"])
        .exits(3)
        .says("bad.yaml:3:5")
        .says("the effect `answer` needs `status`");
    desk.plan(&["run", "plan.yaml", "--lab=rejeted"])
        .exits(64)
        .says("there is no scenario `rejeted`, and no such file")
        .says("did you mean `rejected`?");
    desk.file(
        "old.yaml",
        "name: old\nistio: { revisions: [{ version: 1.12.0 }] }\n",
    );
    desk.plan(&["run", "plan.yaml", "--lab=old.yaml"])
        .exits(3)
        .says("the lab knows no Istio 1.12.0");
}

#[test]
fn a_scenario_in_which_plan_dies_is_for_rehearsals_alone() {
    let desk = Desk::new();
    desk.file("plan.yaml", CANARY);
    desk.file(
        "dies.yaml",
        "name: dies\nfaults:\n  - { effect: crash-plan, at: 3s }\n",
    );
    for command in [
        &["run", "plan.yaml", "--lab=dies.yaml"][..],
        &["lab", "serve", "dies.yaml"],
    ] {
        desk.plan(command)
            .exits(64)
            .says("the scenario `dies` lets plan die (`crash-plan`)")
            .says("plan rehearse FILE --lab=SCENARIO");
    }
    let rehearse = ["rehearse", "plan.yaml", "--lab=dies.yaml", "--seeds=2"];
    let told = desk.plan(&rehearse).exits(0);
    assert!(
        told.stdout.contains("2 of 2 rehearsals ended well"),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout.contains("plan died in 2 of them"),
        "{}",
        told.stdout
    );
}

#[test]
fn rehearsals_are_explained_with_their_faults_and_their_rules() {
    let page = Desk::new().plan(&["explain", "rehearse"]).exits(0).stdout;
    for line in [
        "- `crash`: The death of plan itself, once, and its resume\n",
        "- a run restarts a workload once\n",
        "- the intent is in the journal before the act\n",
    ] {
        assert!(page.contains(line), "{page}");
    }
    assert!(!page.contains('{'), "{page}");
}

#[test]
fn the_lab_says_what_it_does_not_model_and_what_it_can_show() {
    let desk = Desk::new();
    let page = desk.plan(&["explain", "lab"]).exits(0).says("proxy-status");
    for name in plan::lab::scenario::NAMES {
        assert!(page.stdout.contains(&format!("- `{name}`: ")), "{name}");
    }
    desk.plan(&["schema", "scenario"])
        .exits(0)
        .says("\"title\": \"scenario\"");
}

const CANARY: &str = r#"version: 1
name: canary
inputs:
  namespace: { type: namespace, default: shop }
  patience: { type: duration, default: 5m }
steps:
  precheck:
    uses: precheck
    with: { from: 1.28.2, to: 1.29.1, namespaces: ["${{ inputs.namespace }}"] }
  install:
    uses: install-revision
    needs: [precheck]
    with: { revision: canary, version: 1.29.1, take_over: ["CustomResourceDefinition/*.istio.io"] }
  ready:
    uses: wait-ready
    needs: [install]
    with: { revision: canary, version: 1.29.1 }
  label:
    uses: label-ns
    needs: [ready]
    with: { namespace: "${{ inputs.namespace }}", revision: canary }
  restart:
    uses: restart
    needs: [label]
    timeout: ${{ inputs.patience }}
    with: { namespace: "${{ inputs.namespace }}", revision: canary }
  verify:
    uses: verify-xds
    needs: [restart]
    with: { namespace: "${{ inputs.namespace }}", revision: canary, version: 1.29.1 }
  accept:
    uses: gate
    needs: [verify]
    timeout: 24h
    with: { approval: { message: "Accept?" } }
"#;

fn upgrade(scenario: &str, more: &[&str]) -> Ended {
    let desk = Desk::new();
    desk.file("plan.yaml", CANARY);
    let lab = format!("--lab={scenario}");
    desk.plan(&[&["run", "plan.yaml", lab.as_str()], more].concat())
}

#[test]
fn the_shop_is_what_a_bare_lab_opens() {
    upgrade("shop", &[])
        .exits(0)
        .says("lab: shop: Istio 1.28.2 with workloads in shop")
        .says("restart: done, changed")
        .says("3 of 3 workloads restarted")
        .says("5 proxies of 3 workloads on canary");
    let desk = Desk::new();
    desk.file("plan.yaml", CANARY);
    desk.plan(&["run", "plan.yaml", "--lab", "--dry-run"])
        .exits(0)
        .says("lab: shop: Istio 1.28.2");
}

#[test]
fn both_labels_are_found_and_mended() {
    upgrade("both-labels", &[])
        .exits(0)
        .says("the first one wins, silently → remove one of them; label-ns does it in one patch")
        .says("patch Namespace/shop: istio.io/rev=canary, istio-injection-")
        .says("5 proxies of 3 workloads on canary");
}

#[test]
fn a_proxy_that_rejects_its_configuration_stops_the_upgrade() {
    upgrade("nack", &[])
        .exits(1)
        .says("2 of 5 proxies in shop are not on canary: 2 ERROR")
        .says("rejected: Error adding/updating cluster(s) lab: rejected by the lab")
        .says(
            "help: `plan explain verify-xds` says what each verdict means; nothing further has run",
        )
        .says("accept: not run: needs `verify`, which failed")
        .hides("plan resume");
}

#[test]
fn a_rollout_that_is_stuck_is_told_with_its_reason() {
    upgrade("stuck-rollout", &[])
        .exits(1)
        .says("Deployment/shop/checkout does not roll out: ReplicaSet \"checkout-")
        .says("has timed out progressing.")
        .says("help: look at the workload's events and pods; the step can be resumed once it rolls out")
        .says("verify: not run: needs `restart`, which failed");
}

#[test]
fn a_budget_of_zero_is_warned_of_and_waited_for() {
    upgrade("pdb-zero", &["--set", "patience=10s"])
        .exits(1)
        .says("PodDisruptionBudget/shop/cart")
        .says("allows no disruption → add a replica or loosen it: nodes cannot be drained, and the restart waits for it")
        .says("restart: patch Deployment/shop/catalog: restart")
        .says("restart: Deployment/shop/cart: the budget cart allows no disruption")
        .says("StatefulSet/shop/database cannot be restarted: its updateStrategy is OnDelete")
        .says("restart: timed out")
        .says("verify: not run: needs `restart`, which timed out");
}

#[test]
fn what_a_rollout_does_not_move_is_named_with_its_reason() {
    upgrade("on-delete", &[])
        .exits(1)
        .says("StatefulSet/shop/database cannot be restarted: its updateStrategy is OnDelete: delete its pods one after the other")
        .says("StatefulSet/shop/queue cannot be restarted: its partition 2 keeps the first 2 pods as they are")
        .says("DaemonSet/shop/agent cannot be restarted: its updateStrategy is OnDelete")
        .says("Pod/shop/debug cannot be restarted: a bare pod: nothing makes it again")
        .says("restart: done, changed")
        .says("OLD     database-0.shop  connected to default")
        .says("proxies in shop are not on canary")
        .hides("catalog cannot be restarted");
}

#[test]
fn a_gate_that_says_no_ends_the_run() {
    upgrade("rejected", &[])
        .exits(6)
        .says("accept: rejected")
        .says("rejected by ann: the error rate of the new version is too high")
        .says("rejected at a gate")
        .hides("plan resume");
}

#[test]
fn a_fleet_of_a_thousand_pods_is_opened() {
    upgrade("fleet-50", &["--set", "namespace=team-01", "--dry-run"])
        .exits(0)
        .says("lab: fleet-50: Istio 1.28.2 with workloads in 50 namespaces, team-01 to team-50")
        .says("team-01/web")
        .hides("team-02/web");
}

#[test]
fn a_lost_answer_changes_neither_the_time_nor_what_the_steps_tell() {
    let desk = Desk::new();
    desk.file(
        "lost.yaml",
        r"name: lost
istio: { revisions: [{ name: default, version: 1.5.10 }, { name: canary, version: 1.6.14 }] }
namespaces: [{ name: shop }]
workloads: [{ name: web }]
faults:
  - { effect: lose-answer, times: 1, on: { verb: patch, resource: namespaces } }
  - { effect: lose-answer, times: 1, on: { verb: patch, resource: deployments } }
",
    );
    desk.file(
        "plan.yaml",
        r#"version: 1
name: lost
steps:
  label: { uses: label-ns, allow: [{ code: P0502, reason: both are there }], with: { namespace: shop, revision: canary } }
  was: { uses: gate, needs: [label], when: "steps.label.outputs.before['shop']['istio-injection'] == 'enabled'", with: { soak: 1s } }
  restart: { uses: restart, needs: [label], timeout: 1m, with: { namespace: shop, revision: canary } }
  verify: { uses: verify-xds, needs: [restart], timeout: 1m, with: { namespace: shop, revision: canary } }
  told: { uses: gate, needs: [verify], when: "steps.restart.outputs.restarted | length > 0", with: { soak: 1s } }
"#,
    );
    desk.plan(&["run", "plan.yaml", "--lab=lost.yaml"])
        .exits(0)
        .says("label: done, changed")
        .says("restart: done, changed")
        .says("1 of 1 workload restarted")
        .says("5 steps: 5 done; 2 steps changed something");
}

const PACED: &str = "name: paced\nnamespaces:\n  - name: shop\n    workloads:\n      - { name: aa, replicas: 1, progress_deadline: 20s }\n      - { name: bb, replicas: 2, max_surge: 0, max_unavailable: 1, budget: { max_unavailable: 0 } }\n      - { name: s1, kind: StatefulSet, replicas: 1 }\n      - { name: s2, kind: StatefulSet, replicas: 1 }\npods:\n";

fn paced(desk: &Desk, restart: &str) {
    desk.file(
        "plan.yaml",
        &format!(
            "version: 1\nname: paced\ndefaults: {{ timeout: 30m }}\nsteps:\n  install: {{ uses: install-revision, with: {{ revision: canary, version: 1.29.1 }} }}\n  ready: {{ uses: wait-ready, needs: [install], with: {{ revision: canary }} }}\n  label: {{ uses: label-ns, needs: [ready], with: {{ namespace: shop, revision: canary }} }}\n  restart: {{ uses: restart, needs: [label], with: {{ namespace: shop, revision: canary, {restart} }} }}\n  verify: {{ uses: verify-xds, needs: [restart], with: {{ namespace: shop, revision: canary }} }}\n"
        ),
    );
}

#[test]
fn a_rollout_that_fails_ends_what_a_pace_or_a_budget_holds_back() {
    let desk = Desk::new();
    desk.file(
        "sick.yaml",
        &format!(
            "{PACED}  - {{ on: {{ name: \"aa-*\", revision: canary }}, never_ready: true }}\n"
        ),
    );
    for restart in ["per_minute: 1", "max_concurrent: 5"] {
        paced(&desk, restart);
        let told = desk
            .plan(&["run", "plan.yaml", "--lab=sick.yaml", "--seed=3"])
            .exits(1);
        told.says("Deployment/shop/aa does not roll out")
            .says("1 failed")
            .hides("patch Deployment/shop/bb");
    }
}

#[test]
fn a_slot_is_free_when_a_rollout_of_whatever_kind_has_ended() {
    let desk = Desk::new();
    let slow = PACED.replace(", budget: { max_unavailable: 0 }", "");
    desk.file(
        "slow.yaml",
        &format!("{slow}  - {{ on: {{ name: \"aa-*\", revision: canary }}, ready_after: 8m }}\n")
            .replace("progress_deadline: 20s", "progress_deadline: 20m"),
    );
    paced(&desk, "max_concurrent: 2");
    let told = desk
        .plan(&["run", "plan.yaml", "--lab=slow.yaml", "--seed=3"])
        .exits(0);
    let at = |what: &str| {
        let line = told
            .stdout
            .lines()
            .chain(told.stderr.lines())
            .find(|line| line.contains(what));
        line.unwrap_or_default()
            .get(..8)
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        at("patch StatefulSet/shop/s2").as_str() < "00:02",
        "{}",
        told.stderr
    );
}

#[test]
fn what_moves_nothing_does_not_say_that_all_has_moved() {
    let desk = Desk::new();
    desk.file("shop.yaml", &PACED.replace("pods:\n", ""));
    paced(&desk, "selector: app=tyop");
    desk.plan(&["run", "plan.yaml", "--lab=shop.yaml"])
        .exits(1)
        .says("nothing in shop is selected by app=tyop")
        .says("in shop are not on canary");
    desk.file("plan.yaml", CANARY);
    desk.plan(&["run", "plan.yaml", "--lab=on-delete", "--dry-run"])
        .exits(0)
        .says("and would fail: ");
    let review = ["--dry-run", "--report", "markdown=review.md"];
    desk.plan(&[&["run", "plan.yaml", "--lab=pdb-zero"], &review[..]].concat())
        .exits(0)
        .says("a restart would wait: ");
    let review = fs_err::read_to_string(desk.path().join("review.md")).unwrap();
    for part in [
        "## Dry run of ",
        "\n| `verify` | modelled | verifies that every proxy of shop is on ",
        "\n<details><summary>label [server] ",
        "\n-    istio-injection: enabled\n",
        "\nnote: a restart would wait: ",
    ] {
        assert!(review.contains(part), "{part}: {review}");
    }
}
