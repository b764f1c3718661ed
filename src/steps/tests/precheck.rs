use serde_json::{Value, json};

use super::Mesh;
use crate::model::Kind;

fn alive(mesh: &Mesh) {
    for name in ["istiod", "istiod-canary"] {
        mesh.server.seed(&json!({
            "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": name, "namespace": "istio-system" },
            "subsets": [{ "addresses": [{ "ip": "10.0.0.1" }] }],
        }));
    }
}

fn with(extra: &Value) -> Value {
    let mut with = json!({ "from": "1.28.2", "to": "1.29.1" });
    for (key, value) in extra.as_object().into_iter().flatten() {
        with[key] = value.clone();
    }
    with
}

#[tokio::test(start_paused = true)]
async fn a_sound_mesh_passes_and_every_look_is_told() {
    let mesh = Mesh::new();
    alive(&mesh);
    mesh.workload("api", "default", &json!({}));
    let done = mesh.run(Kind::Precheck, with(&json!({}))).await.unwrap();
    let findings = done.outputs["findings"].as_array().unwrap();
    for code in [
        "hop",
        "matrix",
        "access",
        "crds",
        "labels",
        "webhooks",
        "workloads",
    ] {
        assert!(
            findings.iter().any(|f| f["code"] == code),
            "{code} is missing: {findings:?}"
        );
    }
    assert_eq!(
        done.outputs["verdict"],
        "pass",
        "{}",
        mesh.said().join("\n")
    );
}

#[tokio::test(start_paused = true)]
async fn each_fault_is_found_with_its_object() {
    let mesh = Mesh::new();
    // No endpoints: both injectors are dead.
    for (name, labels) in [
        (
            "both",
            json!({ "istio-injection": "enabled", "istio.io/rev": "canary" }),
        ),
        ("dangling", json!({ "istio.io/rev": "gone" })),
    ] {
        mesh.server.seed(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels },
        }));
    }
    mesh.workload("paused", "default", &json!({ "paused": true }));
    mesh.pod("bare", "default", &json!([]));
    let error = mesh
        .run(
            Kind::Precheck,
            with(&json!({ "from": "1.26.0", "to": "1.29.0", "namespaces": ["shop", "absent"] })),
        )
        .await
        .unwrap_err();
    let found = error.failure.details.join("\n");
    for expected in [
        "FAIL hop the plan: 1.26.0 to 1.29.0 is 3 minor versions in one hop (at most 1): go through 1.27, 1.28 first",
        "FAIL from istio-system: no control plane is of version 1.26.0",
        "WARN both-labels Namespace/both",
        "FAIL dangling-label Namespace/dangling",
        "FAIL namespace Namespace/absent: is not there",
        "FAIL dead-webhook MutatingWebhookConfiguration/istio-sidecar-injector",
        "WARN unrestartable Deployment/shop/paused: its rollout is paused",
        "WARN unrestartable Pod/shop/bare: a bare pod",
        "WARN rollout Deployment/shop/paused",
    ] {
        assert!(found.contains(expected), "{expected}\nis not in\n{found}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_found_is_given_also_where_it_fails() {
    let mesh = Mesh::new();
    alive(&mesh);
    let hop = with(&json!({ "from": "1.26.0" }));
    let error = mesh.run(Kind::Precheck, hop).await.unwrap_err();
    assert_eq!(error.outputs["verdict"], "fail");
    let findings = error.outputs["findings"].as_array().unwrap();
    let hop = findings.iter().find(|f| f["code"] == "hop").unwrap();
    assert_eq!(
        (&hop["object"], &hop["verdict"]),
        (&json!("the plan"), &json!("fail"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_template_says_in_vain_or_pins_is_told() {
    let mesh = Mesh::new();
    alive(&mesh);
    let template = json!({ "template": {
        "metadata": {
            "labels": { "app": "odd", "istio.io/rev": "canary" },
            "annotations": { "proxy.istio.io/config": "discoveryAddress: istiod.istio-system.svc:15012" },
        },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
    } });
    mesh.workload("odd", "default", &template);
    let done = mesh.run(Kind::Precheck, with(&json!({}))).await.unwrap();
    let findings = done.outputs["findings"].as_array().unwrap();
    let told = |code: &str| findings.iter().find(|f| f["code"] == code).unwrap();
    assert_eq!(told("pinned")["object"], "Deployment/shop/odd");
    assert_eq!(
        told("ineffective-label")["message"],
        "the label istio.io/rev of its pods is ignored: the namespace has istio-injection"
    );
}
