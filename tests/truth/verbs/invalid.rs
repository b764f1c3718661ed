//! What the server refuses.

use super::refused;
use crate::truth::cases;
use crate::truth::samples::{config, pod, workload};
use crate::truth::scene::{JSON, MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_deployment_without_a_selector,
    a_selector_that_does_not_match,
    a_selector_stays,
    a_pod_without_containers,
    a_container_without_a_name,
    two_containers_of_one_name,
    a_negative_number_of_replicas,
    a_pod_stays_as_it_is,
    a_service_without_ports,
    an_immutable_config_map,
    a_webhook_without_a_name,
    an_unknown_field_is_dropped,
    an_unknown_field_in_strict_mode,
    an_unknown_field_in_warn_mode,
    a_field_of_the_wrong_type,
);

async fn a_deployment_without_a_selector(on: &Scene) {
    let mut deployment = workload("web");
    deployment["spec"]["selector"] = Value::Null;
    on.post("apps/v1~deployments", deployment).await;
    on.post("apps/v1~deployments", json!({"metadata": {"name": "web"}}))
        .await;
}

async fn a_selector_that_does_not_match(on: &Scene) {
    let mut deployment = workload("web");
    deployment["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    on.post("apps/v1~deployments", deployment.clone()).await;
    on.post("apps/v1~statefulsets", deployment.clone()).await;
    on.post("apps/v1~daemonsets", deployment).await;
}

async fn a_selector_stays(on: &Scene) {
    let mut deployment = workload("web");
    on.given("apps/v1~deployments", deployment.clone()).await;
    deployment["spec"]["selector"]["matchLabels"]["more"] = json!("one");
    deployment["spec"]["template"]["metadata"]["labels"]["more"] = json!("one");
    on.put("apps/v1~deployments/web", deployment.clone()).await;
    let set = workload("db");
    on.given("apps/v1~statefulsets", set.clone()).await;
    on.patch(
        MERGE,
        "apps/v1~statefulsets/db",
        json!({"spec": {"serviceName": "other"}}),
    )
    .await;
}

async fn a_pod_without_containers(on: &Scene) {
    on.account().await;
    on.post(
        "v1~pods",
        json!({"metadata": {"name": "a"}, "spec": {"containers": []}}),
    )
    .await;
    on.post("apps/v1~deployments", json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}}}})).await;
}

async fn a_container_without_a_name(on: &Scene) {
    on.account().await;
    on.post(
        "v1~pods",
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"image": "app:1"}]}}),
    )
    .await;
    on.post(
        "v1~pods",
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app"}]}}),
    )
    .await;
}

async fn two_containers_of_one_name(on: &Scene) {
    on.account().await;
    on.post("v1~pods", json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app", "image": "a"}, {"name": "app", "image": "b"}]}})).await;
}

async fn a_negative_number_of_replicas(on: &Scene) {
    let mut deployment = workload("web");
    deployment["spec"]["replicas"] = json!(-1);
    on.post("apps/v1~deployments", deployment).await;
}

async fn a_pod_stays_as_it_is(on: &Scene) {
    on.account().await;
    on.given("v1~pods", pod("a")).await;
    let image = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "app:2"}]);
    on.see(
        "PATCH",
        "v1~pods/a",
        JSON,
        image,
        &["/spec/containers/0/image"],
    )
    .await;
    // The message quotes the whole specification.
    refused(
        on,
        "PATCH",
        "v1~pods/a",
        json!({"spec": {"restartPolicy": "Never"}}),
    )
    .await;
}

async fn a_service_without_ports(on: &Scene) {
    on.post(
        "v1~services",
        json!({"metadata": {"name": "a"}, "spec": {"selector": {"app": "a"}}}),
    )
    .await;
}

async fn an_immutable_config_map(on: &Scene) {
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a"}, "immutable": true, "data": {"a": "1"}}),
    )
    .await;
    on.patch(MERGE, "v1~configmaps/a", json!({"data": {"a": "2"}}))
        .await;
}

async fn a_webhook_without_a_name(on: &Scene) {
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    on.post(path, json!({"metadata": {"name": "truth-nameless"}, "webhooks": [{"clientConfig": {"url": "https://example.com"}}]})).await;
    on.post(path, json!({"metadata": {"name": "truth-nameless"}, "webhooks": [{"name": "a.b", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {}}]})).await;
}

fn odd(name: &str) -> Value {
    let mut deployment = workload(name);
    deployment["spec"]["colour"] = json!("red");
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = json!("Always");
    deployment
}

async fn an_unknown_field_is_dropped(on: &Scene) {
    let places = ["/spec/colour", "/spec/template/spec/containers"];
    on.see(
        "POST",
        "apps/v1~deployments?fieldValidation=Ignore",
        "",
        odd("web"),
        &places,
    )
    .await;
    on.see(
        "PATCH",
        "apps/v1~deployments/web?fieldValidation=Ignore",
        MERGE,
        json!({"spec": {"colour": "blue"}}),
        &places,
    )
    .await;
}

async fn an_unknown_field_in_strict_mode(on: &Scene) {
    on.post("apps/v1~deployments?fieldValidation=Strict", odd("web"))
        .await;
    on.given("apps/v1~deployments", workload("web")).await;
    on.put("apps/v1~deployments/web?fieldValidation=Strict", odd("web"))
        .await;
    on.patch(
        MERGE,
        "apps/v1~deployments/web?fieldValidation=Strict",
        json!({"spec": {"colour": "blue"}}),
    )
    .await;
    on.see(
        "PATCH",
        "apps/v1~deployments/web?fieldValidation=Strict",
        MERGE,
        json!({"spec": {"replicas": 2}}),
        &["/spec/replicas"],
    )
    .await;
    on.post("v1~configmaps?fieldValidation=Loose", config("a"))
        .await;
}

async fn an_unknown_field_in_warn_mode(on: &Scene) {
    on.see(
        "POST",
        "apps/v1~deployments?fieldValidation=Warn",
        "",
        odd("web"),
        &["/spec/colour"],
    )
    .await;
    on.see(
        "POST",
        "apps/v1~deployments",
        "",
        odd("other"),
        &["/spec/colour"],
    )
    .await;
    on.see(
        "PATCH",
        "apps/v1~deployments/web",
        MERGE,
        json!({"spec": {"colour": "blue"}}),
        &["/spec/colour"],
    )
    .await;
}

async fn a_field_of_the_wrong_type(on: &Scene) {
    let mut deployment = workload("web");
    deployment["spec"]["replicas"] = json!("three");
    let answer = on.ask("POST", "apps/v1~deployments", "", deployment).await;
    // The rest of the message is Go's.
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
    on.given("apps/v1~deployments", workload("web")).await;
    let answer = on
        .ask(
            "PATCH",
            "apps/v1~deployments/web",
            MERGE,
            json!({"spec": {"replicas": "three"}}),
        )
        .await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
}
