use serde_json::{Value, json};

use super::Mesh;
use crate::model::Kind;

fn label_canary(mesh: &Mesh) {
    mesh.server.seed(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "labels": { "istio.io/rev": "canary" } },
    }));
}

fn marked(mesh: &Mesh, name: &str) -> Value {
    let object = mesh
        .server
        .object("deployments.apps", "shop", name)
        .unwrap();
    object["spec"]["template"]["metadata"]["annotations"]["plan/restarted-by"].clone()
}

#[tokio::test(start_paused = true)]
async fn only_what_has_not_moved_is_marked_and_the_rest_is_named() {
    let mesh = Mesh::dry();
    label_canary(&mesh);
    mesh.workload("old", "default", &json!({}));
    mesh.workload("moved", "canary", &json!({}));
    mesh.workload("paused", "default", &json!({ "paused": true }));
    mesh.pod("bare", "default", &json!([]));
    let with = json!({ "namespace": "shop", "revision": "canary" });
    let done = mesh.run(Kind::Restart, with).await.unwrap();
    assert_eq!(done.outputs["restarted"], json!(["Deployment/shop/old"]));
    assert_eq!(done.message, "1 of 4 workloads would be restarted");
    let said = mesh.said();
    assert!(said.contains(&"patch Deployment/shop/old".to_owned()));
    assert!(said.iter().any(|line| {
        line.starts_with("Deployment/shop/paused cannot be restarted: its rollout is paused")
    }));
    assert!(
        said.iter()
            .any(|line| line.starts_with("Pod/shop/bare cannot be restarted: a bare pod"))
    );
    assert_eq!(
        marked(&mesh, "old"),
        Value::Null,
        "a dry run changes nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_would_get_another_revision_is_refused() {
    let mesh = Mesh::new();
    mesh.workload("old", "default", &json!({}));
    let error = mesh
        .run(
            Kind::Restart,
            json!({ "namespace": "shop", "revision": "canary" }),
        )
        .await
        .unwrap_err();
    assert!(
        error
            .failure
            .message
            .contains("would give the sidecar of another revision"),
        "{error}"
    );
    assert_eq!(marked(&mesh, "old"), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn pods_that_do_not_move_although_the_rollout_ended_fail_the_step_by_name() {
    // Nothing replaces the pods here: the rollout "ends", and the old pod is still there.
    let mesh = Mesh::new();
    label_canary(&mesh);
    mesh.workload("old", "default", &json!({}));
    let error = mesh
        .run(
            Kind::Restart,
            json!({ "namespace": "shop", "revision": "canary" }),
        )
        .await
        .unwrap_err();
    assert_eq!(marked(&mesh, "old"), "run-1/step");
    assert!(
        error.failure.details[0].starts_with("Deployment/shop/old: old-1-a has revision default"),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_resumed_step_finds_its_own_mark() {
    let mesh = Mesh::new();
    label_canary(&mesh);
    let annotated = json!({ "template": {
        "metadata": { "labels": { "app": "old" }, "annotations": { "plan/restarted-by": "run-1/step" } },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
    } });
    mesh.workload("old", "default", &annotated);
    let result = mesh
        .run(Kind::Restart, json!({ "namespace": "shop" }))
        .await;
    assert!(result.is_err(), "the pod did not move");
    assert!(mesh.said().is_empty(), "no second patch");
}

#[tokio::test(start_paused = true)]
async fn no_sidecar_is_lost_to_a_label_that_names_nothing() {
    for (labels, with) in [
        (
            json!({ "istio.io/rev": "gone" }),
            json!({ "namespace": "shop" }),
        ),
        (
            json!({}),
            json!({ "namespace": "shop", "revision": "canary" }),
        ),
    ] {
        let mesh = Mesh::new();
        mesh.server.seed(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "labels": labels },
        }));
        mesh.workload("old", "default", &json!({}));
        let error = mesh.run(Kind::Restart, with).await.unwrap_err();
        assert!(
            error
                .failure
                .message
                .starts_with("after a restart 1 workload would not have"),
            "{error}"
        );
        assert!(
            error.failure.details[0].contains("a new pod gets no sidecar"),
            "{error:?}"
        );
        assert_eq!(marked(&mesh, "old"), Value::Null);
    }
}

#[tokio::test(start_paused = true)]
async fn gateways_are_left_alone_and_named() {
    let mesh = Mesh::new();
    label_canary(&mesh);
    let template = json!({ "template": {
        "metadata": { "labels": { "app": "edge" }, "annotations": { "inject.istio.io/templates": "gateway" } },
        "spec": { "containers": [{ "name": "istio-proxy", "image": "auto" }] },
    } });
    mesh.workload("edge", "default", &template);
    let with = json!({ "namespace": "shop", "revision": "canary" });
    let done = mesh.run(Kind::Restart, with).await.unwrap();
    assert!(!done.changed);
    assert_eq!(
        mesh.said(),
        ["Deployment/shop/edge is left alone: a gateway: it moves in a step of its own"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_tells_what_the_first_restarted_and_waits_for_no_pod_that_came_of_it() {
    let mut mesh = Mesh::new();
    mesh.attempt = 2;
    label_canary(&mesh);
    let annotated = json!({ "template": {
        "metadata": { "labels": { "app": "web" }, "annotations": { "plan/restarted-by": "run-1/step" } },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
    } });
    mesh.workload("web", "canary", &annotated);
    let stored = mesh.server.object("pods", "shop", "web-1-a").unwrap();
    let mut pod = (*stored).clone();
    pod["metadata"]["annotations"]["plan/restarted-by"] = json!("run-1/step");
    mesh.server.seed(&pod);
    mesh.workload("moved", "canary", &json!({}));
    let started = tokio::time::Instant::now();
    let done = mesh
        .run(Kind::Restart, json!({ "namespace": "shop" }))
        .await
        .unwrap();
    assert_eq!(done.outputs["restarted"], json!(["Deployment/shop/web"]));
    assert_eq!(
        done.outputs["skipped"][0]["object"],
        "Deployment/shop/moved"
    );
    assert!(done.changed);
    assert!(mesh.said().is_empty(), "no second patch");
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
}
