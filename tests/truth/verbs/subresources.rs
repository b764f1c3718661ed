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
    an_eviction_of_what_is_not_ready,
    an_eviction_of_what_does_not_run,
    an_eviction_before_the_budget_is_counted,
    an_eviction_with_options,
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

/// A pod of a phase, ready or not, and a budget that has been counted so.
async fn unhealthy(on: &Scene, phase: &str, ready: &str, budget: Value, counted: Value) {
    on.account().await;
    let mut pod = pod("a");
    pod["spec"]["nodeName"] = json!("nowhere");
    on.given("v1~pods", pod).await;
    let status =
        json!({"status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}});
    on.ask("PATCH", "v1~pods/a/status", MERGE, status).await;
    let mut spec = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}});
    for (key, value) in budget.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    on.given(
        "policy/v1~poddisruptionbudgets",
        json!({"metadata": {"name": "b"}, "spec": spec}),
    )
    .await;
    let mut status = json!({"observedGeneration": 1, "currentHealthy": 0, "desiredHealthy": 1, "expectedPods": 1, "disruptionsAllowed": 0});
    for (key, value) in counted.as_object().into_iter().flatten() {
        status[key] = value.clone();
    }
    on.ask(
        "PATCH",
        "policy/v1~poddisruptionbudgets/b/status",
        MERGE,
        json!({"status": status}),
    )
    .await;
}

/// Asks for an eviction in a dry run, so that the same pod can be asked for again.
async fn try_to_evict(on: &Scene) {
    on.post("v1~pods/a/eviction?dryRun=All", eviction("a"))
        .await;
}

async fn an_eviction_of_what_is_not_ready(on: &Scene) {
    unhealthy(on, "Running", "False", json!({}), json!({})).await;
    try_to_evict(on).await;
    let path = "policy/v1~poddisruptionbudgets/b";
    on.ask(
        "PATCH",
        &format!("{path}/status"),
        MERGE,
        json!({"status": {"currentHealthy": 1}}),
    )
    .await;
    try_to_evict(on).await;
    for policy in ["AlwaysAllow", "IfHealthyBudget"] {
        on.ask(
            "PATCH",
            path,
            MERGE,
            json!({"spec": {"unhealthyPodEvictionPolicy": policy}}),
        )
        .await;
        let generation =
            on.ask("GET", path, "", Value::Null).await.body["metadata"]["generation"].clone();
        on.ask(
            "PATCH",
            &format!("{path}/status"),
            MERGE,
            json!({"status": {"currentHealthy": 0, "observedGeneration": generation}}),
        )
        .await;
        try_to_evict(on).await;
    }
    on.patch(
        MERGE,
        path,
        json!({"spec": {"unhealthyPodEvictionPolicy": "Sometimes"}}),
    )
    .await;
}

async fn an_eviction_of_what_does_not_run(on: &Scene) {
    unhealthy(on, "Pending", "False", json!({}), json!({})).await;
    for phase in ["Pending", "Succeeded", "Failed", "Running"] {
        let status = json!({"status": {"phase": phase}});
        on.ask("PATCH", "v1~pods/a/status", MERGE, status).await;
        try_to_evict(on).await;
    }
}

async fn an_eviction_before_the_budget_is_counted(on: &Scene) {
    unhealthy(
        on,
        "Running",
        "True",
        json!({}),
        json!({"observedGeneration": 0, "disruptionsAllowed": 1}),
    )
    .await;
    try_to_evict(on).await;
    on.ask(
        "PATCH",
        "policy/v1~poddisruptionbudgets/b",
        MERGE,
        json!({"spec": {"minAvailable": 0}}),
    )
    .await;
    on.ask(
        "PATCH",
        "policy/v1~poddisruptionbudgets/b/status",
        MERGE,
        json!({"status": {"observedGeneration": 1}}),
    )
    .await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
}

async fn an_eviction_with_options(on: &Scene) {
    on.account().await;
    on.given("v1~pods", pod("a")).await;
    let with = |options: Value| {
        let mut eviction = eviction("a");
        eviction["deleteOptions"] = options;
        eviction
    };
    let other = "11111111-2222-4333-8444-555555555555";
    on.post(
        "v1~pods/a/eviction",
        with(json!({"preconditions": {"uid": other}})),
    )
    .await;
    on.post("v1~pods/a/eviction", with(json!({"dryRun": ["All"]})))
        .await;
    on.post("v1~pods/a/eviction", with(json!({"gracePeriodSeconds": 0})))
        .await;
    on.see("GET", "v1~pods/a", "", Value::Null, &["/kind"])
        .await;
}
