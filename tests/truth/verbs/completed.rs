//! What the server makes of what it is given.

use super::refused;
use crate::truth::cases;
use crate::truth::samples::{pod, service, workload};
use crate::truth::scene::{MERGE, Scene};
use serde_json::json;

cases!(
    a_deployment_is_completed,
    a_stateful_set_is_completed,
    a_daemon_set_is_completed,
    a_replica_set_is_completed,
    a_job_is_completed,
    a_cron_job_is_completed,
    a_pod_is_completed,
    a_pod_with_everything,
    a_pod_needs_its_account,
    a_service_is_completed,
    a_secret_is_completed,
    a_budget_is_completed,
    a_webhook_configuration_is_completed,
    a_namespace_is_completed,
    a_lease,
    an_autoscaler,
);

async fn a_deployment_is_completed(on: &Scene) {
    on.post("apps/v1~deployments", workload("web")).await;
    let mut other = workload("other");
    other["spec"]["strategy"] = json!({"type": "Recreate"});
    on.see(
        "POST",
        "apps/v1~deployments",
        "",
        other,
        &["/spec/strategy"],
    )
    .await;
}

async fn a_stateful_set_is_completed(on: &Scene) {
    let mut set = workload("db");
    set["spec"]["serviceName"] = json!("db");
    on.post("apps/v1~statefulsets", set).await;
    let mut other = workload("other");
    other["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    on.see(
        "POST",
        "apps/v1~statefulsets",
        "",
        other,
        &["/spec/updateStrategy", "/spec/serviceName"],
    )
    .await;
}

async fn a_daemon_set_is_completed(on: &Scene) {
    on.post("apps/v1~daemonsets", workload("agent")).await;
}

async fn a_replica_set_is_completed(on: &Scene) {
    on.post("apps/v1~replicasets", workload("web")).await;
}

async fn a_job_is_completed(on: &Scene) {
    let job = json!({"metadata": {"name": "once"}, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "app:1"}]}}}});
    on.post("batch/v1~jobs", job).await;
}

async fn a_cron_job_is_completed(on: &Scene) {
    let job = json!({"template": {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "app", "image": "app"}]}}});
    on.post("batch/v1~cronjobs", json!({"metadata": {"name": "often"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job}}})).await;
}

async fn a_pod_is_completed(on: &Scene) {
    on.account().await;
    on.post("v1~pods", pod("a")).await;
}

async fn a_pod_with_everything(on: &Scene) {
    on.account().await;
    let mut pod = pod("a");
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod["spec"]["initContainers"] = json!([{"name": "init", "image": "app"}, {"name": "side", "image": "app:latest", "restartPolicy": "Always"}]);
    pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80}]);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "B", "value": ""}]);
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"port": 80}});
    pod["spec"]["containers"][0]["livenessProbe"] =
        json!({"tcpSocket": {"port": 80}, "periodSeconds": 3});
    pod["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "1", "memory": "64Mi"}});
    pod["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"exec": {"command": ["true"]}}});
    pod["spec"]["volumes"] = json!([{"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s"}}, {"name": "e"}, {"name": "h", "hostPath": {"path": "/x"}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}, {"name": "d", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]);
    on.post("v1~pods", pod).await;
}

async fn a_pod_needs_its_account(on: &Scene) {
    let mut pod = pod("a");
    on.post("v1~pods", pod.clone()).await;
    pod["spec"]["serviceAccountName"] = json!("robot");
    on.post("v1~pods", pod).await;
}

async fn a_service_is_completed(on: &Scene) {
    on.post("v1~services", service("a")).await;
    on.post("v1~services", json!({"metadata": {"name": "none"}, "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}})).await;
    on.post("v1~services", json!({"metadata": {"name": "out"}, "spec": {"type": "ExternalName", "externalName": "example.com"}})).await;
}

async fn a_secret_is_completed(on: &Scene) {
    on.post("v1~secrets", json!({"metadata": {"name": "a"}, "stringData": {"key": "value"}, "data": {"other": "dmFsdWU="}})).await;
}

async fn a_budget_is_completed(on: &Scene) {
    let path = "policy/v1~poddisruptionbudgets";
    on.post(path, json!({"metadata": {"name": "a"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}})).await;
    refused(
        on,
        "POST",
        path,
        json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "maxUnavailable": "50%"}}),
    )
    .await;
}

async fn a_webhook_configuration_is_completed(on: &Scene) {
    let hook = json!({
        "name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "hook", "namespace": "default", "path": "/hook"}},
        "rules": [{"operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["nothings"]}],
    });
    for resource in [
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
    ] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{resource}");
        on.post(
            &path,
            json!({"metadata": {"name": "truth-completed"}, "webhooks": [hook]}),
        )
        .await;
    }
}

async fn a_namespace_is_completed(on: &Scene) {
    on.post(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "truth-completed"}}),
    )
    .await;
    on.see(
        "PATCH",
        "/api/v1/namespaces/truth-completed",
        MERGE,
        json!({"metadata": {"labels": {"kubernetes.io/metadata.name": null, "a": "b"}}}),
        &["/metadata/labels"],
    )
    .await;
}

async fn a_lease(on: &Scene) {
    let spec = json!({"holderIdentity": "me", "leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.500000Z", "leaseTransitions": 0});
    on.post(
        "coordination.k8s.io/v1~leases",
        json!({"metadata": {"name": "a"}, "spec": spec}),
    )
    .await;
    on.post(
        "coordination.k8s.io/v1~leases",
        json!({"metadata": {"name": "b"}, "spec": {"leaseDurationSeconds": 0}}),
    )
    .await;
}

async fn an_autoscaler(on: &Scene) {
    let spec = json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3});
    on.see(
        "POST",
        "autoscaling/v2~horizontalpodautoscalers",
        "",
        json!({"metadata": {"name": "a"}, "spec": spec}),
        &[
            "/spec/minReplicas",
            "/spec/maxReplicas",
            "/spec/scaleTargetRef",
        ],
    )
    .await;
}
