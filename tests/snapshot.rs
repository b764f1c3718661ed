//! `plan snapshot`, and a run in the lab that begins with one.

use plan::lab::scenario::Scenario;

use crate::harness::{Desk, kubeconfig, serve};

#[test]
fn a_snapshot_is_taken_and_a_plan_is_tried_against_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let version = "1.5.10".parse().unwrap();
    let scenario = Scenario::new("shop").fit(&version, ["default"]);
    let lab = runtime.block_on(scenario.open(0)).unwrap();
    let port = serve(&runtime, &lab.api);
    let desk = Desk::new();
    let cluster = kubeconfig(&desk, port);
    let plan = fs_err::read_to_string("plans/upgrade-1.6.yaml").unwrap();
    desk.file("plan.yaml", &plan);

    let take = ["snapshot", "--kubeconfig", &cluster, "-o"];
    desk.plan(&[&take[..], &["cluster.json"]].concat())
        .exits(64)
        .says("`cluster.json` does not end in .json.gz");
    desk.plan(&[&take[..], &["cluster.json.gz"]].concat())
        .exits(0)
        .says("cluster.json.gz: Kubernetes v1.21.0, 1 istiod, ")
        .says("left out:\n")
        .says("  Secrets: none was read");
    let before = lab.api.everything().len();
    drop(lab);
    assert!(before > 0);

    let mut moved = Vec::new();
    for _ in 0..2 {
        let ended = desk
            .plan(&[
                "run",
                "plan.yaml",
                "--lab=cluster.json.gz",
                "--state-dir",
                "runs",
            ])
            .exits(0)
            .says("lab: cluster.json.gz: Kubernetes v1.21.0");
        let line = ended
            .stdout
            .lines()
            .find(|line| line.contains("proxies of"));
        moved.push(line.is_some());
    }
    assert_eq!(moved, [true, true], "the file is as it was");

    let mut bytes = fs_err::read(desk.path().join("cluster.json.gz")).unwrap();
    bytes.truncate(bytes.len() - 100);
    fs_err::write(desk.path().join("half.json.gz"), bytes).unwrap();
    desk.plan(&["run", "plan.yaml", "--lab=half.json.gz"])
        .exits(3)
        .says("half.json.gz cannot be used")
        .says("it is not packed with gzip, or cut off")
        .says("name a file that `plan snapshot -o FILE` wrote");
    desk.plan(&["run", "plan.yaml", "--lab=none.json.gz"])
        .exits(64)
        .says("none.json.gz");
}
