//! What is told while rollouts do not end.

use std::time::Duration;

use serde_json::{Value, json};

use super::Mesh;
use crate::model::Kind;

fn pod(mesh: &Mesh, name: &str, app: &str, state: &Value) {
    mesh.server.seed(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "shop", "labels": { "app": app } },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
        "status": {
            "phase": "Pending",
            "conditions": [{ "type": "Ready", "status": "False" }],
            "containerStatuses": [{ "name": "app", "ready": false, "state": { "waiting": state } }],
        },
    }));
}

#[tokio::test(start_paused = true)]
async fn the_pods_that_hold_a_rollout_up_are_named_with_their_cause() {
    let mesh = Mesh::new();
    mesh.server.seed(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "labels": { "istio.io/rev": "canary" } },
    }));
    mesh.workload("old", "default", &json!({ "replicas": 6 }));
    let stored = mesh.server.object("deployments.apps", "shop", "old");
    let mut deployment = (*stored.unwrap()).clone();
    deployment["status"] = json!({ "observedGeneration": 9, "replicas": 6, "updatedReplicas": 2, "availableReplicas": 2 });
    mesh.server.seed(&deployment);
    for number in 1..=4 {
        let pull = json!({ "reason": "ImagePullBackOff", "message": "no such image" });
        pod(&mesh, &format!("old-2-{number}"), "old", &pull);
    }
    let starting = json!({ "reason": "ContainerCreating" });
    pod(&mesh, "old-2-0", "old", &starting);
    pod(
        &mesh,
        "other-1",
        "other",
        &json!({ "reason": "CrashLoopBackOff" }),
    );

    let with = json!({ "namespace": "shop", "revision": "canary" });
    let restart = mesh.run(Kind::Restart, with);
    let ended = tokio::time::timeout(Duration::from_secs(600), restart).await;
    assert!(ended.is_err(), "it waits: {ended:?}");
    let cause = "container app: ImagePullBackOff (no such image)";
    let lines = [
        "Deployment/shop/old: 2 of 6 pods updated".to_owned(),
        format!("pod old-2-1: {cause}"),
        format!("pod old-2-2: {cause}"),
        format!("pod old-2-3: {cause}"),
        "and 1 more pod".to_owned(),
    ];
    let waited = mesh.waited.lock().unwrap().clone();
    assert!(waited.ends_with(&lines), "{waited:#?}");
}
