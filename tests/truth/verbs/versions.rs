//! One object in several versions.

use crate::truth::cases;
use crate::truth::scene::{APPLY, MERGE, Scene, forget};
use serde_json::{Value, json};

cases!(
    an_autoscaler_in_both_versions,
    an_autoscaler_of_the_old_version,
    an_autoscaler_with_everything,
    an_autoscaler_with_a_behaviour,
    an_autoscaler_has_a_status,
    an_autoscaler_is_owned_in_versions,
    an_autoscaler_is_watched_in_the_old_version,
);

const NEW: &str = "autoscaling/v2~horizontalpodautoscalers";
const OLD: &str = "autoscaling/v1~horizontalpodautoscalers";

fn scaler(spec: Value) -> Value {
    let mut scaler = json!({"metadata": {"name": "a"}, "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        scaler["spec"][key] = value.clone();
    }
    scaler
}

/// The same in both versions.
async fn both(on: &Scene) {
    on.get(&format!("{OLD}/a")).await;
    on.get(&format!("{NEW}/a")).await;
}

async fn an_autoscaler_in_both_versions(on: &Scene) {
    on.post(NEW, scaler(json!({}))).await;
    both(on).await;
    on.patch(
        MERGE,
        &format!("{OLD}/a"),
        json!({"spec": {"targetCPUUtilizationPercentage": 50}}),
    )
    .await;
    both(on).await;
}

async fn an_autoscaler_of_the_old_version(on: &Scene) {
    on.post(OLD, scaler(json!({}))).await;
    both(on).await;
    let mut next = scaler(json!({"minReplicas": 2, "targetCPUUtilizationPercentage": 60}));
    next["metadata"]["labels"] = json!({"a": "b"});
    on.put(&format!("{OLD}/a"), next).await;
    both(on).await;
}

async fn an_autoscaler_with_everything(on: &Scene) {
    let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let selector = json!({"matchLabels": {"a": "b"}});
    let metrics = json!([
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
        {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
        {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "app", "target": {"type": "Utilization", "averageUtilization": 50}}},
        {"type": "Pods", "pods": {"metric": {"name": "hits", "selector": selector}, "target": {"type": "AverageValue", "averageValue": "5"}}},
        {"type": "Object", "object": {"describedObject": web, "metric": {"name": "hits"}, "target": {"type": "Value", "value": "7"}}},
        {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "9"}}},
    ]);
    on.post(NEW, scaler(json!({"metrics": metrics}))).await;
    both(on).await;
    on.patch(
        MERGE,
        &format!("{OLD}/a"),
        json!({"spec": {"maxReplicas": 4}}),
    )
    .await;
    both(on).await;
}

async fn an_autoscaler_with_a_behaviour(on: &Scene) {
    let down = json!({"selectPolicy": "Min", "stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}]});
    on.post(NEW, scaler(json!({"behavior": {"scaleDown": down}})))
        .await;
    both(on).await;
    on.patch(
        MERGE,
        &format!("{OLD}/a"),
        json!({"metadata": {"labels": {"a": "b"}}}),
    )
    .await;
    both(on).await;
}

async fn an_autoscaler_has_a_status(on: &Scene) {
    on.given(NEW, scaler(json!({}))).await;
    let status = json!({"status": {
        "currentReplicas": 1, "desiredReplicas": 2,
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 10, "averageValue": "5m"}}}],
        "conditions": [{"type": "AbleToScale", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "ReadyForNewScale", "message": "ready"}],
    }});
    on.patch(MERGE, &format!("{NEW}/a/status"), status).await;
    both(on).await;
}

/// Keeps the whole answer, managed fields included, but for who owns the reference: that is one value in the old
/// version and has members in the new one, which the lab does not tell apart.
async fn whole(on: &Scene, method: &str, path: &str, kind: &str, body: Value) {
    let mut answer = on.ask(method, path, kind, body).await;
    forget(&mut answer.body, "f:scaleTargetRef");
    on.observe(
        &format!("{method} {path}"),
        json!({"code": answer.code, "body": answer.body}),
    );
}

async fn an_autoscaler_is_owned_in_versions(on: &Scene) {
    let typed = |version: &str, spec: Value| {
        let mut scaler = scaler(spec);
        scaler["apiVersion"] = json!(format!("autoscaling/{version}"));
        scaler["kind"] = json!("HorizontalPodAutoscaler");
        scaler
    };
    let cpu = |share: u64| json!({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": share}}}]});
    let (old, new) = (
        format!("{OLD}/a?fieldManager"),
        format!("{NEW}/a?fieldManager"),
    );
    whole(
        on,
        "PATCH",
        &format!("{new}=one"),
        APPLY,
        typed("v2", cpu(70)),
    )
    .await;
    let half = json!({"targetCPUUtilizationPercentage": 50});
    whole(
        on,
        "PATCH",
        &format!("{old}=two"),
        APPLY,
        typed("v1", half.clone()),
    )
    .await;
    whole(
        on,
        "PATCH",
        &format!("{old}=two&force=true"),
        APPLY,
        typed("v1", half),
    )
    .await;
    whole(
        on,
        "PATCH",
        &format!("{old}=one"),
        APPLY,
        typed("v1", json!({"minReplicas": 2})),
    )
    .await;
    whole(
        on,
        "PATCH",
        &format!("{new}=three"),
        MERGE,
        json!({"spec": cpu(40)}),
    )
    .await;
}

async fn an_autoscaler_is_watched_in_the_old_version(on: &Scene) {
    let mut events = on
        .watch(&format!("{OLD}?watch=true&timeoutSeconds=30"))
        .await;
    on.given(NEW, scaler(json!({}))).await;
    events.whole().await;
}
