//! Status, scale, tokens and evictions.

use crate::truth::cases;
use crate::truth::samples::{pod, workload};
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_status_is_its_own,
    a_scale,
    a_scale_with_a_stale_revision,
    a_token,
    an_eviction,
    an_eviction_against_a_budget,
);

async fn a_status_is_its_own(on: &Scene) {
    let mut deployment = on.given("apps/v1~deployments", workload("web")).await;
    deployment["status"] = json!({"replicas": 1, "observedGeneration": 1});
    deployment["spec"]["replicas"] = json!(7);
    let places = ["/spec/replicas", "/status"];
    on.see(
        "PUT",
        "apps/v1~deployments/web/status",
        "",
        deployment.clone(),
        &places,
    )
    .await;
    deployment["metadata"]["resourceVersion"] = Value::Null;
    deployment["status"] = json!({"replicas": 9});
    on.see("PUT", "apps/v1~deployments/web", "", deployment, &places)
        .await;
    on.see(
        "GET",
        "apps/v1~deployments/web/status",
        "",
        Value::Null,
        &places,
    )
    .await;
}

async fn a_scale(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    on.get("apps/v1~deployments/web/scale").await;
    on.put("apps/v1~deployments/web/scale", json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}})).await;
    on.patch(
        MERGE,
        "apps/v1~deployments/web/scale",
        json!({"spec": {"replicas": 2}}),
    )
    .await;
    on.patch(
        MERGE,
        "apps/v1~deployments/web/scale",
        json!({"spec": {"replicas": -2}}),
    )
    .await;
    on.see(
        "GET",
        "apps/v1~deployments/web",
        "",
        Value::Null,
        &["/spec/replicas", "/metadata/generation"],
    )
    .await;
}

async fn a_scale_with_a_stale_revision(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    on.put(
        "apps/v1~deployments/web/scale",
        json!({"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 4}}),
    )
    .await;
}

async fn a_token(on: &Scene) {
    on.account().await;
    let request = |spec: Value| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let path = "v1~serviceaccounts/default/token";
    let places = [
        "/kind",
        "/apiVersion",
        "/spec",
        "/status/expirationTimestamp",
        "/metadata/name",
    ];
    on.see(
        "POST",
        path,
        "",
        request(json!({"audiences": ["istio-ca"], "expirationSeconds": 3600})),
        &places,
    )
    .await;
    on.see(
        "POST",
        path,
        "",
        request(json!({"audiences": ["istio-ca"]})),
        &places,
    )
    .await;
    on.post(path, request(json!({"expirationSeconds": 10})))
        .await;
    on.post("v1~serviceaccounts/none/token", request(json!({})))
        .await;
}

fn eviction(name: &str) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}})
}

async fn an_eviction(on: &Scene) {
    on.account().await;
    on.given("v1~pods", pod("a")).await;
    on.post("v1~pods/a/eviction?dryRun=All", eviction("a"))
        .await;
    on.post("v1~pods/a/eviction", eviction("b")).await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
}

async fn an_eviction_against_a_budget(on: &Scene) {
    on.account().await;
    let mut running = pod("a");
    running["spec"]["nodeName"] = json!("nowhere");
    on.given("v1~pods", running).await;
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    on.ask("PATCH", "v1~pods/a/status", MERGE, ready).await;
    on.given("policy/v1~poddisruptionbudgets", json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}})).await;
    let status = json!({"observedGeneration": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "disruptionsAllowed": 0});
    on.ask(
        "PATCH",
        "policy/v1~poddisruptionbudgets/b/status",
        MERGE,
        json!({"status": status}),
    )
    .await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
    on.ask(
        "PATCH",
        "policy/v1~poddisruptionbudgets/b/status",
        MERGE,
        json!({"status": {"disruptionsAllowed": 1, "currentHealthy": 2}}),
    )
    .await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
    let places = ["/status/disruptionsAllowed", "/status/disruptedPods"];
    on.see(
        "GET",
        "policy/v1~poddisruptionbudgets/b",
        "",
        Value::Null,
        &places,
    )
    .await;
    on.given("policy/v1~poddisruptionbudgets", json!({"metadata": {"name": "c"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}})).await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
}
