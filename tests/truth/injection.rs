//! Which injector takes a pod, and what it makes of it. Pods are asked for in dry runs: they are mutated, not made.

use super::cases;
use super::samples::pod;
use super::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_namespace_without_labels,
    a_namespace_with_injection,
    a_namespace_without_injection,
    a_namespace_of_a_revision,
    a_namespace_of_the_default_revision,
    a_namespace_of_a_tag,
    a_namespace_with_both_labels,
    a_namespace_that_is_disabled_and_has_a_revision,
    a_namespace_of_no_revision,
    the_marks_take_names_from_labels,
    the_sidecar,
    the_sidecar_of_another_revision,
    the_sidecar_of_a_rich_pod,
    the_sidecar_of_a_deployment,
    a_pod_that_has_a_sidecar,
    a_pod_of_the_host_network,
    an_injector_whose_service_is_missing,
    an_injector_that_may_fail,
    an_injector_of_other_objects,
);

async fn label(on: &Scene, labels: Value) {
    let path = format!("/api/v1/namespaces/{}", on.namespace());
    on.ask(
        "PATCH",
        &path,
        MERGE,
        json!({"metadata": {"labels": labels}}),
    )
    .await;
    on.until("v1~serviceaccounts/default", |found| {
        found["kind"] == "ServiceAccount"
    })
    .await;
}

async fn ask(on: &Scene, pod: Value) -> Value {
    on.ask("POST", "v1~pods?dryRun=All", "", pod).await.body
}

/// Who injected the pod, and in which version.
fn injector(pod: &Value) -> Value {
    let containers = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let image = containers
        .filter(|container| container["name"] == "istio-proxy")
        .find_map(|container| container["image"].as_str());
    match image {
        Some(image) => {
            json!({"revision": pod["metadata"]["annotations"]["istio.io/rev"], "version": image.rsplit(':').next()})
        }
        None if pod["kind"] == "Pod" => json!("none"),
        None => json!(pod["message"]),
    }
}

/// What each kind of pod gets in a namespace with these labels.
async fn matrix(on: &Scene, labels: Value) {
    label(on, labels).await;
    let inject = "sidecar.istio.io/inject";
    for (what, labels, annotations) in [
        ("plain", json!({}), json!({})),
        ("label: inject", json!({inject: "true"}), json!({})),
        ("label: do not inject", json!({inject: "false"}), json!({})),
        ("label: neither", json!({inject: "maybe"}), json!({})),
        ("annotation: inject", json!({}), json!({inject: "true"})),
        (
            "annotation: do not inject",
            json!({}),
            json!({inject: "false"}),
        ),
        (
            "label against annotation",
            json!({inject: "true"}),
            json!({inject: "false"}),
        ),
        ("revision", json!({"istio.io/rev": "canary"}), json!({})),
        (
            "default revision",
            json!({"istio.io/rev": "default"}),
            json!({}),
        ),
        ("tag", json!({"istio.io/rev": "prod"}), json!({})),
        (
            "unknown revision",
            json!({"istio.io/rev": "none"}),
            json!({}),
        ),
        (
            "revision and inject",
            json!({"istio.io/rev": "canary", inject: "true"}),
            json!({}),
        ),
        (
            "revision and do not inject",
            json!({"istio.io/rev": "canary", inject: "false"}),
            json!({}),
        ),
    ] {
        let mut pod = pod("a");
        pod["metadata"]["labels"] = labels;
        pod["metadata"]["annotations"] = annotations;
        let got = ask(on, pod).await;
        on.observe(what, injector(&got));
    }
}

async fn a_namespace_without_labels(on: &Scene) {
    matrix(on, json!({})).await;
}

async fn a_namespace_with_injection(on: &Scene) {
    matrix(on, json!({"istio-injection": "enabled"})).await;
}

async fn a_namespace_without_injection(on: &Scene) {
    matrix(on, json!({"istio-injection": "disabled"})).await;
}

async fn a_namespace_of_a_revision(on: &Scene) {
    matrix(on, json!({"istio.io/rev": "canary"})).await;
}

async fn a_namespace_of_the_default_revision(on: &Scene) {
    matrix(on, json!({"istio.io/rev": "default"})).await;
}

async fn a_namespace_of_a_tag(on: &Scene) {
    matrix(on, json!({"istio.io/rev": "prod"})).await;
}

async fn a_namespace_with_both_labels(on: &Scene) {
    matrix(
        on,
        json!({"istio-injection": "enabled", "istio.io/rev": "canary"}),
    )
    .await;
}

async fn a_namespace_that_is_disabled_and_has_a_revision(on: &Scene) {
    matrix(
        on,
        json!({"istio-injection": "disabled", "istio.io/rev": "canary"}),
    )
    .await;
}

async fn a_namespace_of_no_revision(on: &Scene) {
    matrix(on, json!({"istio.io/rev": "none"})).await;
}

async fn the_marks_take_names_from_labels(on: &Scene) {
    label(on, json!({"istio-injection": "enabled"})).await;
    for labels in [
        json!({"app.kubernetes.io/name": "shop", "app": "other", "version": "v2"}),
        json!({"service.istio.io/canonical-name": "own", "service.istio.io/canonical-revision": "r1"}),
        json!({}),
    ] {
        let mut pod = pod("a");
        pod["metadata"]["labels"] = labels;
        let got = ask(on, pod).await;
        on.observe("labels", got["metadata"]["labels"].clone());
    }
}

/// Keeps what the injector and the server have made of a pod.
fn see_pod(on: &Scene, pod: &Value) {
    let mut pod = pod.clone();
    for (map, key) in [
        ("metadata", "managedFields"),
        ("metadata", "resourceVersion"),
        ("spec", "nodeName"),
    ] {
        if let Some(map) = pod[map].as_object_mut() {
            map.shift_remove(key);
        }
    }
    on.observe("pod", json!([pod["metadata"], pod["spec"]]));
}

async fn the_sidecar(on: &Scene) {
    label(on, json!({"istio-injection": "enabled"})).await;
    see_pod(on, &ask(on, pod("a")).await);
}

async fn the_sidecar_of_another_revision(on: &Scene) {
    label(on, json!({"istio.io/rev": "canary"})).await;
    see_pod(on, &ask(on, pod("a")).await);
}

async fn the_sidecar_of_a_rich_pod(on: &Scene) {
    label(on, json!({"istio-injection": "enabled"})).await;
    let mut pod = pod("a");
    pod["metadata"]["labels"] = json!({"app": "a", "version": "v1"});
    pod["spec"]["initContainers"] = json!([{"name": "own", "image": "own:1"}]);
    pod["spec"]["volumes"] = json!([{"name": "own", "emptyDir": {}}]);
    pod["spec"]["containers"] = json!([
        {"name": "app", "image": "app:1", "ports": [{"name": "http", "containerPort": 80}, {"containerPort": 81}],
            "readinessProbe": {"httpGet": {"path": "/r", "port": 80}}, "livenessProbe": {"tcpSocket": {"port": 81}}},
        {"name": "two", "image": "two:1", "startupProbe": {"exec": {"command": ["true"]}}},
    ]);
    see_pod(on, &ask(on, pod).await);
}

async fn the_sidecar_of_a_deployment(on: &Scene) {
    label(on, json!({"istio.io/rev": "canary"})).await;
    let mut web = crate::truth::samples::workload("web");
    web["spec"]["replicas"] = json!(1);
    on.given("apps/v1~deployments", web).await;
    let pods = on
        .until("v1~pods", |pods| {
            pods["items"][0]["status"]["phase"] == "Running"
        })
        .await;
    let mut made = pods["items"][0].clone();
    made["metadata"]["name"] = json!("any");
    see_pod(on, &made);
}

async fn a_pod_that_has_a_sidecar(on: &Scene) {
    label(on, json!({"istio-injection": "enabled"})).await;
    let mut pod = pod("a");
    pod["metadata"]["annotations"] =
        json!({"sidecar.istio.io/status": "{\"containers\":[\"istio-proxy\"]}"});
    let got = ask(on, pod).await;
    on.observe("injector", injector(&got));
}

async fn a_pod_of_the_host_network(on: &Scene) {
    label(on, json!({"istio-injection": "enabled"})).await;
    let mut pod = pod("a");
    pod["spec"]["hostNetwork"] = json!(true);
    let got = ask(on, pod).await;
    on.observe("injector", injector(&got));
}

/// A webhook for the pods of this namespace.
async fn hook(on: &Scene, service: &str, policy: &str, resource: &str) {
    let name = on.namespace();
    let hook = json!({
        "name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": policy, "timeoutSeconds": 5,
        "clientConfig": {"service": {"name": service, "namespace": name, "path": "/hook"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resource]}],
    });
    label(on, json!({})).await;
    on.given(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        json!({"metadata": {"name": name}, "webhooks": [hook]}),
    )
    .await;
}

/// Asks until the server has heard of the webhook.
async fn refused(on: &Scene) {
    for _ in 0..600 {
        let answer = on.ask("POST", "v1~pods?dryRun=All", "", pod("a")).await;
        if answer.code != 201 {
            on.observe("refused", answer.body);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    on.observe("refused", json!("never"));
}

async fn an_injector_whose_service_is_missing(on: &Scene) {
    hook(on, "missing", "Fail", "pods").await;
    refused(on).await;
}

async fn an_injector_that_may_fail(on: &Scene) {
    hook(on, "missing", "Ignore", "pods").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let answer = on.ask("POST", "v1~pods?dryRun=All", "", pod("a")).await;
    on.observe("code", json!(answer.code));
}

async fn an_injector_of_other_objects(on: &Scene) {
    hook(on, "missing", "Fail", "secrets").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let answer = on.ask("POST", "v1~pods?dryRun=All", "", pod("a")).await;
    on.observe("code", json!(answer.code));
}
