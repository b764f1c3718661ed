//! The whole upgrade, step by step, on a living lab.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Mesh;
use crate::cluster::Cluster;
use crate::lab::istio;
use crate::lab::scenario::{Lab, Scenario};
use crate::model::Kind;
use crate::steps::{Simulated, Steps, Workspace};

pub(super) async fn shop(version: &str) -> Lab {
    let version = version.parse().unwrap();
    let scenario = Scenario::new("shop").fit(&version, ["shop"]);
    scenario.open(0).await.unwrap()
}

pub(super) fn on(lab: &Lab) -> Mesh {
    on_with_files(lab, Path::new("."), false)
}

pub(super) fn on_with_files(lab: &Lab, files: &Path, dry_run: bool) -> Mesh {
    let workspace = Workspace {
        files: files.into(),
        root: files.into(),
        path: "".into(),
        simulated: Some(Simulated {
            render: Arc::new(|version, revision| Ok(istio::control_plane(version, revision))),
            answer: Arc::new(|_| None),
        }),
    };
    let cluster = Cluster::from_service(lab.api.service("plan"), dry_run);
    Mesh {
        server: lab.api.clone(),
        steps: Steps::new(cluster, workspace),
        said: Arc::default(),
        waited: Arc::default(),
        attempt: 1,
        earlier: Vec::new(),
    }
}

fn replica_sets(mesh: &Mesh) -> usize {
    mesh.server.objects("replicasets.apps", "shop").len()
}

/// What moves `shop` to the revision `canary`, once it is known to be possible.
pub(super) fn migration(to: &str) -> [(Kind, Value); 5] {
    let namespace = json!({ "namespace": "shop", "revision": "canary" });
    let mut verify = namespace.clone();
    verify["version"] = to.into();
    [
        (
            Kind::InstallRevision,
            json!({ "revision": "canary", "version": to, "take_over": ["*/*"] }),
        ),
        (
            Kind::WaitReady,
            json!({ "revision": "canary", "version": to }),
        ),
        (Kind::LabelNs, namespace.clone()),
        (Kind::Restart, namespace),
        (Kind::VerifyXds, verify),
    ]
}

async fn upgrade(from: &str, to: &str) {
    let lab = shop(from).await;
    let mesh = on(&lab);
    let precheck = (Kind::Precheck, json!({ "from": from, "to": to }));
    let steps = [&[precheck][..], &migration(to)].concat();
    let before = replica_sets(&mesh);
    for (kind, with) in &steps {
        let done = mesh.run(*kind, with.clone()).await;
        let done = done.unwrap_or_else(|error| panic!("{}: {error:#?}", kind.as_str()));
        if *kind == Kind::VerifyXds {
            assert_eq!(done.outputs["moved"], 5, "{}", done.message);
        }
    }
    assert_eq!(
        replica_sets(&mesh),
        before + 3,
        "each workload restarted once"
    );
    for (kind, with) in &steps[1..] {
        let again = mesh.run(*kind, with.clone()).await.unwrap();
        assert!(!again.changed, "{} again: {}", kind.as_str(), again.message);
    }
    assert_eq!(
        replica_sets(&mesh),
        before + 3,
        "a second run restarts nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn from_1_28_to_1_29() {
    upgrade("1.28.2", "1.29.1").await;
}

#[tokio::test(start_paused = true)]
async fn from_1_5_to_1_6() {
    upgrade("1.5.10", "1.6.14").await;
}

#[tokio::test(start_paused = true)]
async fn proxies_that_did_not_move_are_judged_by_name() {
    let lab = shop("1.28.2").await;
    let mesh = on(&lab);
    let [install, ready, label, ..] = migration("1.29.1");
    for (kind, with) in [install, ready, label] {
        mesh.run(kind, with).await.unwrap();
    }
    // Nothing was restarted: every proxy is still on the old control plane.
    let error = mesh
        .run(
            Kind::VerifyXds,
            json!({ "namespace": "shop", "revision": "canary", "settle": "5s" }),
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.failure.message,
        "5 of 5 proxies in shop are not on canary: 5 OLD"
    );
    assert_eq!(error.failure.details.len(), 5);
    assert!(
        error.failure.details[0].starts_with("OLD     cart-"),
        "{:?}",
        error.failure.details
    );
}

#[tokio::test(start_paused = true)]
async fn the_lab_applies_the_files_that_the_plan_names() {
    let lab = shop("1.28.2").await;
    let directory = tempfile::tempdir().unwrap();
    let agent = json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "istio-cni-node" } });
    fs_err::write(directory.path().join("canary.yaml"), agent.to_string()).unwrap();
    let mesh = on_with_files(&lab, directory.path(), false);
    let with = json!({
        "revision": "canary", "version": "1.29.1", "source": "manifests", "files": ["canary.yaml"],
    });
    let error = mesh.run(Kind::InstallRevision, with).await.unwrap_err();
    assert!(
        error.failure.details[0].starts_with("DaemonSet/istio-system/istio-cni-node"),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_names_the_previous_manager_of_what_is_taken_over() {
    let lab = shop("1.28.2").await;
    let shared = |value: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "shared" }, "data": { "a": value } });
    let path = "/api/v1/namespaces/istio-system/configmaps?fieldManager=helm";
    lab.api.request("helm", "POST", path, shared("1")).unwrap();
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "istiod-canary" },
        "spec": { "ports": [{ "port": 15012 }] },
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("canary.yaml");
    fs_err::write(file, format!("{}\n---\n{service}", shared("2"))).unwrap();
    let mesh = on_with_files(&lab, directory.path(), true);
    let mut with = json!({
        "revision": "canary", "version": "1.29.1", "source": "manifests", "files": ["canary.yaml"],
    });
    let error = mesh
        .run(Kind::InstallRevision, with.clone())
        .await
        .unwrap_err();
    assert!(error.failure.details[0].contains("\"helm\""), "{error:?}");

    with["take_over"] = json!(["ConfigMap/sha*"]);
    mesh.run(Kind::InstallRevision, with).await.unwrap();
    let said = mesh.said();
    let told = "takes 1 field of ConfigMap/istio-system/shared over from helm".to_owned();
    assert!(said.contains(&told), "{said:?}");
}
