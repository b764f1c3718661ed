use serde_json::{Value, json};

use super::Mesh;
use crate::mesh::injection::shape::Shape;
use crate::model::Kind;
use crate::steps::context::{Done, StepError};

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
            with(&json!({ "from": "1.26.0", "to": "1.29.0", "namespaces": ["shop", "both", "dangling", "absent"] })),
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

/// What the findings say that are more than passes.
fn found(outcome: Result<Done, StepError>) -> Vec<String> {
    let outputs = match outcome {
        Ok(done) => done.outputs,
        Err(error) => *error.outputs,
    };
    let findings = outputs["findings"].as_array().unwrap().iter();
    let open = findings.filter(|finding| finding["verdict"] != "pass");
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    open.map(|finding| format!("{} {}", text(finding, "code"), text(finding, "object")))
        .collect()
}

/// A gateway as its chart makes it, in a namespace without labels.
fn gateway(mesh: &Mesh, labels: &Value) {
    mesh.server.seed(
        &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "ingress" } }),
    );
    mesh.server.seed(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "gw", "namespace": "ingress" },
        "spec": { "paused": true, "selector": { "matchLabels": { "app": "gw" } }, "template": {
            "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
        } },
    }));
}

#[tokio::test(start_paused = true)]
async fn pods_that_two_injectors_take_by_label_are_found() {
    let mesh = Mesh::new();
    alive(&mesh);
    let version = "1.29.1".parse().unwrap();
    let tag = Shape::tag(&version, "default", "canary").configuration();
    mesh.server.seed(&tag);
    gateway(&mesh, &json!({ "sidecar.istio.io/inject": "true" }));
    let other = json!({ "namespaces": ["shop"] });
    let outcome = mesh.run(Kind::Precheck, with(&other)).await;
    assert_eq!(
        found(outcome),
        [
            "two-injectors Namespace/shop",
            "two-injectors pods with istio.io/rev=default",
            "two-injectors pods with sidecar.istio.io/inject=true"
        ],
        "that concerns the whole cluster"
    );
    let own = json!({ "namespaces": ["ingress"] });
    let outcome = found(mesh.run(Kind::Precheck, with(&own)).await);
    assert_eq!(outcome[0], "two-injectors Deployment/ingress/gw");
}

#[tokio::test(start_paused = true)]
async fn what_pods_ask_for_in_namespaces_without_labels_is_looked_at() {
    for (labels, expected) in [
        (
            json!({ "istio.io/rev": "nosuch" }),
            "dangling-label Deployment/ingress/gw",
        ),
        (
            json!({ "istio.io/rev": "canary" }),
            "rollout Deployment/ingress/gw",
        ),
    ] {
        let mesh = Mesh::new();
        alive(&mesh);
        gateway(&mesh, &labels);
        let outcome = mesh.run(Kind::Precheck, with(&json!({}))).await;
        assert_eq!(found(outcome), [expected]);
        // Whoever does not name the namespace is not kept up by it.
        let shop = with(&json!({ "namespaces": ["shop"] }));
        assert!(found(mesh.run(Kind::Precheck, shop).await).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_in_the_template_itself_is_told() {
    let mesh = Mesh::new();
    alive(&mesh);
    let template = json!({ "template": {
        "metadata": { "labels": { "app": "baked" } },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }, { "name": "istio-proxy", "image": "proxyv2:1.28.2" }] },
    } });
    mesh.workload("baked", "default", &template);
    let outcome = mesh.run(Kind::Precheck, with(&json!({}))).await;
    assert_eq!(found(outcome), ["unrestartable Deployment/shop/baked"]);
}

#[tokio::test(start_paused = true)]
async fn the_permissions_are_those_of_the_run() {
    let mesh = Mesh::new();
    alive(&mesh);
    mesh.server.set_authorizer(|asked| {
        let denied = [
            ("create", "leases"),
            ("create", "deployments"),
            ("bind", "clusterroles"),
        ];
        !denied.contains(&(asked.verb.as_str(), asked.resource.as_str()))
    });
    let error = mesh
        .run(Kind::Precheck, with(&json!({})))
        .await
        .unwrap_err();
    assert_eq!(
        error.failure.details,
        [
            "WARN grants permissions: may not bind clusterroles.rbac.authorization.k8s.io in every namespace: an install can only grant what the user may do (grant it, or all that istiod's roles allow)",
            "FAIL access permissions: may not create deployments.apps in istio-system (grant it to the user of this context)",
            "FAIL access permissions: may not create leases.coordination.k8s.io in kube-system (grant it to the user of this context)",
        ]
    );
}
