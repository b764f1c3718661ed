use serde_json::json;

use super::Mesh;
use super::upgrade::{on, shop};
use crate::model::Kind;

#[tokio::test(start_paused = true)]
async fn a_window_opens_when_its_hour_has_come() {
    let mesh = Mesh::new();
    let start = tokio::time::Instant::now();
    // The clock of these tests begins with 1970, on a Thursday.
    let with = json!({ "window": { "between": ["06:00", "08:00"], "days": ["fri"] } });
    let done = mesh.run(Kind::Gate, with).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30 * 3600);
    assert_eq!(done.message, "accepted by the clock");
    assert_eq!(done.outputs["value"], "1970-01-02T08:00:00+00:00[UTC]");
    let waited = mesh.waited.lock().unwrap();
    assert!(!waited.is_empty());
    assert!(
        waited
            .iter()
            .all(|why| why == "the window opens at Fri 1970-01-02 06:00 UTC"),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn health_waits_for_rollouts_and_pods_and_names_what_ails() {
    let lab = shop("1.28.2").await;
    let mesh = on(&lab);
    let health = || mesh.run(Kind::Gate, json!({ "health": { "namespace": "shop" } }));
    health().await.unwrap();
    assert!(mesh.waited.lock().unwrap().is_empty(), "the shop is well");
    // A new pod of nobody: the lab's kubelet needs a while to start it.
    mesh.server.seed(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "late", "namespace": "shop" },
        "spec": { "nodeName": "n", "containers": [{ "name": "app", "image": "app:1" }] },
        "status": { "phase": "Pending" },
    }));
    health().await.unwrap();
    assert_eq!(
        *mesh.waited.lock().unwrap(),
        [
            "Pod/late: not ready",
            "Pod/late: container app runs, and is not ready"
        ]
    );
    let pod = mesh.server.object("pods", "shop", "late").unwrap();
    assert_eq!(pod["status"]["phase"], "Running");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_not_there_is_not_healthy() {
    let mesh = Mesh::new();
    let with = json!({ "health": { "namespace": "shpo" } });
    let error = mesh.run(Kind::Gate, with).await.unwrap_err();
    assert_eq!(error.failure.message, "there is no namespace shpo");
}
