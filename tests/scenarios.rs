//! What a user sees of the lab's scenarios.

use crate::harness::Desk;

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
